/**
 * A decision as the event that Conjur would have sent to its log: the same names, structured data and sentences, because that is what rules in security
 * monitoring match on.
 *
 * Source: Conjur 5.3.1, app/models/audit/event.
 */

import { identifierOf } from "../model/ids";
import type { AuditRecord, RowEvent, RowsChanged } from "../model/types";
import { conjurReason } from "./conjur-reasons";
import { facilities, type SyslogMessage, severities } from "./syslog-line";

/** What an operation is called there, and what is said of it. `they` is the role that asked. */
interface Kind {
  readonly messageId: string;
  readonly operation: string;
  readonly did: (they: string, record: AuditRecord) => string;
  readonly failed: (they: string, record: AuditRecord) => string;
  /** What version 2 of the interface does: always a notice, and about nothing in particular as far as the structured data says. */
  readonly isOfVersion2?: boolean;
}

const enterprise = "43868";
const resourceOf = ({ resource }: AuditRecord): string => resource ?? "";

function authenticatorWords({ authenticator = "authn", account = "" }: AuditRecord): { readonly name: string; readonly service: string } {
  return { name: authenticator.split("/", 1)[0] ?? "", service: `${account}:webservice:conjur/${authenticator}` };
}

const by = (record: AuditRecord): string => {
  const { name, service } = authenticatorWords(record);
  return `authenticator ${name} service ${service}`;
};

function kind(messageId: string, operation: string, did: Kind["did"], failed: Kind["failed"]): Kind {
  return { messageId, operation, did, failed };
}

/** Source: Conjur 5.3.1, v2_resource.rb. Path and body of the request, which its sentence ends with, are left out: bodies hold values of variables. */
function kindOfVersion2(messageId: string, operation: string, participle: string, verb = operation): Kind {
  const about = ({ resource }: AuditRecord): string => (resource === undefined ? messageId : `${messageId} ${identifierOf(resource)}`);
  return {
    messageId,
    operation,
    did: (they, record) => `${they} successfully ${participle} ${about(record)}`,
    failed: (they, record) => `${they} failed to ${verb} ${about(record)}`,
    isOfVersion2: true,
  };
}

const kinds: Readonly<Record<string, Kind>> = {
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
    (they, { resource, version }) => `${they} fetched ${version === undefined ? "" : `version ${version} of `}${resource}`,
    (they, { resource, version }) => `${they} tried to fetch ${version === undefined ? "" : `version ${version} of `}${resource}`,
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
  "resource.list": kind(
    "list",
    "list",
    (they) => `${they} successfully listed resources`,
    (they) => `${they} failed to list resources`,
  ),
  "resource.show": kind(
    "resource",
    "get",
    (they) => `${they} successfully fetched resource details.`,
    (they) => `${they} failed to fetch resource details`,
  ),
  "resource.permitted_roles": kind(
    "resource",
    "get",
    (they) => `${they} successfully fetched resource details.`,
    (they) => `${they} failed to fetch resource details`,
  ),
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
};

const authnOperations: ReadonlySet<string> = new Set(["login", "api_key.exchange", "authenticator.status", "authenticator.configure"]);

/**
 * The event of a decision. None for an accepted policy load, which is told row by row (`rowMessages`), and none for operations of the operator's own.
 */
export function conjurEvent(record: AuditRecord): SyslogMessage | undefined {
  if (record.operation === "policy.load" && record.allowed) return undefined;
  const { operation, allowed, context, at } = record;
  const what = kinds[operation] ?? otherKind(operation);
  const they = roleText(record);
  const isNotice = what.messageId === "policy" || what.isOfVersion2 === true;
  const reason = allowed ? "" : `: ${isHiddenFromFetcher(record) ? "Forbidden" : conjurReason(record)}`;
  return {
    facility: operation === "identity.check" ? facilities.auth : facilities.authpriv,
    severity: isNotice ? severities.notice : allowed ? severities.info : severities.warning,
    at,
    processId: context.requestId,
    messageId: what.messageId,
    data: {
      [`subject@${enterprise}`]: what.isOfVersion2 === true ? { edge: "" } : subjectOf(record, they),
      [`auth@${enterprise}`]: authOf(record, they),
      [`client@${enterprise}`]: { ip: context.clientAddress },
      [`action@${enterprise}`]: { result: allowed ? "success" : "failure", operation: what.operation },
    },
    text: `${allowed ? what.did(they, record) : what.failed(they, record)}${reason}`,
  };
}

/** The rows that a load changed, or a membership that a request did: one event each. */
export function rowMessages(event: RowsChanged): Iterable<SyslogMessage> {
  const { context, role, policy, version, rows } = event;
  return rows.map(
    (row): SyslogMessage => ({
      facility: facilities.authpriv,
      severity: severities.notice,
      at: context.now,
      processId: context.requestId,
      messageId: "policy",
      data: {
        [`auth@${enterprise}`]: { user: role },
        ...(policy === undefined ? {} : { [`policy@${enterprise}`]: { id: policy, version: String(version ?? "") } }),
        [`subject@${enterprise}`]: row.subject,
        [`client@${enterprise}`]: { ip: context.clientAddress },
        [`action@${enterprise}`]: { result: "success", operation: row.operation },
      },
      text: `${role} ${participles[row.operation]} ${rowText(row)}`,
    }),
  );
}

const participles = { add: "added", change: "changed", remove: "removed" } as const;

function rowText({ subject }: RowEvent): string {
  const { resource = "", role = "", member, owner, privilege, annotation } = subject;
  if (member !== undefined) return `membership of ${member} in ${role}`;
  if (owner !== undefined) return `ownership of ${owner} in ${role}`;
  if (privilege !== undefined) return `permission of ${role} to ${privilege} on ${resource}`;
  if (annotation !== undefined) return `annotation ${annotation} on ${resource}`;
  return role === "" ? `resource ${resource}` : `role ${role}`;
}

/** What is not visible is absent for the client, and forbidden for the audit. */
function isHiddenFromFetcher({ failure, because }: AuditRecord): boolean {
  return failure === "not_found" && because === "not_visible";
}

/** Who asked. Before anybody is proven, the role that was claimed; where not even that is known, a placeholder. */
function roleText({ role, account = "", claimed = "" }: AuditRecord): string {
  if (role !== undefined) return role;
  if (claimed === "") return `${account}:user:USERNAME_MISSING`;
  const slash = claimed.indexOf("/");
  return slash < 0 ? `${account}:user:${claimed}` : `${account}:${claimed.slice(0, slash)}:${claimed.slice(slash + 1)}`;
}

function authOf(record: AuditRecord, they: string): Readonly<Record<string, string | undefined>> {
  const user = record.because === "role" ? "not-found" : they;
  if (!authnOperations.has(record.operation)) return { user };
  const { name, service } = authenticatorWords(record);
  return { user, authenticator: name, service };
}

function subjectOf(record: AuditRecord, they: string): Readonly<Record<string, string | undefined>> {
  const { operation, resource, version, privilege } = record;
  if (authnOperations.has(operation) || operation === "password.change" || operation === "identity.check") return { role: they };
  if (operation === "api_key.rotate") return { role: resource ?? they };
  if (operation === "resource.check") return { resource, role: they, privilege };
  return { resource, version: version === undefined ? undefined : String(version) };
}

/** An operation that Conjur has no event for: its noun is the message, its verb the operation. */
function otherKind(operation: string): Kind {
  const [noun = operation, verb = "do"] = operation.split(".");
  const name = noun.replaceAll("_", "-");
  const action = verb.replaceAll("_", "-");
  const of = (record: AuditRecord): string => (record.resource === undefined ? name : `${name} ${record.resource}`);
  return kind(
    name,
    action,
    (they, record) => `${they} successfully performed ${action} on ${of(record)}`,
    (they, record) => `${they} failed to perform ${action} on ${of(record)}`,
  );
}
