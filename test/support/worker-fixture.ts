/** The entry file of a worker for the tests of the pool: tasks that answer, fail in each way, never end, or end the thread. */

import { PosternError } from "../../src/model/failures";
import { serveTasks } from "../../src/runtime/workers";

const tasks = {
  double: (input: number) => input * 2,
  thread: () => ({ isMainThread: Bun.isMainThread }),
  count: (input: { readonly values: readonly Uint8Array[] }) => input.values.reduce((sum, value) => sum + value.byteLength, 0),
  refuse: () => {
    throw new PosternError({ code: "policy_invalid", kind: "reference", problems: [{ message: "no such role", line: 3, column: 7 }] });
  },
  break: () => {
    throw new TypeError("a defect");
  },
  answerFunction: () => () => 1,
  spin: () => {
    for (;;);
  },
  exit: () => process.exit(7),
};

export type FixtureTasks = typeof tasks;

serveTasks(tasks);
