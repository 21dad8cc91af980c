/**
 * All facts that decide access, as one immutable value: roles, resources, grants, permits, annotations, restrictions, credentials and the
 * list of versions. It is the fold of the store's log; `with` folds one more commit and leaves this value as it was, so that a decision
 * under way never sees half a change.
 */

import type { AccountName, ResourceId, RoleId } from "../model/ids";
import { accountOf, isRoleId, kindOf } from "../model/ids";
import type {
  Account,
  Annotation,
  AuthenticatorSwitch,
  Change,
  Commit,
  Credential,
  Grant,
  HostFactoryToken,
  NetworkRestriction,
  Permit,
  PolicyVersion,
  Resource,
  Revision,
  SecretExpiry,
  SecretRules,
  SecretVersionInfo,
} from "../model/types";
import { type Closures, createClosures, type HeldRoles } from "./closures";
import { type FolderEntry, folderEntryKey } from "./folders";
import { createGraphDraft, type GraphTables, grantKey, permitKey, switchKey } from "./graph-draft";
import { emptyGrouped } from "./grouped";
import { emptyMap } from "./persistent-map";
import { nextTurn, stepsPerSlice } from "./slices";

/** What allowed something: an owning role, or a permit to a role, either held by the one who asked. */
export type Rule = { readonly by: "owner"; readonly role: RoleId } | { readonly by: "permit"; readonly permit: Permit };

export interface Graph {
  /** The newest commit folded in. */
  readonly revision: Revision;
  /** The same value for as long as commits were about variables and what they hold alone: what is made of everything else may be kept by it. */
  readonly frame: object;
  accounts(): Iterable<Account>;
  account(name: string): Account | undefined;
  /** A resource, which for the role kinds is also the role. */
  resource(id: ResourceId): Resource | undefined;
  role(id: RoleId): Resource | undefined;
  /** Every resource of an account, in no order. Walks everything: for loads and exports, never for a request by an ordinary caller. */
  resources(account: AccountName): Iterable<Resource>;
  ownedBy(role: RoleId): Iterable<ResourceId>;
  webservices(): Iterable<Resource>;

  /** Direct grants in which the role is the member, and direct grants of the role. */
  memberships(member: RoleId): Iterable<Grant>;
  members(role: RoleId): Iterable<Grant>;
  grant(role: RoleId, member: RoleId, ownership: boolean): Grant | undefined;
  /** The layers that hosts of a factory get. */
  layersOf(factory: RoleId): Iterable<RoleId>;
  permitsOn(resource: ResourceId): Iterable<Permit>;
  permitsTo(role: RoleId): Iterable<Permit>;
  annotations(resource: ResourceId): Iterable<Annotation>;
  annotation(resource: ResourceId, name: string): Annotation | undefined;
  restriction(role: RoleId): NetworkRestriction | undefined;
  credential(role: RoleId): Credential | undefined;
  /** Kept versions and those that were destroyed, oldest first. */
  secretVersions(resource: ResourceId): readonly SecretVersionInfo[];
  secretRules(resource: ResourceId): SecretRules | undefined;
  /** What lies directly in a folder of variables that have versions or rules, in no order: of `acme:variable:secret/app`, the key `acme:variable:secret/app/db`. */
  folder(folder: string): Iterable<FolderEntry>;
  secretExpiry(resource: ResourceId): SecretExpiry | undefined;
  /** The public key resources of a user. */
  publicKeysOf(user: RoleId): Iterable<ResourceId>;
  policyVersions(policy: RoleId): readonly PolicyVersion[];
  authenticatorSwitch(account: AccountName, authenticator: string): AuthenticatorSwitch | undefined;
  authenticatorSwitches(): Iterable<AuthenticatorSwitch>;
  /** The token of this digest, ended or not. */
  hostFactoryToken(digest: string): HostFactoryToken | undefined;
  hostFactoryTokens(factory: RoleId): Iterable<HostFactoryToken>;

  /** The role and every role it reaches through memberships, at any depth. Cycles end. */
  held(role: RoleId): HeldRoles;
  /** The rule that allows it, or undefined. Ownership allows every privilege; privileges do not imply each other. */
  permits(role: RoleId, privilege: string, resource: ResourceId): Rule | undefined;
  /** Whether the role owns the resource or has any privilege on it. A role that owns itself is nobody's resource and stays unseen. */
  sees(role: RoleId, resource: ResourceId): boolean;
  /** Every resource the role sees, each once, in no order; found while it is walked. */
  seenBy(role: RoleId): Iterable<ResourceId>;
  /** Every role for which `permits` has a rule, each once, in no order; found while it is walked. */
  permittedRoles(privilege: string, resource: ResourceId): Iterable<RoleId>;

  with(commit: Commit): Graph;
  /** The same for many, oldest first, in one go: what a start folds. */
  withAll(commits: readonly Commit[]): Graph;
  /** The same for a commit of any size, without holding up the thread. */
  withInSlices(commit: Commit): Promise<Graph>;
}

export function emptyGraph(): Graph {
  const tables = emptyTables();
  return makeGraph({ revision: 0, frame: {} }, tables, createClosures(tables.grantsByMember));
}

function emptyTables(): GraphTables {
  return {
    accounts: emptyMap(),
    resources: emptyMap(),
    owned: emptyGrouped<ResourceId>((id) => id),
    webservices: emptyMap(),
    grantsByMember: emptyGrouped<Grant>(grantKey),
    grantsByRole: emptyGrouped<Grant>(grantKey),
    layersByFactory: emptyGrouped<RoleId>((id) => id),
    permitsByResource: emptyGrouped<Permit>(permitKey),
    permitsByRole: emptyGrouped<Permit>(permitKey),
    annotations: emptyGrouped<Annotation>((annotation) => annotation.name),
    restrictions: emptyMap(),
    credentials: emptyMap(),
    secretVersions: emptyMap(),
    secretRules: emptyMap(),
    folders: emptyGrouped<FolderEntry>(folderEntryKey),
    secretExpiries: emptyMap(),
    publicKeys: emptyGrouped<ResourceId>((id) => id),
    policyVersions: emptyMap(),
    switches: emptyMap(),
    factoryTokens: emptyGrouped<HostFactoryToken>((token) => token.digest),
    factoriesByToken: emptyMap(),
  };
}

function makeGraph(standing: Pick<Graph, "revision" | "frame">, tables: GraphTables, closures: Closures): Graph {
  const { revision, frame } = standing;
  const held = closures.of;

  function permits(role: RoleId, privilege: string, resource: ResourceId): Rule | undefined {
    const target = tables.resources.get(resource);
    if (target === undefined) return undefined;
    const roles = held(role);
    if (roles.has(target.owner)) return { by: "owner", role: target.owner };
    for (const permit of tables.permitsByResource.of(resource)) {
      if (permit.privilege === privilege && roles.has(permit.role)) return { by: "permit", permit };
    }
    return undefined;
  }

  function sees(role: RoleId, resource: ResourceId): boolean {
    const target = tables.resources.get(resource);
    if (target === undefined || target.owner === target.id) return false;
    const roles = held(role);
    if (roles.has(target.owner)) return true;
    for (const permit of tables.permitsByResource.of(resource)) if (roles.has(permit.role)) return true;
    return false;
  }

  function* seenBy(role: RoleId): Generator<ResourceId> {
    const roles = held(role);
    for (const each of roles) for (const id of tables.owned.of(each)) if (id !== each) yield id;
    // What is owned was told already, and a resource has few permits to the roles of one: only those need be remembered.
    const told = new Set<ResourceId>();
    for (const each of roles) {
      for (const { resource } of tables.permitsByRole.of(each)) {
        const target = tables.resources.get(resource);
        if (target === undefined || target.owner === target.id || roles.has(target.owner) || told.has(resource)) continue;
        told.add(resource);
        yield resource;
      }
    }
  }

  function* permittedRoles(privilege: string, resource: ResourceId): Generator<RoleId> {
    const target = tables.resources.get(resource);
    if (target === undefined) return;
    const all = new Set<RoleId>([target.owner]);
    for (const permit of tables.permitsByResource.of(resource)) if (permit.privilege === privilege) all.add(permit.role);
    // A Set iterates what is added meanwhile: it is its own queue.
    for (const role of all) {
      yield role;
      for (const { member } of tables.grantsByRole.of(role)) all.add(member);
    }
  }

  const next = (commit: Commit, changed: GraphTables): Graph =>
    makeGraph(after(standing, commit), changed, closures.after(commit.changes, changed.grantsByMember));

  return {
    revision,
    frame,
    accounts: () => tables.accounts.values(),
    account: (name) => tables.accounts.get(name),
    resource: (id) => tables.resources.get(id),
    role: (id) => (isRoleId(id) ? tables.resources.get(id) : undefined),
    *resources(account) {
      for (const resource of tables.resources.values()) if (accountOf(resource.id) === account) yield resource;
    },
    ownedBy: (role) => tables.owned.of(role),
    webservices: () => tables.webservices.values(),
    memberships: (member) => tables.grantsByMember.of(member),
    members: (role) => tables.grantsByRole.of(role),
    grant: (role, member, ownership) => tables.grantsByMember.find(member, grantKey({ role, member, ownership })),
    layersOf: (factory) => tables.layersByFactory.of(factory),
    permitsOn: (resource) => tables.permitsByResource.of(resource),
    permitsTo: (role) => tables.permitsByRole.of(role),
    annotations: (resource) => tables.annotations.of(resource),
    annotation: (resource, name) => tables.annotations.find(resource, name),
    restriction: (role) => tables.restrictions.get(role),
    credential: (role) => tables.credentials.get(role),
    secretVersions: (resource) => tables.secretVersions.get(resource) ?? [],
    secretRules: (resource) => tables.secretRules.get(resource),
    folder: (folder) => tables.folders.of(folder),
    secretExpiry: (resource) => tables.secretExpiries.get(resource),
    publicKeysOf: (user) => tables.publicKeys.of(user),
    policyVersions: (policy) => tables.policyVersions.get(policy) ?? [],
    authenticatorSwitch: (account, authenticator) => tables.switches.get(switchKey(account, authenticator)),
    authenticatorSwitches: () => tables.switches.values(),
    hostFactoryToken(digest) {
      const factory = tables.factoriesByToken.get(digest);
      return factory === undefined ? undefined : tables.factoryTokens.find(factory, digest);
    },
    hostFactoryTokens: (factory) => tables.factoryTokens.of(factory),
    held,
    permits,
    sees,
    seenBy,
    permittedRoles,
    with(commit) {
      const draft = createGraphDraft(tables);
      for (const change of commit.changes) draft.apply(change, commit.revision);
      return next(commit, draft.done());
    },
    withAll(commits) {
      const draft = createGraphDraft(tables);
      for (const commit of commits) for (const change of commit.changes) draft.apply(change, commit.revision);
      const changed = draft.done();
      return makeGraph(commits.reduce(after, standing), changed, createClosures(changed.grantsByMember));
    },
    async withInSlices(commit) {
      const draft = createGraphDraft(tables);
      let steps = 0;
      for (const change of commit.changes) {
        draft.apply(change, commit.revision);
        steps += 1;
        if (steps % stepsPerSlice === 0) await nextTurn();
      }
      return next(commit, draft.done());
    },
  };
}

function after({ frame }: Pick<Graph, "frame">, { revision, changes }: Commit): Pick<Graph, "revision" | "frame"> {
  return { revision, frame: changes.every(isOfVariable) ? frame : {} };
}

function isOfVariable(change: Change): boolean {
  switch (change.type) {
    case "put_resource":
      return kindOf(change.resource.id) === "variable";
    case "remove_resource":
      return kindOf(change.id) === "variable";
    case "put_secret_version":
    case "remove_secret_version":
    case "put_version_state":
    case "remove_secret_rules":
      return kindOf(change.resource) === "variable";
    case "put_secret_rules":
      return kindOf(change.rules.resource) === "variable";
    default:
      return false;
  }
}
