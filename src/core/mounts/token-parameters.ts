/**
 * What every role of a method says about the tokens that its logins get: the `token_*` parameters, which are the same for all methods.
 *
 * Source: Vault 1.19, sdk/helper/tokenutil (ParseTokenFields, ValidateTokenFields) for order and wording.
 */

import ipaddr from "ipaddr.js";
import * as v from "valibot";
import { durationText } from "../../model/durations";
import { PosternError } from "../../model/failures";
import type { LeaseBounds } from "./mount";

export const tokenKinds = ["default", "service", "batch"] as const;

/** As a role's document keeps them. Times are in seconds, 0: none. */
export const TokenParametersDocument = v.object({
  ttlSeconds: v.number(),
  maxTtlSeconds: v.number(),
  explicitMaxTtlSeconds: v.number(),
  periodSeconds: v.number(),
  policies: v.array(v.string()),
  boundCidrs: v.array(v.string()),
  noDefaultPolicy: v.boolean(),
  uses: v.number(),
  kind: v.picklist(tokenKinds),
  /** Older names that were used beside or instead of the present ones, and are shown again for that: `ttl`, `policies`. */
  olderNames: v.array(v.string()),
});

export type TokenParameters = Readonly<v.InferOutput<typeof TokenParametersDocument>>;

/** What a request changes; absent: it stays. The kind as it was written. */
export interface TokenParametersChange {
  readonly ttlSeconds?: number;
  readonly maxTtlSeconds?: number;
  readonly explicitMaxTtlSeconds?: number;
  readonly periodSeconds?: number;
  readonly policies?: readonly string[];
  readonly boundCidrs?: readonly string[];
  readonly noDefaultPolicy?: boolean;
  readonly uses?: number;
  readonly kind?: string;
  /** Older names that this request used; and present ones, which let the older ones be forgotten. */
  readonly olderNames?: readonly string[];
  readonly forgottenNames?: readonly string[];
}

export const noTokenParameters: TokenParameters = {
  ttlSeconds: 0,
  maxTtlSeconds: 0,
  explicitMaxTtlSeconds: 0,
  periodSeconds: 0,
  policies: [],
  boundCidrs: [],
  noDefaultPolicy: false,
  uses: 0,
  kind: "default",
  olderNames: [],
};

/** The parameters after a change. Throws `malformed` with the sentence that clients know, at the first thing that is wrong. */
export function changedParameters(before: TokenParameters, change: TokenParametersChange): TokenParameters {
  const { kind: word, olderNames = [], forgottenNames = [], ...plain } = change;
  if ((plain.maxTtlSeconds ?? 0) < 0) throw argument("'token_max_ttl' cannot be negative");
  if ((plain.periodSeconds ?? 0) < 0) throw argument("'token_period' cannot be negative");
  const kind = kindOfWord(word, before.kind);
  if ((plain.uses ?? 0) < 0) throw argument("'token_num_uses' cannot be negative");
  const remembered = before.olderNames.filter((name) => !forgottenNames.includes(name) && !olderNames.includes(name));
  const after: TokenParameters = {
    ...before,
    ...plain,
    policies: [...(plain.policies ?? before.policies)],
    boundCidrs: (plain.boundCidrs ?? before.boundCidrs).map(networkOf),
    kind,
    olderNames: [...remembered, ...olderNames],
  };
  const ofBatch = (what: string): PosternError =>
    argument(`'token_type' cannot be 'batch' or 'default_batch' when set to generate ${what}`);
  if (kind === "batch" && after.periodSeconds > 0) throw ofBatch("periodic tokens");
  if (kind === "batch" && after.uses > 0) throw ofBatch("tokens with limited use count");
  if (after.ttlSeconds < 0) throw argument("'token_ttl' cannot be negative");
  if (after.ttlSeconds > 0 && after.maxTtlSeconds > 0 && after.ttlSeconds > after.maxTtlSeconds)
    throw argument("'token_ttl' cannot be greater than 'token_max_ttl'");
  return after;
}

/** Throws `malformed` for a period that the mount does not allow; else what the writer should hear. */
export function parameterWarnings({ periodSeconds, maxTtlSeconds }: TokenParameters, { maxSeconds }: LeaseBounds): readonly string[] {
  if (periodSeconds > maxSeconds) {
    const [period, most] = [durationText(periodSeconds), durationText(maxSeconds)];
    throw argument(`token period of "${period}" is greater than the backend's maximum lease TTL of "${most}"`);
  }
  if (maxTtlSeconds <= maxSeconds) return [];
  return ["max_ttl is greater than the system or backend mount's maximum TTL value; issued tokens' max TTL value will be truncated"];
}

function kindOfWord(word: string | undefined, before: TokenParameters["kind"]): TokenParameters["kind"] {
  if (word === undefined) return before;
  const named = { "": "default", "default-service": "service", "default-batch": "batch" }[word] ?? word;
  const kind = tokenKinds.find((each) => each === named);
  if (kind === undefined) throw argument(`invalid 'token_type' value "${word.slice(0, 32)}"`);
  return kind;
}

/** An address is the network of itself alone. */
export function networkOf(text: string): string {
  try {
    if (text.includes("/")) {
      const [address, bits] = ipaddr.parseCIDR(text);
      return `${address.toString()}/${bits}`;
    }
    const address = ipaddr.process(text);
    return `${address.toString()}/${address.kind() === "ipv4" ? 32 : 128}`;
  } catch {
    throw argument(`error parsing address "${text.slice(0, 64)}": not an address or network`);
  }
}

function argument(says: string): PosternError {
  return new PosternError({ code: "malformed", where: "token", expected: says, kind: "argument", because: "token_parameters", says });
}
