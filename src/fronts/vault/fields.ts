/**
 * The members of a body as Vault's fields: what a client may write for each kind, and what a missing one is.
 *
 * `null` empties a field, except that of a duration, where it is as if nothing was sent. Source: Vault 1.19, sdk/framework/field_data.go.
 */

import { secondsOf } from "../../model/durations";
import { PosternError } from "../../model/failures";

export interface Fields {
  /** Whether the member was sent, even if as `null`. */
  has(name: string): boolean;
  /** As it was sent; undefined when it was not. */
  raw(name: string): unknown;
  /** Every member, for what takes any. */
  all(): Readonly<Record<string, unknown>>;
  /** Undefined when absent, here and below. Numbers and booleans as text. */
  text(name: string): string | undefined;
  whole(name: string): number | undefined;
  flag(name: string): boolean | undefined;
  /** Whole seconds, of a number, digits, or a duration such as `1h30m`; below zero where `signed` allows it. */
  seconds(name: string, signed?: "signed"): number | undefined;
  /** Of an array or a text with commas. */
  list(name: string): readonly string[] | undefined;
  wholes(name: string): readonly number[] | undefined;
  /** An object of anything. */
  map(name: string): Readonly<Record<string, unknown>> | undefined;
  /** An object of texts, or a list of `name=value`. */
  pairs(name: string): Readonly<Record<string, string>> | undefined;
}

/** What fits into 64 bits of nanoseconds: longer times are none to clients. Source: Go 1.24, time.Duration. */
const longestSeconds = 9_223_372_036;

export function fieldsOf(body: Readonly<Record<string, unknown>>): Fields {
  const value = (name: string): unknown => (Object.hasOwn(body, name) ? body[name] : undefined);

  function text(name: string): string | undefined {
    const found = value(name);
    if (found === undefined) return undefined;
    if (found === null) return "";
    return scalar(found, name);
  }

  return {
    has: (name) => Object.hasOwn(body, name),
    raw: value,
    all: () => body,
    text,
    whole: (name) => (value(name) === undefined ? undefined : wholeOf(value(name), name)),
    flag: (name) => (value(name) === undefined ? undefined : flagOf(value(name), name)),
    seconds(name, signed) {
      const found = value(name);
      if (found === undefined || found === null || found === "") return undefined;
      const seconds = typeof found === "number" ? Math.trunc(found) : typeof found === "string" ? secondsOf(found) : undefined;
      if (seconds === undefined || !(Math.abs(seconds) <= longestSeconds)) throw unconvertible(name, "a duration");
      if (seconds < 0 && signed === undefined) throw unconvertible(name, "a duration of zero or more");
      return seconds;
    },
    list: (name) => (value(name) === undefined ? undefined : listOf(value(name), name)),
    wholes: (name) => (value(name) === undefined ? undefined : listOf(value(name), name).map((each) => wholeOf(each, name))),
    map: (name) => (value(name) === undefined ? undefined : mapOf(value(name), name)),
    pairs: (name) => (value(name) === undefined ? undefined : pairsOf(value(name), name)),
  };
}

function scalar(found: unknown, name: string): string {
  if (typeof found === "string") return found;
  if (typeof found === "number" || typeof found === "boolean") return String(found);
  throw unconvertible(name, "a text");
}

function wholeOf(found: unknown, name: string): number {
  if (found === null || found === "") return 0;
  const number =
    typeof found === "number" ? found : typeof found === "string" && /^[+-]?\d{1,15}$/.test(found) ? Number(found) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw unconvertible(name, "a whole number");
  return number;
}

function flagOf(found: unknown, name: string): boolean {
  if (found === null || found === "" || found === false || found === 0) return false;
  if (found === true || found === 1) return true;
  const word = typeof found === "string" ? found.toLowerCase() : "";
  if (word === "true" || word === "1" || word === "t") return true;
  if (word === "false" || word === "0" || word === "f") return false;
  throw unconvertible(name, "true or false");
}

function listOf(found: unknown, name: string): readonly string[] {
  if (found === null || found === "") return [];
  const items = Array.isArray(found) ? found.map((each) => scalar(each, name)) : scalar(found, name).split(",");
  return items.map((each) => each.trim()).filter((each) => each !== "");
}

function mapOf(found: unknown, name: string): Readonly<Record<string, unknown>> {
  if (found === null) return {};
  if (typeof found !== "object" || Array.isArray(found)) throw unconvertible(name, "an object");
  return Object.fromEntries(Object.entries(found));
}

function pairsOf(found: unknown, name: string): Readonly<Record<string, string>> {
  if (found === null || found === "") return {};
  if (typeof found === "object" && !Array.isArray(found))
    return Object.fromEntries(Object.entries(found).map(([key, each]) => [key, scalar(each, name)]));
  const pairs = listOf(found, name).map((each) => {
    const at = each.indexOf("=");
    if (at < 0) throw unconvertible(name, "members of the form name=value");
    return [each.slice(0, at).trim(), each.slice(at + 1).trim()] as const;
  });
  return Object.fromEntries(pairs);
}

/** Members that are set, without those that are not there. */
export type Set<Given> = { readonly [Name in keyof Given]?: Exclude<Given[Name], undefined> };

/** Without the members that are undefined. */
export function onlySet<Given extends object>(given: Given): Set<Given>;
export function onlySet(given: object): object {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** A value that is no good where it stands, told in the words that clients know. */
export function argument(where: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where, expected: says, kind: "argument", says });
}

/** The text that clients know the refusal by. What was sent is not repeated: it may be a credential. */
export function unconvertible(name: string, expected: string): PosternError {
  return new PosternError({
    code: "malformed",
    where: name,
    expected,
    kind: "validation",
    says: `Field validation failed: error converting input for field "${name}": expected ${expected}`,
  });
}
