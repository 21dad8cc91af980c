import { afterAll, describe, expect, test } from "bun:test";
import dgram from "node:dgram";
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { selfSigned } from "../../../src/crypto/certificate";
import { PosternError } from "../../../src/model/failures";
import { createLineSink } from "../../../src/runtime/line-sinks";
import { listenForNotifications } from "../../support/notify-socket";

const folder = mkdtempSync(join(tmpdir(), "sinks-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Everything a server was sent, once it holds `length` bytes. */
function received(server: net.Server | tls.Server): { readonly port: () => number; readonly bytes: (length: number) => Promise<string> } {
  let text = "";
  let wanted: { readonly length: number; readonly resolve: (text: string) => void } | undefined;
  server.on(server instanceof tls.Server ? "secureConnection" : "connection", (socket: net.Socket) => {
    socket.on("data", (data) => {
      text += data.toString();
      if (wanted !== undefined && text.length >= wanted.length) wanted.resolve(text);
    });
  });
  return {
    port() {
      const address = server.address();
      if (address === null || typeof address === "string") throw new Error("not listening");
      return address.port;
    },
    bytes: (length) =>
      new Promise((resolve) => {
        if (text.length >= length) resolve(text);
        else wanted = { length, resolve };
      }),
  };
}

const listening = (server: net.Server): Promise<void> => new Promise((resolve) => void server.listen(0, "127.0.0.1", resolve));

const certificateFor = (dnsNames: readonly string[]) => selfSigned({ dnsNames, ipAddresses: [], now: Date.now(), days: 1 });

describe("a sink of lines", () => {
  test.each([
    "",
    "stdout:",
    "file:relative",
    "file:",
    "unix:relative",
    "udp://logs.example",
    "tcp://logs.example:0",
    "tcp://u:p@logs.example:1",
    "tcp://logs.example:1/x",
    "http://logs.example:1",
    "tls://logs.example:1?x",
  ])("is not made of %p", (place) => {
    expect(() => createLineSink(place)).toThrow(PosternError);
  });

  test("appends to a file of mode 0640, follows its rotation and no link", async () => {
    const path = join(folder, "audit.log");
    const sink = createLineSink(`file:${path}`);
    await sink.write(["one", "two"]);
    renameSync(path, `${path}.1`);
    await sink.write(["three"]);
    expect([readFileSync(`${path}.1`, "utf8"), readFileSync(path, "utf8"), (statSync(path).mode & 0o777).toString(8)]).toEqual([
      "one\ntwo\n",
      "three\n",
      "640",
    ]);
    sink.close();
    const target = join(folder, "target");
    writeFileSync(target, "");
    symlinkSync(target, join(folder, "link"));
    expect(createLineSink(`file:${join(folder, "link")}`).write(["x"])).rejects.toThrow();
    expect(readFileSync(target, "utf8")).toBe("");
  });

  test("sends datagrams to a Unix socket, and fails when nobody listens", async () => {
    const path = join(folder, "log.sock");
    const socket = listenForNotifications(path);
    const sink = createLineSink(`unix:${path}`);
    await sink.write(["<86>1 one", "<86>1 two"]);
    expect([socket.next(), socket.next()]).toEqual(["<86>1 one", "<86>1 two"]);
    socket.close();
    expect(createLineSink(`unix:${join(folder, "nobody")}`).write(["x"])).rejects.toThrow();
  });

  test("tells how many datagrams a full Unix socket took, and goes on with the next one", async () => {
    const path = join(folder, "full.sock");
    const socket = listenForNotifications(path);
    const sink = createLineSink(`unix:${path}`);
    const lines = Array.from({ length: 5000 }, (_, index) => `<86>1 line ${index}`);
    const taken = await sink.write(lines);
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(lines.length);
    await expect(sink.write(lines.slice(taken))).rejects.toThrow();
    for (let index = 0; index < taken; index += 1) expect(socket.next()).toBe(`<86>1 line ${index}`);
    expect(await sink.write([`<86>1 line ${taken}`])).toBe(1);
    expect(socket.next()).toBe(`<86>1 line ${taken}`);
    socket.close();
  });

  test("is not held up by a named pipe that nobody reads", async () => {
    const path = join(folder, "pipe");
    expect(Bun.spawnSync(["mkfifo", "-m", "600", path]).exitCode).toBe(0);
    await expect(createLineSink(`file:${path}`).write(["x"])).rejects.toThrow("ENXIO");
  });

  test("says when a disk is full, and leaves the mode of a device as it is", async () => {
    const { mode } = statSync("/dev/full");
    await expect(createLineSink("file:/dev/full").write(["x"])).rejects.toThrow("ENOSPC");
    expect(statSync("/dev/full").mode).toBe(mode);
  });

  test("sends a UDP datagram for each line", async () => {
    const socket = dgram.createSocket("udp4");
    await new Promise<void>((resolve) => void socket.bind(0, "127.0.0.1", resolve));
    const messages: string[] = [];
    const both = new Promise<void>((resolve) => {
      socket.on("message", (message) => {
        messages.push(message.toString());
        if (messages.length === 2) resolve();
      });
    });
    const sink = createLineSink(`udp://127.0.0.1:${socket.address().port}`);
    await sink.write(["one", "zwö"]);
    await both;
    expect(messages).toEqual(["one", "zwö"]);
    sink.close();
    socket.close();
  });

  test("counts octets on a TCP connection that it keeps", async () => {
    const server = net.createServer();
    await listening(server);
    const seen = received(server);
    const sink = createLineSink(`tcp://127.0.0.1:${seen.port()}`);
    await sink.write(["one", "zwö"]);
    await sink.write(["three"]);
    expect(await seen.bytes(17)).toBe("3 one4 zwö5 three");
    sink.close();
    server.close();
  });

  test("fails while a TCP server is away, and connects again when it is back", async () => {
    const server = net.createServer();
    await listening(server);
    const { port } = received(server);
    const number = port();
    await new Promise((resolve) => server.close(resolve));
    const sink = createLineSink(`tcp://127.0.0.1:${number}`);
    expect(sink.write(["lost"])).rejects.toThrow();
    const again = net.createServer();
    await new Promise<void>((resolve) => void again.listen(number, "127.0.0.1", resolve));
    const seen = received(again);
    await sink.write(["back"]);
    expect(await seen.bytes(6)).toBe("4 back");
    sink.close();
    again.close();
  });

  test("proves by TLS who takes the lines, and sends none to anybody else", async () => {
    const good = certificateFor(["localhost"]);
    const wrong = certificateFor(["elsewhere.example"]);
    for (const [issued, roots, isTaken] of [
      [good, [good.certificatePem], true],
      [good, [], false],
      [wrong, [wrong.certificatePem], false],
    ] as const) {
      const server = tls.createServer({ cert: issued.certificatePem, key: issued.privateKeyPem });
      await listening(server);
      const seen = received(server);
      const sink = createLineSink(`tls://localhost:${seen.port()}`, roots);
      const work = sink.write(["secret"]);
      if (isTaken) {
        await work;
        expect(await seen.bytes(8)).toBe("6 secret");
      } else expect(work).rejects.toThrow();
      await work.catch(() => undefined);
      sink.close();
      server.close();
    }
  });
});
