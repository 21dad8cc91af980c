import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect as connectPlain, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { selfSigned } from "../../../../src/crypto/certificate";
import type { ListenerConfig } from "../../../../src/server/listener";
import { connect, exchange, listen, type RawConnection } from "../listening";
import { type EchoListener, largeBytes, listenWithEcho } from "./echo-listener";

const running: { readonly listener: EchoListener["listener"] }[] = [];
const folder = mkdtempSync(join(tmpdir(), "postern-intake-"));

function start(config: Partial<ListenerConfig> = {}): EchoListener {
  const echo = listenWithEcho(config);
  running.push(echo);
  return echo;
}

const host = "Host: vault.test";
const close = "Connection: close";
const request = (line: string, headers: readonly string[] = [], body = ""): string =>
  [`${line} HTTP/1.1`, host, ...headers, "", body].join("\r\n");
const withBody = (line: string, body: string, headers: readonly string[] = []): string =>
  request(line, [`Content-Length: ${body.length}`, ...headers], body);
const bodiesOf = (received: string): readonly string[] =>
  received
    .split("HTTP/1.1 200 OK\r\n")
    .slice(1)
    .map((answer) => answer.slice(answer.indexOf("\r\n\r\n") + 4));
const pair = (name: string) => {
  const { certificatePem, privateKeyPem } = selfSigned({ dnsNames: [name], ipAddresses: [], now: Date.now(), days: 2 });
  return { cert: certificatePem, key: privateKeyPem };
};

afterEach(async () => {
  await Promise.all(running.splice(0).map(({ listener }) => listener.stop()));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("Vault's own listener", () => {
  test("takes LIST with and without a body, on every request of a kept connection, sent ahead or not", async () => {
    const { listener } = start();
    const connection = await connect(listener.port);
    connection.send(request("LIST /v1/a/"));
    await connection.until('"/v1/a/"');
    connection.send(request("GET /v1/b") + withBody("LIST /v1/c", '{"list":"me"}') + request("LIST /v1/d?after=x"));
    await connection.until('"/v1/d');
    connection.send(withBody("PUT /v1/e", "value") + request("LIST /v1/f", [close]));
    const heads = bodiesOf(await connection.untilClosed());
    expect(heads).toEqual([
      '["LIST","/v1/a/","","127.0.0.1"]',
      '["GET","/v1/b","","127.0.0.1"]',
      '["LIST","/v1/c","","127.0.0.1"]',
      '["LIST","/v1/d?after=x","","127.0.0.1"]',
      '["PUT","/v1/e","value","127.0.0.1"]',
      '["LIST","/v1/f","","127.0.0.1"]',
    ]);
  });

  test("reads the same requests wherever the stream of them is cut", async () => {
    const { listener } = start();
    const chunked = request("POST /v1/b", ["Transfer-Encoding: chunked"], "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n");
    const stream = request("LIST /v1/a") + chunked + request("LIST /v1/c", [close]);
    const expected = ['["LIST","/v1/a","","127.0.0.1"]', '["POST","/v1/b","hello!","127.0.0.1"]', '["LIST","/v1/c","","127.0.0.1"]'];
    for (let cut = 1; cut < stream.length; cut += 1) {
      const connection = await connect(listener.port);
      connection.send(stream.slice(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      connection.send(stream.slice(cut));
      expect([cut, bodiesOf(await connection.untilClosed())]).toEqual([cut, expected]);
    }
  });

  test("is the front's to the letter: the same answers as on the main listener, and those it alone can give", async () => {
    const main = listen();
    const own = listen({ dialect: "vault" });
    running.push(main, own);
    const comparable = (answer: string): readonly string[] =>
      answer
        .split("\r\n")
        .filter((line) => !/^(date|connection):/i.test(line))
        .map((line) => (line.includes(": ") ? line.replace(/^[\w-]+/, (name) => name.toLowerCase()) : line))
        .sort();
    for (const line of ["GET /v1/sys/health", "HEAD /v1/sys/health", "GET /v1/secret/a", "DELETE /v1/sys/health", "GET /v1/..%2fa"]) {
      const id = "X-Request-Id: it-1";
      expect(comparable(await exchange(own.listener.port, request(line, [close, id])))).toEqual(
        comparable(await exchange(main.listener.port, request(line, [close, id]))),
      );
    }
    expect(await exchange(own.listener.port, request("GET /v1/secret/%2e%2e/sys/health", [close]))).toEndWith(
      '{"errors":["relative paths not supported"]}',
    );
    const tokens = ["X-Vault-Token: hvs.one", "X-Vault-Token: hvs.two"];
    expect(await exchange(own.listener.port, request("LIST /v1/secret", [close, ...tokens]))).toMatch(
      /^HTTP\/1\.1 400 [\s\S]*the token must be one/,
    );
    expect(await exchange(own.listener.port, request("SCAN /v1/secret", [close]))).toMatch(/^HTTP\/1\.1 405 [\s\S]*\{"errors":\[\]\}$/);
    expect(await exchange(own.listener.port, request("LIST /v1/sys/health", [close]))).toContain("unsupported operation");
    expect(await exchange(own.listener.port, request("GET /x/v1/sys/health", [close]))).toContain("unsupported path");
  });

  test("refuses a host that is none as the main listener does", async () => {
    const { listener, rejected } = start();
    expect(await exchange(listener.port, `GET /v1/a HTTP/1.1\r\n${close}\r\n\r\n`)).toStartWith("HTTP/1.1 400 ");
    expect(await exchange(listener.port, `GET /v1/a HTTP/1.1\r\nHost: a/b\r\n${close}\r\n\r\n`)).toStartWith("HTTP/1.1 400 ");
    expect(await exchange(listener.port, `GET /v1/a HTTP/1.1\r\nHost: h\r\nHost: h\r\n${close}\r\n\r\n`)).toStartWith("HTTP/1.1 400 ");
    expect(rejected).toEqual(["host", "host", "framing"]);
  });

  test.each([
    [`${request("GET /v1/a", [`X: ${"y".repeat(17_000)}`])}`, 431],
    [`${request(`GET /v1/${"a".repeat(9000)}`)}`, 414],
    [`GET /v1/${"a".repeat(40_000)}`, 414],
    [withBody("POST /v1/a", "x".repeat(2000)), 413],
    [request("POST /v1/a", ["Transfer-Encoding: chunked"], `${(2000).toString(16)}\r\n${"x".repeat(2000)}\r\n0\r\n\r\n`), 413],
    [request("POST /v1/a", ["Transfer-Encoding: chunked", "Content-Length: 3"], "0\r\n\r\n"), 400],
    [request("POST /v1/a", ["Transfer-Encoding: xchunked"], "0\r\n\r\n"), 501],
    [request("POST /v1/a", ["Content-Length: 3", "Content-Length: 4"], "abc"), 400],
  ])("answers what it does not take once, and ends: %#", async (stream, status) => {
    const { listener } = start({ limits: { bodyBytes: 1000 } });
    const received = await exchange(listener.port, stream + request("GET /v1/canary"));
    expect([received.split(" ", 2)[1], received.split("HTTP/1.1 ").length]).toEqual([String(status), 2]);
    expect(received).not.toContain("canary");
  });

  test("lets a client that sends far too much read why", async () => {
    const { listener } = start();
    const connection = await connect(listener.port);
    connection.send(request("PUT /v1/a", [`Content-Length: ${33 << 20}`]));
    connection.send(Buffer.alloc(33 << 20, "x"));
    expect(await connection.untilClosed()).toStartWith("HTTP/1.1 413 ");
  });

  test("believes a configured proxy about the client, and nobody else", async () => {
    const asked = (echo: EchoListener) => exchange(echo.listener.port, request("GET /v1/a", [close, "X-Forwarded-For: 198.51.100.7"]));
    expect(await asked(start({ trustedProxies: ["127.0.0.0/8"] }))).toContain('"198.51.100.7"');
    expect(await asked(start())).toContain('"127.0.0.1"');
  });

  test("gives a slow reader the whole of a large answer, and then the next", async () => {
    const { listener } = start();
    const socket = connectPlain(listener.port ?? 0, "127.0.0.1");
    socket.write(request("GET /v1/large") + request("LIST /v1/b", [close]));
    expect(await readSlowly(socket)).toEqual([largeBytes, '["LIST","/v1/b","","127.0.0.1"]']);
  });

  test("answers a client that has said all it has to say", async () => {
    const { listener } = start();
    const socket = connectPlain({ port: listener.port ?? 0, host: "127.0.0.1", allowHalfOpen: true });
    socket.end(request("GET /v1/a") + request("LIST /v1/b"));
    let received = "";
    for await (const part of socket) received += String(part);
    expect(bodiesOf(received).length).toBe(2);
  });

  test("does not mind bytes of any kind, or clients that go away in the middle", async () => {
    const { listener } = start();
    let state = 7;
    const noise = (length: number): Buffer =>
      Buffer.from(
        Array.from({ length }, () => {
          state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
          return state >>> 24;
        }),
      );
    for (let round = 0; round < 60; round += 1) {
      const connection = await connect(listener.port);
      connection.send(round % 2 === 0 ? noise(300) : request("POST /v1/a", ["Content-Length: 100"], "x".repeat(round)));
      connection.close();
    }
    expect(await exchange(listener.port, request("LIST /v1/a", [close]))).toContain('["LIST"');
  });
});

describe("Vault's own listener, as a place", () => {
  test("speaks TLS from 1.2 on, and gives new connections a new certificate while old ones go on", async () => {
    const { listener } = start({ tls: pair("one.test") });
    const first = await secure(listener.port);
    expect(nameOf(first)).toBe("DNS:one.test");
    await askOn(first, "/v1/a");
    listener.reloadTls(pair("two.test"));
    const second = await secure(listener.port, { maxVersion: "TLSv1.2" });
    expect([nameOf(second), second.getProtocol()]).toEqual(["DNS:two.test", "TLSv1.2"]);
    expect(await askOn(second, "/v1/b")).toContain('["LIST","/v1/b"');
    expect(await askOn(first, "/v1/c")).toContain('["LIST","/v1/c"');
    await expect(secure(listener.port, { minVersion: "TLSv1.1", maxVersion: "TLSv1.1" })).rejects.toThrow();
    expect(() => listener.reloadTls({ ...pair("three.test"), key: pair("four.test").key })).toThrow();
    first.destroy();
    second.destroy();
  });

  test("gives the whole of a large answer over TLS too", async () => {
    const { listener } = start({ tls: pair("one.test") });
    const socket = await secure(listener.port);
    socket.write(request("GET /v1/large") + request("LIST /v1/b", [close]));
    expect(await readSlowly(socket)).toEqual([largeBytes, '["LIST","/v1/b","","127.0.0.1"]']);
  });

  test("counts each address by itself, also where IPv4 comes as part of IPv6", async () => {
    const { listener, rejected } = start({ listen: "[::]:0", tls: pair("one.test"), limits: { connectionsPerAddress: 1 } });
    const sixth = await secure(listener.port, { host: "::1" });
    expect(await askOn(sixth, "/v1/a")).toContain('"::1"');
    // The first 64 bits of ::1 are those of every mapped address.
    const fourth = await secure(listener.port, { host: "127.0.0.1" });
    expect(await askOn(fourth, "/v1/b")).toContain('"127.0.0.1"');
    expect(rejected).toEqual([]);
    // The client may call itself connected before it hears of the end.
    const third = connectTls({ host: "127.0.0.1", port: listener.port ?? 0, rejectUnauthorized: false });
    third.on("error", () => undefined);
    await new Promise((resolve) => third.on("close", resolve));
    expect(rejected).toEqual(["connections"]);
    for (const each of [sixth, fourth]) each.destroy();
  });

  test("can be a Unix socket for its owner alone, over one that a dead process left behind", async () => {
    const path = join(folder, "vault.sock");
    const dead = Bun.listen({ unix: path, socket: { data: () => {} } });
    const { listener } = start({ listen: path });
    expect([listener.url, listener.port, statSync(path).mode & 0o777]).toEqual([`unix:${path}`, undefined, 0o600]);
    const socket = connectPlain(path);
    socket.write(request("LIST /v1/a", [close]));
    let received = "";
    for await (const part of socket) received += String(part);
    expect(received).toEndWith('["LIST","/v1/a","","127.0.0.1"]');
    dead.stop();
    const file = join(folder, "file");
    writeFileSync(file, "kept");
    expect(() => start({ listen: file })).toThrow();
    expect(existsSync(file)).toBe(true);
  });

  test("says when its address is taken, and that plain HTTP is for loopback", () => {
    const { listener } = start();
    expect(() => start({ listen: `127.0.0.1:${listener.port}` })).toThrow("conflict");
    expect(() => start({ listen: `127.0.0.1:${listener.port}`, tls: pair("one.test") })).toThrow("conflict");
    expect(() => start({ listen: "0.0.0.0:0" })).toThrow("malformed");
  });

  test("lets requests finish when it stops, ends idle connections, and takes no more", async () => {
    const { listener, release } = start();
    const idle = await connect(listener.port);
    idle.send(request("GET /v1/a"));
    await idle.until('"/v1/a"');
    const busy = await connect(listener.port);
    busy.send(request("LIST /v1/held"));
    while (listener.inFlight() === 0) await new Promise((resolve) => setImmediate(resolve));
    const stopped = listener.stop();
    await idle.untilClosed();
    await expect(connect(listener.port)).rejects.toThrow();
    release();
    const received = await busy.untilClosed();
    expect([bodiesOf(received), received.includes("connection: close")]).toEqual([['["LIST","/v1/held","","127.0.0.1"]'], true]);
    await stopped;
  });

  test("cuts off what does not finish in time", async () => {
    const { listener, warnings } = listenWithEcho({ drainMs: 20 });
    const busy = await connect(listener.port);
    busy.send(request("LIST /v1/held"));
    while (listener.inFlight() === 0) await new Promise((resolve) => setImmediate(resolve));
    await listener.stop();
    expect(await busy.untilClosed()).toBe("");
    expect(warnings).toEqual(["requests_cut_off"]);
  });

  test("holds no more connections than it may, and takes new ones when others are gone", async () => {
    const { listener, rejected } = start({ limits: { connections: 3, connectionsPerAddress: 2 } });
    const held: RawConnection[] = [];
    for (let count = 0; count < 2; count += 1) {
      const connection = await connect(listener.port);
      connection.send(request("GET /v1/a"));
      await connection.until('"/v1/a"');
      held.push(connection);
    }
    expect(await (await connect(listener.port)).untilClosed()).toBe("");
    expect(rejected).toEqual(["connections"]);
    held[0]?.close();
    await held[0]?.untilClosed();
    let answer = "";
    while (answer === "") answer = await exchange(listener.port, request("LIST /v1/b", [close])).catch(() => "");
    expect(answer).toContain('["LIST"');
  });
});

/** The size of the first answer's body, and the second's body. */
async function readSlowly(socket: Socket): Promise<readonly [number, string]> {
  const parts: Buffer[] = [];
  let count = 0;
  for await (const part of socket) {
    parts.push(Buffer.from(part));
    count += 1;
    if (count % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const [first = "", second = ""] = bodiesOf(Buffer.concat(parts).toString("latin1"));
  return [first.length, second];
}

function secure(port: number | undefined, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: "127.0.0.1", port: port ?? 0, rejectUnauthorized: false, servername: "one.test", ...options }, () =>
      resolve(socket),
    );
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed")));
  });
}

const nameOf = (socket: TLSSocket): string | undefined => socket.getPeerCertificate().subjectaltname;

function askOn(socket: TLSSocket, path: string): Promise<string> {
  return new Promise((resolve) => {
    let received = "";
    const take = (part: Buffer) => {
      received += part.toString("latin1");
      if (!received.includes(`"${path}"`)) return;
      socket.off("data", take);
      resolve(received);
    };
    socket.on("data", take);
    socket.write(request(`LIST ${path}`));
  });
}
