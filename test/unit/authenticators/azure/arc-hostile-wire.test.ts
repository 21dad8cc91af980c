/** What answers at the Arc agent's address speaks as it likes: it learns no more than one request, and after a good challenge that challenge's content. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTestClock } from "../../../support/house";
import { createTestMachine, outcomeOf } from "../../../support/machine";
import { type RawSend, type RawServer, startRawServer } from "../../../support/raw-server";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "postern-arc-wire-")));
const arm = "https://management.azure.com/";
const good = `Www-Authenticate: Basic realm=${folder}/a.key`;
/** What a client waits in all; the real one is five seconds. */
const timeoutMs = 60;
const servers: RawServer[] = [];
const timers: ReturnType<typeof setInterval>[] = [];
let outside = 0;
const elsewhere = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch() {
    outside += 1;
    return Response.json({});
  },
});

beforeAll(() => writeFileSync(join(folder, "a.key"), "challenge", { mode: 0o640 }));
afterEach(() => {
  for (const timer of timers.splice(0)) clearInterval(timer);
  for (const server of servers.splice(0)) server.close();
});
afterAll(async () => {
  await elsewhere.stop(true);
  rmSync(folder, { recursive: true });
});

type Answer = (send: RawSend) => void;

const head = (status: string, ...headers: readonly string[]): string => `HTTP/1.1 ${status}\r\n${headers.join("\r\n")}\r\n`;
const whole =
  (status: string, headers: readonly string[], body = "{}"): Answer =>
  (send) =>
    send(`${head(status, ...headers, `Content-Length: ${body.length}`, "Connection: close")}\r\n${body}`, true);
const json = "Content-Type: application/json";
const challenge = whole("401 Unauthorized", [json, good]);
const dripping =
  (first: string): Answer =>
  (send) => {
    send(first);
    timers.push(setInterval(() => send("x"), 20));
  };
const endless =
  (first: string): Answer =>
  (send) => {
    send(`HTTP/1.1 401 Unauthorized\r\n${first}`);
    timers.push(setInterval(() => send("x".repeat(65_536)), 1));
  };
/** Chunks without an end, as fast as they are taken. */
const bomb =
  (headers: readonly string[]): Answer =>
  (send) => {
    const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
    send(`${head("200 OK", ...headers, "Transfer-Encoding: chunked")}\r\n`);
    timers.push(setInterval(() => send(chunk), 1));
  };

/** What comes of it, and what was sent: `secrets` are the values of `Authorization`. */
async function attack(first: Answer, second: Answer = whole("400 Bad Request", [json])) {
  const server = startRawServer((asked, send) => (/^authorization:/imu.test(asked) ? second : first)(send));
  servers.push(server);
  const endpoint = `http://127.0.0.1:${server.port}/metadata/identity/oauth2/token`;
  const clock = createTestClock();
  const machine = createTestMachine({ source: "arc", endpoint, tokensFolder: folder }, { clock, timeoutMs, impatient: false });
  const outcome = await outcomeOf(machine.identity, arm);
  const secrets = server.heads.flatMap((each) => /^authorization: (.*)$/imu.exec(each)?.[1] ?? []);
  return { outcome, secrets, heads: server.heads, log: JSON.stringify(machine.log.lines) };
}

describe("a first answer", () => {
  test("with a challenge gets one request of known headers before it, and one with the challenge after it", async () => {
    const { heads, secrets, log } = await attack(challenge, whole("400 Bad Request", [json], '{"error":"invalid_request"}'));
    const names = heads.map((each) =>
      each
        .split("\r\n")
        .slice(1)
        .map((line) => line.split(":")[0]?.toLowerCase())
        .toSorted(),
    );
    const plain = ["accept", "accept-encoding", "host", "metadata", "user-agent"];
    expect(names).toEqual([plain, [...plain, "authorization"].toSorted()]);
    expect(secrets).toEqual(["Basic challenge"]);
    expect(log).not.toContain("Basic");
  });

  test.each([
    ["WWW-AUTHENTICATE: Basic realm="],
    ["www-authenticate: basic realm="],
    ["wWw-AuThEnTiCaTe:BASIC REALM="],
    ["Www-Authenticate:    Basic realm="],
  ])("may spell its header %s", async (name) => {
    const { secrets } = await attack(whole("401 Unauthorized", [json, `${name}${folder}/a.key`]));
    expect(secrets).toEqual(["Basic challenge"]);
  });

  test.each<readonly [string, Answer, string]>([
    ["without a challenge", whole("401 Unauthorized", [json]), "challenge_path"],
    ["with another scheme", whole("401 Unauthorized", [json, `Www-Authenticate: Bearer realm=${folder}/a.key`]), "challenge_path"],
    ["with two challenges", whole("401 Unauthorized", [json, good, good]), "challenge_path"],
    ["with a good challenge after another", whole("401 Unauthorized", [json, "Www-Authenticate: Negotiate", good]), "challenge_path"],
    ["with a NUL in the path", whole("401 Unauthorized", [json, `${good}\0/../b.key`]), "connect"],
    ["with a line folded in the path", whole("401 Unauthorized", [json, `${good}\r\n /../b.key`]), "connect"],
    ["with letters beyond ASCII in the path", whole("401 Unauthorized", [json, `${good.slice(0, -4)}\u00e4.key`]), "challenge_path"],
    ["with a header without an end", endless("X-Pad: "), "connect"],
    [
      "with ten thousand headers",
      whole("401 Unauthorized", [json, good, ...Array.from({ length: 10_000 }, (_, at) => `X-${at}: x`)]),
      "connect",
    ],
    ["that leads elsewhere", whole("302 Found", [`Location: http://127.0.0.1:${elsewhere.port}/`, good]), "redirect"],
    ["that leads elsewhere for good", whole("308 Moved", [`Location: http://127.0.0.1:${elsewhere.port}/`, good]), "redirect"],
    ["that wants a proxy's login", whole("407 Proxy Authentication Required", [json, good]), "http_407"],
    ["that is no HTTP", (send) => send("220 mail.example ESMTP\r\n\r\n", true), "connect"],
    ["that says nothing", () => undefined, "timeout"],
    ["that stops within its head", (send) => send(`HTTP/1.1 401 Unauthorized\r\n${good}\r\n`), "timeout"],
    ["that stops within its body", (send) => send(`${head("401 Unauthorized", good, "Content-Length: 10")}\r\n{`), "timeout"],
    ["that drips its head", dripping("HTTP/1.1 401 Unauthorized\r\nX-Drip: "), "timeout"],
    ["that drips its body", dripping(`${head("401 Unauthorized", good, "Content-Length: 60000")}\r\n`), "timeout"],
    ["that hangs up", (send) => send("", true), "connect"],
    ["with a body without an end", bomb([json]), "too_large"],
    ["with a compressed body", whole("401 Unauthorized", [json, good, "Content-Encoding: gzip"]), "content_type"],
    ["with a token at once", whole("200 OK", [json], '{"access_token":"a.b.c"}'), "challenge_missing"],
  ])("%s is shown no secret", async (_what, first, because) => {
    const { outcome, secrets } = await attack(first);
    expect([outcome, secrets]).toEqual([`upstream_unavailable: ${because}`, []]);
    expect(outside).toBe(0);
  });
});

describe("a second answer", () => {
  test.each<readonly [string, Answer, string]>([
    ["that challenges again", challenge, "http_401"],
    ["that leads elsewhere", whole("307 Moved", [`Location: http://127.0.0.1:${elsewhere.port}/`]), "redirect"],
    ["in HTML", whole("200 OK", ["Content-Type: text/html"], '{"access_token":"a.b.c"}'), "content_type"],
    ["of two types", whole("200 OK", [json, "Content-Type: text/html"], '{"access_token":"a.b.c"}'), "content_type"],
    ["of no type", whole("200 OK", [], '{"access_token":"a.b.c"}'), "content_type"],
    ["with a token said twice", whole("200 OK", [json], '{"access_token":"a.b.c","access_token":"d.e.f"}'), "token_answer"],
    ["with a token that is none", whole("200 OK", [json], '{"access_token":"a.b.c"}'), "token_shape"],
    ["with a token that is a number", whole("200 OK", [json], '{"access_token":1}'), "token_answer"],
    ["with a token too long", whole("200 OK", [json], `{"access_token":"${"x".repeat(16_385)}"}`), "token_answer"],
    ["that is deeply nested", whole("200 OK", [json], "[".repeat(60_000)), "token_answer"],
    ["that says less than its length", (send) => send(`${head("200 OK", json, "Content-Length: 100")}\r\n{}`, true), "connect"],
    ["of two lengths", (send) => send(`${head("200 OK", json, "Content-Length: 2", "Content-Length: 30")}\r\n{}`, true), "connect"],
    ["without an end", bomb([json]), "too_large"],
    ["that drips", dripping(`${head("200 OK", json, "Content-Length: 60000")}\r\n`), "timeout"],
  ])("%s is no token, and the challenge is not sent twice", async (_what, second, because) => {
    const isTransient = ["connect", "timeout"].includes(because);
    const { outcome, secrets, log } = await attack(challenge, second);
    expect(outcome).toBe(`upstream_unavailable: ${because}`);
    // What may pass is tried again from the start: each try with a challenge of its own.
    if (!isTransient) expect(secrets).toEqual(["Basic challenge"]);
    expect(secrets.every((secret) => secret === "Basic challenge")).toBe(true);
    expect(log).not.toContain('challenge"');
    expect(outside).toBe(0);
  });
});
