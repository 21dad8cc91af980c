/**
 * The settings of authenticators in version 2 of the interface: its words for types and members, and ours for variables.
 *
 *   {"provider_uri":"https://sts.windows.net/…/"} ↔ provider-uri
 *   {"identity":{"enforced_claims":["a","b"],"claim_aliases":{"ns":"kubernetes.io/namespace"}}} ↔ enforced-claims `a,b`, claim-aliases `ns:kubernetes.io/namespace`
 */

import * as v from "valibot";
import { SecretBytes } from "../../model/secret-bytes";

/** The interface's words for the types that are offered. */
export const typesByWord: ReadonlyMap<string, string> = new Map([
  ["aws", "authn-iam"],
  ["azure", "authn-azure"],
  ["gcp", "authn-gcp"],
  ["jwt", "authn-jwt"],
  ["ldap", "authn-ldap"],
  ["oidc", "authn-oidc"],
]);
const words: ReadonlyMap<string, string> = new Map([...typesByWord].map(([word, type]) => [type, word]));

export function wordOf(type: string): string {
  return words.get(type) ?? type;
}

const Text = v.pipe(v.string(), v.trim(), v.minLength(1, "not empty"), v.maxLength(65_536, "at most 65536 characters"));
const listed = (what: string) => v.pipe(Text, v.regex(/^[^,:\s]+$/u, what));
const Claim = listed("the path of a claim");
const maybe = v.optional(Text);
const KeySet = v.union([Text, v.object({ type: v.literal("jwks"), value: v.record(v.string(), v.unknown()) })], "a key set");

const Azure = v.strictObject({ provider_uri: Text, audience: maybe });
const Identity = v.strictObject({
  identity_path: maybe,
  token_app_property: maybe,
  enforced_claims: v.optional(v.array(Claim)),
  claim_aliases: v.optional(v.record(Claim, Claim)),
});
const Jwt = v.pipe(
  v.strictObject({
    jwks_uri: maybe,
    provider_uri: maybe,
    public_keys: v.optional(KeySet),
    ca_cert: maybe,
    issuer: maybe,
    audience: maybe,
    algorithms: maybe,
    identity: v.optional(Identity),
  }),
  v.check(
    (data) => [data.jwks_uri, data.provider_uri, data.public_keys].filter((each) => each !== undefined).length === 1,
    "settings with exactly one of jwks_uri, provider_uri and public_keys",
  ),
  v.check((data) => data.public_keys === undefined || data.issuer !== undefined, "settings with an issuer beside public_keys"),
  v.check((data) => data.public_keys === undefined || data.ca_cert === undefined, "settings without ca_cert beside public_keys"),
);
const Oidc = v.pipe(
  v.strictObject({
    provider_uri: Text,
    id_token_user_property: maybe,
    audience: maybe,
    client_id: maybe,
    client_secret: maybe,
    claim_mapping: maybe,
    redirect_uri: maybe,
    response_type: maybe,
    provider_scope: maybe,
    name: maybe,
    token_ttl: maybe,
    ca_cert: maybe,
  }),
  v.check(
    (data) =>
      data.id_token_user_property !== undefined ||
      [data.client_id, data.client_secret, data.claim_mapping, data.redirect_uri].every((each) => each !== undefined),
    "settings with id_token_user_property, or with client_id, client_secret, claim_mapping and redirect_uri",
  ),
);
const Aws = v.strictObject({ optional_signed_headers: maybe });
const Nothing = v.strictObject({});

/** A type with the settings that belong to it. A type that needs none may come without them. */
export const typed = v.variant(
  "type",
  [
    v.looseObject({ type: v.literal("azure"), data: Azure }),
    v.looseObject({ type: v.literal("jwt"), data: Jwt }),
    v.looseObject({ type: v.literal("oidc"), data: Oidc }),
    v.looseObject({ type: v.literal("gcp"), data: v.optional(Nothing) }),
    v.looseObject({ type: v.literal("aws"), data: v.optional(Aws) }),
  ],
  `one of ${[...typesByWord.keys()].join(", ")}`,
);

/** The values of the variables that a request's settings mean. */
export function valuesOf(data: Readonly<Record<string, unknown>> = {}): ReadonlyMap<string, SecretBytes> {
  const { identity, ...rest } = data;
  const flat = Object.entries({ ...rest, ...(isRecord(identity) ? identity : {}) });
  return new Map(
    flat.flatMap(([member, value]): readonly [string, SecretBytes][] => {
      const text = textOf(member, value);
      return text === undefined ? [] : [[member.replaceAll("_", "-"), SecretBytes.ofText(text)]];
    }),
  );
}

function textOf(member: string, value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.join(",");
  if (!isRecord(value)) return undefined;
  if (member !== "claim_aliases") return JSON.stringify(value);
  const pairs = Object.entries(value).map(([alias, claim]) => `${alias}:${claim}`);
  return pairs.length === 0 ? undefined : pairs.join(",");
}

const identitySettings: readonly string[] = ["identity-path", "token-app-property", "enforced-claims", "claim-aliases"];

/** The settings of an authenticator as its answer has them. */
export function dataOf(values: Readonly<Record<string, string>>): Readonly<Record<string, unknown>> {
  const member = (name: string) => name.replaceAll("-", "_");
  const shown = (name: string, text: string): unknown => {
    if (name === "enforced-claims") return text.split(",").map((claim) => claim.trim());
    if (name === "claim-aliases") return Object.fromEntries(text.split(",").map((pair) => pair.split(":").map((part) => part.trim())));
    return text;
  };
  const entries = Object.entries(values).map(([name, text]): [string, unknown] => [name, shown(name, text)]);
  const identity = entries.filter(([name]) => identitySettings.includes(name)).map(([name, value]) => [member(name), value]);
  const data = entries.filter(([name]) => !identitySettings.includes(name)).map(([name, value]) => [member(name), value]);
  return { ...Object.fromEntries(data), ...(identity.length === 0 ? {} : { identity: Object.fromEntries(identity) }) };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
