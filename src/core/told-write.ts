/** Writes whose rows the audit is told of, once they are stored. */

import type { AccountName } from "../model/ids";
import type { Caller, Change } from "../model/types";
import type { Gate } from "./gate";
import type { Graph } from "./graph";
import type { Projection } from "./projection";
import { rowEvents } from "./row-events";
import { nextTurn } from "./slices";

export interface ToldWrite {
  readonly projection: Projection;
  readonly gate: Gate;
  /** Who changes it, and in which request. */
  readonly by: Pick<Caller, "context" | "role">;
  readonly account: AccountName;
}

/** Stores what `plan` makes of the newest graph before anybody else's changes, and then tells of the rows. */
export async function writeTold(
  { projection, gate, by: { context, role }, account }: ToldWrite,
  plan: (graph: Graph) => readonly Change[] | Promise<readonly Change[]>,
): Promise<void> {
  const { changes, before } = await projection.write(account, context.now, async (graph) => {
    const planned = await plan(graph);
    return { changes: planned, result: { changes: planned, before: graph } };
  });
  await tellRowsOf(gate, { context, role }, { changes, before });
}

/** Tells of the rows of a change that was stored, in portions: a large one would hold up the thread, and overrun the queues of those who are told. */
export async function tellRowsOf(
  gate: Gate,
  event: Parameters<Gate["tellRows"]>[0],
  { changes, before }: { readonly changes: readonly Change[]; readonly before: Graph },
): Promise<void> {
  for (let start = 0; start < changes.length; start += rowsAtOnce) {
    if (start > 0) await nextTurn();
    const some = changes.slice(start, start + rowsAtOnce);
    gate.tellRows(event, () => rowEvents(some, before));
  }
}

/** As many as a sink takes in one write. */
const rowsAtOnce = 500;
