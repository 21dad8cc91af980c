/**
 * Who a session is of, and a line in the audit for one that is refused.
 *
 * Nothing is released by a refusal, so nobody waits for its line. And since anybody can present rubbish as often as they like, only so many a second are
 * written; the rest are counted by the metrics of the gate's decisions alone.
 */

import type { Clock, Meter } from "../model/ports";
import type { Caller, RequestContext } from "../model/types";
import type { Gate } from "./gate";
import type { Presented } from "./operations";
import type { Sessions } from "./sessions";

const operation = "session.verify";
const linesPerSecond = 100;

export interface IdentifyDeps {
  readonly sessions: Sessions;
  readonly gate: Gate;
  readonly meter: Meter;
  readonly clock: Pick<Clock, "monotonicMs">;
}

/** Throws what `Sessions.verify` throws. */
export function createIdentify({ sessions, gate, meter, clock }: IdentifyDeps): (presented: Presented, context: RequestContext) => Caller {
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

  return (presented, context) => {
    try {
      return sessions.verify(presented.token, context);
    } catch (error) {
      if (mayWrite()) void gate.refuse(context, { operation }, error).catch(() => undefined);
      else meter.decision(operation, false);
      throw error;
    }
  };
}
