/**
 * What is told of an authenticator that is not well. The answer is a report: its status says what kind of trouble there is, and its text names the error
 * as upstream does, for people and monitors know it by that name.
 *
 * Source: Conjur 5.3.1, app/controllers/authenticate_controller.rb (statuses) and app/domain/errors.rb (names, codes and texts).
 */

import type { AuthenticatorRef } from "../../core/broker";
import type { Failure } from "../../model/failures";
import type { RoleId } from "../../model/ids";
import type { FailureTable, Wire } from "../front";
import { failures } from "./errors";
import { jsonWire } from "./wire";

/** While `role` asks how the authenticator does. */
export function statusFailures(ref: AuthenticatorRef, role: RoleId): FailureTable {
  const name = ref.service === undefined ? ref.authenticator : `${ref.authenticator}/${ref.service}`;
  const unauthorized = unwell(
    403,
    `Authentication::Security::RoleNotAuthorizedOnResource: CONJ00006E '${role}' does not have 'read' privilege on ${ref.account}:webservice:conjur/${name}/status`,
  );
  return {
    ...failures,
    malformed: () => unwell(500, "Authentication::RequestInvalid"),
    unauthenticated: (failure) => unwell(500, errorOf(failure, ref.account, name)),
    forbidden: () => unauthorized,
    not_found: (failure) => {
      if (failure.because === "installed")
        return unwell(404, `Authentication::AuthenticatorNotSupported: CONJ00001E Authenticator '${name}' is not supported in Conjur`);
      // The status webservice is there and the caller may not see it, which upstream says.
      if (failure.hidden === true) return unauthorized;
      return unwell(
        404,
        `Authentication::Security::WebserviceNotFound: CONJ00005E Webservice '${failure.target.split(":conjur/")[1] ?? name}' not found`,
      );
    },
    unsupported: () =>
      unwell(501, `Authentication::StatusNotSupported: CONJ00056E Status check not supported for authenticator '${ref.authenticator}'`),
    upstream_unavailable: (failure) => unwell(500, errorOf(failure, ref.account, name)),
    integrity: () => unwell(500, "Authentication::IntegrityError"),
    internal: () => unwell(500, "Authentication::InternalError"),
  };
}

const keyTroubles: readonly string[] = ["key_document", "key_host", "no_usable_keys"];

function errorOf(failure: Failure, account: string, name: string): string {
  const { because = failure.code } = failure;
  if (because === "account") return `Authentication::Security::AccountNotDefined: CONJ00008E Account '${account}' is not defined in Conjur`;
  if (because === "enabled") return `Authentication::Security::AuthenticatorNotWhitelisted: CONJ00004E '${name}' is not enabled`;
  const setting = /^setting_(?<words>[a-z_]+?)(?<empty>_empty)?$/u.exec(because)?.groups;
  if (setting?.words !== undefined) {
    const variable = `${account}:variable:conjur/${name}/${setting.words.replaceAll("_", "-")}`;
    return setting.empty === undefined
      ? `Conjur::RequiredResourceMissing: CONJ00036E Missing required resource: ${variable}`
      : `Conjur::RequiredSecretMissing: CONJ00037E Missing value for resource: ${variable}`;
  }
  if (failure.code !== "upstream_unavailable") return `Authentication::${className(because)}: ${failure.checks?.at(-1)?.detail ?? because}`;
  const about = `(Provider URI: '${failure.upstream}'). Reason: '${because}'`;
  if (because === "timeout")
    return `Authentication::OAuth::ProviderDiscoveryTimeout: CONJ00010E Failed to discover Identity Provider with timeout error ${about}`;
  if (keyTroubles.includes(because))
    return `Authentication::OAuth::FetchProviderKeysFailed: CONJ00012E Failed to fetch keys from Identity Provider ${about}`;
  return `Authentication::OAuth::ProviderDiscoveryFailed: CONJ00011E Failed to discover Identity Provider ${about}`;
}

function unwell(status: number, error: string): Wire {
  return jsonWire(status, { status: "error", error: `#<Errors::${error}>` });
}

/** `key_source` → `KeySource`: what only we know of, as upstream would name it. */
function className(because: string): string {
  return because
    .split(/[^a-zA-Z0-9]+/u)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");
}
