/** When an app's copy is written, and what becomes of it when it cannot be. */

import { failureOf } from "../model/failures";
import type { Logger } from "../model/ports";
import type { LocalCopy } from "./local-copy";
import type { CacheState } from "./secret-cache";

export interface CopyKeeping {
  /** Soon writes what there is now. `lost`: something that may not be served any more was taken out of it. */
  changed(how: "gained" | "lost"): void;
  /** Writes it now. */
  save(): void;
  /** Writes it for the last time. */
  close(): void;
}

export interface CopyKeepingOptions {
  readonly app: string;
  /** Absent: none is kept. */
  readonly copy: LocalCopy | undefined;
  readonly state: () => CacheState;
  readonly logger: Logger;
  readonly pause: (ms: number) => Promise<void>;
}

/** Several new values soon after each other make one writing. */
const gatherMs = 200;

export function createCopyKeeping({ app, copy, state, logger, pause }: CopyKeepingOptions): CopyKeeping {
  let isSaving = false;
  let isClosed = false;
  /** The file holds what may not be served any more. */
  let holdsTooMuch = false;

  function succeeds(work: () => void, otherwise: string): boolean {
    try {
      work();
      return true;
    } catch (error) {
      logger.error(otherwise, { app, reason: failureOf(error).code });
      return false;
    }
  }

  function save(): void {
    if (copy === undefined || isClosed) return;
    const isWritten = succeeds(() => copy.save(state()), "copy_not_written");
    // On a full disk, say: better no copy than one that gives out after a crash what the primary has taken away.
    if (isWritten || (holdsTooMuch && succeeds(copy.discard, "copy_not_discarded"))) holdsTooMuch = false;
  }

  return {
    save,
    changed(how) {
      if (copy === undefined) return;
      if (how === "lost") holdsTooMuch = true;
      if (isSaving) return;
      isSaving = true;
      void pause(gatherMs).then(() => {
        isSaving = false;
        save();
      });
    },
    close() {
      save();
      isClosed = true;
    },
  };
}
