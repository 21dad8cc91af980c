/**
 * A role's conditions on what its proof says: annotations such as `authn-azure/resource-group: rg-app`, or for one service alone
 * `authn-azure/AzureAE1/resource-group: rg-app`, which wins over the general one.
 *
 * Order and meaning as Conjur 5.3.1 (authn_azure/validate_resource_restrictions.rb): required names first, then unknown ones, then exclusive
 * ones, then the values. Names are compared as text, never as patterns.
 */

import type { RoleId } from "../model/ids";
import type { Attestation, RestrictionRules } from "../model/ports";
import type { Annotation, Check } from "../model/types";
import { originOf, reference } from "./explain";
import type { Graph } from "./graph";

export interface RestrictionVerdict {
  readonly checks: readonly Check[];
  /** The name of the failed check; absent when all hold. */
  readonly because?: string;
  readonly remedy?: string;
}

export function checkRestrictions(
  graph: Graph,
  role: RoleId,
  authenticator: { readonly type: string; readonly service: string },
  rules: RestrictionRules,
  attestation: Attestation,
): RestrictionVerdict {
  const conditions = conditionsOf(graph, role, authenticator);
  const checks: Check[] = [];
  const refuse = (because: string, check: Check, remedy?: string): RestrictionVerdict => ({
    checks: [...checks, { ...check, ok: false }],
    because,
    ...(remedy === undefined ? {} : { remedy }),
  });

  for (const name of rules.required) {
    if (conditions.has(name)) continue;
    return refuse(
      "annotation_missing",
      { check: "annotations_required", ok: false, detail: `${role} has no ${authenticator.type}/${name}` },
      annotate(role, authenticator.type, name, attestation),
    );
  }
  checks.push({ check: "annotations_required", ok: true, detail: rules.required.join(", ") });

  for (const [name, annotation] of conditions) {
    if (rules.permitted.includes(name)) continue;
    return refuse("annotation_unknown", {
      check: "annotations_known",
      ok: false,
      detail: `${annotation.name} restricts nothing that ${authenticator.type} proves`,
      ...originOf(graph, annotation),
    });
  }
  checks.push({ check: "annotations_known", ok: true });

  for (const names of rules.exclusive) {
    const present = names.filter((name) => conditions.has(name));
    if (present.length > 1)
      return refuse("annotations_exclusive", {
        check: "annotations_exclusive",
        ok: false,
        detail: `${present.join(" and ")} exclude each other`,
      });
  }

  for (const [name, annotation] of conditions) {
    const proven = attestation.attributes[name];
    const holds = proven !== undefined && equal(annotation.value, proven, rules.ignoreCase);
    const check: Check = {
      check: name,
      ok: holds,
      detail: `policy wants '${annotation.value}', the proof says ${proven === undefined ? "nothing" : `'${proven}'`}`,
      ...originOf(graph, annotation),
    };
    if (!holds)
      return refuse(
        `${name.replaceAll("-", "_")}_mismatch`,
        check,
        proven === undefined ? undefined : annotate(role, authenticator.type, name, attestation),
      );
    checks.push(check);
  }
  return { checks };
}

/** The conditions by attribute name. An empty value counts as absent, and the general form then applies. */
function conditionsOf(
  graph: Graph,
  role: RoleId,
  authenticator: { readonly type: string; readonly service: string },
): ReadonlyMap<string, Annotation> {
  const general = `${authenticator.type}/`;
  const special = `${general}${authenticator.service}/`;
  const conditions = new Map<string, Annotation>();
  const annotations = [...graph.annotations(role)].filter((annotation) => annotation.value !== "");
  for (const prefix of [general, special]) {
    for (const annotation of annotations) {
      const name = annotation.name.startsWith(prefix) ? annotation.name.slice(prefix.length) : "";
      if (name !== "" && !name.includes("/")) conditions.set(name, annotation);
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

function annotate(role: RoleId, type: string, name: string, attestation: Attestation): string {
  return `- ${reference(role).replace(" ", "\n  id: ")}\n  annotations:\n    ${type}/${name}: ${attestation.attributes[name] ?? "…"}`;
}
