/**
 * What a new token may be, for whoever asks for it: checks in the order and words that clients know, and which policies it gets.
 *
 * Source: Vault 1.19, vault/token_store.go (handleCreateCommon).
 */

import { PosternError } from "../../model/failures";
import { canonicalPolicies, servicePrefix } from "./token-names";
import type { TokenRequest } from "./token-operations";
import type { TokenRole } from "./token-roles";

/** Who asks, as far as the checks need it. */
export interface Parent {
  readonly kind: "service" | "batch";
  readonly policies: readonly string[];
  /** How often it may be used; 0: as often as it likes. */
  readonly uses: number;
  /** May do at this path what needs `sudo`. */
  readonly isTrusted: boolean;
  /** 0: never ends. */
  readonly expiresAt: number;
}

export interface Creation {
  readonly kind: "service" | "batch";
  readonly policies: readonly string[];
  readonly isOrphan: boolean;
}

/** Throws `malformed` at the first check that does not hold. */
export function creationOf(request: TokenRequest, parent: Parent, role: TokenRole | undefined): Creation {
  if (parent.kind === "batch") throw refused("batch tokens cannot create more tokens");
  if (parent.uses > 0) throw refused("restricted use token cannot generate child tokens");
  const kind = kindOf(request, role);
  if (kind === "batch") assertBatch(request);
  if ((request.uses ?? 0) < 0) throw refused("number of uses cannot be negative");
  if (request.id !== undefined && !parent.isTrusted) throw refused("root or sudo privileges required to specify token id");
  if (request.id !== undefined) assertOwnId(request.id.reveal());
  const policies = policiesOf(request, parent, role);
  if (policies.includes("root")) {
    if (!parent.policies.includes("root")) throw refused("root tokens may not be created without parent token being root");
    if (kind === "batch") throw refused("batch tokens cannot be root tokens");
  }
  const isOrphan = request.noParent === true || request.isOrphanPath === true || role?.isOrphan === true;
  if (request.noParent === true && role === undefined && request.isOrphanPath !== true && !parent.isTrusted)
    throw refused("root or sudo privileges required to create orphan token");
  if ((request.periodSeconds ?? 0) > 0 && !parent.isTrusted) throw refused("root or sudo privileges required to create periodic token");
  const isEndless = policies.includes("root") && (request.ttlSeconds ?? 0) === 0 && (request.explicitMaxSeconds ?? 0) === 0;
  if (isEndless && parent.expiresAt !== 0) throw refused("expiring root tokens cannot create non-expiring root tokens");
  if ((request.entityAlias ?? "") !== "" && role === undefined)
    throw refused("'entity_alias' is only allowed in combination with token role");
  if ((request.entityAlias ?? "") !== "" && !isAllowedAlias(request.entityAlias ?? "", role)) throw refused("invalid 'entity_alias' value");
  if (policies.includes("response-wrapping")) throw refused('cannot assign policy "response-wrapping"');
  return { kind, policies, isOrphan };
}

const isAllowedAlias = (alias: string, role: TokenRole | undefined): boolean =>
  role?.allowedEntityAliases.some((glob) => globFits(glob.toLowerCase(), alias.toLowerCase())) === true;

function kindOf({ kind = "" }: TokenRequest, role: TokenRole | undefined): "service" | "batch" {
  const fixed = role?.kind;
  if (fixed === "service" || fixed === "batch") return fixed;
  const asked = kind === "" ? (fixed === "default-batch" ? "batch" : "service") : kind;
  if (asked === "service" || asked === "batch") return asked;
  throw refused("invalid 'token_type' value");
}

function assertBatch({ explicitMaxSeconds, uses, periodSeconds }: TokenRequest): void {
  const set = { explicit_max_ttl: explicitMaxSeconds, num_uses: uses, period: periodSeconds };
  const found = Object.entries(set).find(([, value]) => (value ?? 0) !== 0);
  if (found !== undefined) throw refused(`batch tokens cannot have "${found[0]}" set`);
}

function assertOwnId(bytes: Uint8Array): void {
  const id = Buffer.from(bytes).toString("utf8");
  for (const prefix of [servicePrefix, "hvb.", "hvr.", "s.", "b.", "r."]) {
    if (id.startsWith(prefix)) throw refused(`custom token ID cannot have the '${prefix}' prefix`);
  }
  if (id.includes(".")) throw refused("custom token ID cannot have a '.' in the value");
  // Another one could be made and never shown.
  if (!/^[!-+\--~]{1,4096}$/.test(id)) throw refused("custom token ID must be of printable characters, without blanks and commas");
}

/** Which policies the new token gets: by its role, by the parent's own, or as asked. */
function policiesOf(request: TokenRequest, parent: Parent, role: TokenRole | undefined): readonly string[] {
  const asked = canonicalPolicies(request.policies);
  const wantsDefault = request.noDefaultPolicy !== true && role?.noDefaultPolicy !== true;
  const withDefault = (names: readonly string[]): readonly string[] => canonicalPolicies(wantsDefault ? [...names, "default"] : names);
  if (role !== undefined && (role.allowedPolicies.length > 0 || role.allowedPoliciesGlob.length > 0))
    return byAllowing(asked, role, withDefault);
  if (role !== undefined && (role.disallowedPolicies.length > 0 || role.disallowedPoliciesGlob.length > 0)) {
    const given = asked.length === 0 ? withDefault(parent.policies) : withDefault(asked);
    const hit = given.find(
      (name) => role.disallowedPolicies.includes(name) || role.disallowedPoliciesGlob.some((glob) => globFits(glob, name)),
    );
    if (hit !== undefined) throw refused(`token policy "${hit}" is disallowed by this role`);
    return given;
  }
  if (asked.length === 0) return wantsDefault ? parent.policies : parent.policies.filter((name) => name !== "default");
  if (parent.isTrusted) return withDefault(asked);
  if (asked.some((name) => !parent.policies.includes(name))) throw refused("child policies must be subset of parent");
  return parent.policies.includes("default") ? withDefault(asked) : asked;
}

function byAllowing(
  asked: readonly string[],
  role: TokenRole,
  withDefault: (names: readonly string[]) => readonly string[],
): readonly string[] {
  if (asked.length === 0) return withDefault(role.allowedPolicies);
  const allowed = canonicalPolicies([...role.allowedPolicies, ...(role.noDefaultPolicy ? [] : ["default"])]);
  const stray = asked.filter((name) => !allowed.includes(name) && !role.allowedPoliciesGlob.some((glob) => globFits(glob, name)));
  if (stray.length === 0) return withDefault(asked);
  const [wanted, names, globs] = [asked, allowed, role.allowedPoliciesGlob].map(goList);
  throw refused(`token policies (${wanted}) must be subset of the role's allowed policies (${names}) or glob policies (${globs})`);
}

/** `*` stands for anything, anywhere. */
function globFits(glob: string, name: string): boolean {
  const [first = "", ...rest] = glob.split("*");
  if (rest.length === 0) return glob === name;
  const last = rest.pop() ?? "";
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > name.length - last.length) return false;
    at = found + part.length;
  }
  return true;
}

/** As Go prints a list of quoted texts: `["a" "b"]`. */
const goList = (names: readonly string[]): string => `[${names.map((name) => JSON.stringify(name)).join(" ")}]`;

export function refused(says: string): PosternError {
  return new PosternError({ code: "malformed", where: "token", expected: says, kind: "argument", because: "token_creation", says });
}
