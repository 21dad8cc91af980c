import { describe, expect, test } from "bun:test";
import { patience } from "../../../../src/server/intake/connection";
import { answerStart, createOneLine, limitBytes, type OneLine, quiet, settle } from "./one-line";

const host = "Host: h\r\n";
const get = (path: string): string => `GET ${path} HTTP/1.1\r\n${host}\r\n`;
const post = (path: string, body: string): string => `POST ${path} HTTP/1.1\r\n${host}Content-Length: ${body.length}\r\n\r\n${body}`;
const give = (line: OneLine, text: string): void => line.connection.take(Buffer.from(text, "latin1"));
const answersIn = (text: string): number => text.split(answerStart).length - 1;

async function after(...texts: readonly string[]): Promise<OneLine> {
  const line = createOneLine();
  for (const text of texts) give(line, text);
  await quiet(line);
  return line;
}

describe("a connection", () => {
  test("carries LIST like any other verb, with a body or without", async () => {
    const body = "GET /canary HTTP/1.1\r\nHost: h\r\n\r\n";
    const chunk = `Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const line = await after(
      `LIST /a/ HTTP/1.1\r\n${host}\r\n`,
      `LIST /b/?x=y HTTP/1.1\r\n${host}Content-Length: ${body.length}\r\n\r\n${body}`,
      get("/c"),
      `LIST /d HTTP/1.1\r\n${host}${chunk}`,
      `LIST /e HTTP/1.1\r\n${host}\r\n${get("/f")}`,
    );
    expect(line.seen.map(([method, target]) => `${method} ${target}`)).toEqual([
      "LIST /a/",
      "LIST /b/?x=y",
      "GET /c",
      "LIST /d",
      "LIST /e",
      "GET /f",
    ]);
    expect([answersIn(line.sent()), line.done]).toEqual([6, []]);
  });

  test("answers what was sent ahead in order, one at a time, and stops reading while it waits", async () => {
    const line = createOneLine();
    line.hold();
    give(line, get("/0"));
    for (let index = 1; index <= 700; index += 1) give(line, get(`/${index}`));
    await quiet(line);
    expect([line.seen.length, answersIn(line.sent()), line.done]).toEqual([1, 0, ["pause"]]);
    line.release();
    await quiet(line);
    expect(line.seen.map(([, target]) => target)).toEqual(Array.from({ length: 701 }, (_, index) => `/${index}`));
    expect([answersIn(line.sent()), line.done]).toEqual([701, ["pause", "resume"]]);
  });

  test("keeps nobody else waiting while it answers a burst", async () => {
    const line = createOneLine();
    give(line, Array.from({ length: 50 }, (_, index) => get(`/${index}`)).join(""));
    await settle(3);
    expect(line.seen.length).toBeLessThan(5);
    await quiet(line);
    expect(line.seen.length).toBe(50);
  });

  test("reads a request that comes byte by byte", async () => {
    const line = await after(...`${post("/a", "body")}${get("/b")}`);
    expect(line.seen).toEqual([
      ["POST", "/a", "body"],
      ["GET", "/b", ""],
    ]);
  });

  test("goes on writing when the line has room again, and reads nothing before", async () => {
    const line = createOneLine();
    line.room(10);
    give(line, get("/a"));
    await quiet(line);
    give(line, get("/b"));
    await quiet(line);
    expect([line.sent().length, line.seen.length]).toEqual([10, 1]);
    for (let round = 0; round < 200 && line.seen.length < 2; round += 1) {
      line.room(7);
      line.connection.drained();
      await quiet(line);
    }
    line.room(Number.POSITIVE_INFINITY);
    line.connection.drained();
    await quiet(line);
    expect(answersIn(line.sent())).toBe(2);
    expect(line.sent()).toEndWith('["GET","/b"]');
  });

  test("says 100 before a body that it will read, and not before one that is here or too long", async () => {
    const head = (length: number) => `PUT /a HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`;
    const waiting = await after(head(4));
    expect(waiting.sent()).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    give(waiting, "body");
    await quiet(waiting);
    expect(waiting.seen).toEqual([["PUT", "/a", "body"]]);
    expect((await after(`${head(4)}body`)).sent()).toStartWith("HTTP/1.1 200 ");
    const long = await after(head(limitBytes + 1));
    expect([long.sent().slice(0, 13), answersIn(long.sent()), long.done]).toEqual(["HTTP/1.1 413 ", 1, ["shutdown"]]);
  });

  test.each([
    ["Connection: close", `GET /a HTTP/1.1\r\n${host}Connection: close\r\n\r\n`],
    ["the protocol's first version", `GET /a HTTP/1.0\r\n${host}\r\n`],
  ])("ends with the answer to %s, and drops what follows", async (_, request) => {
    const line = await after(request + get("/canary"), get("/canary"));
    expect([line.seen.length, answersIn(line.sent()), line.done]).toEqual([1, 1, ["shutdown"]]);
    expect(line.sent()).toContain("connection: close\r\n");
  });

  test.each([
    ["two lengths", `POST /a HTTP/1.1\r\n${host}Content-Length: 4\r\nContent-Length: 5\r\n\r\n`],
    ["length and chunks", `POST /a HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ["chunks without a size", `POST /a HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nzz\r\n`],
    ["a bare line feed", `GET /a HTTP/1.1\n${host}\n`],
    ["dot segments", get("/v1/%2e%2e/a")],
    ["an unknown verb", `SCAN /a HTTP/1.1\r\n${host}\r\n`],
    ["a verb in small letters", `get /a HTTP/1.1\r\n${host}\r\n`],
    ["CONNECT", `CONNECT h:80 HTTP/1.1\r\n${host}\r\n`],
    ["an asterisk", `OPTIONS * HTTP/1.1\r\n${host}\r\n`],
    ["a body that is too long", `POST /a HTTP/1.1\r\n${host}Content-Length: 1001\r\n\r\n`],
    ["a chunk that is too long", `POST /a HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n3e9\r\n`],
    ["a host whose port is none", `GET /a HTTP/1.1\r\nHost: h:99999\r\n\r\n`],
    ["TLS where none is", "\x16\x03\x01\x02\x00\x01\x00"],
  ])("is ended by %s, with one answer, whatever follows", async (_, request) => {
    const line = await after(request + get("/canary"), get("/canary"), post("/canary", "x"));
    expect([line.seen, line.refused.length, answersIn(line.sent()), line.done]).toEqual([[], 1, 1, ["shutdown"]]);
  });

  test("answers a HEAD that it refuses without a body", async () => {
    expect((await after(`HEAD /../a HTTP/1.1\r\n${host}\r\n`)).sent()).toEndWith("\r\n\r\n");
  });

  test("answers what is whole when the other side sends no more, and then ends", async () => {
    const line = createOneLine();
    give(line, get("/a") + get("/b") + get("/c").slice(0, -2));
    line.connection.halved();
    await quiet(line);
    expect([line.seen.length, answersIn(line.sent()), line.done]).toEqual([2, 2, ["shutdown"]]);
    const idle = createOneLine();
    idle.connection.halved();
    expect(idle.done).toEqual(["shutdown"]);
  });

  test("gives back the room of bodies, whatever becomes of them", async () => {
    const line = createOneLine(100);
    give(line, post("/a", "x".repeat(90)));
    await quiet(line);
    give(line, post("/b", "x".repeat(90)).slice(0, -1));
    expect([line.seen.length, line.held.count]).toEqual([1, 89]);
    line.connection.closed();
    expect(line.held.count).toBe(0);
  });

  test("refuses bodies when all connections together have too much on its way in", async () => {
    const line = createOneLine(100);
    line.held.count = 50;
    give(line, post("/a", "x".repeat(51)));
    await quiet(line);
    expect([line.seen, line.refused, line.done, line.held.count]).toEqual([[], ["upstream_unavailable"], ["shutdown"], 50]);
  });

  test("takes small bodies whatever others have on their way", async () => {
    const line = createOneLine(100, 60);
    line.held.count = 100;
    give(line, post("/login", "x".repeat(60)));
    await quiet(line);
    give(line, post("/large", "x".repeat(61)));
    await quiet(line);
    expect([line.seen.map(([, target]) => target), line.refused]).toEqual([["/login"], ["upstream_unavailable"]]);
  });

  test("finishes its answer when the server stops; at once when there is none", async () => {
    const busy = createOneLine();
    busy.hold();
    give(busy, get("/a"));
    busy.connection.finish();
    await quiet(busy);
    expect(busy.done).toEqual([]);
    busy.release();
    await quiet(busy);
    expect([answersIn(busy.sent()), busy.done]).toEqual([1, ["shutdown"]]);
    const idle = createOneLine();
    idle.connection.finish();
    expect(idle.done).toEqual(["shutdown"]);
  });

  test("writes nothing more when the other side is gone", async () => {
    const line = createOneLine();
    line.hold();
    give(line, get("/a"));
    line.connection.closed();
    line.release();
    await quiet(line);
    give(line, get("/b"));
    await quiet(line);
    expect([line.sent(), line.seen.length]).toEqual(["", 1]);
  });
});

describe("a connection's patience", () => {
  test("ends with a head that does not come, silent or dripping", async () => {
    const silent = createOneLine();
    silent.pass(patience.head);
    expect(silent.done).toEqual(["shutdown"]);
    const dripping = createOneLine();
    give(dripping, "GET / HTTP");
    for (let second = 0; second < 9; second += 1) {
      dripping.pass(1000);
      give(dripping, "x");
    }
    expect(dripping.done).toEqual([]);
    dripping.pass(1000);
    await quiet(dripping);
    expect([dripping.sent().slice(0, 13), dripping.done]).toEqual(["HTTP/1.1 408 ", ["shutdown"]]);
    dripping.pass(patience.leave);
    expect(dripping.done).toEqual(["shutdown", "terminate"]);
  });

  test("ends with a body that does not come", async () => {
    const line = createOneLine();
    give(line, post("/a", "body").slice(0, -1));
    line.pass(patience.body);
    expect(line.sent()).toBe("");
    line.pass(1);
    await quiet(line);
    expect([line.seen, line.refused, line.done]).toEqual([[], [408], ["shutdown"]]);
  });

  test("is longer between requests", async () => {
    const line = await after(get("/a"));
    line.pass(patience.idle - 1);
    give(line, get("/b"));
    await quiet(line);
    expect(line.seen.length).toBe(2);
    line.pass(patience.idle);
    expect(line.done).toEqual(["shutdown"]);
  });

  test("does not end a request that is worked on, and ends with a reader that does not read", async () => {
    const line = createOneLine();
    line.hold();
    line.room(5);
    give(line, get("/a"));
    line.pass(3_600_000);
    expect(line.done).toEqual([]);
    line.release();
    await quiet(line);
    line.pass(patience.write);
    expect(line.done).toEqual([]);
    line.pass(1000);
    expect(line.done).toEqual(["terminate"]);
  });
});
