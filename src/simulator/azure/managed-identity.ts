/**
 * What all managed-identity endpoints of a machine share: which identity a request gets, and the token for it, perhaps from a cache.
 *
 * Source: "How managed identities for Azure resources work with Azure virtual machines"; the error texts are those seen from the service.
 */

import type { Instant } from "../../model/types";
import { type Cloud, findAudience, type Machine, type Principal } from "./cloud";
import { refusalText } from "./entra-errors";
import { type Issue, isRefusedAssignment } from "./token-endpoint";
import { tokenLifetimeSeconds } from "./tokens";

/** How a machine's endpoint behaves; all may be changed while it runs. */
export interface MachineBehaviour {
  /** Serve the same token for its whole life, as Azure does: changed groups and roles show up hours later. Default false. */
  readonly tokenCache: boolean;
  /** IMDS only: refuse more than 20 token requests in a second or 5 at once. Default false. */
  readonly rateLimit: boolean;
  /** Arc only: an agent from before user-assigned identities, which ignores selectors. Default false. */
  readonly legacyAgent: boolean;
  /** Arc only: repeat the selector in the answer, as clients demand. Default true. */
  readonly echo: boolean;
}

export const defaultBehaviour: MachineBehaviour = { tokenCache: false, rateLimit: false, legacyAgent: false, echo: true };

export type SelectorKind = "clientId" | "oid" | "mirid";
export interface Selector {
  readonly kind: SelectorKind;
  readonly value: string;
}

export interface TokenGrant {
  readonly principal: Principal;
  readonly accessToken: string;
  readonly resource: string;
  /** Seconds since the epoch. */
  readonly notBefore: number;
  readonly expiresOn: number;
}

/** `error` and `description` as IMDS words them; the other hosts print the description alone. */
export interface GrantRefusal {
  readonly error: "invalid_request" | "invalid_resource" | "unauthorized_client";
  readonly description: string;
}

export interface ManagedIdentitySource {
  /** The token of the selected identity for the resource as written. Never reaches for another machine's identity. */
  grant(selector: Selector | undefined, resource: string): TokenGrant | GrantRefusal;
}

export interface ManagedIdentityDeps {
  cloud(): Cloud;
  /** As it is now. */
  machine(): Machine;
  readonly issue: (grant: Parameters<Issue>[0] & { readonly hostResourceId?: string }) => string;
  behaviour(): MachineBehaviour;
  now(): Instant;
}

export function createManagedIdentitySource(deps: ManagedIdentityDeps): ManagedIdentitySource {
  const cache = new Map<string, TokenGrant>();

  function fresh(principal: Principal, resource: string): TokenGrant | GrantRefusal {
    const audience = findAudience(deps.cloud(), resource);
    if (audience === undefined) {
      const { error, description } = refusalText("unknown_audience", resource);
      return { error: error === "invalid_resource" ? error : "invalid_request", description };
    }
    if (isRefusedAssignment(audience, principal)) {
      return { error: "unauthorized_client", description: refusalText("not_assigned", principal.clientId).description };
    }
    const host = principal.kind === "user-assigned" ? { hostResourceId: deps.machine().resourceId } : {};
    const now = deps.now();
    const accessToken = deps.issue({ principal, audience, requested: resource, clientAuthentication: "2", now, ...host });
    const notBefore = Math.floor(now / 1000);
    return { principal, accessToken, resource, notBefore, expiresOn: notBefore + tokenLifetimeSeconds };
  }

  return {
    grant: (selector, resource) => {
      const principal = selectIdentity(deps.machine(), selector);
      if ("error" in principal) return principal;
      const key = `${principal.oid} ${resource}`;
      const kept = deps.behaviour().tokenCache ? cache.get(key) : undefined;
      if (kept !== undefined && kept.expiresOn * 1000 > deps.now()) return kept;
      const granted = fresh(principal, resource);
      if ("accessToken" in granted) cache.set(key, granted);
      return granted;
    },
  };
}

/** Reads the one selector of a query by the parameter names a host knows. More than one is `several`. */
export function readSelector(query: URLSearchParams, names: Readonly<Record<string, SelectorKind>>): Selector | "several" | undefined {
  const found = Object.entries(names).flatMap(([name, kind]) => {
    const value = query.get(name);
    return value === null || value === "" ? [] : [{ kind, value }];
  });
  return found.length > 1 ? "several" : found[0];
}

/** The first parameter name that occurs twice. */
export function repeatedParameter(query: URLSearchParams): string | undefined {
  return [...query.keys()].find((name) => query.getAll(name).length > 1);
}

function selectIdentity(machine: Machine, selector: Selector | undefined): Principal | GrantRefusal {
  const all = [...(machine.systemAssigned === undefined ? [] : [machine.systemAssigned]), ...machine.userAssigned];
  if (selector !== undefined) {
    const wanted = selector.value.toLowerCase();
    // 400 and not 404: clients retry a 404 for twenty seconds.
    return (
      all.find((one) => one[selector.kind]?.toLowerCase() === wanted) ?? { error: "invalid_request", description: "Identity not found" }
    );
  }
  if (machine.systemAssigned !== undefined) return machine.systemAssigned;
  const [only, ...others] = machine.userAssigned;
  if (only === undefined) return { error: "invalid_request", description: "Identity not found" };
  if (others.length === 0) return only;
  return {
    error: "invalid_request",
    description: "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request",
  };
}
