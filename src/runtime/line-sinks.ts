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

/**
 * A sink by its place: `stdout`, `file:/var/log/postern/audit.log`, `unix:/dev/log`, `udp://logs.example:514`, `tcp://logs.example:601`,
 * `tls://logs.example:6514`. `roots` are certificates (PEM) trusted beside the system's. Throws `malformed` for any other text.
 */
export function createLineSink(place: string, roots: readonly string[] = []): LineSink {
  if (place === "stdout") return { place, write: (lines) => writeOut(1, lines), close: () => undefined };
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

function writeOut(descriptor: number, lines: readonly string[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  fs.write(descriptor, lines.map((line) => `${line}\n`).join(""), (error) => (error === null ? resolve() : reject(error)));
  return promise;
}

/** Opened anew when it was moved away, as log rotation does. */
function fileSink(place: string, path: string): LineSink {
  let descriptor: number | undefined;
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
        const flags = fs.constants.O_APPEND | fs.constants.O_CREAT | fs.constants.O_WRONLY | fs.constants.O_NOFOLLOW;
        descriptor = fs.openSync(path, flags, fileMode);
        fs.fchmodSync(descriptor, fileMode);
      }
      await writeOut(descriptor, lines);
    },
  };
}

function unixSink(place: string, path: string): LineSink {
  const send = createDatagramSender();
  return {
    place,
    close: () => undefined,
    async write(lines) {
      for (const line of lines) send(path, line);
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
      for (const line of lines) {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        open.send(Buffer.from(line).subarray(0, longestDatagram), port, host, (error) => (error === null ? resolve() : reject(error)));
        await promise;
      }
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
      } catch (error) {
        drop();
        throw error;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
