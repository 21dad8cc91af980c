/**
 * A policy load, from text to the next graph: decided by the gate, planned off the serving thread, stored as one commit or not at all.
 *
 * One load per branch at a time, the others are told to come again. Loads of different branches may overlap: the one that finds the facts changed
 * under its plan plans anew, and after the second time while everybody else's changes wait.
 */

import { sha256Hex } from "../crypto/digest";
import type { AuditedOperation } from "../model/audited-operations";
import { type PolicyProblem, PosternError } from "../model/failures";
import { type AccountName, accountOf, identifierOf, type RoleId } from "../model/ids";
import type { Authenticator } from "../model/ports";
import { SecretBytes } from "../model/secret-bytes";
import { createTurns } from "../model/turns";
import type { Caller, Change, Instant } from "../model/types";
import type { Credentials } from "./credentials";
import type { Demand, Gate } from "./gate";
import type { Graph } from "./graph";
import type { PolicyForecast, PolicyLoad, PolicyMode, PolicyOutcome, PolicyRehearsal, PolicyReport } from "./operations";
import { type Judgement, judge, parseAssertions } from "./policy/assertions";
import { effectOf } from "./policy/effect";
import { knownAuthenticators } from "./policy/findings";
import { rightsDifferences } from "./policy/rights";
import { applyTexts, rootPolicyChanges, withRootPolicy } from "./policy/sequence";
import type { PlanInput, PlanOutput, PlanSettings } from "./policy/task";
import { factsForPlan } from "./policy-scene";
import type { Projection } from "./projection";
import { rehearse } from "./rehearsals";
import type { Secrets } from "./secrets";
import { nextTurn, stepsPerSlice } from "./slices";
import { tellRowsOf } from "./told-write";

export interface Policies {
  load(caller: Caller, load: PolicyLoad): Promise<PolicyOutcome>;
  rehearse(caller: Caller, load: PolicyLoad): Promise<PolicyRehearsal>;
  check(load: PolicyLoad, account: string): Promise<PolicyReport>;
  forecast(loads: readonly PolicyLoad[], account: string): Promise<PolicyForecast>;
  test(text: string, account: string): Promise<readonly Judgement[]>;
}

export interface PoliciesDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly credentials: Credentials;
  readonly secrets: Pick<Secrets, "successor">;
  /** The planner, wherever it runs. */
  readonly planPolicy: (input: PlanInput) => Promise<PlanOutput>;
  readonly authenticators: readonly Authenticator[];
  readonly versionsKept: number;
  readonly planSettings: PlanSettings;
}

/** One less than there are threads: whoever loads policies on many branches takes neither all of them nor the memory of many plans. */
const plansAtOnce = 2;
const patientAttempts = 2;
const retryAfterSeconds = 2;

export function createPolicies(deps: PoliciesDeps): Policies {
  const { projection, gate, credentials, secrets, planPolicy, versionsKept } = deps;
  const loading = new Set<RoleId>();
  const authenticators = knownAuthenticators(deps.authenticators);

  const inPlace = createTurns(plansAtOnce);

  /** Plans on the graph as it is when a place is free: while one waited, others may have changed it. */
  function plan(graph: () => Graph, account: AccountName, load: PolicyLoad, now: Instant) {
    return inPlace(async (): Promise<{ readonly before: Graph; readonly planned: PlanOutput }> => {
      const before = withRootPolicy(graph(), load.policy, now);
      const input: PlanInput = {
        account,
        policy: load.policy,
        mode: load.mode,
        version: nextVersion(before, load.policy),
        now,
        text: load.text,
        authenticators,
        facts: await factsForPlan(before, account),
        settings: deps.planSettings,
      };
      return { before, planned: await planPolicy(input) };
    });
  }

  /** What the plan leaves to the serving thread: keys for the new users and hosts, and the record of the load itself. */
  async function complete(
    graph: Graph,
    caller: Caller,
    load: PolicyLoad,
    planned: PlanOutput & { readonly ok: true },
  ): Promise<{ readonly changes: readonly Change[]; readonly outcome: PolicyOutcome }> {
    const now = caller.context.now;
    const version = nextVersion(graph, load.policy);
    const created: { readonly id: RoleId; readonly apiKey: SecretBytes; readonly change: Change }[] = [];
    for (const id of planned.createdRoles) {
      created.push({ id, ...credentials.renewKey(id, now) });
      if (created.length % stepsPerSlice === 0) await nextTurn();
    }
    const dropped = graph.policyVersions(load.policy).slice(0, Math.max(0, graph.policyVersions(load.policy).length + 1 - versionsKept));
    const changes: Change[] = [
      ...rootPolicyChanges(graph, load.policy, now),
      ...planned.changes,
      ...created.map(({ change }) => change),
      ...planned.publicKeys.flatMap(({ resource, line }) => secrets.successor(graph, resource, SecretBytes.ofText(line), now)),
      {
        type: "put_policy_version",
        policyVersion: {
          policy: load.policy,
          version,
          createdAt: now,
          role: caller.role,
          clientAddress: caller.context.clientAddress,
          sha256: sha256Hex(load.text),
          ...(load.file === undefined ? {} : { file: load.file }),
        },
        text: Buffer.from(load.text).toString("utf8"),
      },
      ...dropped.map((each): Change => ({ type: "remove_policy_version", policy: load.policy, version: each.version })),
    ];
    return { changes, outcome: { version, createdRoles: created.map(({ id, apiKey }) => ({ id, apiKey })), warnings: planned.warnings } };
  }

  /** The plan of valid text, and the graph it was made on. Throws `policy_invalid`. */
  async function validPlan(present: () => Graph, caller: Caller, load: PolicyLoad, account: AccountName) {
    const { before, planned } = await plan(present, account, load, caller.context.now);
    if (!planned.ok)
      throw new PosternError({ code: "policy_invalid", kind: planned.kind, problems: planned.problems, because: "policy_invalid" });
    // The commit is refused when facts changed after this graph: so what is allowed on it is allowed at the moment of the commit.
    assertStillMay(gate, before, caller, load);
    return { before, planned };
  }

  /** Plans while others go on with their changes. Throws `conflict` when they made one meanwhile. */
  async function attempt(caller: Caller, load: PolicyLoad, account: AccountName): Promise<PolicyOutcome> {
    const { before, planned } = await validPlan(projection.graph, caller, load, account);
    const { changes, outcome } = await complete(projection.graph(), caller, load, planned);
    await projection.commit(account, caller.context.now, changes, before.revision);
    return told(caller, load, { changes, before, outcome });
  }

  /** Plans while the changes of others wait. */
  async function attemptAlone(caller: Caller, load: PolicyLoad, account: AccountName): Promise<PolicyOutcome> {
    const stored = await projection.write(account, caller.context.now, async (present) => {
      const { before, planned } = await validPlan(() => present, caller, load, account);
      const { changes, outcome } = await complete(present, caller, load, planned);
      return { changes, result: { changes, before, outcome } };
    });
    return told(caller, load, stored);
  }

  async function told(
    { context, role }: Caller,
    { policy }: PolicyLoad,
    stored: { readonly changes: readonly Change[]; readonly before: Graph; readonly outcome: PolicyOutcome },
  ): Promise<PolicyOutcome> {
    const { changes, before, outcome } = stored;
    await tellRowsOf(gate, { context, role, policy, version: outcome.version }, { changes, before });
    return outcome;
  }

  async function loadInTurn(caller: Caller, load: PolicyLoad): Promise<PolicyOutcome> {
    const account = accountOf(load.policy);
    if (loading.has(load.policy)) throw busy();
    loading.add(load.policy);
    try {
      for (let tries = 0; tries < patientAttempts; tries += 1) {
        try {
          return await attempt(caller, load, account);
        } catch (error) {
          const isOvertaken = error instanceof PosternError && error.failure.code === "conflict";
          if (!isOvertaken) throw error;
        }
      }
      // Where machines are born or keys renewed all the time, a load would never come through: now the others wait for it.
      return await attemptAlone(caller, load, account);
    } finally {
      loading.delete(load.policy);
    }
  }

  /** What a load takes, whether it is done or only rehearsed. */
  function demandFor(caller: Caller, load: PolicyLoad, operation: AuditedOperation): Demand {
    const graph = withRootPolicy(projection.graph(), load.policy, caller.context.now);
    return {
      operation,
      resource: load.policy,
      privilege: privilegeOf[load.mode],
      graph,
      requires: () => {
        if (load.mode === "replace") assertMayReplaceChildren(gate, graph, caller, load.policy);
      },
    };
  }

  return {
    load(caller, load) {
      return gate.change(caller, demandFor(caller, load, "policy.load"), () => {
        if (load.text.byteLength === 0) throw withoutText();
        return loadInTurn(caller, load);
      });
    },

    rehearse(caller, load) {
      const demand = demandFor(caller, load, "policy.validate");
      return gate.release(caller, demand, async (graph) => {
        if (load.text.byteLength === 0) throw withoutText();
        const { planned } = await plan(() => graph, accountOf(load.policy), load, caller.context.now);
        return rehearse(graph, caller, load, planned);
      });
    },

    async forecast(loads, accountName) {
      const graph = projection.graph();
      const account = graph.account(accountName);
      if (account === undefined) throw new PosternError({ code: "not_found", target: `account ${accountName}` });
      const options = {
        account: account.name,
        now: account.createdAt,
        authenticators,
        settings: deps.planSettings,
        plan: (input: PlanInput) => inPlace(() => planPolicy(input)),
      };
      const outcome = await applyTexts(graph, loads, options);
      if (!outcome.ok) return { ok: false, failed: loads.indexOf(outcome.failed), problems: outcome.problems };
      const { changes, warnings } = outcome;
      const effect = await effectOf(graph, outcome.graph, changes);
      return {
        ok: true,
        created: effect.created.map(({ id }) => id),
        updated: effect.updated.map(({ after: { id } }) => id),
        deleted: effect.deleted.map(({ id }) => id),
        rights: await rightsDifferences(graph, outcome.graph, changes),
        warnings,
      };
    },

    async test(text, accountName) {
      const graph = projection.graph();
      const account = graph.account(accountName);
      if (account === undefined) throw new PosternError({ code: "not_found", target: `account ${accountName}` });
      const parsed = parseAssertions(text, account.name);
      if (parsed.ok) return parsed.assertions.map((assertion) => judge(graph, assertion));
      throw new PosternError({ code: "policy_invalid", kind: "language", problems: parsed.problems, because: "assertions_invalid" });
    },

    async check(load, accountName) {
      const present = projection.graph();
      const account = present.account(accountName);
      if (account === undefined) throw new PosternError({ code: "not_found", target: `account ${accountName}` });
      const { planned } = await plan(() => present, account.name, load, account.createdAt);
      const findings: readonly PolicyProblem[] = planned.ok ? planned.findings : planned.problems;
      return { ok: planned.ok && findings.length === 0, problems: findings, warnings: planned.ok ? planned.warnings : [] };
    },
  };
}

const privilegeOf: Readonly<Record<PolicyMode, string>> = { create: "create", update: "update", replace: "update" };

const nextVersion = (graph: Graph, policy: RoleId): number => (graph.policyVersions(policy).at(-1)?.version ?? 0) + 1;

/** Replacing a branch can remove all below it: that takes `update` on each resource there (Conjur 1.2x checks the same). */
function assertMayReplaceChildren(gate: Gate, graph: Graph, caller: Caller, policy: RoleId): void {
  const prefix = `${identifierOf(policy)}/`;
  for (const { id } of graph.resources(accountOf(policy))) {
    if (!identifierOf(id).startsWith(prefix) || gate.allows(graph, caller.role, "update", id)) continue;
    throw new PosternError({
      code: "forbidden",
      because: "update_on_children",
      checks: [{ check: "update_on_children", ok: false, detail: `update on ${id}` }],
    });
  }
}

/** Planning takes a while, in which rights may have been taken away. */
function assertStillMay(gate: Gate, graph: Graph, caller: Caller, { policy, mode }: PolicyLoad): void {
  const because = "revoked_meanwhile";
  if (!gate.allows(graph, caller.role, privilegeOf[mode], policy))
    throw new PosternError(
      graph.sees(caller.role, policy) ? { code: "forbidden", because } : { code: "not_found", target: policy, hidden: true, because },
    );
  if (mode === "replace") assertMayReplaceChildren(gate, graph, caller, policy);
}

function withoutText(): PosternError {
  const problems = [{ message: "policy_text is not present" }] as const;
  return new PosternError({ code: "policy_invalid", kind: "empty", problems, because: "policy_empty" });
}

function busy(): PosternError {
  return new PosternError({
    code: "conflict",
    what: "Concurrent policy load in progress, please retry",
    retryAfterSeconds,
    because: "concurrent_load",
  });
}
