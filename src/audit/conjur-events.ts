/**
 * A decision as the event that Conjur would have sent to its log: the same names, structured data and sentences, because that is what rules in security
 * monitoring match on.
 *
 * Source: Conjur 5.3.1, app/models/audit/event.
 */

import type { AuditedOperation } from "../model/audited-operations";
import type { AuditRecord, RowEvent, RowsChanged } from "../model/types";
import { authenticatorWords, conjurKind } from "./conjur-kinds";
import { conjurReason } from "./conjur-reasons";
import { facilities, type SyslogMessage, severities } from "./syslog-line";

const enterprise = "43868";

const authnOperations: ReadonlySet<AuditedOperation> = new Set([
  "login",
  "api_key.exchange",
  "authenticator.status",
  "authenticator.configure",
]);

/**
 * The event of a decision. None for an accepted policy load, which is told row by row (`rowMessages`), and none for operations of the operator's own.
 */
export function conjurEvent(record: AuditRecord): SyslogMessage | undefined {
  if (record.operation === "policy.load" && record.allowed) return undefined;
  const { operation, allowed, context, at } = record;
  const what = conjurKind(operation);
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
