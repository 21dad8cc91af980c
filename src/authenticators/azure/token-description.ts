/** What a machine's token says of the machine, for its operator to compare with a policy. Nothing is verified here, and nothing is decided by it. */

import type { SecretBytes } from "../../model/secret-bytes";
import { attributesOf } from "./claims";
import { type AzureResourceId, isUserAssignedIdentity, parseResourceId } from "./resource-id";
import { claimsOf } from "./token-claims";

export interface TokenDescription {
  /** The claims that say who and for whom, as texts: `oid`, `tid`, `aud`, `iss`, `xms_mirid`. */
  readonly claims: Readonly<Record<string, string>>;
  /** What annotations are compared with: `subscription-id`, `resource-group`, and one of the identities. Empty where the token names no resource. */
  readonly attributes: Readonly<Record<string, string>>;
  /** What the token's identity is used on, and the claim that says so: `/subscriptions/…`. Absent where no claim does. */
  readonly machine?: AzureResourceId & { readonly text: string };
  readonly issuedAtMs?: number;
  readonly expiresAtMs?: number;
}

const told = ["iss", "aud", "tid", "oid", "sub", "appid", "azp", "idtyp", "ver", "xms_mirid", "xms_az_rid"];

/** Undefined for what is no token. */
export function describeToken(token: SecretBytes): TokenDescription | undefined {
  const claims = claimsOf(Buffer.from(token.reveal()).toString("latin1"));
  if (claims === undefined) return undefined;
  const texts = told.flatMap((name) => {
    const value = claims[name];
    return typeof value === "string" ? [[name, value] as const] : [];
  });
  const { iat, exp, oid, xms_mirid: resource } = claims;
  const machine = machineIn(claims.xms_az_rid) ?? machineIn(resource);
  return {
    ...(machine === undefined ? {} : { machine }),
    claims: Object.fromEntries(texts),
    attributes: typeof resource === "string" && typeof oid === "string" ? attributesIn(resource, oid) : {},
    ...(typeof iat === "number" ? { issuedAtMs: iat * 1000 } : {}),
    ...(typeof exp === "number" ? { expiresAtMs: exp * 1000 } : {}),
  };
}

function attributesIn(resource: string, oid: string): Readonly<Record<string, string>> {
  const parsed = parseResourceId(resource);
  return "id" in parsed ? attributesOf(parsed.id, oid.toLowerCase()) : {};
}

/** An identity of its own is no machine. */
function machineIn(claim: unknown): TokenDescription["machine"] {
  if (typeof claim !== "string") return undefined;
  const parsed = parseResourceId(claim);
  return "id" in parsed && !isUserAssignedIdentity(parsed.id) ? { ...parsed.id, text: claim } : undefined;
}
