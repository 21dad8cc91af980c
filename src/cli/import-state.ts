/** What an import has done already, a line each, so that the next run goes on from there. Names alone; never a value. */

import { PosternError } from "../model/failures";
import type { CliIo } from "./io";

export interface ImportState {
  isDone(id: string): boolean;
  /** Written before the next batch begins. */
  note(ids: readonly string[]): void;
}

/** Nothing is noted, nothing is skipped. */
export const noState: ImportState = { isDone: () => false, note: () => undefined };

/**
 * The first line says which import it is. One of another source is refused, because its names mean other values, and one into another server or account, because
 * nothing is done there yet.
 */
export function openImportState(
  io: CliIo,
  path: string,
  { source, target }: { readonly source: string; readonly target: string },
): ImportState {
  const head = `# postern import of ${source} into ${target}`;
  const [first, ...lines] = io.readLines(path);
  if (first !== undefined && first !== head)
    throw new PosternError({
      code: "malformed",
      where: path,
      expected: `the state of this import (${head}); remove it or name another with --state`,
      kind: "argument",
      because: "usage",
    });
  const done = new Set(lines);
  let isBegun = first !== undefined;
  return {
    isDone: (id) => done.has(id),
    note(ids) {
      if (ids.length === 0) return;
      for (const id of ids) done.add(id);
      io.appendLines(path, isBegun ? ids : [head, ...ids]);
      isBegun = true;
    },
  };
}
