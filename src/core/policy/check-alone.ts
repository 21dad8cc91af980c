/** What can be said of a policy text without a store: whether it is well-formed, and what it takes for granted. */

import { type AccountName, makeId } from "../../model/ids";
import type { Authenticator } from "../../model/ports";
import type { PolicyReport } from "../operations";
import { knownAuthenticators } from "./findings";
import type { SceneFacts } from "./scene";
import { planPolicy } from "./task";

export interface LoneText {
  /** UTF-8. */
  readonly text: Uint8Array;
  readonly account: AccountName;
  /** The branch it would be loaded into: `root`. */
  readonly branch: string;
  readonly authenticators: readonly Pick<Authenticator, "type" | "restrictions">[];
}

/**
 * Every problem of the text, with `ok` when nothing but names of things outside it is open: those are told as warnings, because another file may declare
 * them. Things of the account are not known here, so what depends on them is not judged.
 */
export function checkPolicyAlone({ text, account, branch, authenticators }: LoneText): PolicyReport {
  const policy = makeId(account, "policy", branch);
  const owner = makeId(account, "user", "admin");
  const resources = [
    { id: owner, owner, createdAt: 0 },
    { id: policy, owner, createdAt: 0 },
  ];
  const facts: SceneFacts = { resources, grants: [], permits: [], annotations: [], restrictions: [] };
  const planned = planPolicy({
    account,
    policy,
    mode: "update",
    version: 1,
    now: 0,
    text,
    authenticators: knownAuthenticators(authenticators),
    facts: [Buffer.from(JSON.stringify(facts))],
  });
  if (planned.ok) return { ok: planned.findings.length === 0, problems: planned.findings, warnings: planned.warnings };
  if (planned.kind !== "reference") return { ok: false, problems: planned.problems, warnings: [] };
  const warnings = planned.problems.map(
    ({ message, line }) =>
      `${line === undefined ? "" : `Line ${line}: `}${message}; it is not in this text and must be there when it is loaded`,
  );
  return { ok: true, problems: [], warnings };
}
