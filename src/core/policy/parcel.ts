/**
 * A plan on its way between threads. The changes of a large load go as pieces of JSON text, which are copied in no time and read in slices; as objects, the
 * serving thread would take a tenth of a second to copy them in one go.
 */

import type { Change } from "../../model/types";
import { nextTurn, stepsPerSlice } from "../slices";
import type { PlanOutput } from "./task";

type Planned = Extract<PlanOutput, { readonly ok: true }>;

export type PlanParcel = Exclude<PlanOutput, Planned> | (Omit<Planned, "changes"> & { readonly pieces: readonly Uint8Array[] });

export function packPlan(plan: PlanOutput): PlanParcel {
  if (!plan.ok) return plan;
  const { changes, ...rest } = plan;
  const pieces: Uint8Array[] = [];
  for (let start = 0; start < changes.length; start += stepsPerSlice) {
    pieces.push(Buffer.from(JSON.stringify(changes.slice(start, start + stepsPerSlice))));
  }
  return { ...rest, pieces };
}

export async function unpackPlan(parcel: PlanParcel): Promise<PlanOutput> {
  if (!parcel.ok) return parcel;
  const { pieces, ...rest } = parcel;
  const changes: Change[] = [];
  for (const piece of pieces) {
    const some: readonly Change[] = JSON.parse(Buffer.from(piece).toString("utf8"));
    for (const change of some) changes.push(change);
    if (pieces.length > 1) await nextTurn();
  }
  return { ...rest, changes };
}
