/**
 * What a plan needs to know of the graph as it is: plain facts in, look-ups out. The facts may come from another thread.
 */

import { accountOf, identifierOf, kindOf, makeId, type ResourceId, type RoleId } from "../../model/ids";
import type { Annotation, Grant, NetworkRestriction, Permit, Resource } from "../../model/types";
import { publicKeyUser } from "./public-keys";

/** All facts of one account; plain data. Only the members of the types that decide are looked at: `origin` may be left out. */
export interface SceneFacts {
  readonly resources: readonly Resource[];
  readonly grants: readonly Grant[];
  readonly permits: readonly Permit[];
  readonly annotations: readonly Annotation[];
  readonly restrictions: readonly NetworkRestriction[];
}

export interface PolicyScene {
  resource(id: ResourceId): Resource | undefined;
  grant(role: RoleId, member: RoleId, ownership: boolean): Grant | undefined;
  permit(role: RoleId, privilege: string, resource: ResourceId): Permit | undefined;
  annotation(resource: ResourceId, name: string): Annotation | undefined;
  /** The networks of a restricted role. */
  networks(role: ResourceId): readonly string[] | undefined;
  /** Direct grants in which the role is the member, ownership among them. */
  memberships(member: RoleId): readonly Grant[];
  /** What goes when this goes: resources it owns, and the public keys of a user. */
  dependents(id: ResourceId): readonly ResourceId[];
  /** Facts that loads of this branch made. */
  declaredBy(policy: RoleId): DeclaredFacts;
}

export type DeclaredFacts = Omit<SceneFacts, "restrictions">;

// Ids, privileges and names of annotations cannot contain a control character, so joined keys are one to one.
export const grantKey = (role: RoleId, member: RoleId, ownership: boolean): string => `${role}\n${member}\n${ownership}`;
export const permitKey = (role: RoleId, privilege: string, resource: ResourceId): string => `${role}\n${privilege}\n${resource}`;
export const annotationKey = (resource: ResourceId, name: string): string => `${resource}\n${name}`;

export function sceneFromFacts(facts: SceneFacts): PolicyScene {
  const resources = new Map(facts.resources.map((resource) => [resource.id, resource]));
  const grants = new Map(facts.grants.map((grant) => [grantKey(grant.role, grant.member, grant.ownership), grant]));
  const permits = new Map(facts.permits.map((permit) => [permitKey(permit.role, permit.privilege, permit.resource), permit]));
  const annotations = new Map(facts.annotations.map((annotation) => [annotationKey(annotation.resource, annotation.name), annotation]));
  const restrictions = new Map<ResourceId, readonly string[]>(facts.restrictions.map(({ role, networks }) => [role, networks]));
  const memberships = Map.groupBy(facts.grants, (grant) => grant.member);
  const owned = Map.groupBy(facts.resources, (resource): ResourceId => resource.owner);
  const publicKeys = Map.groupBy(
    facts.resources.filter(({ id }) => kindOf(id) === "public_key"),
    ({ id }): ResourceId => makeId(accountOf(id), "user", publicKeyUser(identifierOf(id))),
  );
  const isOf = (policy: RoleId) => (fact: { readonly policy?: RoleId }) => fact.policy === policy;
  return {
    resource: (id) => resources.get(id),
    grant: (role, member, ownership) => grants.get(grantKey(role, member, ownership)),
    permit: (role, privilege, resource) => permits.get(permitKey(role, privilege, resource)),
    annotation: (resource, name) => annotations.get(annotationKey(resource, name)),
    networks: (role) => restrictions.get(role),
    memberships: (member) => memberships.get(member) ?? [],
    dependents: (id) => [...(owned.get(id) ?? []), ...(kindOf(id) === "user" ? (publicKeys.get(id) ?? []) : [])].map((each) => each.id),
    declaredBy: (policy) => ({
      resources: facts.resources.filter(isOf(policy)),
      grants: facts.grants.filter(isOf(policy)),
      permits: facts.permits.filter(isOf(policy)),
      annotations: facts.annotations.filter(isOf(policy)),
    }),
  };
}
