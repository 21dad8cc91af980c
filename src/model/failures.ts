/**
 * The closed set of ways an operation of Postern can fail.
 *
 * A failure says what the caller may know; `because` names the check that failed and is for the audit alone. A front prints of `because`
 * only what its wire demands.
 */

import type { Check, DecisionId } from "./types";

/** What every failure may carry beside its own fields. */
interface FailureBase {
  /** The check that failed, in snake case: `resource_group_mismatch`. For the audit; never a credential. */
  readonly because?: string;
  /** Names the audit line that tells everything about this refusal. Set by the gate. */
  readonly decision?: DecisionId;
  /** The checks that were made, in order; the first that failed decided. For the audit. */
  readonly checks?: readonly Check[];
  /** The smallest change of policy that would have allowed it, as policy text. For the audit. */
  readonly remedy?: string;
  /** What the caller may be told of it as a sentence, where a protocol's clients know it by the words: `role is required`. Never a credential. */
  readonly says?: string;
  /** What helps the caller on beside the refusal, of what they may know anyway. */
  readonly hint?: string;
}

/** Where in a policy text something is wrong. Lines and columns count from 1. */
export interface PolicyProblem {
  readonly message: string;
  readonly line?: number;
  readonly column?: number;
  /** What to write instead, when that can be guessed: `did you mean 'privileges'?` */
  readonly advice?: string;
}

export type Failure =
  /** The request itself cannot be understood. `where` is the member or parameter, `expected` what should stand there. */
  | (FailureBase & {
      readonly code: "malformed";
      readonly where: string;
      readonly expected: string;
      /** `syntax` (default): the wire is broken. `argument`: well-formed, but the value is not acceptable. `missing`: a required one is absent. */
      readonly kind?: "syntax" | "argument" | "missing" | "validation";
    })
  /** Nobody proved who they are. `expired`: the proof was good once. `weak`: another kind of proof is demanded. */
  | (FailureBase & { readonly code: "unauthenticated"; readonly reason?: "expired" | "weak" })
  /** The caller is known and may not. `address`: because of where they ask from. */
  | (FailureBase & { readonly code: "forbidden"; readonly reason?: "address" })
  /** Absent, or hidden from this caller (`hidden`; the wire must not tell the difference). `empty`: a secret or version without a value. */
  | (FailureBase & { readonly code: "not_found"; readonly target: string; readonly hidden?: boolean; readonly empty?: boolean })
  | (FailureBase & { readonly code: "exists"; readonly target: string })
  /** State changed under the operation, or another one of its kind is running; trying again may succeed. */
  | (FailureBase & { readonly code: "conflict"; readonly what: string; readonly retryAfterSeconds?: number })
  | (FailureBase & {
      readonly code: "policy_invalid";
      readonly problems: readonly [PolicyProblem, ...PolicyProblem[]];
      /** `language`: the text is wrong. `reference`: it names something that is not there. `deletion`: a removal where none is allowed. `empty`: no text. */
      readonly kind: "language" | "reference" | "deletion" | "empty";
    })
  /** Not a legal operation for this thing (`method`) or for any (`verb`), or one that this installation does not have (`feature`). */
  | (FailureBase & { readonly code: "unsupported"; readonly what: string; readonly kind?: "method" | "verb" | "feature" | "encoding" })
  | (FailureBase & { readonly code: "too_large"; readonly what: string; readonly limitBytes?: number })
  | (FailureBase & { readonly code: "throttled"; readonly retryAfterSeconds: number })
  | (FailureBase & { readonly code: "read_only" })
  | (FailureBase & { readonly code: "upstream_unavailable"; readonly upstream: string; readonly overloaded?: boolean })
  | (FailureBase & { readonly code: "storage_full" })
  /** The root key is not at hand; `reason` as the health page shows it: `seal_key_missing`. */
  | (FailureBase & { readonly code: "sealed"; readonly reason: string })
  /** A seal or a MAC does not hold: the data was changed behind Postern's back. `what` names the record. */
  | (FailureBase & { readonly code: "integrity"; readonly what: string })
  | (FailureBase & { readonly code: "stale" })
  | (FailureBase & { readonly code: "not_replicated" })
  | (FailureBase & { readonly code: "internal"; readonly what: string });

export type FailureCode = Failure["code"];

/** The one error that Postern throws on purpose. Everything else that is thrown is a defect and becomes `internal` at the edge. */
export class PosternError extends Error {
  override readonly name = "PosternError";
  readonly failure: Failure;

  constructor(failure: Failure, options?: { readonly cause?: unknown }) {
    super(failure.because === undefined ? failure.code : `${failure.code}: ${failure.because}`, options);
    this.failure = failure;
  }
}

/** The failure inside an error, or `internal` for anything that is not a `PosternError`. */
export function failureOf(error: unknown): Failure {
  if (error instanceof PosternError) return error.failure;
  return { code: "internal", what: error instanceof Error ? error.name : typeof error };
}

/** The checks of one proof, in the order made. It stops at the first that does not hold. */
export interface CheckList {
  readonly made: readonly Check[];
  pass(check: string, detail?: string): void;
  /** Notes the check that does not hold and throws `unauthenticated` with all that were made; `because` is its name. */
  fail(check: string, detail: string, reason?: "expired" | "weak"): never;
  /** `pass` or `fail`, with the same detail: what was seen, and what was expected. */
  expect(holds: boolean, check: string, detail: string): asserts holds;
}

/** An empty list. Annotate the variable with `CheckList`, or the compiler does not see that `fail` never returns. */
export function createCheckList(): CheckList {
  const made: Check[] = [];
  function pass(check: string, detail?: string): void {
    made.push(detail === undefined ? { check, ok: true } : { check, ok: true, detail });
  }
  function fail(check: string, detail: string, reason?: "expired" | "weak"): never {
    made.push({ check, ok: false, detail });
    throw new PosternError({ code: "unauthenticated", because: check, checks: made, ...(reason === undefined ? {} : { reason }) });
  }
  return {
    made,
    pass,
    fail,
    expect(holds, check, detail) {
      if (!holds) fail(check, detail);
      pass(check, detail);
    },
  };
}
