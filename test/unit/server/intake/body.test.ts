import { describe, expect, test } from "bun:test";
import { type BodyReader, createChunkedBody, createSizedBody } from "../../../../src/server/intake/body";

const text = (body: BodyReader): string => Buffer.from(body.content()).toString("latin1");
const bytes = (content: string): Buffer => Buffer.from(content, "latin1");

/** Gives the bytes in two pieces, and says how many were taken. */
function feed(body: BodyReader, content: string, split: number): number {
  const whole = bytes(content);
  let taken = body.take(whole.subarray(0, split), 0);
  if (taken === split && body.state() === "open") taken += body.take(whole.subarray(split), 0);
  return taken;
}

describe("a body of a stated length", () => {
  test("ends where it says, wherever it is cut", () => {
    for (let split = 0; split <= 8; split += 1) {
      const body = createSizedBody(5);
      expect([feed(body, "12345GET", split), body.state(), text(body)]).toEqual([5, "done", "12345"]);
    }
  });

  test("is open until its last byte", () => {
    const body = createSizedBody(3);
    body.take(bytes("12"), 0);
    expect([body.state(), body.length()]).toEqual(["open", 2]);
  });
});

describe("a body in chunks", () => {
  test.each([
    ["5\r\nhello\r\n0\r\n\r\n", "hello"],
    ["0\r\n\r\n", ""],
    ["00000000\r\n\r\n", ""],
    ['2\r\nhe\r\n3;ext="a"\r\nllo\r\n0;last\r\n\r\n', "hello"],
    ["1; x\r\nA\r\n0\r\n\r\n", "A"],
    ["a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n", "01234567890123456789"],
    ["b\r\n0\r\n\r\nGET / \r\n0\r\n\r\n", "0\r\n\r\nGET / "],
  ])("%j is %j, wherever it is cut, and what follows is not touched", (wire, content) => {
    for (let split = 0; split <= wire.length; split += 1) {
      const body = createChunkedBody(100);
      expect([split, feed(body, `${wire}GET /next`, split), body.state(), text(body)]).toEqual([split, wire.length, "done", content]);
    }
  });

  test.each([
    ["no size", "\r\n"],
    ["a sign", "+5\r\nhello\r\n0\r\n\r\n"],
    ["a prefix", "0x5\r\nhello\r\n0\r\n\r\n"],
    ["a blank before the size", " 5\r\nhello\r\n0\r\n\r\n"],
    ["a blank behind the size", "5 \r\nhello\r\n0\r\n\r\n"],
    ["a blank before an extension", "5 ;a\r\nhello\r\n0\r\n\r\n"],
    ["a size that overflows", "100000005\r\nhello\r\n0\r\n\r\n"],
    ["a bare line feed behind the size", "5\nhello\r\n0\r\n\r\n"],
    ["a bare line feed behind the content", "5\r\nhello\n0\r\n\r\n"],
    ["content longer than its size", "4\r\nhello\r\n0\r\n\r\n"],
    ["content shorter than its size", "6\r\nhello\r\n0\r\n\r\n"],
    ["a line feed in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"],
    ["a carriage return in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"],
    ["a control character in an extension", "5;a\0b\r\nhello\r\n0\r\n\r\n"],
    ["an extension without its sign", "5 a\r\nhello\r\n0\r\n\r\n"],
    ["an extension that is too long", `5;${"a".repeat(300)}\r\nhello\r\n0\r\n\r\n`],
    ["too many extensions", `${"1;".padEnd(200, "a")}\r\nA\r\n`.repeat(40)],
    ["a trailer that is no header", "0\r\nGET / HTTP/1.1\r\n\r\n"],
    ["a trailer that goes on", "0\r\nX: y\r\n z\r\n\r\n"],
    ["too many trailers", `0\r\n${`X: ${"y".repeat(200)}\r\n`.repeat(40)}\r\n`],
    ["a bare line feed at the end", "0\r\n\n"],
  ])("with %s is broken, wherever it is cut", (_, wire) => {
    for (let split = 0; split <= Math.min(40, wire.length); split += 1) {
      const body = createChunkedBody(10_000);
      feed(body, wire, split);
      expect([split, body.state()]).toEqual([split, "broken"]);
    }
  });

  test("is over as soon as a chunk says so, before it comes", () => {
    const body = createChunkedBody(10);
    body.take(bytes("8\r\n12345678\r\n3\r\n"), 0);
    expect([body.state(), body.length()]).toEqual(["over", 11]);
    const huge = createChunkedBody(10);
    huge.take(bytes("ffffffff\r\n"), 0);
    expect([huge.state(), huge.length()]).toEqual(["over", 0xffffffff]);
  });

  test("that comes in pieces of one byte takes no more memory than its content twice", () => {
    const body = createChunkedBody(1 << 20);
    const piece = bytes("1\r\nA\r\n".repeat(1000));
    for (let round = 0; round < 200; round += 1) body.take(piece, 0);
    body.take(bytes("0\r\n\r\n"), 0);
    expect([body.state(), body.content().byteLength, body.content().buffer.byteLength <= 400_000 + 1024]).toEqual(["done", 200_000, true]);
  });
});
