/**
 * What runs off the serving thread: pure functions of plain values, by name. Imported by the worker's entry file for its code, elsewhere for its type
 * alone. Nothing here may reach `store/`: a worker that loads libSQL is a second copy of SQLite in the process.
 */

import { packPlan } from "../core/policy/parcel";
import { type PlanInput, planPolicy } from "../core/policy/task";
import { signRs256 } from "../crypto/signing";

export const workerTasks = {
  /** A policy load, from its text to the changes it makes. */
  plan_policy: (input: PlanInput) => packPlan(planPolicy(input)),
  /** RSASSA-PKCS1-v1_5 with SHA-256. */
  sign_rs256: signRs256,
};

export type WorkerTasks = typeof workerTasks;
