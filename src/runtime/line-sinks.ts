/**
 * Where lines of the audit can be sent beside the trail: a file, standard output, a syslog daemon by Unix datagram, UDP, TCP (RFC 6587, octet counting) or
 * TLS (RFC 5425). Each place is the operator's choice; nothing of it ever comes from a request.
 */

import dgram from "node:dgram";
import fs from "node:fs";
import net from "node:net";
import tls from "node:tls";
import { PosternError } from "../model/failures";
import type { LineSink } from "../model/ports";
import { createDatagramSender } from "./unix-datagram";

const fileMode = 0o640;
const connectTimeoutMs = 5000;
const writeTimeoutMs = 5000;
// RFC 5424 demands 480 bytes and recommends 2048; more than this no daemon takes in one datagram.
const longestDatagram = 65_000;
// A millisecond each.
const mostPauses = 200;

/**
 * A sink by its place: `stdout`, `file:/var/log/postern/audit.log`, `unix:/dev/log`, `udp://logs.example:514`, `tcp://logs.example:601`,
 * `tls://logs.example:6514`. `roots` are certificates (PEM) trusted beside the system's. Throws `malformed` for any other text.
 */
export function createLineSink(place: string, roots: readonly string[] = []): LineSink {
  if (place === "stdout") return { place, write: (lines) => writeOut(1, lines, ""), close: () => undefined };
  if (place.startsWith("file:/")) return fileSink(place, place.slice("file:".length));
  if (place.startsWith("unix:/")) return unixSink(place, place.slice("unix:".length));
  const url = URL.parse(place);
  const port = Number(url?.port);
  const isPlain = url !== null && ["", "/"].includes(url.pathname) && url.search === "" && url.hash === "" && url.username === "";
  if (isPlain && port > 0) {
    const host = url.hostname.replace(/^\[|\]$/gu, "");
    if (url.protocol === "udp:") return udpSink(place, host, port);
    if (url.protocol === "tcp:") return streamSink(place, () => net.connect({ host, port }), "connect");
    if (url.protocol === "tls:") {
      const ca = roots.length === 0 ? undefined : [...tls.getCACertificates("default"), ...roots];
      const servername = net.isIP(host) === 0 ? host : "";
      return streamSink(
        place,
        () => tls.connect({ host, port, servername, rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) }),
        "secureConnect",
      );
    }
  }
  throw new PosternError({
    code: "malformed",
    where: "audit_syslog",
    expected: "stdout, file:/PATH, unix:/PATH, udp://HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT",
    kind: "argument",
  });
}

/** All of them, or none as far as a reader of lines can tell: `before` ends what an earlier write left torn. */
async function writeOut(descriptor: number, lines: readonly string[], before: string): Promise<number> {
  const bytes = Buffer.from(`${before}${lines.map((line) => `${line}\n`).join("")}`);
  // A disk that is about to be full takes a part and says so only by its number.
  for (let done = 0; done < bytes.byteLength; ) done += await writeSome(descriptor, bytes.subarray(done));
  return lines.length;
}

function writeSome(descriptor: number, bytes: Uint8Array): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  fs.write(descriptor, bytes, (error, written) => (error === null ? resolve(written) : reject(error)));
  return promise;
}

/** Opened anew when it was moved away, as log rotation does. */
function fileSink(place: string, path: string): LineSink {
  let descriptor: number | undefined;
  let isTorn = false;
  function close(): void {
    if (descriptor !== undefined) fs.closeSync(descriptor);
    descriptor = undefined;
  }
  return {
    place,
    close,
    async write(lines) {
      if (descriptor !== undefined && fs.statSync(path, { throwIfNoEntry: false })?.ino !== fs.fstatSync(descriptor).ino) close();
      if (descriptor === undefined) {
        const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
        // A named pipe that nobody reads must be an error here, not a wait for a reader that holds up the whole process.
        descriptor = fs.openSync(path, O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW | O_NONBLOCK, fileMode);
        // What is no file of ours, such as a device, keeps the mode it has.
        if (fs.fstatSync(descriptor).isFile()) fs.fchmodSync(descriptor, fileMode);
        isTorn = false;
      }
      const before = isTorn ? "\n" : "";
      isTorn = true;
      const taken = await writeOut(descriptor, lines, before);
      isTorn = false;
      return taken;
    },
  };
}

/** The queue of such a socket may hold as few as ten datagrams (net.unix.max_dgram_qlen), which whoever reads it empties in no time. */
function unixSink(place: string, path: string): LineSink {
  const send = createDatagramSender();
  return {
    place,
    close: () => undefined,
    async write(lines) {
      let pauses = 0;
      for (let taken = 0; taken < lines.length; ) {
        try {
          send(path, lines[taken] ?? "");
          taken += 1;
        } catch (error) {
          // What was taken must not be sent again with the next try.
          if (pauses >= mostPauses) {
            if (taken > 0) return taken;
            throw error;
          }
          pauses += 1;
          await new Promise((resolve) => void setTimeout(resolve, 1));
        }
      }
      return lines.length;
    },
  };
}

function udpSink(place: string, host: string, port: number): LineSink {
  let socket: dgram.Socket | undefined;
  return {
    place,
    close() {
      socket?.close();
      socket = undefined;
    },
    async write(lines) {
      socket ??= dgram.createSocket(net.isIPv6(host) ? "udp6" : "udp4").unref();
      // What becomes of a datagram is nobody's to know; an error that comes back later belongs to none of them.
      socket.removeAllListeners("error").on("error", () => undefined);
      const open = socket;
      for (const [taken, line] of lines.entries()) {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        open.send(Buffer.from(line).subarray(0, longestDatagram), port, host, (error) => (error === null ? resolve() : reject(error)));
        try {
          await promise;
        } catch (error) {
          if (taken > 0) return taken;
          throw error;
        }
      }
      return lines.length;
    },
  };
}

/** A connection that is kept, and made anew by the write after one that failed. */
function streamSink(place: string, connect: () => net.Socket, ready: "connect" | "secureConnect"): LineSink {
  let socket: net.Socket | undefined;

  function drop(): void {
    socket?.destroy();
    socket = undefined;
  }

  async function opened(): Promise<net.Socket> {
    if (socket !== undefined && !socket.destroyed && socket.writable) return socket;
    drop();
    const made = connect();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    made.once(ready, () => resolve());
    made.once("error", reject);
    made.setTimeout(connectTimeoutMs, () => made.destroy(new Error("timeout")));
    try {
      await promise;
    } catch (error) {
      made.destroy();
      throw error;
    }
    made.setTimeout(0);
    made.unref();
    // Later errors show in the next write; without a listener they would end the process.
    made.on("error", () => undefined);
    // A syslog daemon says nothing; what it says must not fill memory.
    made.resume();
    socket = made;
    return made;
  }

  return {
    place,
    close: drop,
    async write(lines) {
      const open = await opened();
      const frames = lines.map((line) => `${Buffer.byteLength(line)} ${line}`).join("");
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const timer = setTimeout(() => reject(new Error("timeout")), writeTimeoutMs);
      open.write(frames, (error) => (error === null || error === undefined ? resolve() : reject(error)));
      try {
        await promise;
        return lines.length;
      } catch (error) {
        drop();
        throw error;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
