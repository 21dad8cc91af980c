/**
 * Streams of requests, sound and spoilt, cut anywhere, against a second reader that shares no code with the first: it reads a stream that is there as a whole, by
 * expressions, where the intake reads what comes.
 */

import { describe, expect, test } from "bun:test";
import { answerStart, createOneLine, limitBytes, quiet, type Seen } from "./one-line";

const seed = 0x9e3779b9;
const soundStreams = 400;
const spoiltStreams = 2500;

type Dice = (sides: number) => number;

/** Mulberry32: the same run each time. */
function createDice(start: number): Dice {
  let state = start;
  return (sides) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}

const pick = <Item>(dice: Dice, items: readonly Item[]): Item => {
  const item = items[dice(items.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
};

const verbs = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "LIST"] as const;
const withoutBody: readonly string[] = ["GET", "HEAD", "LIST"];
const canary = "GET /canary HTTP/1.1\r\nHost: h\r\n\r\n";
const contents = ["", "x", '{"a":1}', canary, `0\r\n\r\n${canary}`, "\r\n\r\n", "x".repeat(300), "\0\xff\r"];
const extras = ["X-A: b", "X-Vault-Token: hvs.1", "Accept:", "Connection: keep-alive", `x-long: ${"y".repeat(200)}`];
const damages = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  "0",
  "5",
  ";",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "\r\n\r\n",
  "HTTP/1.1",
  "\xff",
  "%2e%2e/",
  "#",
  "G",
  "chunked",
  ",",
];

interface Written {
  readonly wire: string;
  readonly seen: Seen;
}

function writeRequest(dice: Dice): Written {
  const method = pick(dice, verbs);
  const target = `/v1/${pick(dice, ["a", "a%2Fb", "a//b", "sys/health?x=..", "%252e%252e"])}`;
  const content = pick(dice, contents);
  const headers = ["Host: h", ...Array.from({ length: dice(4) }, () => pick(dice, extras))];
  const seen: Seen = [method, target, withoutBody.includes(method) ? "" : content];
  const head = (framing: readonly string[]): string => `${[`${method} ${target} HTTP/1.1`, ...headers, ...framing].join("\r\n")}\r\n\r\n`;
  if (content === "" && dice(2) === 0) return { wire: head([]), seen };
  if (dice(2) === 0) return { wire: head([`Content-Length: ${content.length}`]) + content, seen };
  return { wire: head(["Transfer-Encoding: chunked"]) + chunked(dice, content), seen };
}

function chunked(dice: Dice, content: string): string {
  let wire = "";
  for (let at = 0; at < content.length; ) {
    const piece = content.slice(at, at + 1 + dice(content.length));
    wire += `${piece.length.toString(16)}${pick(dice, ["", ";a", '; a="b"'])}\r\n${piece}\r\n`;
    at += piece.length;
  }
  return `${wire}0\r\n${pick(dice, ["", "", "X-Sum: 1\r\n"])}\r\n`;
}

function spoil(dice: Dice, wire: string): string {
  let spoilt = wire;
  for (let count = 1 + dice(3); count > 0; count -= 1) {
    const at = dice(spoilt.length + 1);
    const removed = pick(dice, [0, 0, 1, 2]);
    spoilt = spoilt.slice(0, at) + (dice(4) === 0 ? "" : pick(dice, damages)) + spoilt.slice(at + removed);
  }
  return spoilt;
}

interface Reading {
  readonly seen: readonly Seen[];
  /** Whether there is something behind them that is no request. */
  readonly isRefused: boolean;
}

const wholeHead =
  /^(?<method>[!#$%&'*+.^_`|~\w-]{1,16}) (?<target>[^\s]+) HTTP\/1\.(?<minor>[01])\r\n(?<lines>(?:[!#$%&'*+.^_`|~\w-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n/;
const wholeChunk = /^([0-9a-f]{1,8})(?:;[\t\x20-\x7e]*)?\r\n/i;
const wholeTrailers = /^(?:[!#$%&'*+.^_`|~\w-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n/;

/** The second reader: all requests of a stream up to the first thing that is none. What is cut off at the end counts as none and is not refused. */
function readAll(stream: string): Reading {
  const seen: Seen[] = [];
  let rest = stream;
  while (rest !== "") {
    const head = wholeHead.exec(rest)?.groups;
    if (head === undefined) return { seen, isRefused: true };
    const { method = "", target = "", minor = "", lines = "" } = head;
    const of = (name: string): readonly string[] =>
      lines
        .split("\r\n")
        .filter((line) => line.slice(0, line.indexOf(":")).toLowerCase() === name)
        .map((line) => line.slice(line.indexOf(":") + 1).replace(/^[ \t]+|[ \t]+$/g, ""));
    const [lengths, codings, hosts] = [of("content-length"), of("transfer-encoding"), of("host")];
    const isClear =
      lengths.length + codings.length <= 1 &&
      lengths.every((each) => /^\d{1,15}$/.test(each) && Number(each) <= limitBytes) &&
      codings.every((each) => each.toLowerCase() === "chunked" && minor === "1") &&
      hosts.length <= 1 &&
      of("expect").length === 0;
    const path = target.split("?", 1)[0] ?? "";
    const isPath =
      /^\/[\x21\x22\x24-\x7e]*$/.test(target) &&
      !/%(?![0-9a-f]{2})/i.test(path) &&
      !decodedSegments(path).some((each) => each === "." || each === "..");
    if (!isClear || !isPath || !verbs.some((each) => each === method)) return { seen, isRefused: true };
    rest = rest.slice(`${method} ${target} HTTP/1.x\r\n${lines}\r\n`.length);
    const body = codings.length === 0 ? sized(rest, Number(lengths[0] ?? 0)) : unchunked(rest);
    if (body === undefined) return { seen, isRefused: true };
    seen.push([
      method,
      new URL(`http://h${target.replaceAll("\\", "%5C")}`).href.slice("http://h".length),
      withoutBody.includes(method) ? "" : body.content,
    ]);
    rest = rest.slice(body.length);
    if (minor === "0" || of("connection").some((each) => each.split(",").some((word) => word.trim().toLowerCase() === "close")))
      return { seen, isRefused: false };
  }
  return { seen, isRefused: false };
}

const decodedSegments = (path: string): readonly string[] => path.replace(/%2f/gi, "/").replace(/%2e/gi, ".").split("/");

interface Content {
  readonly content: string;
  /** On the wire. */
  readonly length: number;
}

function sized(rest: string, length: number): Content | undefined {
  return rest.length < length ? undefined : { content: rest.slice(0, length), length };
}

function unchunked(rest: string): Content | undefined {
  let content = "";
  for (let at = 0; ; ) {
    const [line, digits = ""] = wholeChunk.exec(rest.slice(at)) ?? [];
    if (line === undefined || line.length > 256) return undefined;
    const length = Number.parseInt(digits, 16);
    if (content.length + length > limitBytes) return undefined;
    at += line.length;
    if (length === 0) {
      const trailers = wholeTrailers.exec(rest.slice(at))?.[0];
      return trailers === undefined ? undefined : { content, length: at + trailers.length };
    }
    if (rest.slice(at + length, at + length + 2) !== "\r\n") return undefined;
    content += rest.slice(at, at + length);
    at += length + 2;
  }
}

async function read(
  dice: Dice,
  stream: string,
  mostPieces: number,
): Promise<{ readonly seen: readonly Seen[]; readonly refusals: number; readonly answers: number }> {
  const line = createOneLine();
  const cuts = Array.from({ length: dice(mostPieces) }, () => dice(stream.length + 1)).sort((one, other) => one - other);
  const places = [0, ...cuts, stream.length];
  for (const [index, end] of places.slice(1).entries()) {
    line.connection.take(Buffer.from(stream.slice(places[index], end), "latin1"));
    if (dice(3) === 0) await quiet(line);
  }
  await quiet(line);
  return { seen: line.seen, refusals: line.refused.length, answers: line.sent().split(answerStart).length - 1 };
}

describe("streams of requests", () => {
  test("that are sound are read as they were written, wherever they are cut", async () => {
    const dice = createDice(seed);
    for (let round = 0; round < soundStreams; round += 1) {
      const written = Array.from({ length: 1 + dice(6) }, () => writeRequest(dice));
      const stream = written.map(({ wire }) => wire).join("");
      const { seen, refusals, answers } = await read(dice, stream, 12);
      expect([round, seen, refusals, answers]).toEqual([round, written.map((each) => each.seen), 0, written.length]);
    }
  });

  test("that are spoilt are read by two readers as the same requests, with one answer for each and one for what is none", async () => {
    const dice = createDice(seed + 1);
    let refusedStreams = 0;
    for (let round = 0; round < spoiltStreams; round += 1) {
      const stream = spoil(dice, Array.from({ length: 1 + dice(4) }, () => writeRequest(dice).wire).join(""));
      const { seen, refusals, answers } = await read(dice, stream, 6);
      const { seen: expected, isRefused } = readAll(stream);
      // One reader waits for what the other calls cut off; neither may go beyond it.
      expect([round, stream, seen]).toEqual([round, stream, expected]);
      expect([round, stream, answers]).toEqual([round, stream, seen.length + refusals]);
      expect(refusals).toBeLessThanOrEqual(isRefused ? 1 : 0);
      refusedStreams += refusals;
    }
    expect(refusedStreams).toBeGreaterThan(spoiltStreams / 4);
  });
});
