/**
 * The graph under change: folds single changes into its tables. `core/graph.ts` is the only user.
 */

import { type AccountName, accountOf, identifierOf, isRoleId, kindOf, makeId, type ResourceId, type RoleId } from "../model/ids";
import type {
  Account,
  Annotation,
  AuthenticatorSwitch,
  Change,
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
import { addToFolders, type FolderEntry, removeFromFolders } from "./folders";
import type { Grouped } from "./grouped";
import type { PersistentMap } from "./persistent-map";
import { publicKeyUser } from "./policy/public-keys";

/** What a graph consists of. Grants and permits stand under both of their ends. */
export interface GraphTables {
  readonly accounts: PersistentMap<Account>;
  readonly resources: PersistentMap<Resource>;
  readonly owned: Grouped<ResourceId>;
  readonly webservices: PersistentMap<Resource>;
  readonly grantsByMember: Grouped<Grant>;
  readonly grantsByRole: Grouped<Grant>;
  /** By factory: a factory owns all its hosts, among which its layers would have to be looked for. */
  readonly layersByFactory: Grouped<RoleId>;
  readonly permitsByResource: Grouped<Permit>;
  readonly permitsByRole: Grouped<Permit>;
  readonly annotations: Grouped<Annotation>;
  readonly restrictions: PersistentMap<NetworkRestriction>;
  readonly credentials: PersistentMap<Credential>;
  readonly secretVersions: PersistentMap<readonly SecretVersionInfo[]>;
  readonly secretRules: PersistentMap<SecretRules>;
  /** Variables that have versions or rules, by folder. */
  readonly folders: Grouped<FolderEntry>;
  readonly secretExpiries: PersistentMap<SecretExpiry>;
  /** By the user whose keys they are, who need not exist. */
  readonly publicKeys: Grouped<ResourceId>;
  readonly policyVersions: PersistentMap<readonly PolicyVersion[]>;
  readonly switches: PersistentMap<AuthenticatorSwitch>;
  /** By factory, and each factory's by digest; and the factory of each digest. */
  readonly factoryTokens: Grouped<HostFactoryToken>;
  readonly factoriesByToken: PersistentMap<RoleId>;
}

/** Keys of grants and permits inside their groups: lengths before parts, so that no two facts share one whatever their names hold. */
export const grantKey = (grant: Pick<Grant, "role" | "member" | "ownership">): string =>
  `${grant.ownership ? "o" : "g"}${grant.role.length}:${grant.role}${grant.member}`;
export const permitKey = (permit: Pick<Permit, "role" | "privilege" | "resource">): string =>
  `${permit.privilege.length}:${permit.privilege}${permit.role.length}:${permit.role}${permit.resource}`;

/** Account names hold no colon, so the first one ends the account. */
export const switchKey = (account: AccountName, authenticator: string): string => `${account}:${authenticator}`;

export interface GraphDraft {
  apply(change: Change, revision: Revision): void;
  done(): GraphTables;
}

export function createGraphDraft(tables: GraphTables): GraphDraft {
  const accounts = tables.accounts.draft();
  const resources = tables.resources.draft();
  const owned = tables.owned.draft();
  const webservices = tables.webservices.draft();
  const grantsByMember = tables.grantsByMember.draft();
  const grantsByRole = tables.grantsByRole.draft();
  const layersByFactory = tables.layersByFactory.draft();
  const permitsByResource = tables.permitsByResource.draft();
  const permitsByRole = tables.permitsByRole.draft();
  const annotations = tables.annotations.draft();
  const restrictions = tables.restrictions.draft();
  const credentials = tables.credentials.draft();
  const secretVersions = tables.secretVersions.draft();
  const secretRules = tables.secretRules.draft();
  const folders = tables.folders.draft();
  const secretExpiries = tables.secretExpiries.draft();
  const publicKeys = tables.publicKeys.draft();
  const policyVersions = tables.policyVersions.draft();
  const switches = tables.switches.draft();
  const factoryTokens = tables.factoryTokens.draft();
  const factoriesByToken = tables.factoriesByToken.draft();

  function putResource(resource: Resource): void {
    const before = resources.get(resource.id);
    if (before !== undefined && before.owner !== resource.owner) owned.delete(before.owner, resource.id);
    resources.set(resource.id, resource);
    owned.set(resource.owner, resource.id);
    if (kindOf(resource.id) === "webservice") webservices.set(resource.id, resource);
    if (kindOf(resource.id) === "public_key") publicKeys.set(userOfKey(resource.id), resource.id);
  }

  function removeGrant(grant: Pick<Grant, "role" | "member" | "ownership">): void {
    const key = grantKey(grant);
    grantsByMember.delete(grant.member, key);
    grantsByRole.delete(grant.role, key);
    if (isLayerOfFactory(grant)) layersByFactory.delete(grant.member, grant.role);
  }

  function removePermit(permit: Pick<Permit, "role" | "privilege" | "resource">): void {
    const key = permitKey(permit);
    permitsByResource.delete(permit.resource, key);
    permitsByRole.delete(permit.role, key);
  }

  function removeResource(id: ResourceId): void {
    const resource = resources.get(id);
    if (resource === undefined) return;
    resources.delete(id);
    webservices.delete(id);
    owned.delete(resource.owner, id);
    for (const permit of permitsByResource.of(id)) removePermit(permit);
    annotations.deleteGroup(id);
    secretVersions.delete(id);
    secretRules.delete(id);
    leaveFolder(id);
    secretExpiries.delete(id);
    if (kindOf(id) === "public_key") publicKeys.delete(userOfKey(id), id);
    if (isRoleId(id)) removeRole(id);
  }

  function removeRole(id: RoleId): void {
    for (const grant of grantsByMember.of(id)) removeGrant(grant);
    for (const grant of grantsByRole.of(id)) removeGrant(grant);
    for (const permit of permitsByRole.of(id)) removePermit(permit);
    restrictions.delete(id);
    credentials.delete(id);
    policyVersions.delete(id);
    for (const { digest } of factoryTokens.of(id)) removeFactoryToken(id, digest);
  }

  function removeFactoryToken(factory: RoleId, digest: string): void {
    factoryTokens.delete(factory, digest);
    if (factoriesByToken.get(digest) === factory) factoriesByToken.delete(digest);
  }

  function removeAccount(name: AccountName): void {
    for (const resource of [...resources.values()]) if (accountOf(resource.id) === name) removeResource(resource.id);
    for (const each of [...switches.values()]) if (each.account === name) switches.delete(switchKey(name, each.authenticator));
    accounts.delete(name);
  }

  function putSecretVersion(info: SecretVersionInfo): void {
    const kept = (secretVersions.get(info.resource) ?? []).filter((each) => each.version !== info.version);
    secretVersions.set(info.resource, [...kept, info].sort(byVersion));
    enterFolder(info.resource);
  }

  function putVersionState({ resource, version, deletesAt, destroyed }: Extract<Change, { readonly type: "put_version_state" }>): void {
    const state = { ...(deletesAt === undefined ? {} : { deletesAt }), ...(destroyed === true ? { destroyed } : {}) };
    const next = (secretVersions.get(resource) ?? []).map((each): SecretVersionInfo => {
      if (each.version !== version || each.destroyed === true) return each;
      const { createdAt, revision } = each;
      return { resource, version, createdAt, revision, ...state };
    });
    secretVersions.set(resource, next);
  }

  function enterFolder(id: ResourceId): void {
    if (kindOf(id) === "variable") addToFolders(folders, id);
  }

  /** Unless there is still something of it. */
  function leaveFolder(id: ResourceId): void {
    if (kindOf(id) !== "variable" || secretRules.get(id) !== undefined || (secretVersions.get(id)?.length ?? 0) > 0) return;
    removeFromFolders(folders, id);
  }

  function apply(change: Change, revision: Revision): void {
    switch (change.type) {
      case "put_account":
        accounts.set(change.account.name, change.account);
        return;
      case "remove_account":
        removeAccount(change.account);
        return;
      case "put_resource":
        putResource(change.resource);
        return;
      case "remove_resource":
        removeResource(change.id);
        return;
      case "put_grant":
        grantsByMember.set(change.grant.member, change.grant);
        grantsByRole.set(change.grant.role, change.grant);
        if (isLayerOfFactory(change.grant)) layersByFactory.set(change.grant.member, change.grant.role);
        return;
      case "remove_grant":
        removeGrant(change);
        return;
      case "put_permit":
        permitsByResource.set(change.permit.resource, change.permit);
        permitsByRole.set(change.permit.role, change.permit);
        return;
      case "remove_permit":
        removePermit(change);
        return;
      case "put_annotation":
        annotations.set(change.annotation.resource, change.annotation);
        return;
      case "remove_annotation":
        annotations.delete(change.resource, change.name);
        return;
      case "put_restriction":
        restrictions.set(change.restriction.role, change.restriction);
        return;
      case "remove_restriction":
        restrictions.delete(change.role);
        return;
      case "put_credential":
        credentials.set(change.credential.role, change.credential);
        return;
      case "remove_credential":
        credentials.delete(change.role);
        return;
      case "put_secret_version":
        putSecretVersion({
          resource: change.resource,
          version: change.version,
          createdAt: change.createdAt,
          revision: change.revision ?? revision,
        });
        return;
      case "remove_secret_version": {
        const rest = (secretVersions.get(change.resource) ?? []).filter((each) => each.version !== change.version);
        secretVersions.set(change.resource, rest);
        leaveFolder(change.resource);
        return;
      }
      case "put_version_state":
        putVersionState(change);
        return;
      case "put_secret_rules":
        secretRules.set(change.rules.resource, change.rules);
        enterFolder(change.rules.resource);
        return;
      case "remove_secret_rules":
        secretRules.delete(change.resource);
        leaveFolder(change.resource);
        return;
      case "put_secret_expiry":
        secretExpiries.set(change.expiry.resource, change.expiry);
        return;
      case "put_policy_version": {
        const { policy, version } = change.policyVersion;
        const kept = (policyVersions.get(policy) ?? []).filter((each) => each.version !== version);
        policyVersions.set(policy, [...kept, change.policyVersion].sort(byVersion));
        return;
      }
      case "remove_policy_version":
        policyVersions.set(
          change.policy,
          (policyVersions.get(change.policy) ?? []).filter((each) => each.version !== change.version),
        );
        return;
      case "put_authenticator_switch": {
        const { account, authenticator } = change.authenticatorSwitch;
        switches.set(switchKey(account, authenticator), change.authenticatorSwitch);
        return;
      }
      case "put_host_factory_token":
        factoryTokens.set(change.token.factory, change.token);
        factoriesByToken.set(change.token.digest, change.token.factory);
        return;
      case "remove_host_factory_token":
        removeFactoryToken(change.factory, change.digest);
        return;
    }
  }

  return {
    apply,
    done: () => ({
      accounts: accounts.done(),
      resources: resources.done(),
      owned: owned.done(),
      webservices: webservices.done(),
      grantsByMember: grantsByMember.done(),
      grantsByRole: grantsByRole.done(),
      layersByFactory: layersByFactory.done(),
      permitsByResource: permitsByResource.done(),
      permitsByRole: permitsByRole.done(),
      annotations: annotations.done(),
      restrictions: restrictions.done(),
      credentials: credentials.done(),
      secretVersions: secretVersions.done(),
      secretRules: secretRules.done(),
      folders: folders.done(),
      secretExpiries: secretExpiries.done(),
      publicKeys: publicKeys.done(),
      policyVersions: policyVersions.done(),
      switches: switches.done(),
      factoryTokens: factoryTokens.done(),
      factoriesByToken: factoriesByToken.done(),
    }),
  };
}

const userOfKey = (key: ResourceId): RoleId => makeId(accountOf(key), "user", publicKeyUser(identifierOf(key)));
const byVersion = (left: { readonly version: number }, right: { readonly version: number }): number => left.version - right.version;

function isLayerOfFactory({ role, member, ownership }: Pick<Grant, "role" | "member" | "ownership">): boolean {
  return !ownership && kindOf(member) === "host_factory" && kindOf(role) === "layer";
}
