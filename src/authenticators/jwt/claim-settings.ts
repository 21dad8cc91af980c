/** Which claims decide: the settings `token-app-property`, `identity-path`, `enforced-claims` and `claim-aliases`. */

import { isObject, type JsonObject } from "../../crypto/jwt";
import type { CheckList } from "../../model/failures";
import type { AuthenticatorSettings, RestrictionRules } from "../../model/ports";

/** Claims that say nothing of who the token is for; they may not be restricted on. Source: Conjur 5.3.1, authn_jwt/consts.rb. */
export const reservedClaims = ["iss", "exp", "nbf", "iat", "jti", "aud"] as const;

export interface ClaimSettings {
  /** The path of the claim that names the host. */
  readonly identityClaim?: string;
  /** What the policy path of that name begins with. */
  readonly identityPath: string;
  readonly restrictions: RestrictionRules;
}

const claimPath = /^[^\s/,[\]]+(?:\/[^\s/,[\]]+)*$/u;
const deepest = 8;
const mostAttributes = 1000;
const longestValue = 4096;

/** Fails the checks `token_app_property`, `identity_path`, `enforced_claims` and `claim_aliases`. */
export function readClaimSettings(settings: AuthenticatorSettings, checks: CheckList): ClaimSettings {
  const identityClaim = settings["token-app-property"];
  if (identityClaim !== undefined)
    checks.expect(
      claimPath.test(identityClaim),
      "token_app_property",
      `the path of a claim, with slashes between its steps: ${identityClaim}`,
    );
  const identityPath = settings["identity-path"]?.replace(/^\/+|\/+$/gu, "") ?? "";
  const enforced = entriesOf(settings["enforced-claims"]);
  for (const name of enforced) {
    const isFine = claimPath.test(name) && !isReserved(name);
    checks.expect(isFine, "enforced_claims", `${name}: a claim other than ${reservedClaims.join(", ")}`);
  }
  const aliases = readAliases(settings["claim-aliases"], checks);
  return {
    ...(identityClaim === undefined ? {} : { identityClaim }),
    identityPath,
    restrictions: {
      // A host is annotated with the alias of an enforced claim where it has one.
      required: enforced.map((claim) => Object.keys(aliases).find((alias) => aliases[alias] === claim) ?? claim),
      permitted: "any",
      exclusive: [],
      ignoreCase: false,
      // A claim with another name goes by that name alone.
      forbidden: [...reservedClaims, ...Object.values(aliases)],
      form: "service",
      oneOf: "any",
      isStrict: true,
      aliases,
    },
  };
}

/** Every text in the claims by its path: `{"a":{"b":"c"}}` → `a/b`. Other values, and names with slashes of their own, cannot be restricted on. */
export function attributesOf(claims: JsonObject): Readonly<Record<string, string>> {
  const attributes = new Map<string, string>();
  function collect(object: JsonObject, path: string, depth: number): void {
    for (const [name, value] of Object.entries(object)) {
      if (name.includes("/") || attributes.size >= mostAttributes) continue;
      if (typeof value === "string" && value.length <= longestValue) attributes.set(`${path}${name}`, value);
      else if (isObject(value) && depth < deepest) collect(value, `${path}${name}/`, depth + 1);
    }
  }
  collect(claims, "", 1);
  return Object.fromEntries(attributes);
}

/** `alias:claim,alias:claim`. An alias is one step, no reserved name, unlike every other alias and no claim that another alias stands for. */
function readAliases(text: string | undefined, checks: CheckList): Readonly<Record<string, string>> {
  const aliases = new Map<string, string>();
  for (const entry of entriesOf(text)) {
    const [alias = "", claim = "", ...more] = entry.split(":").map((each) => each.trim());
    const isFine =
      more.length === 0 &&
      /^[^\s/]+$/u.test(alias) &&
      claimPath.test(claim) &&
      !isReserved(alias) &&
      !isReserved(claim) &&
      !aliases.has(alias);
    checks.expect(isFine, "claim_aliases", `${entry}: expected alias:claim with an alias of its own and no reserved name`);
    aliases.set(alias, claim);
  }
  const isCyclic = [...aliases].some(([alias, claim]) => alias === claim || aliases.has(claim));
  checks.expect(!isCyclic, "claim_aliases", "an alias stands for a claim, not for another alias");
  return Object.fromEntries(aliases);
}

function entriesOf(text: string | undefined): readonly string[] {
  return (text ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

const isReserved = (name: string): boolean => reservedClaims.some((reserved) => reserved === name);
