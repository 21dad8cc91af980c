/** The worker threads of a server, with the tasks they know. */

import { createWorkers, type Workers, type WorkersOptions } from "../runtime/workers";
import type { WorkerTasks } from "./worker-tasks";

/** Makes the pool; nothing starts before the first job. An `Offload`, with the types of its tasks. */
export function createOffload(limits: Omit<WorkersOptions, "start"> = {}): Workers<WorkerTasks> {
  // The compiler finds the entry file by this very expression, and lays it beside every other entry: source and binary resolve it alike.
  return createWorkers<WorkerTasks>({ ...limits, start: () => new Worker(new URL("./worker-main.ts", import.meta.url)) });
}
