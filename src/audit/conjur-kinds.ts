/**
 * What each audited operation is called in Conjur's events, and the sentence it is told in. Sentences are Conjur's own where it has the operation.
 *
 * Source: Conjur 5.3.1, app/models/audit/event.
 */

import type { AuditedOperation, MethodOperation } from "../model/audited-operations";
import { identifierOf } from "../model/ids";
import type { AuditRecord } from "../model/types";

/** What an operation is called there, and what is said of it. `they` is the role that asked. */
export interface ConjurKind {
  readonly messageId: string;
  readonly operation: string;
  readonly did: (they: string, record: AuditRecord) => string;
  readonly failed: (they: string, record: AuditRecord) => string;
  /** What version 2 of the interface does: always a notice, and about nothing in particular as far as the structured data says. */
  readonly isOfVersion2?: boolean;
}

const resourceOf = ({ resource }: AuditRecord): string => resource ?? "";

/** `authn-azure/prod` of the account A: `authn-azure`, and `A:webservice:conjur/authn-azure/prod`. */
export function authenticatorWords({ authenticator = "authn", account = "" }: AuditRecord): {
  readonly name: string;
  readonly service: string;
} {
  return { name: authenticator.split("/", 1)[0] ?? "", service: `${account}:webservice:conjur/${authenticator}` };
}

const by = (record: AuditRecord): string => {
  const { name, service } = authenticatorWords(record);
  return `authenticator ${name} service ${service}`;
};

function kind(messageId: string, operation: string, did: ConjurKind["did"], failed: ConjurKind["failed"]): ConjurKind {
  return { messageId, operation, did, failed };
}

/** Source: Conjur 5.3.1, v2_resource.rb. Path and body of the request, which its sentence ends with, are left out: bodies hold values of variables. */
function kindOfVersion2(messageId: string, operation: string, participle: string, verb = operation): ConjurKind {
  const about = ({ resource }: AuditRecord): string => (resource === undefined ? messageId : `${messageId} ${identifierOf(resource)}`);
  return {
    messageId,
    operation,
    did: (they, record) => `${they} successfully ${participle} ${about(record)}`,
    failed: (they, record) => `${they} failed to ${verb} ${about(record)}`,
    isOfVersion2: true,
  };
}

/** What Conjur does not do to variables: told beside its updates, so that whoever watches those sees that a value was taken away or given back. */
function kindOfChange(operation: string, participle: string): ConjurKind {
  return kind(
    "update",
    operation,
    (they, record) => `${they} ${participle} ${versionOf(record)}${resourceOf(record)}`,
    (they, record) => `${they} tried to ${operation} ${versionOf(record)}${resourceOf(record)}`,
  );
}

const versionOf = ({ version }: AuditRecord): string => (version === undefined ? "" : `version ${version} of `);

const resourceShown = kind(
  "resource",
  "get",
  (they) => `${they} successfully fetched resource details.`,
  (they) => `${they} failed to fetch resource details`,
);
const resourcesListed = kind(
  "list",
  "list",
  (they) => `${they} successfully listed resources`,
  (they) => `${they} failed to list resources`,
);

/** Nothing of Conjur's is like it: told under its own noun and verb. */
const ownWords = "own words";

/** Methods of mounts keep roles and settings alike, and Conjur has none of it. Total: an operation that is not named here does not compile. */
const kinds: { readonly [Name in Exclude<AuditedOperation, MethodOperation>]: ConjurKind | typeof ownWords } = {
  "branch.create": kindOfVersion2("branch", "create", "created"),
  "branch.show": kindOfVersion2("branch", "get", "retrieved", "retrieve"),
  "branch.list": kindOfVersion2("branch", "list", "listed"),
  "branch.update": kindOfVersion2("branch", "update", "updated"),
  "branch.remove": kindOfVersion2("branch", "remove", "removed"),
  "authenticator.create": kindOfVersion2("authenticators", "create", "created"),
  "authenticator.show": kindOfVersion2("authenticators", "get", "retrieved", "retrieve"),
  "authenticator.list": kindOfVersion2("authenticators", "list", "listed"),
  "authenticator.remove": kindOfVersion2("authenticators", "remove", "removed"),
  login: kind(
    "authn",
    "authenticate",
    (they, record) => `${they} successfully authenticated with ${by(record)}`,
    (they, record) => `${they} failed to authenticate with ${by(record)}`,
  ),
  "api_key.exchange": kind(
    "authn",
    "login",
    (they, record) => `${they} successfully logged in with ${by(record)}`,
    (they, record) => `${they} failed to login with ${by(record)}`,
  ),
  "authenticator.status": kind(
    "authn",
    "validate-status",
    (they, record) => `${they} successfully validated status for ${by(record)}`,
    (they, record) => `${they} failed to validate status for ${by(record)}`,
  ),
  "authenticator.configure": kind(
    "authn",
    "update-authenticator-configuration",
    (they, record) => `${they} successfully updated authenticator configuration ${by(record)}`,
    (they, record) => `${they} failed to update authenticator configuration ${by(record)}`,
  ),
  "secret.read": kind(
    "fetch",
    "fetch",
    (they, record) => `${they} fetched ${versionOf(record)}${record.resource}`,
    (they, record) => `${they} tried to fetch ${versionOf(record)}${record.resource}`,
  ),
  "secret.write": kind(
    "update",
    "update",
    (they, record) => `${they} updated ${resourceOf(record)}`,
    (they, record) => `${they} tried to update ${resourceOf(record)}`,
  ),
  "secret.expire": kind(
    "update",
    "update",
    (they, record) => `${they} updated ${resourceOf(record)}`,
    (they, record) => `${they} tried to update ${resourceOf(record)}`,
  ),
  "resource.check": kind(
    "check",
    "check",
    (they, { privilege, resource }) => `${they} successfully checked if they can ${privilege} ${resource}`,
    (they, { privilege, resource }) => `${they} failed to check if they can ${privilege} ${resource}`,
  ),
  "resource.list": resourcesListed,
  "resource.show": resourceShown,
  "resource.permitted_roles": resourceShown,
  "secret.list": resourcesListed,
  "secret.subkeys": resourceShown,
  "secret.metadata.show": resourceShown,
  "secret.metadata.write": kind(
    "resource",
    "update",
    (they) => `${they} successfully updated resource details.`,
    (they) => `${they} failed to update resource details`,
  ),
  "secret.delete": kindOfChange("delete", "deleted"),
  "secret.undelete": kindOfChange("undelete", "undeleted"),
  "secret.destroy": kindOfChange("destroy", "destroyed"),
  "secret.remove": kindOfChange("remove", "removed"),
  "role.members": kind(
    "members",
    "list",
    (they, record) => `${they} successfully listed members with parameters: ${resourceOf(record)}`,
    (they, record) => `${they} failed to list members with parameters: ${resourceOf(record)}`,
  ),
  "role.memberships": kind(
    "membership",
    "list",
    (they, record) => `${they} successfully listed memberships with parameters: ${resourceOf(record)}`,
    (they, record) => `${they} failed to list memberships with parameters: ${resourceOf(record)}`,
  ),
  "password.change": kind(
    "password",
    "change",
    (they) => `${they} successfully changed their password`,
    (they) => `${they} failed to change their password`,
  ),
  "api_key.rotate": kind(
    "api-key",
    "rotate",
    (they, { role, resource }) =>
      role === resource ? `${they} successfully rotated their API key` : `${they} successfully rotated the api key for ${resource}`,
    (they, { role, resource }) =>
      role === resource || resource === undefined
        ? `${they} failed to rotate their API key`
        : `${they} failed to rotate the api key for ${resource}`,
  ),
  "identity.check": kind(
    "identity-check",
    "check",
    (they) => `${they} checked its identity using whoami`,
    (they) => `${they} failed to check its identity using whoami`,
  ),
  "policy.validate": kind(
    "policy",
    "validate",
    (they, record) => `${they} validated ${resourceOf(record)}`,
    (they, record) => `${they} failed to validate ${resourceOf(record)}`,
  ),
  "policy.read": kind(
    "policy",
    "read",
    (they, record) => `${they} read ${resourceOf(record)}`,
    (they, record) => `${they} failed to read ${resourceOf(record)}`,
  ),
  "policy.load": kind(
    "policy",
    "update",
    (they, record) => `${they} loaded ${resourceOf(record)}`,
    () => "Failed to load policy",
  ),
  "account.create": ownWords,
  "account.delete": ownWords,
  "account.export": ownWords,
  "account.import": ownWords,
  "answer.wrap": ownWords,
  "answer.unwrap": ownWords,
  "answer.rewrap": ownWords,
  "answer.look_up": ownWords,
  "api_key.age": ownWords,
  "api_key.retrieve": ownWords,
  "audit.read": ownWords,
  "audit.verify": ownWords,
  "cubbyhole.list": ownWords,
  "cubbyhole.read": ownWords,
  "cubbyhole.write": ownWords,
  "cubbyhole.remove": ownWords,
  "entity.show": ownWords,
  "host_factory.create_host": ownWords,
  "host_factory.create_tokens": ownWords,
  "host_factory.revoke_token": ownWords,
  "identity.lend": ownWords,
  "identity_issuer.read": ownWords,
  "identity_issuer.write": ownWords,
  "identity_key.list": ownWords,
  "identity_key.read": ownWords,
  "identity_key.write": ownWords,
  "identity_key.remove": ownWords,
  "identity_key.rotate": ownWords,
  "identity_role.list": ownWords,
  "identity_role.read": ownWords,
  "identity_role.write": ownWords,
  "identity_role.remove": ownWords,
  "identity_role.token": ownWords,
  "identity_role.introspect": ownWords,
  "keyring.add_recipient": ownWords,
  "keyring.remove_recipient": ownWords,
  "keyring.rotate_root": ownWords,
  "keyring.rotate_scope": ownWords,
  "keyring.unseal": ownWords,
  "mount.disable": ownWords,
  "mount.enable": ownWords,
  "mount.list": ownWords,
  "mount.preflight": ownWords,
  "mount.settings.show": ownWords,
  "mount.settings.write": ownWords,
  "mount.show": ownWords,
  "mount.tune": ownWords,
  "password.reset": ownWords,
  "path.explain": ownWords,
  "path.probe": ownWords,
  "path_policy.list": ownWords,
  "path_policy.read": ownWords,
  "path_policy.write": ownWords,
  "path_policy.remove": ownWords,
  "role.add_member": ownWords,
  "role.graph": ownWords,
  "role.held": ownWords,
  "role.remove_member": ownWords,
  "role.show": ownWords,
  "session.verify": ownWords,
  "store.accept_rollback": ownWords,
  "token.accessors": ownWords,
  "token.capabilities": ownWords,
  "token.create": ownWords,
  "token.create_root": ownWords,
  "token.look_up": ownWords,
  "token.renew": ownWords,
  "token.revoke": ownWords,
  "token.revoke_prefix": ownWords,
  "token.verify": ownWords,
  "token_role.list": ownWords,
  "token_role.read": ownWords,
  "token_role.write": ownWords,
  "token_role.remove": ownWords,
  "tools.digest": ownWords,
  "tools.random": ownWords,
};

/** What an operation is to whoever reads Conjur's events. */
export function conjurKind(operation: AuditedOperation): ConjurKind {
  const known = isOfMethod(operation) ? ownWords : kinds[operation];
  return known === ownWords ? otherKind(operation) : known;
}

const isOfMethod = (operation: AuditedOperation): operation is MethodOperation => !Object.hasOwn(kinds, operation);

/** Its noun is the message, its verb the operation; `mount.settings.show` is to show `mount-settings`. What was asked for by path is named by it. */
function otherKind(operation: AuditedOperation): ConjurKind {
  const words = operation.replaceAll("_", "-").split(".");
  const action = words.pop() ?? "";
  const name = words.join("-");
  const of = ({ resource, path }: AuditRecord): string => [name, resource ?? path].filter((each) => each !== undefined).join(" ");
  return kind(
    name,
    action,
    (they, record) => `${they} successfully performed ${action} on ${of(record)}`,
    (they, record) => `${they} failed to perform ${action} on ${of(record)}`,
  );
}
