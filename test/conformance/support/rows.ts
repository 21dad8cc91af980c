/** A call of a client, and what of its answer matters. */

import type { Answer } from "./driver";

export interface Row {
  readonly name: string;
  /** The driver's operation and its arguments. */
  readonly ask: readonly [string, ...unknown[]];
  /** `result` is compared as it is, with asymmetric matchers where only a part matters; of a failure, the status, and the text where it is named. */
  readonly gives: Answer;
}

/** What a row compares of an answer. */
export function tellOf(answer: Answer, row: Row): Answer {
  const { gives } = row;
  if (gives.status === undefined && gives.error === undefined) return answer;
  return {
    ...(answer.result === undefined ? {} : { result: answer.result }),
    ...(gives.status === undefined ? {} : { status: answer.status ?? 0 }),
    ...(gives.error === undefined ? {} : { error: answer.error ?? "" }),
  };
}
