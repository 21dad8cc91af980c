/**
 * Runs pure functions off the serving thread, so that a long policy plan or an RSA signature does not stall other requests.
 *
 * Both ends share one table of tasks: the worker's entry file serves it with `serveTasks`, the serving thread calls it by name. Input and output
 * are copied as plain values (structured clone). A worker holds one job at a time; jobs wait in the order they came. Workers never open a database:
 * two copies of SQLite in one process do not see each other's locks.
 */

import { type Failure, failureOf, PosternError } from "../model/failures";

/** A pure function from one plain value to another. Declared as a method so that a table may narrow its input. */
export type Task = { run(input: unknown): unknown }["run"];

export type TaskTable = Readonly<Record<string, Task>>;

export interface RunOptions {
  /** The job fails with the signal's reason; a job that runs already is stopped with its worker. */
  readonly signal?: AbortSignal;
  /** Counted from the call, waiting included. Default: no limit. Fails with `internal` (because `worker_timeout`). */
  readonly timeoutMs?: number;
  /** The worker ends with this job, and what its heap grew to goes with it: an idle thread gives nothing back by itself. Default false. */
  readonly isLast?: boolean;
}

export interface Workers<Tasks extends TaskTable = TaskTable> {
  /**
   * Resolves to what the task returned. A `PosternError` thrown by the task arrives as one; anything else it throws becomes `internal`.
   * Throws `throttled` when too many jobs wait, `internal` (because `worker_crashed` or `workers_closed`) when the worker is gone.
   */
  run<Name extends keyof Tasks & string>(
    task: Name,
    input: Parameters<Tasks[Name]>[0],
    options?: RunOptions,
  ): Promise<Awaited<ReturnType<Tasks[Name]>>>;
  /** Stops every worker; jobs that run or wait fail. */
  close(): void;
}

export interface WorkersOptions {
  /** Starts the entry file that calls `serveTasks`. Written where that file lies, for the compiler to see: `new Worker(new URL("./worker-main.ts", import.meta.url))`. */
  readonly start: () => Worker;
  /** Workers at most; each starts with the first job that finds the others busy. Default 3: a short signature need not wait behind two long plans. */
  readonly count?: number;
  /** Jobs that may wait beside the running ones. Default 1024. */
  readonly maxWaiting?: number;
}

interface Job {
  readonly message: { readonly task: string; readonly input: unknown };
  readonly isLast: boolean;
  settle(reply: MessageEvent): void;
  fail(error: unknown): void;
}

interface Slot {
  readonly worker: Worker;
  job: Job | undefined;
}

/** What a worker answers: the output, or a failure as data, because an error's class and fields do not survive the copy. */
type Reply = { readonly output: unknown } | { readonly failure: Failure; readonly stack: string };

/** Makes the pool. Starts nothing until the first job. Idle workers do not keep the process alive. */
export function createWorkers<Tasks extends TaskTable = TaskTable>(options: WorkersOptions): Workers<Tasks> {
  const { start, count = 3, maxWaiting = 1024 } = options;
  const slots = new Set<Slot>();
  const waiting: Job[] = [];
  let isClosed = false;

  function startSlot(): Slot {
    const slot: Slot = { worker: start(), job: undefined };
    slot.worker.addEventListener("message", (event) => {
      const job = release(slot);
      if (job?.isLast === true && slots.delete(slot)) slot.worker.terminate();
      job?.settle(event);
      next();
    });
    slot.worker.addEventListener("error", (event) => {
      event.preventDefault();
      drop(slot, lost("worker_crashed", event.message));
    });
    slot.worker.addEventListener("close", () => drop(slot, lost("worker_crashed", "the worker ended")));
    slots.add(slot);
    return slot;
  }

  function release(slot: Slot): Job | undefined {
    const job = slot.job;
    slot.job = undefined;
    slot.worker.unref();
    return job;
  }

  function drop(slot: Slot, error: unknown): void {
    if (!slots.delete(slot)) return;
    slot.worker.terminate();
    release(slot)?.fail(error);
    next();
  }

  function next(): void {
    if (isClosed) return;
    const job = waiting.shift();
    if (job === undefined) return;
    const slot = idleSlot();
    if (slot === undefined) {
      waiting.unshift(job);
      return;
    }
    slot.job = job;
    slot.worker.ref();
    try {
      slot.worker.postMessage(job.message);
    } catch (cause) {
      release(slot);
      job.fail(new PosternError({ code: "internal", what: `input of ${job.message.task}`, because: "not_cloneable" }, { cause }));
      next();
    }
  }

  function idleSlot(): Slot | undefined {
    for (const slot of slots) if (slot.job === undefined) return slot;
    return slots.size < count ? startSlot() : undefined;
  }

  function abandon(job: Job, reason: unknown): void {
    const position = waiting.indexOf(job);
    if (position >= 0) {
      waiting.splice(position, 1);
      job.fail(reason);
      return;
    }
    for (const slot of slots) if (slot.job === job) drop(slot, reason);
  }

  return {
    run(task, input, limits = {}) {
      const { signal, timeoutMs, isLast = false } = limits;
      if (isClosed) return Promise.reject(lost("workers_closed", task));
      if (signal?.aborted === true) return Promise.reject(signal.reason);
      if (waiting.length >= maxWaiting)
        return Promise.reject(new PosternError({ code: "throttled", retryAfterSeconds: 1, because: "workers_busy" }));
      return new Promise((resolve, reject) => {
        const timer = timeoutMs === undefined ? undefined : setTimeout(() => abandon(job, lost("worker_timeout", task)), timeoutMs);
        const onAbort = () => abandon(job, signal?.reason);
        const finish = () => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", onAbort);
        };
        const job: Job = {
          message: { task, input },
          isLast,
          settle(event) {
            finish();
            if ("failure" in event.data) reject(rebuild(event.data));
            else resolve(event.data.output);
          },
          fail(error) {
            finish();
            reject(error);
          },
        };
        signal?.addEventListener("abort", onAbort, { once: true });
        waiting.push(job);
        next();
      });
    },
    close() {
      isClosed = true;
      for (const job of waiting.splice(0)) job.fail(lost("workers_closed", job.message.task));
      for (const slot of [...slots]) drop(slot, lost("workers_closed", slot.job?.message.task ?? "worker"));
    },
  };
}

/** The worker's side: answers every job by the table, for the life of the thread. Called once, by the entry file. */
export function serveTasks(tasks: TaskTable): void {
  globalThis.addEventListener("message", async (event) => {
    if (!(event instanceof MessageEvent)) return;
    const reply = await answer(tasks, event.data.task, event.data.input);
    try {
      postMessage(reply);
    } catch (error) {
      postMessage(
        failed(new PosternError({ code: "internal", what: `output of ${event.data.task}`, because: "not_cloneable" }, { cause: error })),
      );
    }
  });
}

async function answer(tasks: TaskTable, name: string, input: unknown): Promise<Reply> {
  try {
    const task = Object.hasOwn(tasks, name) ? tasks[name] : undefined;
    if (task === undefined) throw new PosternError({ code: "internal", what: `no task ${name}`, because: "worker_task_unknown" });
    return { output: await task(input) };
  } catch (error) {
    return failed(error);
  }
}

function failed(error: unknown): Reply {
  return { failure: failureOf(error), stack: error instanceof Error ? (error.stack ?? error.message) : "no stack" };
}

function rebuild(reply: { readonly failure: Failure; readonly stack: string }): PosternError {
  return new PosternError(reply.failure, { cause: new Error(reply.stack) });
}

function lost(because: string, what: string): PosternError {
  return new PosternError({ code: "internal", what, because });
}
