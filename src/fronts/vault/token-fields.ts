/** The `token_*` settings of a role, as fields of a body and as members of an answer. They are the same for every method. */

import type { TokenParameters, TokenParametersChange } from "../../core/broker";
import type { Fields } from "./fields";

type Writable<T> = { -readonly [Member in keyof T]: T[Member] };

/** What was sent of them. */
export function tokenParametersChange(fields: Fields): TokenParametersChange {
  const signed = (name: string): number | undefined => fields.seconds(name, "signed");
  const older = given({
    policies: fields.list("policies"),
    numUses: fields.whole("num_uses"),
    ttl: signed("ttl"),
    maxTtl: signed("max_ttl"),
    period: signed("period"),
  });
  return {
    ...given({
      ttl: signed("token_ttl"),
      maxTtl: signed("token_max_ttl"),
      explicitMaxTtl: signed("token_explicit_max_ttl"),
      period: signed("token_period"),
      policies: fields.list("token_policies"),
      boundCidrs: fields.list("token_bound_cidrs"),
      noDefaultPolicy: fields.flag("token_no_default_policy"),
      numUses: fields.whole("token_num_uses"),
      type: fields.text("token_type"),
    }),
    older,
  };
}

/** How a role is read. An older name is among them only for those who used it, and only when it says something. */
export function tokenParametersShape(parameters: TokenParameters): Readonly<Record<string, unknown>> {
  const { policies, numUses, ttl, maxTtl, period, olderNames } = parameters;
  const older = { policies, num_uses: numUses, ttl, max_ttl: maxTtl, period };
  const remembered = olderNames.flatMap((name) => {
    const value = older[name];
    return (typeof value === "number" ? value !== 0 : value.length > 0) ? [[name, value] as const] : [];
  });
  return {
    token_bound_cidrs: parameters.boundCidrs.map(printedCidr),
    token_explicit_max_ttl: parameters.explicitMaxTtl,
    token_max_ttl: maxTtl,
    token_no_default_policy: parameters.noDefaultPolicy,
    token_num_uses: numUses,
    token_period: period,
    token_policies: policies,
    token_ttl: ttl,
    token_type: parameters.type,
    ...Object.fromEntries(remembered),
  };
}

/** A single address is shown without its width. */
export const printedCidr = (cidr: string): string => cidr.replace(/^([\d.]+)\/32$|^([0-9a-f:.]+)\/128$/, "$1$2");

/** Without the members that are undefined. */
export function given<T extends object>(members: T): { [Member in keyof T]?: Exclude<T[Member], undefined> } {
  const result: Partial<Writable<T>> = {};
  Object.assign(result, Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)));
  return result as never;
}
