import { describe, expect, test } from "bun:test";
import { judgeUnfinished, maxHeadBytes, maxTargetBytes, readHead } from "../../../../src/server/intake/head";

const lines = (...each: readonly string[]): string => each.join("\r\n");
const get = "GET /v1/a HTTP/1.1";
const host = "Host: vault.test:8200";

describe("the head of a request", () => {
  test("is read with its names in lower case, its values without blanks around them, and without what frames the body", () => {
    expect(
      readHead(lines("PUT /v1/a?b=c HTTP/1.1", host, "X-Vault-Token: \t a b \t", "Content-Length: 12", "x-again:", "X-Again: 2")),
    ).toEqual({
      method: "PUT",
      target: "/v1/a?b=c",
      host: "vault.test:8200",
      headers: [
        ["host", "vault.test:8200"],
        ["x-vault-token", "a b"],
        ["x-again", ""],
        ["x-again", "2"],
      ],
      body: 12,
      expectsContinue: false,
      isKept: true,
    });
  });

  test.each([
    [lines(get, host), 0, true],
    [lines(get, host, "Connection: close"), 0, false],
    [lines(get, host, "Connection: x-other , CLOSE"), 0, false],
    [lines(get, host, "Connection: keep-alive", "Connection: close"), 0, false],
    [lines(get, host, "Connection: closet"), 0, true],
    [lines("GET /v1/a HTTP/1.0", host, "Connection: keep-alive"), 0, false],
    [lines(get, host, "Transfer-Encoding: Chunked"), "chunked", true],
    [lines(get, host, "Content-Length: 0012"), 12, true],
  ])("%j has the body %p; another request may follow: %p", (text, body, isKept) => {
    expect(readHead(text)).toMatchObject({ body, isKept });
  });

  test("says whether the client waits before it sends the body, which the first version of the protocol cannot", () => {
    expect(readHead(lines(get, host, "Expect: 100-Continue"))).toMatchObject({ expectsContinue: true });
    expect(readHead(lines("GET /v1/a HTTP/1.0", host, "Expect: 100-continue"))).toMatchObject({ expectsContinue: false });
  });

  test.each([
    // First line.
    ["", 400],
    [lines("", get, host), 400],
    ["GET /v1/a", 400],
    ["GET  /v1/a HTTP/1.1", 400],
    ["GET /v1/a b HTTP/1.1", 400],
    ["GET /v1/a HTTP/1.1 ", 400],
    [" GET /v1/a HTTP/1.1", 400],
    ["GET\t/v1/a\tHTTP/1.1", 400],
    ["G(T /v1/a HTTP/1.1", 400],
    ["GET /v1/a HTTP/1.1x", 400],
    ["GET /v1/a http/1.1", 400],
    ["GET /v1/a HTTP/11", 400],
    ["GET /v1/a HTTP/2.0", 505],
    ["PRI * HTTP/2.0", 505],
    ["GET /v1/a HTTP/1.2", 505],
    ["GET /v1/a HTTP/0.9", 505],
    [`${"A".repeat(17)} / HTTP/1.1`, 501],
    [`GET /${"a".repeat(maxTargetBytes)} HTTP/1.1`, 414],
    // Lines' ends, and bytes that are none of a text.
    [lines(get, `${host}\nX: y`), 400],
    [lines(get, `${host}\rX: y`), 400],
    [lines(get, `${host}\r`), 400],
    ["GET /v1/a HTTP/1.1\nHost: h", 400],
    [lines(get, host, "X: a\0b"), 400],
    [lines(get, host, "X: a\x7fb"), 400],
    [lines(get, host, "X: a\x0bb"), 400],
    // Names.
    [lines(get, " Host: h"), 400],
    [lines(get, host, " folded"), 400],
    [lines(get, host, "\tfolded: x"), 400],
    [lines(get, "Host : h"), 400],
    [lines(get, host, "Content-Length\t: 3"), 400],
    [lines(get, host, ": x"), 400],
    [lines(get, host, "no colon"), 400],
    [lines(get, host, "näme: x"), 400],
    // Who is meant.
    [lines(get, host, host), 400],
    // Framing.
    [lines(get, host, "Content-Length: 3", "Transfer-Encoding: chunked"), 400],
    [lines(get, host, "Transfer-Encoding: chunked", "Content-Length: 3"), 400],
    [lines(get, host, "Transfer-Encoding: chunked", "Content-Length: 0"), 400],
    [lines(get, host, "Content-Length: 3", "Content-Length: 3"), 400],
    [lines(get, host, "Content-Length: 3, 3"), 400],
    [lines(get, host, "Content-Length: +3"), 400],
    [lines(get, host, "Content-Length: -3"), 400],
    [lines(get, host, "Content-Length: 0x3"), 400],
    [lines(get, host, "Content-Length: 3 3"), 400],
    [lines(get, host, "Content-Length: 3.0"), 400],
    [lines(get, host, "Content-Length:"), 400],
    [lines(get, host, "Content-Length: \xb3"), 400],
    [lines(get, host, "Content-Length: 9999999999999999"), 400],
    [lines(get, host, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400],
    [lines(get, host, "Transfer-Encoding: identity", "Transfer-Encoding: chunked"), 400],
    [lines(get, host, "Transfer-Encoding: gzip, chunked"), 501],
    [lines(get, host, "Transfer-Encoding: chunked, chunked"), 501],
    [lines(get, host, "Transfer-Encoding: chunked;x"), 501],
    [lines(get, host, "Transfer-Encoding: \xa0chunked"), 501],
    [lines(get, host, "Transfer-Encoding: identity"), 501],
    [lines(get, host, "Transfer-Encoding:"), 501],
    [lines("GET /v1/a HTTP/1.0", host, "Transfer-Encoding: chunked"), 400],
    [lines(get, host, "Expect: 200-ok"), 417],
    [lines(get, host, "Expect: 100-continue", "Expect: 100-continue"), 400],
    [lines(get, host, ...Array.from({ length: 200 }, (_, index) => `X-${index}: y`)), 431],
  ])("%# is refused with its status", (text, status) => {
    expect<unknown>([text, readHead(text)]).toEqual([text, { refused: status }]);
  });
});

describe("half a head", () => {
  test.each([
    ["", undefined],
    ["G", undefined],
    ["GET / HTTP/1.1\r", undefined],
    ["GET / HTTP/1.1\r\nHost: h\r\n", undefined],
    ["\n", 400],
    [" GET", 400],
    ["\x16\x03\x01\x02\x00\x01", 400],
    ["GET / HTTP/1.1\n", 400],
    ["GET / HTTP/1.1\r\nHost: h\nX", 400],
    ["G".repeat(maxHeadBytes), undefined],
    ["G".repeat(maxHeadBytes + 1), 414],
    [`GET / HTTP/1.1\r\nX: ${"y".repeat(maxHeadBytes)}`, 431],
  ])("%# is waited for, or refused with its status", (text, refusal) => {
    expect<unknown>([text, judgeUnfinished(Buffer.from(text, "latin1"), 0)]).toEqual([text, refusal]);
  });
});
