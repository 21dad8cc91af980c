/** Finds the line of a decision, newest first: who asks for one asks soon. */

import { setImmediate as nextTurn } from "node:timers/promises";
import { PosternError } from "../model/failures";
import type { AuditRecord, DecisionId } from "../model/types";
import { parseRecord } from "./line";
import { type AuditFileSystem, openTrailFile, readAt, trailNames } from "./trail-files";

const chunkBytes = 1 << 20;
// No line is as long; two pieces overlap by it, so that each line lies whole in one of them.
const overlapBytes = 1 << 17;
const maxBytes = 4 * 2 ** 30;
const decisionForm = /^d-[0-9a-z]{1,32}$/u;

/** The newest line of the decision; undefined when the newest 4 GiB have none. Throws `malformed` for what is no decision's name. */
export async function findDecision(fs: AuditFileSystem, folder: string, id: DecisionId): Promise<AuditRecord | undefined> {
  if (!decisionForm.test(id))
    throw new PosternError({ code: "malformed", where: "decision", expected: "d- and letters and digits", kind: "argument" });
  const wanted = `,"decision":"${id}",`;
  let left = maxBytes;
  for (const name of trailNames(fs, folder).toReversed()) {
    const file = openTrailFile(fs, folder, name);
    try {
      for (let end = file.bytes; end > 0 && left > 0; end -= chunkBytes) {
        const start = Math.max(0, end - chunkBytes);
        const piece = readAt(fs, file.descriptor, start, Math.min(file.bytes, end + overlapBytes) - start);
        const line = lastLineWith(piece, wanted, start === 0);
        if (line !== undefined) return parseRecord(line);
        left -= chunkBytes;
        await nextTurn();
      }
    } finally {
      fs.closeSync(file.descriptor);
    }
  }
  return undefined;
}

/** Skips a line whose beginning lies before the piece: the next piece has it whole. */
function lastLineWith(piece: Buffer, wanted: string, isWhole: boolean): string | undefined {
  const at = piece.lastIndexOf(wanted);
  if (at < 0) return undefined;
  const start = piece.lastIndexOf(0x0a, at) + 1;
  const end = piece.indexOf(0x0a, at);
  if ((start === 0 && !isWhole) || end < 0) return undefined;
  return piece.toString("utf8", start, end);
}
