/**
 * A role's conditions on what its proof says: annotations such as `authn-azure/resource-group: rg-app`, or for one service alone
 * `authn-azure/AzureAE1/resource-group: rg-app`, which wins over the general one.
 *
 * Order and meaning as Conjur 5.3.1 (authn_azure and authn_jwt, validate_resource_restrictions.rb): required names first, then unknown ones, then
 * exclusive ones, then the values. Names are compared as text, never as patterns.
 */

import { accountOf, identifierOf, type RoleId } from "../model/ids";
import type { Attestation, RestrictionRules } from "../model/ports";
import type { Annotation, Check } from "../model/types";
import { administratorOf } from "./administrator";
import { originOf, reference } from "./explain";
import type { Graph } from "./graph";

export interface RestrictionVerdict {
  readonly checks: readonly Check[];
  /** The name of the failed check; absent when all hold. */
  readonly because?: string;
  readonly remedy?: string;
}

/** `service` is empty for an authenticator that has none. */
interface AuthenticatorName {
  readonly type: string;
  readonly service: string;
}

type Conditions = ReadonlyMap<string, Annotation>;

interface Refusal {
  readonly because: string;
  readonly check: Omit<Check, "ok">;
  readonly remedy?: string;
}

export function checkRestrictions(
  graph: Graph,
  role: RoleId,
  authenticator: AuthenticatorName,
  rules: RestrictionRules,
  attestation: Attestation,
): RestrictionVerdict {
  const conditions = conditionsOf(graph, role, authenticator, rules);
  const checks: Check[] = [];
  const refused = ({ because, check, remedy }: Refusal): RestrictionVerdict => ({
    checks: [...checks, { ...check, ok: false }],
    because,
    ...(remedy === undefined ? {} : { remedy }),
  });

  const unfit = findUnfit(role, rules, attestation);
  if (unfit !== undefined) return refused(unfit);
  const missing = findMissing(role, authenticator, rules, conditions, attestation);
  if (missing !== undefined) return refused(missing);
  if (rules.required.length > 0 || rules.oneOf !== undefined) {
    checks.push({ check: "annotations_required", ok: true, detail: rules.required.join(", ") || [...conditions.keys()].join(", ") });
  }
  const odd = findOdd(graph, authenticator, rules, conditions);
  if (odd !== undefined) return refused(odd);
  checks.push({ check: "annotations_known", ok: true });

  for (const [name, annotation] of conditions) {
    const proven = provenBy(name, rules, attestation);
    const holds = proven !== undefined && equal(annotation.value, proven, rules.ignoreCase);
    const check: Check = {
      check: name,
      ok: holds,
      detail: `policy wants '${annotation.value}', the proof says ${proven === undefined ? "nothing" : `'${proven}'`}`,
      ...originOf(graph, annotation),
    };
    if (!holds) {
      const remedy = proven === undefined ? annotate(role, authenticator, rules, name, attestation) : undefined;
      return refused({ because: becauseOf(name, rules, proven), check, ...(remedy === undefined ? {} : { remedy }) });
    }
    checks.push(check);
  }
  return { checks };
}

/** The attribute that a condition's name stands for. Names come from policies and from tokens, and some are every object's own. */
function provenBy(name: string, { aliases = {} }: RestrictionRules, { attributes }: Attestation): string | undefined {
  const attribute = Object.hasOwn(aliases, name) ? (aliases[name] ?? name) : name;
  return Object.hasOwn(attributes, attribute) ? attributes[attribute] : undefined;
}

/** What is wrong with the role itself, whatever its annotations. */
function findUnfit(role: RoleId, rules: RestrictionRules, { attributes }: Attestation): Refusal | undefined {
  if (rules.refusesAdministrator === true && role === administratorOf(accountOf(role)))
    return { because: "administrator", check: { check: "administrator", detail: `${role} does not log in this way` } };
  const { loginEndsIn } = rules;
  if (loginEndsIn === undefined) return undefined;
  const ending = loginEndsIn.map((name) => attributes[name] ?? "").join("/");
  const holds = loginEndsIn.every((name) => attributes[name] !== undefined) && `/${identifierOf(role)}`.endsWith(`/${ending}`);
  if (holds) return undefined;
  return {
    because: "login_mismatch",
    check: { check: "login_mismatch", detail: `${role} does not end in ${ending}, which the proof says` },
  };
}

/** An attribute of a fixed set has a check of its own; a claim that somebody chose must not make names of checks. */
function becauseOf(name: string, rules: RestrictionRules, proven: string | undefined): string {
  if (rules.permitted !== "any") return `${name.replaceAll("-", "_")}_mismatch`;
  return proven === undefined ? "claim_missing" : "claim_mismatch";
}

function findMissing(
  role: RoleId,
  authenticator: AuthenticatorName,
  rules: RestrictionRules,
  conditions: Conditions,
  attestation: Attestation,
): Refusal | undefined {
  const check = "annotations_required";
  for (const name of rules.required) {
    if (conditions.has(name)) continue;
    const detail = `${role} has no ${prefixOf(authenticator, rules)}${name}`;
    return { because: "annotation_missing", check: { check, detail }, remedy: annotate(role, authenticator, rules, name, attestation) };
  }
  const { oneOf } = rules;
  const hasOne = oneOf === undefined || (oneOf === "any" ? conditions.size > 0 : oneOf.some((name) => conditions.has(name)));
  if (hasOne) return undefined;
  const wanted = oneOf === "any" ? "" : `: one of ${oneOf.join(", ")}`;
  return { because: "annotations_none", check: { check, detail: `${role} has no ${prefixOf(authenticator, rules)}…${wanted}` } };
}

function findOdd(graph: Graph, authenticator: AuthenticatorName, rules: RestrictionRules, conditions: Conditions): Refusal | undefined {
  for (const [name, annotation] of conditions) {
    const at = originOf(graph, annotation);
    if (annotation.value === "")
      return { because: "annotation_empty", check: { check: "annotations_known", detail: `${annotation.name} has no value`, ...at } };
    if (rules.forbidden?.includes(name) === true)
      return {
        because: "annotation_forbidden",
        check: { check: "annotations_known", detail: `${annotation.name} may not restrict`, ...at },
      };
    if (rules.permitted === "any" || rules.permitted.includes(name)) continue;
    const detail = `${annotation.name} restricts nothing that ${authenticator.type} proves`;
    return { because: "annotation_unknown", check: { check: "annotations_known", detail, ...at } };
  }
  for (const names of rules.exclusive) {
    const present = names.filter((name) => conditions.has(name));
    if (present.length > 1)
      return {
        because: "annotations_exclusive",
        check: { check: "annotations_exclusive", detail: `${present.join(" and ")} exclude each other` },
      };
  }
  return undefined;
}

/** The conditions by attribute name. An empty value counts as absent, unless the rules are strict, and the general form then applies. */
function conditionsOf(graph: Graph, role: RoleId, { type, service }: AuthenticatorName, rules: RestrictionRules): Conditions {
  const general = `${type}/`;
  const special = `${general}${service}/`;
  const conditions = new Map<string, Annotation>();
  const annotations = [...graph.annotations(role)].filter(({ value }) => value !== "" || rules.isStrict === true);
  const prefixes = { general: [general], service: [special], none: [] };
  for (const prefix of rules.form === undefined ? [general, special] : prefixes[rules.form]) {
    for (const annotation of annotations) {
      const name = annotation.name.startsWith(prefix) ? annotation.name.slice(prefix.length) : "";
      if (name !== "" && (rules.isStrict === true || !name.includes("/"))) conditions.set(name, annotation);
    }
  }
  return conditions;
}

/**
 * Equal but for case means in both directions: the Kelvin sign's lower case is a plain `k`, so by that alone a group that somebody names with it would
 * pass for the one that policy wants.
 */
function equal(wanted: string, proven: string, ignoreCase: boolean): boolean {
  if (wanted === proven) return true;
  return ignoreCase && wanted.toLowerCase() === proven.toLowerCase() && wanted.toUpperCase() === proven.toUpperCase();
}

function prefixOf({ type, service }: AuthenticatorName, { form }: RestrictionRules): string {
  return form === "service" ? `${type}/${service}/` : `${type}/`;
}

function annotate(role: RoleId, authenticator: AuthenticatorName, rules: RestrictionRules, name: string, attestation: Attestation): string {
  const value = provenBy(name, rules, attestation) ?? "…";
  return `- ${reference(role).replace(" ", "\n  id: ")}\n  annotations:\n    ${prefixOf(authenticator, rules)}${name}: ${value}`;
}
