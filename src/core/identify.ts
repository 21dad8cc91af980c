/**
 * Who a session is of, and a line in the audit for one that is refused.
 *
 * Nothing is released by a refusal, so nobody waits for its line. And since anybody can present rubbish as often as they like, only so many a second are
 * written; the rest are counted by the metrics of the gate's decisions alone.
 */

import type { AuditedOperation } from "../model/audited-operations";
import type { Clock, Meter } from "../model/ports";
import type { Caller, RequestContext } from "../model/types";
import type { Gate } from "./gate";
import type { Presented } from "./operations";
import type { Sessions } from "./sessions";

const linesPerSecond = 100;

export interface RefusalNotesDeps {
  readonly gate: Gate;
  readonly meter: Meter;
  readonly clock: Pick<Clock, "monotonicMs">;
}

export interface IdentifyDeps extends RefusalNotesDeps {
  readonly sessions: Sessions;
}

/** Throws what `Sessions.verify` throws. */
export function createIdentify({ sessions, ...deps }: IdentifyDeps): (presented: Presented, context: RequestContext) => Caller {
  const note = createRefusalNotes(deps, "session.verify");
  return (presented, context) => {
    try {
      return sessions.verify(presented.token, context);
    } catch (error) {
      note(context, error);
      throw error;
    }
  };
}

/** Writes a line for what was refused to somebody unknown, as long as there are not too many of them. */
export function createRefusalNotes(
  { gate, meter, clock }: RefusalNotesDeps,
  operation: AuditedOperation,
): (context: RequestContext, error: unknown) => void {
  let second = 0;
  let written = 0;

  function mayWrite(): boolean {
    const current = Math.floor(clock.monotonicMs() / 1000);
    if (current !== second) {
      second = current;
      written = 0;
    }
    written += 1;
    return written <= linesPerSecond;
  }

  return (context, error) => {
    if (mayWrite()) void gate.refuse(context, { operation }, error).catch(() => undefined);
    else meter.decision(operation, false);
  };
}
