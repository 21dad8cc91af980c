/**
 * The language of policies by path, in HCL or JSON, read into rules. Nothing of it is judged here.
 *
 *   path "secret/data/app/*" { capabilities = ["read"] }   →   { path: "secret/data/app/*", capabilities: ["read"], line: 1 }
 *
 * Source: Vault 1.19, vault/policy.go (ParseACLPolicy, parsePaths); OpenBao 2.6 for its further keys.
 */

import { secondsOf } from "../../model/durations";
import { PosternError } from "../../model/failures";
import type { Capability, PathRule } from "../../model/paths";
import { parsed } from "./exchange";
import { type HclItem, type HclObject, type HclValue, parseHcl } from "./hcl";

const maxRules = 20_000;

/** Throws `malformed` with the sentence that clients know, line and column in it. */
export function parsePolicyText(text: string): readonly PathRule[] {
  try {
    const items = text.trimStart().startsWith("{") ? itemsOfJson(parsed(Buffer.from(text))) : parseHcl(text);
    const unknown = items.find(({ key }) => key !== "path" && key !== "name");
    if (unknown !== undefined) fail(`1 error occurred:\n\t* invalid key "${unknown.key.slice(0, 64)}" on line ${unknown.line}\n\n`);
    const rules = items
      .filter(({ key }) => key === "path")
      .flatMap(stanzasOf)
      .map(ruleOf);
    if (rules.length > maxRules) fail(`at most ${maxRules} paths`);
    return rules;
  } catch (error) {
    if (!(error instanceof PosternError) || error.failure.code !== "malformed") throw error;
    throw new PosternError({ ...error.failure, says: `failed to parse policy: ${error.failure.says ?? error.failure.expected}` });
  }
}

interface Stanza {
  readonly path: string;
  readonly items: readonly HclItem[];
  readonly line: number;
}

/** `path "x" {…}`, `path "x" = {…}`, `path = { "x" = {…} }`, and each of them in lists, as tools write it. */
function stanzasOf({ labels, value, line }: HclItem): readonly Stanza[] {
  const [path, ...more] = labels;
  if (more.length > 0) fail(`path "${path}": one label is allowed, on line ${line}`);
  if (path !== undefined) return [{ path, items: objectsIn(value, path).flatMap(({ items }) => items), line }];
  return objectsIn(value, "").flatMap(({ items }) => items.flatMap((item) => stanzasOf({ ...item, labels: [item.key, ...item.labels] })));
}

function objectsIn(value: HclValue, path: string): readonly HclObject[] {
  if (isObject(value)) return [value];
  if (Array.isArray(value)) return value.flatMap((each) => objectsIn(each, path));
  return fail(`path "${path}": expected a block`);
}

const isObject = (value: HclValue): value is HclObject => typeof value === "object" && "items" in value;

const grants = ["create", "read", "update", "patch", "delete", "list", "sudo", "deny"] as const;
/** Of things that are not served here: they give nothing. */
const foreign: readonly string[] = ["scan", "subscribe", "recover"];
const shorthands: ReadonlyMap<string, readonly Capability[]> = new Map([
  ["deny", ["deny"]],
  ["read", ["read", "list"]],
  ["write", ["create", "read", "update", "delete", "list"]],
  ["sudo", ["create", "read", "update", "delete", "list", "sudo"]],
]);
const ignored: readonly string[] = [
  "mfa_methods",
  "control_group",
  "comment",
  "pagination_limit",
  "list_scan_response_keys_filter_path",
  "subscribe_event_types",
];

function ruleOf({ path: written, items, line }: Stanza): PathRule {
  const path = written.startsWith("/") ? written.slice(1) : written;
  const about = `path "${path.slice(0, 512)}": `;
  if (/\+\*/.test(path)) fail(`${about}invalid use of wildcards ('+*' is forbidden)`);
  if (/\p{Cc}/u.test(path) || path.length > 2048) fail(`${about}expected a path of printable characters`);
  const draft: Draft = { capabilities: new Set(), times: {} };
  for (const item of items) read(item, draft, about);
  const { capabilities, required, allowed, denied, times } = draft;
  const rule: PathRule = {
    path,
    capabilities: [...capabilities],
    ...(required === undefined ? {} : { requiredParameters: [...required] }),
    ...(allowed === undefined ? {} : { allowedParameters: Object.fromEntries(allowed) }),
    ...(denied === undefined ? {} : { deniedParameters: Object.fromEntries(denied) }),
    ...times,
    ...(line === 0 ? {} : { line }),
  };
  const { minWrappingSeconds: least = 0, maxWrappingSeconds: most = 0 } = times;
  if (most > 0 && least > most) fail(`${about}max_wrapping_ttl cannot be less than min_wrapping_ttl`);
  return rule;
}

/** A rule while its stanza is read. A key may come again and again, and each time only costs what it brings. */
interface Draft {
  readonly capabilities: Set<Capability>;
  required?: Set<string>;
  allowed?: Map<string, readonly unknown[]>;
  denied?: Map<string, readonly unknown[]>;
  readonly times: { minWrappingSeconds?: number; maxWrappingSeconds?: number };
}

function read({ key, labels, value, line }: HclItem, draft: Draft, about: string): void {
  switch (key) {
    case "capabilities":
      for (const word of textsOf(value, `${about}capabilities`))
        for (const capability of capabilityOf(word, about)) draft.capabilities.add(capability);
      return;
    case "policy": {
      const word = typeof value === "string" ? value : "";
      const given = shorthands.get(word) ?? fail(`${about}invalid policy '${word.slice(0, 64)}'`);
      for (const capability of given) draft.capabilities.add(capability);
      return;
    }
    case "required_parameters":
      draft.required ??= new Set();
      for (const name of textsOf(value, `${about}required_parameters`)) draft.required.add(name);
      return;
    case "allowed_parameters":
      draft.allowed ??= new Map();
      addLists(draft.allowed, value, `${about}allowed_parameters`);
      return;
    case "denied_parameters":
      draft.denied ??= new Map();
      addLists(draft.denied, value, `${about}denied_parameters`);
      return;
    case "min_wrapping_ttl":
      draft.times.minWrappingSeconds = durationOf(value, `${about}error parsing min_wrapping_ttl`);
      return;
    case "max_wrapping_ttl":
      draft.times.maxWrappingSeconds = durationOf(value, `${about}error parsing max_wrapping_ttl`);
      return;
    default:
      // What would end by itself must not be kept without its end.
      if (labels.length > 0 || !ignored.includes(key))
        fail(`${about}invalid key "${key.slice(0, 64)}"${line === 0 ? "" : ` on line ${line}`}`);
  }
}

function capabilityOf(word: string, about: string): readonly Capability[] {
  const known = grants.find((each) => each === word);
  if (known !== undefined) return [known];
  return foreign.includes(word) ? [] : fail(`${about}invalid capability "${word.slice(0, 64)}"`);
}

function textsOf(value: HclValue, about: string): readonly string[] {
  if (!Array.isArray(value)) return typeof value === "string" ? [value] : fail(`${about}: expected a list of texts`);
  return value.map((each: HclValue) => (typeof each === "string" ? each : fail(`${about}: expected a list of texts`)));
}

/** Names of members are compared in lower case, so they are kept so. A member that is named twice would let the one list hide the other. */
function addLists(lists: Map<string, readonly unknown[]>, value: HclValue, about: string): void {
  for (const { key, value: list } of objectsIn(value, about).flatMap(({ items }) => items)) {
    const name = key.toLowerCase();
    if (lists.has(name)) fail(`${about}: the member "${name.slice(0, 64)}" is named twice`);
    lists.set(name, Array.isArray(list) ? list.map(plain) : fail(`${about}: expected lists`));
  }
}

function plain(value: HclValue): unknown {
  if (isObject(value)) return Object.fromEntries(value.items.map((item) => [item.key, plain(item.value)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

function durationOf(value: HclValue, about: string): number {
  const seconds = typeof value === "number" ? Math.trunc(value) : typeof value === "string" ? secondsOf(value) : undefined;
  if (seconds === undefined || seconds < 0) return fail(`${about}: expected a duration`);
  return seconds;
}

/** JSON as items, in which nothing has a line. */
function itemsOfJson(value: unknown): readonly HclItem[] {
  const converted = valueOfJson(value);
  return isObject(converted) ? converted.items : fail("expected an object");
}

function valueOfJson(value: unknown): HclValue {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  if (Array.isArray(value)) return value.map(valueOfJson);
  if (typeof value !== "object" || value === null) return fail("expected no null");
  return { items: Object.entries(value).map(([key, member]) => ({ key, labels: [], value: valueOfJson(member), line: 0 })) };
}

function fail(says: string): never {
  throw new PosternError({ code: "malformed", where: "policy", expected: "a policy", kind: "argument", because: "policy_text", says });
}
