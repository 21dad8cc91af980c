/**
 * The head of a request as it came over the wire, read strictly: what two readers could take for two things is refused, whatever most would take it for.
 *
 * Source: RFC 9112 (sections 2.2, 3, 5, 6) and RFC 9110 (5.5, 10.1.1); where they leave a choice, it is made for refusal.
 */

/** The largest head, its first line included. */
export const maxHeadBytes = 16 * 1024;
/** The longest request target. */
export const maxTargetBytes = 8 * 1024;
const maxHeaders = 200;
const maxMethodLength = 16;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
/** Longer numbers are no length of anything, and would lose digits. */
const contentLength = /^\d{1,15}$/;

/** By byte: whether it may stand in a line, and in a token. A table, because this looks at every byte, and expressions took a quarter of a request's time. */
const inLine = tableOf(/[\t -~\u0080-\u00ff]/);
const inToken = tableOf(/[!#$%&'*+.^_`|~0-9A-Za-z-]/);
const version = /^HTTP\/\d\.\d$/;

export interface RequestHead {
  readonly method: string;
  /** As it was sent. */
  readonly target: string;
  /** Without what frames the body. Names in lower case; a name may occur again. */
  readonly headers: readonly [name: string, value: string][];
  /** Undefined when there is no such header. */
  readonly host: string | undefined;
  /** How the body is framed: its stated length, 0 without one, or chunks. */
  readonly body: number | "chunked";
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
  /** Whether another request may follow on the connection. */
  readonly isKept: boolean;
}

/** A status of HTTP's own, for what is no request. */
export interface NoRequest {
  readonly refused: 400 | 414 | 417 | 431 | 501 | 505;
}

const malformed: NoRequest = { refused: 400 };

/** Reads a head without the empty line that ends it; each character of the text is one byte. */
export function readHead(text: string): RequestHead | NoRequest {
  const lines = text.split("\r\n");
  const first = lines[0] ?? "";
  const [method = "", target = "", protocol = "", more] = first.split(" ");
  if (more !== undefined || !consistsOf(inLine, first) || !isToken(method) || target === "" || !version.test(protocol)) return malformed;
  if (method.length > maxMethodLength) return { refused: 501 };
  if (target.length > maxTargetBytes) return { refused: 414 };
  if (protocol !== "HTTP/1.1" && protocol !== "HTTP/1.0") return { refused: 505 };
  if (lines.length > maxHeaders + 1) return { refused: 431 };
  return readHeaders(lines, { method, target, isFirstVersion: protocol === "HTTP/1.0" });
}

interface FirstLine {
  readonly method: string;
  readonly target: string;
  readonly isFirstVersion: boolean;
}

/** The lines behind the first. */
function readHeaders(lines: readonly string[], { method, target, isFirstVersion }: FirstLine): RequestHead | NoRequest {
  const headers: [string, string][] = [];
  let host: string | undefined;
  let length: string | undefined;
  let coding: string | undefined;
  let expectation: string | undefined;
  let isKept = !isFirstVersion;
  for (let index = 1; index < lines.length; index += 1) {
    const line = lines[index] ?? "";
    if (!consistsOf(inLine, line)) return malformed;
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    // Also what continues the line before it, and a blank before the colon: neither is a token.
    if (!isToken(name)) return malformed;
    const value = withoutBlanks(line, colon + 1);
    switch (name) {
      case "content-length":
        if (length !== undefined || !contentLength.test(value)) return malformed;
        length = value;
        continue;
      case "transfer-encoding":
        if (coding !== undefined) return malformed;
        coding = value.toLowerCase();
        continue;
      case "expect":
        if (expectation !== undefined) return malformed;
        expectation = value.toLowerCase();
        continue;
      case "host":
        if (host !== undefined) return malformed;
        host = value;
        break;
      case "connection":
        isKept &&= !/(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(value);
        break;
    }
    headers.push([name, value]);
  }
  // Either alone is clear. Both are how one reader's body becomes another reader's request.
  if (coding !== undefined && (length !== undefined || isFirstVersion)) return malformed;
  if (coding !== undefined && coding !== "chunked") return { refused: 501 };
  if (expectation !== undefined && expectation !== "100-continue") return { refused: 417 };
  const body = coding === undefined ? Number(length ?? 0) : "chunked";
  return { method, target, headers, host, body, expectsContinue: expectation !== undefined && !isFirstVersion, isKept };
}

function tableOf(each: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (each.test(String.fromCharCode(code)) ? 1 : 0));
}

function consistsOf(table: Uint8Array, text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (table[text.charCodeAt(at)] !== 1) return false;
  return true;
}

const isToken = (text: string): boolean => text !== "" && consistsOf(inToken, text);

/** The rest of a line without the blanks and tabs around it, and none of the characters that `trim` would take beside them. */
function withoutBlanks(line: string, from: number): string {
  let start = from;
  let end = line.length;
  while (start < end && isBlank(line.charCodeAt(start))) start += 1;
  while (end > start && isBlank(line.charCodeAt(end - 1))) end -= 1;
  return line.slice(start, end);
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;

/** What is wrong already with a head that has not come to its end: it is too long, or has what no head has. Bytes before `from` were judged before. */
export function judgeUnfinished(bytes: Buffer, from: number): NoRequest["refused"] | undefined {
  for (let at = bytes.indexOf(lineFeed, from); at >= 0 && at <= maxHeadBytes; at = bytes.indexOf(lineFeed, at + 1)) {
    if (at === 0 || bytes[at - 1] !== carriageReturn) return 400;
  }
  // Among others a client that speaks TLS where none is.
  if (bytes.byteLength > 0 && !isVisible(bytes[0] ?? 0)) return 400;
  if (bytes.byteLength <= maxHeadBytes) return undefined;
  return bytes.toString("latin1", 0, maxTargetBytes).includes("\n") ? 431 : 414;
}

const isVisible = (code: number): boolean => code > 0x20 && code < 0x7f;
