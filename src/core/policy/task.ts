/**
 * A policy load's thinking, from text to changes, as one pure function that a worker thread can run: plain data in, plain data out.
 */

import type { PolicyProblem } from "../../model/failures";
import type { AccountName, RoleId } from "../../model/ids";
import type { Instant } from "../../model/types";
import type { PolicyMode } from "../operations";
import { type EncodedFacts, factsFromPieces } from "../policy-scene";
import { draftPolicy } from "./drafting";
import type { KnownAuthenticator } from "./findings";
import { parseText } from "./parse";
import { type PolicyPlan, planChanges } from "./plan";
import type { ProblemKind, Problems } from "./problems";
import { readStatements } from "./read-statements";
import { sceneFromFacts } from "./scene";
import { adviceForLine } from "./syntax";

export interface PlanInput {
  readonly account: AccountName;
  /** The branch: `acme:policy:root`. Its record must be among the facts. */
  readonly policy: RoleId;
  readonly mode: PolicyMode;
  /** The number this load will have among those of the branch. */
  readonly version: number;
  readonly now: Instant;
  /** UTF-8, as the client sent it. */
  readonly text: Uint8Array;
  readonly authenticators: readonly KnownAuthenticator[];
  /** All of the account, as `factsForPlan` packs them. */
  readonly facts: EncodedFacts;
  /** Default: users anywhere, keys for all hosts. */
  readonly settings?: PlanSettings;
}

export interface PlanSettings {
  /** Refuse users that are not in the root policy. Default false. */
  readonly usersInRootPolicyOnly?: boolean;
  /** When false, only hosts with the annotation `authn/api-key: true` get an API key. Default true. */
  readonly apiKeysByDefault?: boolean;
}

export type PlanOutput =
  | ({ readonly ok: true } & PolicyPlan)
  | {
      readonly ok: false;
      readonly kind: ProblemKind | "empty";
      readonly problems: readonly [PolicyProblem, ...PolicyProblem[]];
    };

/** Plans a load, or says everything that is wrong with its text. Throws for no text whatsoever. */
export function planPolicy(input: PlanInput): PlanOutput {
  if (input.text.byteLength === 0) return { ok: false, kind: "empty", problems: [{ message: "policy_text is not present" }] };
  const { account, policy, mode, version, now, authenticators, settings = {} } = input;
  const { root, problems, lineText } = parseText(input.text);
  const unreadable = refusal(problems, lineText);
  if (unreadable !== undefined) return unreadable;

  const scene = sceneFromFacts(factsFromPieces(input.facts));
  const policyOwner = scene.resource(policy)?.owner ?? policy;
  const statements = readStatements(root, problems);
  const draft = draftPolicy(
    statements,
    { account, policy, policyOwner, usersInRootPolicyOnly: settings.usersInRootPolicyOnly ?? false },
    problems,
  );
  const plan = planChanges(
    draft,
    scene,
    { mode, policy, version, now, authenticators, apiKeysByDefault: settings.apiKeysByDefault ?? true },
    problems,
  );
  return refusal(problems, lineText) ?? { ok: true, ...plan };
}

/** The problems, if any; those of a line that was visibly damaged on its way say so. */
function refusal(problems: Problems, lineText: (line: number) => string): PlanOutput | undefined {
  const { kind, problems: found } = problems.list();
  const [first, ...others] = found.map((problem): PolicyProblem => {
    const advice = problem.advice ?? (problem.line === undefined ? undefined : adviceForLine(lineText(problem.line)));
    return advice === undefined ? problem : { ...problem, advice };
  });
  return first === undefined ? undefined : { ok: false, kind, problems: [first, ...others] };
}
