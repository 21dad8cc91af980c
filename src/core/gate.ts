/**
 * The one gate: decides, lets the operation act, and leaves one line in the audit, whichever way it went. Nothing else asks the graph for a right.
 *
 * A reading operation acts first and its answer leaves only after the line is written. A changing one is written down before it acts, so that nothing
 * changes unaudited; if it then fails, a second line says so.
 */

import type { AuditedOperation } from "../model/audited-operations";
import { type Failure, failureOf, PosternError } from "../model/failures";
import type { ResourceId, RoleId } from "../model/ids";
import type { PathAccess, PathVerdict } from "../model/paths";
import type { AuditLog, Meter } from "../model/ports";
import type { AuditRecord, Caller, DecisionId, RequestContext, RowsChanged } from "../model/types";
import { explainRefusal } from "./explain";
import type { Graph, Rule } from "./graph";
import { capabilityOf } from "./path-rules";
import type { Projection } from "./projection";

/** What a caller wants to do. */
export interface Demand {
  /** Noun and verb: `secret.read`. */
  readonly operation: AuditedOperation;
  readonly resource?: ResourceId;
  /** The right it takes on the resource; absent: the caller must see it, which any right allows. */
  readonly privilege?: string;
  readonly version?: number;
  /** For operations on many things at once: how many the one line stands for. */
  readonly count?: number;
  /** What the line also tells, of something that is not decided on: what a check asked about. */
  readonly about?: Pick<AuditRecord, "resource" | "privilege" | "authenticator" | "path">;
  /** Decided by the path rules that the caller carries instead of by the graph; a `resource` beside it is for the audit alone. */
  readonly access?: PathAccess;
  /** Of an `access` that writes: whether what it writes is there already. Absent: it is taken for an update. */
  readonly exists?: (graph: Graph) => boolean;
  /** Where those look who take the path for another: told in a refusal to a caller whose rules allow it there. */
  readonly mistakenFor?: { readonly path: string; readonly hint: string };
  /** Decided by the graph, and refused all the same where a path rule of the caller denies this. */
  readonly unless?: PathAccess;
  /** Decided on this graph instead of the present one. */
  readonly graph?: Graph;
  /** What else must hold; throws the refusal. Asked after the privilege. */
  readonly requires?: () => void;
}

export interface Gate {
  /** Decides, acts, audits, and only then lets the result go. Throws what was refused or what `act` throws, named by its decision. */
  release<Result>(caller: Caller, demand: Demand, act: (graph: Graph) => Result | Promise<Result>): Promise<Result>;
  /** Decides, audits, and only then acts. */
  change<Result>(caller: Caller, demand: Demand, act: (graph: Graph) => Promise<Result>): Promise<Result>;
  /** Whether the role has the right, without an audit line: for one step of an operation that is audited as a whole. */
  allows(graph: Graph, role: RoleId, privilege: string, resource: ResourceId): boolean;
  /** The same by path rules: for what was decided before it was known whether the thing exists when it is written. */
  allowsPath(caller: Caller, access: PathAccess, exists: boolean): boolean;
  /** Writes the line of a decision made elsewhere (a login) and returns the error that carries its name. */
  refuse(context: RequestContext, about: Partial<AuditRecord> & Pick<AuditRecord, "operation">, error: unknown): Promise<PosternError>;
  /** Tells the audit which rows a change that was decided here touched, where a sink wants to know. `rows` is asked only then. */
  tellRows(event: Omit<RowsChanged, "rows">, rows: () => RowsChanged["rows"]): void;
  accept(context: RequestContext, about: Partial<AuditRecord> & Pick<AuditRecord, "operation">): Promise<void>;
}

export interface GateDeps {
  readonly projection: Projection;
  readonly audit: AuditLog;
  readonly meter: Meter;
  readonly nextDecision: () => DecisionId;
}

/** A line being written. */
type Draft = { -readonly [Member in keyof AuditRecord]: AuditRecord[Member] };

export function createGate({ projection, audit, meter, nextDecision }: GateDeps): Gate {
  /** The rule that allows the demand, as text; throws the refusal. Notes in the record which capability it took. */
  function decide(graph: Graph, caller: Caller, demand: Demand, record: Draft): string | undefined {
    const { resource, privilege } = demand;
    if (demand.access !== undefined) return decideByPath(graph, caller, demand, demand.access, record);
    if (demand.unless !== undefined) assertNotDenied(caller, demand.unless);
    if (resource === undefined) return undefined;
    projection.assertSound(caller.account);
    const rule = privilege === undefined ? undefined : graph.permits(caller.role, privilege, resource);
    if (rule !== undefined) {
      demand.requires?.();
      return ruleText(rule);
    }
    const isVisible = graph.sees(caller.role, resource);
    if (privilege === undefined && isVisible) return "visible";
    const explanation = explainRefusal(graph, caller.role, privilege, resource);
    const failure: Failure = isVisible
      ? { code: "forbidden", ...explanation }
      : { code: "not_found", target: resource, hidden: graph.resource(resource) !== undefined, ...explanation };
    throw new PosternError(failure);
  }

  function decideByPath(graph: Graph, caller: Caller, demand: Demand, access: PathAccess, record: Draft): string {
    projection.assertSound(caller.account);
    const exists = access.action !== "write" || (demand.exists?.(graph) ?? true);
    record.privilege ??= capabilityOf(access, exists);
    const verdict = caller.rights?.verdict(access, exists);
    if (verdict === undefined) throw refusedPath({ because: "no_path_rights", detail: "the caller carries no path rules" });
    if (!verdict.allowed) throw refusedPath(verdict, hintFor(caller, demand, exists));
    demand.requires?.();
    return verdict.rule;
  }

  /** Without rules there is nothing that could deny. A token that another made may hold less than its role does, so its rules must allow it too. */
  function assertNotDenied({ rights, token }: Caller, access: PathAccess): void {
    const verdict = rights?.verdict(access, true);
    if (verdict === undefined || verdict.allowed || (token?.actsAsRole === true && verdict.because !== "path_denied")) return;
    throw refusedPath(verdict);
  }

  function hintFor({ rights }: Caller, { access, mistakenFor }: Demand, exists: boolean): string | undefined {
    if (access === undefined || mistakenFor === undefined) return undefined;
    return rights?.verdict({ ...access, path: mistakenFor.path }, exists).allowed === true ? mistakenFor.hint : undefined;
  }

  function line(caller: Caller, demand: Demand, revision: number): Draft {
    const { operation, resource, privilege, version, count, about } = demand;
    const path = (demand.access ?? demand.unless)?.path;
    const { context, role, account } = caller;
    const record: Draft = { decision: nextDecision(), at: context.now, operation, allowed: true, context, role, account, revision };
    if (resource !== undefined) record.resource = resource;
    if (privilege !== undefined) record.privilege = privilege;
    if (version !== undefined) record.version = version;
    if (count !== undefined) record.count = count;
    if (path !== undefined) record.path = path;
    if (caller.token !== undefined && caller.token.accessor !== "") record.accessor = caller.token.accessor;
    return about === undefined ? record : { ...record, ...about };
  }

  async function refused(record: AuditRecord, error: unknown): Promise<PosternError> {
    const failure = failureOf(error);
    meter.decision(record.operation, false);
    await audit.append({ ...record, allowed: false, ...refusalOf(failure) });
    return new PosternError({ ...failure, decision: record.decision }, { cause: error });
  }

  return {
    async release(caller, demand, act) {
      const graph = demand.graph ?? projection.graph();
      const record = line(caller, demand, graph.revision);
      try {
        const rule = decide(graph, caller, demand, record);
        if (rule !== undefined) record.rule = rule;
        const acted = act(graph);
        // What is there already need not be waited for: a turn of the queue is a tenth of a read.
        const result = acted instanceof Promise ? await acted : acted;
        await audit.append(record);
        meter.decision(record.operation, true);
        return result;
      } catch (error) {
        throw await refused(record, error);
      }
    },

    async change(caller, demand, act) {
      const graph = demand.graph ?? projection.graph();
      const record = line(caller, demand, graph.revision);
      try {
        const rule = decide(graph, caller, demand, record);
        if (rule !== undefined) record.rule = rule;
        await audit.append(record);
      } catch (error) {
        throw await refused(record, error);
      }
      try {
        const result = await act(graph);
        meter.decision(record.operation, true);
        return result;
      } catch (error) {
        throw await refused(record, error);
      }
    },

    allows: (graph, role, privilege, resource) => graph.permits(role, privilege, resource) !== undefined,

    allowsPath: ({ rights }, access, exists) => rights?.verdict(access, exists).allowed === true,

    refuse: (context, about, error) =>
      refused(
        { decision: nextDecision(), at: context.now, allowed: false, context, revision: projection.graph().revision, ...about },
        error,
      ),

    tellRows(event, rows) {
      audit.rowsChanged?.({ ...event, rows: rows() });
    },

    async accept(context, about) {
      await audit.append({
        decision: nextDecision(),
        at: context.now,
        allowed: true,
        context,
        revision: projection.graph().revision,
        ...about,
      });
      meter.decision(about.operation, true);
    },
  };
}

function refusedPath({ because, detail, remedy }: Omit<PathVerdict & { readonly allowed: false }, "allowed">, hint?: string): PosternError {
  const checks = [{ check: because, ok: false, detail }, ...(hint === undefined ? [] : [{ check: "path_meant", ok: false, detail: hint }])];
  const further = { ...(remedy === undefined ? {} : { remedy }), ...(hint === undefined ? {} : { hint }) };
  return new PosternError({ code: "forbidden", because, checks, ...further });
}

function ruleText(rule: Rule): string {
  return rule.by === "owner" ? `owner ${rule.role}` : `permit ${rule.permit.privilege} to ${rule.permit.role}`;
}

/** What the audit keeps of a failure. */
function refusalOf(failure: Failure): Partial<AuditRecord> {
  return {
    failure: failure.code,
    ...(failure.because === undefined ? {} : { because: failure.because }),
    ...(failure.checks === undefined ? {} : { checks: failure.checks }),
    ...(failure.remedy === undefined ? {} : { remedy: failure.remedy }),
  };
}
