/** Assertions judged against policy texts alone: no store, no server, an account that is made of these texts. */

import type { PolicyProblem } from "../../model/failures";
import { type AccountName, makeId } from "../../model/ids";
import type { Authenticator } from "../../model/ports";
import { emptyGraph } from "../graph";
import type { PolicyLoad } from "../operations";
import { type Judgement, judge, parseAssertions } from "./assertions";
import { knownAuthenticators } from "./findings";
import { applyTexts } from "./sequence";
import { planPolicy } from "./task";

export interface LoneTest {
  readonly account: AccountName;
  /** Loaded in this order. */
  readonly loads: readonly PolicyLoad[];
  /** The text of the assertions. */
  readonly assertions: string;
  readonly authenticators: readonly Pick<Authenticator, "type" | "restrictions">[];
}

export type LoneOutcome =
  | { readonly ok: true; readonly judgements: readonly Judgement[] }
  /** What is wrong with the assertions, or with the text that does not load. */
  | { readonly ok: false; readonly failed?: PolicyLoad; readonly problems: readonly PolicyProblem[] };

export async function testPoliciesAlone({ account, loads, assertions, authenticators }: LoneTest): Promise<LoneOutcome> {
  const parsed = parseAssertions(assertions, account);
  if (!parsed.ok) return parsed;
  const admin = makeId(account, "user", "admin");
  const start = emptyGraph().with({
    revision: 1,
    account,
    at: 0,
    changes: [
      { type: "put_account", account: { name: account, createdAt: 0 } },
      { type: "put_resource", resource: { id: admin, owner: admin, createdAt: 0 } },
    ],
  });
  const options = { account, now: 0, authenticators: knownAuthenticators(authenticators), settings: {}, plan: planPolicy };
  const outcome = await applyTexts(start, loads, options);
  if (!outcome.ok) return outcome;
  return { ok: true, judgements: parsed.assertions.map((assertion) => judge(outcome.graph, assertion)) };
}
