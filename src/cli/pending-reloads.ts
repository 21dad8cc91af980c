/** Which programs have not yet been told of a new file: a hook that failed, or was never reached, runs again the next time. */

import { join } from "node:path";
import * as v from "valibot";
import type { PrivateFiles } from "../model/ports";
import { ensureStateFolder } from "./session";

export interface PendingReloads {
  /** Destinations of files. */
  load(): readonly string[];
  save(destinations: readonly string[]): void;
}

const Kept = v.strictObject({ format: v.literal("postern-render/1"), pending: v.array(v.string()) });

/** `folder` undefined: there is no place to remember anything in. */
export function openPendingReloads(files: PrivateFiles, folder: string | undefined): PendingReloads {
  if (folder === undefined) return { load: () => [], save: () => undefined };
  const path = join(folder, "render.json");
  return {
    load() {
      const bytes = files.read(path);
      if (bytes === undefined) return [];
      try {
        return v.parse(Kept, JSON.parse(Buffer.from(bytes).toString("utf8"))).pending;
      } catch {
        // Whatever it said, no program is run because of it: files that are new will tell.
        return [];
      }
    },
    save(pending) {
      if (pending.length === 0 && files.size(path) === undefined) return;
      ensureStateFolder(files, folder);
      files.replace(path, Buffer.from(JSON.stringify({ format: "postern-render/1", pending })));
    },
  };
}
