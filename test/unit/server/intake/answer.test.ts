import { describe, expect, test } from "bun:test";
import { bytesOf, httpDate } from "../../../../src/server/intake/answer";

const date = "Sun, 06 Nov 1994 08:49:37 GMT";
const kept = { isHead: false, isLast: false, date };

async function textOf(response: Response, manner = kept): Promise<readonly [string, boolean]> {
  const { bytes, isLast } = await bytesOf(response, manner);
  return [bytes.toString("latin1"), isLast];
}

describe("an answer", () => {
  test("states its length once, whatever it brings along", async () => {
    const response = new Response("héllo", {
      status: 200,
      headers: { "Content-Length": "99", "Transfer-Encoding": "chunked", "Content-Type": "a/b" },
    });
    expect(await textOf(response)).toEqual([
      `HTTP/1.1 200 OK\r\ncontent-type: a/b\r\ndate: ${date}\r\ncontent-length: 6\r\n\r\nh\xc3\xa9llo`,
      false,
    ]);
  });

  test("to HEAD has the length of the one to GET, stated or not, and no body", async () => {
    const manner = { ...kept, isHead: true };
    expect((await textOf(new Response(null, { headers: { "content-length": "8" } }), manner))[0]).toEndWith("content-length: 8\r\n\r\n");
    expect((await textOf(new Response("12345678"), manner))[0]).toEndWith("content-length: 8\r\n\r\n");
  });

  test.each([204, 304])("of status %p has neither body nor length", async (status) => {
    expect((await textOf(new Response(null, { status })))[0]).toMatch(/^HTTP\/1\.1 \d+ [\w ]+\r\ndate: [^\r]*\r\n\r\n$/);
  });

  test("ends the connection when it or anybody says so, and says it once", async () => {
    expect(await textOf(new Response(null, { headers: { connection: "close" } }))).toEqual([
      `HTTP/1.1 200 OK\r\ndate: ${date}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`,
      true,
    ]);
    expect((await textOf(new Response(null), { ...kept, isLast: true }))[1]).toBe(true);
  });

  test("is read to its end when it comes in pieces", async () => {
    const stream = new ReadableStream({
      async start(controller) {
        controller.enqueue(Buffer.from("a"));
        await Promise.resolve();
        controller.enqueue(Buffer.from("b"));
        controller.close();
      },
    });
    expect((await textOf(new Response(stream)))[0]).toEndWith("content-length: 2\r\n\r\nab");
  });
});

describe("a date", () => {
  test.each([
    [784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT"],
    [0, "Thu, 01 Jan 1970 00:00:00 GMT"],
    [1_764_547_199_999, "Sun, 30 Nov 2025 23:59:59 GMT"],
  ])("%p is %s", (instant, text) => {
    expect(httpDate(instant)).toBe(text);
  });
});
