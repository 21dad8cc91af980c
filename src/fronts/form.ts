/**
 * Members of a query or a form body: `a=1&b[]=2`. Each is percent-decoded exactly once, `+` being a blank.
 *
 * A member that decides something is asked for by `one`, which refuses a second one: two readers of the same request must not see two values.
 */

import { isUtf8 } from "node:buffer";
import { PosternError } from "../model/failures";

export interface Form {
  has(name: string): boolean;
  /** Every name that occurs, once. */
  names(): readonly string[];
  /** The value, or undefined when absent. Throws `malformed` when the member is repeated. */
  one(name: string): string | undefined;
  /** All values of a member that is a list, also when written `name[]`. */
  all(name: string): readonly string[];
}

const maxMembers = 1000;

/** Reads the query of a URL. Throws `malformed` for what does not decode to UTF-8. */
export function queryOf(url: string): Form {
  const start = url.indexOf("?");
  if (start < 0) return parseForm("");
  const end = url.indexOf("#", start);
  return parseForm(url.slice(start + 1, end < 0 ? undefined : end));
}

/** Reads a form body, whatever type the client gave it. Throws `malformed`. */
export function formOf(body: Uint8Array): Form {
  return parseForm(textOf(body, "body"));
}

/** The UTF-8 text of a body. Throws `malformed`; `where` names the member for the reader of the failure. */
export function textOf(body: Uint8Array, where: string): string {
  if (!isUtf8(body)) throw new PosternError({ code: "malformed", where, expected: "UTF-8" });
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
}

/** One percent-decoding. Throws `malformed` for a broken escape and for escapes that are not UTF-8. */
export function decodeOnce(text: string, where: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new PosternError({ code: "malformed", where, expected: "percent-encoded UTF-8" }, { cause });
  }
}

function parseForm(text: string): Form {
  const members = new Map<string, string[]>();
  const pairs = text === "" ? [] : text.split("&", maxMembers + 1);
  if (pairs.length > maxMembers) throw new PosternError({ code: "malformed", where: "form", expected: `at most ${maxMembers} members` });
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? "" : decode(pair.slice(equals + 1));
    const values = members.get(name);
    if (values === undefined) members.set(name, [value]);
    else values.push(value);
  }
  return {
    has: (name) => members.has(name),
    names: () => [...members.keys()],
    one(name) {
      const values = members.get(name) ?? [];
      if (values.length > 1) throw new PosternError({ code: "malformed", where: name, expected: "one value" });
      return values[0];
    },
    all: (name) => [...(members.get(name) ?? []), ...(members.get(`${name}[]`) ?? [])],
  };
}

const decode = (text: string): string => decodeOnce(text.replaceAll("+", " "), "form");
