/**
 * The body of a request, taken from the wire as its head framed it. Nothing is handed on before its end is there, and no more is kept than the limit allows.
 *
 * Source: RFC 9112, sections 6 and 7.1.
 */

export interface BodyReader {
  /** Takes bytes from `from` on, and gives the place behind the last that belongs to the body. */
  take(bytes: Buffer, from: number): number;
  /** `over`: more than the limit has come. `broken`: nobody can say where it ends. */
  state(): "open" | "done" | "over" | "broken";
  /** Bytes of content so far. */
  length(): number;
  /** The content; its chunks joined. */
  content(): Uint8Array<ArrayBuffer>;
}

/** A body of a stated length, which is within the limit. */
export function createSizedBody(statedLength: number): BodyReader {
  const content = createGathering();
  let missing = statedLength;
  return {
    take(bytes, from) {
      const end = Math.min(bytes.byteLength, from + missing);
      content.add(bytes, from, end);
      missing -= end - from;
      return end;
    },
    state: () => (missing === 0 ? "done" : "open"),
    length: () => statedLength - missing,
    content: content.whole,
  };
}

/** `1f4` with or without extensions, and without a blank before them, as Go has it; they mean nothing here and have no quoted text that could hold a line's end. */
const sizeLine = /^([0-9A-Fa-f]{1,8})(?:;[\t -~]*)?$/;
const trailerLine = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\u0080-\u00ff]*$/;
const maxLineBytes = 256;
/** Of extensions and trailers together; both are dropped. */
const maxExtraBytes = 4096;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** A body in chunks, of at most `limitBytes`. */
export function createChunkedBody(limitBytes: number): BodyReader {
  const content = createGathering();
  let line = "";
  let length = 0;
  let extraBytes = 0;
  /** Content of the present chunk that is still to come. */
  let missing = 0;
  let expected: "size" | "content" | "break" | "trailer" = "size";
  let state: ReturnType<BodyReader["state"]> = "open";

  /** A line without its end once that is there; what is broken ends the reading. */
  function takeLine(bytes: Buffer, from: number): { readonly end: number; readonly text?: string } {
    const feed = bytes.indexOf(lineFeed, from);
    const end = feed < 0 ? bytes.byteLength : feed + 1;
    if (line.length + end - from > maxLineBytes) return broken(end);
    line += bytes.toString("latin1", from, end);
    if (feed < 0) return { end };
    if (line.charCodeAt(line.length - 2) !== carriageReturn) return broken(end);
    const text = line.slice(0, -2);
    line = "";
    return { end, text };
  }

  function broken(end: number): { readonly end: number } {
    state = "broken";
    return { end };
  }

  function judge(text: string): void {
    if (expected === "break") {
      if (text !== "") state = "broken";
      expected = "size";
      return;
    }
    if (expected === "trailer") {
      if (text === "") state = "done";
      else if (!trailerLine.test(text)) state = "broken";
      extraBytes += text.length;
    } else {
      const digits = sizeLine.exec(text)?.[1];
      if (digits === undefined) state = "broken";
      missing = Number.parseInt(digits ?? "0", 16);
      extraBytes += text.length - (digits?.length ?? 0);
      expected = missing === 0 ? "trailer" : "content";
      // Refused by what the chunk says of itself, before it comes.
      if (length + missing > limitBytes) state = "over";
    }
    if (extraBytes > maxExtraBytes) state = "broken";
  }

  function takeContent(bytes: Buffer, from: number): number {
    const end = Math.min(bytes.byteLength, from + missing);
    content.add(bytes, from, end);
    length += end - from;
    missing -= end - from;
    if (missing === 0) expected = "break";
    return end;
  }

  return {
    take(bytes, from) {
      let at = from;
      while (state === "open" && at < bytes.byteLength) {
        if (expected === "content") {
          at = takeContent(bytes, at);
          continue;
        }
        const { end, text } = takeLine(bytes, at);
        at = end;
        if (text !== undefined) judge(text);
      }
      return at;
    },
    state: () => state,
    length: () => (state === "over" ? length + missing : length),
    content: content.whole,
  };
}

interface Gathering {
  add(bytes: Buffer, from: number, end: number): void;
  whole(): Uint8Array<ArrayBuffer>;
}

const firstCapacity = 1024;

/** Bytes put together as they come, in memory that grows with them: a million pieces of one byte take a mebibyte, not a million objects. */
function createGathering(): Gathering {
  let held = new Uint8Array(0);
  let length = 0;
  return {
    add(bytes, from, end) {
      const needed = length + end - from;
      if (needed > held.byteLength) {
        const larger = new Uint8Array(Math.max(firstCapacity, needed, held.byteLength * 2));
        larger.set(held.subarray(0, length));
        held = larger;
      }
      held.set(bytes.subarray(from, end), length);
      length = needed;
    },
    whole: () => held.subarray(0, length),
  };
}
