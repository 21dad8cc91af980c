/**
 * The `token_*` fields that the roles of every method have: read from a request, and printed. Some have an older name without `token_`.
 *
 * An older name counts where the present one is not sent, and is shown again for as long as it was what the role was written with.
 * Source: Vault 1.19, sdk/helper/tokenutil; the older names: builtin/credential (upgrade of deprecated fields).
 */

import type { TokenParameters, TokenParametersChange } from "../../core/broker";
import { type Fields, onlySet } from "./fields";

const older = {
  token_policies: "policies",
  token_num_uses: "num_uses",
  token_ttl: "ttl",
  token_max_ttl: "max_ttl",
  token_period: "period",
} as const;

type Present = keyof typeof older;

/** What a request says of the tokens. `aliases` false: for methods that never had the older names. */
export function tokenFieldsOf(fields: Fields, aliases = true): TokenParametersChange {
  const nameOf = (present: Present): string => (aliases && !fields.has(present) && fields.has(older[present]) ? older[present] : present);
  const presents: readonly Present[] = ["token_policies", "token_num_uses", "token_ttl", "token_max_ttl", "token_period"];
  const sent = presents.filter((present) => fields.has(present));
  return {
    ...onlySet({
      policies: fields.list(nameOf("token_policies")),
      uses: fields.whole(nameOf("token_num_uses")),
      ttlSeconds: fields.seconds(nameOf("token_ttl"), "signed"),
      maxTtlSeconds: fields.seconds(nameOf("token_max_ttl"), "signed"),
      periodSeconds: fields.seconds(nameOf("token_period"), "signed"),
      explicitMaxTtlSeconds: fields.seconds("token_explicit_max_ttl"),
      boundCidrs: fields.list("token_bound_cidrs"),
      noDefaultPolicy: fields.flag("token_no_default_policy"),
      kind: fields.text("token_type"),
    }),
    olderNames: aliases ? presents.filter((present) => fields.has(older[present])).map((present) => older[present]) : [],
    forgottenNames: sent.map((present) => older[present]),
  };
}

/** The fields of a role as they are told, with the older names that it was written with. */
export function tokenFieldsShape(parameters: TokenParameters): Readonly<Record<string, unknown>> {
  const shape = {
    token_bound_cidrs: parameters.boundCidrs.map(plainAddress),
    token_explicit_max_ttl: parameters.explicitMaxTtlSeconds,
    token_max_ttl: parameters.maxTtlSeconds,
    token_no_default_policy: parameters.noDefaultPolicy,
    token_num_uses: parameters.uses,
    token_period: parameters.periodSeconds,
    token_policies: parameters.policies,
    token_ttl: parameters.ttlSeconds,
    token_type: parameters.kind,
  };
  const again = Object.entries(older).flatMap(([present, name]) => {
    const value = Object.entries(shape).find(([each]) => each === present)?.[1];
    const isZero = value === 0 || (Array.isArray(value) && value.length === 0);
    return parameters.olderNames.includes(name) && !isZero ? [[name, value] as const] : [];
  });
  return { ...shape, ...Object.fromEntries(again) };
}

/** An address alone is written without the size of its network, as it was given. */
const plainAddress = (network: string): string => network.replace(/^([^:]+)\/32$|^(.*:.*)\/128$/, "$1$2");
