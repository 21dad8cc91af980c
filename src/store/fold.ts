/** What survives of an account's log: the last `put` of every fact that was not removed since, in the order the facts first appeared. */

import type { ResourceId } from "../model/ids";
import type { Change } from "../model/types";
import { idsOf } from "./changes";

/**
 * Folds changes of one account; the result replayed gives the same state. Linear in the number of changes.
 *
 * A replaced fact keeps its place: what was put after it may build on it.
 */
export function surviving(changes: Iterable<Change>): readonly Change[] {
  const facts = new Map<string, Change>();
  // The facts that hang on an id, so that removing a resource costs what hangs on it and not a pass over everything.
  const hanging = new Map<ResourceId, Set<string>>();

  function put(key: string, change: Change): void {
    facts.set(key, change);
    for (const id of idsOf(change)) {
      const keys = hanging.get(id);
      if (keys === undefined) hanging.set(id, new Set([key]));
      else keys.add(key);
    }
  }

  for (const change of changes) {
    const key = keyOf(change);
    if (change.type === "put_version_state" && isDestroyed(facts.get(key))) continue;
    if (change.type.startsWith("put_")) put(key, change);
    else facts.delete(key);
    // A state belongs to one value: it goes with it, and the next value of that number begins without one.
    if (change.type === "put_secret_version" || change.type === "remove_secret_version") facts.delete(stateKey(change));
    if (change.type === "remove_resource") {
      for (const each of hanging.get(change.id) ?? []) facts.delete(each);
      hanging.delete(change.id);
    }
    if (change.type === "remove_account") {
      facts.clear();
      hanging.clear();
    }
  }
  return [...facts.values()];
}

/** Equal for a `put` and the `remove` of the same fact. Parts are joined as JSON, for ids contain every character. */
function keyOf(change: Change): string {
  switch (change.type) {
    case "put_account":
    case "remove_account":
      return "account";
    case "put_resource":
      return join("resource", change.resource.id);
    case "remove_resource":
      return join("resource", change.id);
    case "put_grant":
      return join("grant", change.grant.role, change.grant.member, change.grant.ownership);
    case "remove_grant":
      return join("grant", change.role, change.member, change.ownership);
    case "put_permit":
      return join("permit", change.permit.role, change.permit.privilege, change.permit.resource);
    case "remove_permit":
      return join("permit", change.role, change.privilege, change.resource);
    case "put_annotation":
      return join("annotation", change.annotation.resource, change.annotation.name);
    case "remove_annotation":
      return join("annotation", change.resource, change.name);
    case "put_restriction":
      return join("restriction", change.restriction.role);
    case "remove_restriction":
      return join("restriction", change.role);
    case "put_credential":
      return join("credential", change.credential.role);
    case "remove_credential":
      return join("credential", change.role);
    case "put_secret_version":
    case "remove_secret_version":
      return join("secret_version", change.resource, change.version);
    case "put_version_state":
      return stateKey(change);
    case "put_secret_rules":
      return join("secret_rules", change.rules.resource);
    case "remove_secret_rules":
      return join("secret_rules", change.resource);
    case "put_secret_expiry":
      return join("secret_expiry", change.expiry.resource);
    case "put_policy_version":
      return join("policy_version", change.policyVersion.policy, change.policyVersion.version);
    case "remove_policy_version":
      return join("policy_version", change.policy, change.version);
    case "put_host_factory_token":
      return join("host_factory_token", change.token.digest);
    case "remove_host_factory_token":
      return join("host_factory_token", change.digest);
    case "put_authenticator_switch":
      return join("authenticator_switch", change.authenticatorSwitch.authenticator);
  }
}

/** What is destroyed stays so, or the log would name a sealed row that is gone. */
function isDestroyed(fact: Change | undefined): boolean {
  return fact?.type === "put_version_state" && fact.destroyed === true;
}

function stateKey({ resource, version }: Pick<Change & { readonly type: "put_version_state" }, "resource" | "version">): string {
  return join("version_state", resource, version);
}

function join(...parts: readonly (string | number | boolean)[]): string {
  return JSON.stringify(parts);
}
