/**
 * What a path rule says about the members of a request: those it needs, those it may have, and those it may not, each with values.
 *
 * They are the top-level members alone. Names are compared in lower case. Source: Vault 1.19, vault/acl.go (valueInParameterList), vault/policy.go.
 */

import type { PathRule } from "../model/paths";

type Lists = Readonly<Record<string, readonly unknown[]>>;

/** What is wrong with the members for all rules of a path together, as half a sentence; undefined when nothing is. Values are not repeated. */
export function parametersProblem(rules: readonly PathRule[], parameters: Readonly<Record<string, unknown>>): string | undefined {
  // Not by name: two members may differ in case alone, and each of them must pass.
  const sent = Object.entries(parameters).map(([name, value]) => [name.toLowerCase(), value] as const);
  const names = new Set(sent.map(([name]) => name));
  const missing = rules.flatMap(({ requiredParameters = [] }) => requiredParameters).find((name) => !names.has(name.toLowerCase()));
  if (missing !== undefined) return `needs the member ${missing}`;
  if (sent.length === 0) return undefined;
  const denied = merged(rules.map(({ deniedParameters }) => deniedParameters));
  if (denied?.has("*") === true) return "allows no members";
  const allowed = merged(rules.map(({ allowedParameters }) => allowedParameters));
  for (const [name, value] of sent) {
    const no = denied?.get(name);
    if (no !== undefined && holdsListed(value, no)) return `denies the member ${name} as it is`;
    if (allowed === undefined) continue;
    const yes = allowed.get(name);
    if (yes === undefined ? !allowed.has("*") : !isListed(value, yes)) return `does not allow the member ${name} as it is`;
  }
  return undefined;
}

/** By name, over all rules: a list without values stands for any value, and swallows the others. Undefined when no rule has one. */
function merged(lists: readonly (Lists | undefined)[]): ReadonlyMap<string, readonly unknown[]> | undefined {
  const found = new Map<string, readonly unknown[]>();
  let hasAny = false;
  for (const list of lists) {
    if (list === undefined) continue;
    for (const [written, values] of Object.entries(list)) {
      hasAny = true;
      const name = written.toLowerCase();
      const known = found.get(name);
      const isAny = values.length === 0 || known?.length === 0;
      found.set(name, isAny ? [] : [...(known ?? []), ...values]);
    }
  }
  return hasAny ? found : undefined;
}

/** Of a list also each of its elements: what may not be said is not said in a list either. */
function holdsListed(value: unknown, list: readonly unknown[]): boolean {
  return isListed(value, list) || (Array.isArray(value) && value.some((element) => isListed(element, list)));
}

function isListed(value: unknown, list: readonly unknown[]): boolean {
  return list.length === 0 || list.some((each) => matches(each, plain(value)));
}

/** Everything is compared as it is written; in the texts of a policy a `*` at either end stands for more. */
function matches(pattern: unknown, text: string): boolean {
  if (typeof pattern !== "string") return plain(pattern) === text;
  const begins = pattern.startsWith("*");
  const ends = pattern.endsWith("*");
  if (pattern === "*") return true;
  if (begins && ends) return text.includes(pattern.slice(1, -1));
  if (begins) return text.endsWith(pattern.slice(1));
  return ends ? text.startsWith(pattern.slice(0, -1)) : pattern === text;
}

const plain = (value: unknown): string => (typeof value === "object" ? JSON.stringify(value) : String(value));
