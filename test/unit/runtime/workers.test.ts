import { afterEach, describe, expect, test } from "bun:test";
import { failureOf, PosternError } from "../../../src/model/failures";
import type { Offload } from "../../../src/model/ports";
import { createWorkers, type Workers, type WorkersOptions } from "../../../src/runtime/workers";
import type { FixtureTasks } from "../../support/worker-fixture";

const open: Workers<FixtureTasks>[] = [];

function start(limits: Omit<WorkersOptions, "start"> = {}): { readonly workers: Workers<FixtureTasks>; readonly started: () => number } {
  let started = 0;
  const workers = createWorkers<FixtureTasks>({
    ...limits,
    start: () => {
      started += 1;
      return new Worker(new URL("../../support/worker-fixture.ts", import.meta.url));
    },
  });
  open.push(workers);
  return { workers, started: () => started };
}

async function failure(run: Promise<unknown>) {
  const error: unknown = await run.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Error)) throw new Error("expected a failure");
  return { error, failure: failureOf(error) };
}

afterEach(() => {
  for (const workers of open.splice(0)) workers.close();
});

describe("workers", () => {
  test("start nothing before the first job", () => {
    expect(start().started()).toBe(0);
  });

  test("run a task off the serving thread", async () => {
    expect(await start().workers.run("thread", undefined)).toEqual({ isMainThread: false });
  });

  test("copy input and output as plain values", async () => {
    const input = { values: [new Uint8Array(3), new Uint8Array(4)] };
    expect(await start().workers.run("count", input)).toBe(7);
    expect(input.values[0]?.byteLength).toBe(3);
  });

  test("fit the port that signers and policy loads ask for", async () => {
    const offload: Offload = start().workers;
    expect(await offload.run("double", 21)).toBe(42);
  });

  test("end a thread with the job that is its last, and go on with another", async () => {
    const { workers, started } = start({ count: 1 });
    const jobs = [workers.run("double", 1, { isLast: true }), workers.run("double", 2), workers.run("double", 3)];
    expect(await Promise.all(jobs)).toEqual([2, 4, 6]);
    expect(started()).toBe(2);
    expect((await failure(workers.run("refuse", undefined, { isLast: true }))).error).toBeInstanceOf(PosternError);
    expect(await workers.run("double", 4)).toBe(8);
    expect(started()).toBe(3);
  });

  test("answer each of many jobs with its own output, by no more threads than allowed", async () => {
    const { workers, started } = start({ count: 2 });
    const inputs = Array.from({ length: 200 }, (_, index) => index);
    expect(await Promise.all(inputs.map((input) => workers.run("double", input)))).toEqual(inputs.map((input) => input * 2));
    expect(started()).toBe(2);
  });

  test("bring a failure back with all its fields", async () => {
    const { error, failure: failed } = await failure(start().workers.run("refuse", undefined));
    expect(error).toBeInstanceOf(PosternError);
    expect(failed).toEqual({ code: "policy_invalid", kind: "reference", problems: [{ message: "no such role", line: 3, column: 7 }] });
  });

  test("bring a defect back as internal, with the worker's stack as cause", async () => {
    const { error, failure: failed } = await failure(start().workers.run("break", undefined));
    expect(failed).toEqual({ code: "internal", what: "TypeError" });
    expect(String(error.cause)).toContain("a defect");
  });

  test("refuse an input that cannot be copied, and go on", async () => {
    const { workers } = start({ count: 1 });
    const offload: Offload = workers;
    expect((await failure(offload.run("double", () => 1))).failure).toMatchObject({ code: "internal", because: "not_cloneable" });
    expect(await workers.run("double", 1)).toBe(2);
  });

  test("refuse an output that cannot be copied, and go on", async () => {
    const { workers, started } = start({ count: 1 });
    expect((await failure(workers.run("answerFunction", undefined))).failure).toMatchObject({ code: "internal", because: "not_cloneable" });
    expect(await workers.run("double", 1)).toBe(2);
    expect(started()).toBe(1);
  });

  test.each(["no_such_task", "toString", "__proto__"])("refuse the unknown task %s", async (task) => {
    const offload: Offload = start().workers;
    expect((await failure(offload.run(task, undefined))).failure).toMatchObject({ code: "internal", because: "worker_task_unknown" });
  });

  test("fail the job of a worker that ends, replace it, and run what waits", async () => {
    const { workers, started } = start({ count: 1 });
    const ended = failure(workers.run("exit", undefined));
    const after = workers.run("double", 5);
    expect((await ended).failure).toMatchObject({ code: "internal", because: "worker_crashed" });
    expect(await after).toBe(10);
    expect(started()).toBe(2);
  });

  test("fail the job when the entry file cannot be loaded", async () => {
    const workers = createWorkers<FixtureTasks>({ start: () => new Worker(new URL("./absent.ts", import.meta.url)), count: 1 });
    open.push(workers);
    expect((await failure(workers.run("double", 1))).failure).toMatchObject({ code: "internal", because: "worker_crashed" });
  });

  test("stop a job that runs past its time, and run the next on a fresh worker", async () => {
    const { workers, started } = start({ count: 1 });
    const stuck = failure(workers.run("spin", undefined, { timeoutMs: 30 }));
    const after = workers.run("double", 6);
    expect((await stuck).failure).toMatchObject({ code: "internal", because: "worker_timeout" });
    expect(await after).toBe(12);
    expect(started()).toBe(2);
  });

  test("take a job that still waits out of the line when its caller gives up", async () => {
    const { workers } = start({ count: 1 });
    const abort = new AbortController();
    const stuck = failure(workers.run("spin", undefined, { timeoutMs: 60 }));
    const waiting = failure(workers.run("double", 1, { signal: abort.signal }));
    abort.abort(new Error("the client left"));
    expect((await waiting).error.message).toBe("the client left");
    await stuck;
    expect(await workers.run("double", 2)).toBe(4);
  });

  test("do not run a job whose signal was aborted before", async () => {
    const { workers, started } = start();
    await failure(workers.run("double", 1, { signal: AbortSignal.abort(new Error("gone")) }));
    expect(started()).toBe(0);
  });

  test("refuse more waiting jobs than allowed", async () => {
    const { workers } = start({ count: 1, maxWaiting: 1 });
    const jobs = [workers.run("double", 1), workers.run("double", 2)];
    expect((await failure(workers.run("double", 3))).failure).toMatchObject({ code: "throttled", because: "workers_busy" });
    expect(await Promise.all(jobs)).toEqual([2, 4]);
  });

  test("fail running, waiting and later jobs once closed", async () => {
    const { workers } = start({ count: 1 });
    const running = failure(workers.run("spin", undefined));
    const waiting = failure(workers.run("double", 1));
    workers.close();
    for (const job of [running, waiting, failure(workers.run("double", 2))]) {
      expect((await job).failure).toMatchObject({ code: "internal", because: "workers_closed" });
    }
  });
});
