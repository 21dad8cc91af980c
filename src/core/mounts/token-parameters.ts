/**
 * The settings about tokens that every role of every method has: what they are, what may be set, and what is kept of older names.
 *
 * Each of five settings has an older name too. The newer one wins where both are sent; the older one is shown again only to those who use it.
 * Source: Vault 1.19, sdk/helper/tokenutil (ParseTokenFields), vault-plugin-auth-azure 0.24, path_role.go.
 */

import * as v from "valibot";
import { durationText } from "../../model/durations";
import { PosternError } from "../../model/failures";
import type { RequestContext } from "../../model/types";
import { isWithin } from "../networks";
import { parseNetwork } from "../policy/cidr";
import type { LeaseBounds } from "./mount";

const seconds = v.pipe(v.number(), v.safeInteger());
const texts = v.array(v.string());

/** As they are kept: a part of each role's document. Times are whole seconds; 0: not set. */
export const TokenParametersDocument = v.object({
  ttl: seconds,
  maxTtl: seconds,
  explicitMaxTtl: seconds,
  period: seconds,
  policies: texts,
  /** Canonical networks: `10.0.0.0/8`. */
  boundCidrs: texts,
  noDefaultPolicy: v.boolean(),
  numUses: seconds,
  type: v.picklist(["default", "service", "batch"]),
  /** Which of the older names were used when the setting was last written. */
  olderNames: v.array(v.picklist(["policies", "num_uses", "ttl", "max_ttl", "period"])),
});

export type TokenParameters = v.InferOutput<typeof TokenParametersDocument>;
export type OlderName = TokenParameters["olderNames"][number];

export const defaultTokenParameters: TokenParameters = {
  ttl: 0,
  maxTtl: 0,
  explicitMaxTtl: 0,
  period: 0,
  policies: [],
  boundCidrs: [],
  noDefaultPolicy: false,
  numUses: 0,
  type: "default",
  olderNames: [],
};

/** What a request says of them. Absent members were not sent; times may be below zero, which is refused in the proper order. */
export interface TokenParametersChange {
  readonly ttl?: number;
  readonly maxTtl?: number;
  readonly explicitMaxTtl?: number;
  readonly period?: number;
  readonly policies?: readonly string[];
  readonly boundCidrs?: readonly string[];
  readonly noDefaultPolicy?: boolean;
  readonly numUses?: number;
  readonly type?: string;
  /** The same by their older names. */
  readonly older: {
    readonly policies?: readonly string[];
    readonly numUses?: number;
    readonly ttl?: number;
    readonly maxTtl?: number;
    readonly period?: number;
  };
}

export interface ChangedTokenParameters {
  readonly parameters: TokenParameters;
  readonly warnings: readonly string[];
}

/** The settings after a change: what was not sent stays. Throws `malformed` with the sentence that clients know, for the first thing that is wrong. */
export function changeTokenParameters(
  before: TokenParameters,
  change: TokenParametersChange,
  { maxSeconds }: LeaseBounds,
): ChangedTokenParameters {
  const { older } = change;
  const boundCidrs = change.boundCidrs === undefined ? before.boundCidrs : networksOf(change.boundCidrs);
  const explicitMaxTtl = notNegative(change.explicitMaxTtl ?? before.explicitMaxTtl, "token_explicit_max_ttl");
  const maxTtl = notNegative(change.maxTtl ?? older.maxTtl ?? before.maxTtl, "token_max_ttl");
  const period = notNegative(change.period ?? older.period ?? before.period, "token_period");
  const type = typeOf(change.type, before.type);
  const numUses = notNegative(change.numUses ?? older.numUses ?? before.numUses, "token_num_uses");
  if (type === "batch" && period > 0) throw invalid(`${batchWhen} to generate periodic tokens`);
  if (type === "batch" && numUses > 0) throw invalid(`${batchWhen} to generate tokens with limited use count`);
  const ttl = notNegative(change.ttl ?? older.ttl ?? before.ttl, "token_ttl");
  if (maxTtl > 0 && ttl > maxTtl) throw invalid("'token_ttl' cannot be greater than 'token_max_ttl'");
  if (period > maxSeconds) {
    const [asked, most] = [durationText(period), durationText(maxSeconds)];
    throw invalid(`token period of "${asked}" is greater than the backend's maximum lease TTL of "${most}"`);
  }
  const parameters: TokenParameters = {
    ttl,
    maxTtl,
    explicitMaxTtl,
    period,
    policies: policiesOf(change.policies ?? older.policies) ?? before.policies,
    boundCidrs: [...boundCidrs],
    noDefaultPolicy: change.noDefaultPolicy ?? before.noDefaultPolicy,
    numUses,
    type,
    olderNames: olderNamesAfter(before, change),
  };
  return { parameters, warnings: maxTtl > maxSeconds ? [truncation] : [] };
}

const batchWhen = "'token_type' cannot be 'batch' or 'default_batch' when set";
const truncation =
  "max_ttl is greater than the system or backend mount's maximum TTL value; issued tokens' max TTL value will be truncated";

/** Throws `forbidden` (reason `address`) for who comes from outside the networks that a role is bound to. An empty list binds to none. */
export function assertBoundCidrs(cidrs: readonly string[], { clientAddress }: Pick<RequestContext, "clientAddress">): void {
  if (cidrs.length === 0 || isWithin(clientAddress, cidrs)) return;
  const check = { check: "token_bound_cidrs", ok: false, detail: `${clientAddress} against ${cidrs.join(", ")}` };
  throw new PosternError({ code: "forbidden", reason: "address", because: "token_bound_cidrs", checks: [check] });
}

/** Addresses and networks, canonical. Host bits are cut off, as those who wrote these roles are used to. */
export function networksOf(cidrs: readonly string[]): string[] {
  const networks = cidrs.map((cidr) => {
    const parsed = parseNetwork(cidr.trim());
    if ("network" in parsed) return parsed.network;
    const wider = /Did you mean '([^']+)'/.exec(parsed.message)?.[1];
    const again = wider === undefined ? undefined : parseNetwork(wider);
    if (again === undefined || !("network" in again)) throw invalid("error parsing bound CIDRs: expected IP addresses and CIDR blocks");
    return again.network;
  });
  return [...new Set(networks)];
}

/** In the order they were sent, each once. */
function policiesOf(names: readonly string[] | undefined): string[] | undefined {
  if (names === undefined) return undefined;
  return [...new Set(names.map((name) => name.trim().toLowerCase()).filter((name) => name !== ""))];
}

function typeOf(sent: string | undefined, before: TokenParameters["type"]): TokenParameters["type"] {
  if (sent === undefined) return before;
  if (sent === "" || sent === "default") return "default";
  if (sent === "service" || sent === "batch") return sent;
  throw invalid(`invalid 'token_type' value ${JSON.stringify(sent.slice(0, 100))}`);
}

function olderNamesAfter(before: TokenParameters, { older, ...change }: TokenParametersChange): OlderName[] {
  const names = [
    ["policies", change.policies, older.policies],
    ["num_uses", change.numUses, older.numUses],
    ["ttl", change.ttl, older.ttl],
    ["max_ttl", change.maxTtl, older.maxTtl],
    ["period", change.period, older.period],
  ] as const;
  return names.flatMap(([name, sent, sentOlder]) => {
    const isKept = sent === undefined && sentOlder === undefined && before.olderNames.includes(name);
    return sentOlder !== undefined || isKept ? [name] : [];
  });
}

function notNegative(value: number, name: string): number {
  if (value < 0) throw invalid(`'${name}' cannot be negative`);
  return value;
}

function invalid(says: string): PosternError {
  return new PosternError({ code: "malformed", where: "token", expected: says, kind: "argument", because: "token_parameters", says });
}
