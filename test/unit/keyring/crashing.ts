/** An operating system that stops doing anything at the n-th call: what a process leaves behind that is killed there. */

import nodeFs from "node:fs";
import type { FileSystem } from "../../../src/runtime/files";

export interface Crashing {
  readonly system: FileSystem;
  hasCrashed(): boolean;
}

/** Changes to the disk alone count. From the crash on every one of them fails, as nothing is cleaned up by a process that is gone. */
export function crashingFileSystem(atStep: number): Crashing {
  let steps = 0;
  function step<Args extends unknown[], Result>(call: (...args: Args) => Result): (...args: Args) => Result {
    return (...args) => {
      steps += 1;
      if (steps >= atStep) throw Object.assign(new Error("crash"), { code: "ECRASH" });
      return call(...args);
    };
  }
  const create = step((path: string, flags: number, mode: number) => nodeFs.openSync(path, flags, mode));
  return {
    system: {
      ...nodeFs,
      // Opening what is there to read it changes nothing.
      openSync: (path, flags, mode) => (mode === undefined ? nodeFs.openSync(path, flags) : create(path, flags, mode)),
      writeSync: step(writeHalf),
      fsyncSync: step((descriptor: number) => nodeFs.fsyncSync(descriptor)),
      renameSync: step((from: string, to: string) => nodeFs.renameSync(from, to)),
      unlinkSync: step((path: string) => nodeFs.unlinkSync(path)),
    },
    hasCrashed: () => steps >= atStep,
  };
}

/** A write that takes half of what it is given, so that a crash can come in the middle. */
function writeHalf(descriptor: number, bytes: Uint8Array, offset: number, length: number, position: number | null): number {
  return nodeFs.writeSync(descriptor, bytes, offset, Math.ceil(length / 2), position);
}
