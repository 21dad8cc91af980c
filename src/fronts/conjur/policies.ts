/**
 * Policies: loading one, rehearsing the load, fetching what is there.
 *
 * Source: Conjur 5.3.1, app/controllers/policies_controller.rb and app/domain/commands/policies.
 */

import type { Broker, PolicyMode, PolicyRehearsal, RecordState } from "../../core/broker";
import type { PolicyProblem } from "../../model/failures";
import { accountOf, identifierOf, isRoleId, kindOf, type ResourceId } from "../../model/ids";
import type { Permit } from "../../model/types";
import { type Form, queryOf } from "../form";
import { type FailureTable, print, type Wire } from "../front";
import { type ConjurApp, mustBeKnown } from "./access";
import { failures, loadFailures } from "./errors";
import { roleId } from "./names";
import { wholeNumber } from "./query";
import { jsonWire, policyOutcomeWire } from "./wire";

const policyModes: ReadonlyMap<string, PolicyMode> = new Map([
  ["POST", "create"],
  ["PATCH", "update"],
  ["PUT", "replace"],
]);

const deepest = 64;
const mostRecords = 100_000;

export function addPolicies(app: ConjurApp, broker: Broker): void {
  app.on([...policyModes.keys()], "/policies/:account/policy/:id{.+}", async (c) => {
    const caller = mustBeKnown(c.get("caller"));
    c.set("failures", loadFailures);
    const { account, id } = c.req.param();
    const policy = roleId(account, "policy", id);
    const isRehearsal = wantsRehearsal(queryOf(c.req.url));
    const text = new Uint8Array(await c.req.arrayBuffer());
    const load = { policy, mode: policyModes.get(c.req.method) ?? "create", text };
    if (!isRehearsal) return print(policyOutcomeWire(await broker.loadPolicy(caller, load)));
    c.set("failures", rehearsalFailures(id));
    return print(await rehearsalWire(await broker.rehearsePolicy(caller, load)));
  });

  app.get("/policies/:account/policy/:id{.+}", async (c) => {
    const caller = mustBeKnown(c.get("caller"));
    const { account, id } = c.req.param();
    const policy = roleId(account, "policy", id);
    const query = queryOf(c.req.url);
    const depth = wholeNumber(query, "depth", { least: 0, most: deepest }) ?? deepest;
    const limit = wholeNumber(query, "limit", { least: 1, most: mostRecords }) ?? mostRecords;
    // Chosen by the type of the request's own body, which it does not have: that is what clients of this protocol send.
    const isJson = c.req.header("content-type") === "application/json";
    const body = await broker.fetchPolicy(caller, { policy, depth, limit, format: isJson ? "json" : "yaml" });
    return print({ status: 200, headers: { "content-type": isJson ? "application/json; charset=utf-8" : "application/x-yaml" }, body });
  });
}

/** A client that asks for a rehearsal must never get the performance. */
function wantsRehearsal(query: Form): boolean {
  return query.one("dryRun")?.trim().toLowerCase() === "true";
}

/** A large load has tens of thousands of records: they are encoded in slices, with other requests served in between. */
async function rehearsalWire({ created, updated, deleted, hidden }: PolicyRehearsal): Promise<Wire> {
  const shown = (id: ResourceId): string => (hidden.has(id) ? `${accountOf(id)}:${kindOf(id)}:[REDACTED]` : id);
  async function items(records: readonly RecordState[]): Promise<string> {
    const texts: string[] = [];
    for (const record of records) {
      texts.push(JSON.stringify(recordJson(record, shown)));
      if (texts.length % recordsPerSlice === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    return `{"items":[${texts.join(",")}]}`;
  }
  const before = await items(updated.map((each) => each.before));
  const after = await items(updated.map((each) => each.after));
  const lists = `"created":${await items(created)},"updated":{"before":${before},"after":${after}},"deleted":${await items(deleted)}`;
  return { status: 200, headers: { "content-type": "application/json; charset=utf-8" }, body: `{"status":"Valid YAML",${lists}}` };
}

const recordsPerSlice = 500;

type Shown = (id: ResourceId) => string;

function recordJson(record: RecordState, shown: Shown): Readonly<Record<string, unknown>> {
  const { id, owner, policy } = record;
  const identifier = shown(id);
  const common = {
    identifier,
    id: identifier === id ? identifierOf(id) : "[REDACTED]",
    type: kindOf(id),
    owner: shown(owner),
    ...(policy === undefined ? {} : { policy: shown(policy) }),
  };
  const annotations = Object.fromEntries(record.annotations.map(({ name, value }) => [name, value]));
  if (!isRoleId(id)) return { ...common, permitted: byPrivilege(record.permitted, ({ role }) => shown(role)), annotations };
  return {
    ...common,
    permissions: byPrivilege(record.permissions, ({ resource }) => shown(resource)),
    annotations,
    members: record.members.map(shown),
    memberships: record.memberships.map(shown),
    restricted_to: record.restrictedTo,
  };
}

function byPrivilege(permits: readonly Permit[], other: (permit: Permit) => string): Readonly<Record<string, readonly string[]>> {
  const groups = Map.groupBy(permits, ({ privilege }) => privilege);
  return Object.fromEntries([...groups].map(([privilege, group]) => [privilege, group.map(other)]));
}

/** While a load is rehearsed: what is wrong with the text is the answer, with every mistake in it. */
function rehearsalFailures(policy: string): FailureTable {
  return {
    ...failures,
    policy_invalid: ({ problems }) =>
      jsonWire(422, { status: "Invalid YAML", errors: problems.map((problem) => errorJson(problem, policy)) }),
  };
}

function errorJson({ message, advice, line = 1, column = 1 }: PolicyProblem, policy: string): Readonly<Record<string, unknown>> {
  const text = advice === undefined ? message : `${message}\n${advice}`;
  return { line, column, message: text, context: { policy_id: policy, offending_lines: [line] } };
}
