/** Finds the line of a decision, newest first: who asks for one asks soon. */

import { setImmediate as nextTurn } from "node:timers/promises";
import { PosternError } from "../model/failures";
import type { AuditedRecord, DecisionId } from "../model/types";
import { parseRecord } from "./line";
import { type AuditFileSystem, openTrailFile, readAt, trailNames } from "./trail-files";

const chunkBytes = 1 << 20;
// No line is as long; two pieces overlap by it, so that each line lies whole in one of them.
const overlapBytes = 1 << 17;
const maxBytes = 4 * 2 ** 30;
const decisionForm = /^d-[0-9a-z]{1,32}$/u;

/** A login that somebody tried, as they named themselves: `host/apps/web`. */
export interface LoginAttempt {
  readonly account: string;
  readonly login: string;
}

/** The newest line of the decision; undefined when the newest 4 GiB have none. Throws `malformed` for what is no decision's name. */
export async function findDecision(fs: AuditFileSystem, folder: string, id: DecisionId): Promise<AuditedRecord | undefined> {
  if (!decisionForm.test(id))
    throw new PosternError({ code: "malformed", where: "decision", expected: "d- and letters and digits", kind: "argument" });
  return await findNewest(fs, folder, `,"decision":"${id}",`, () => true);
}

/** The newest refusal of such a login; undefined when the newest 4 GiB have none. */
export async function findRefusedLogin(
  fs: AuditFileSystem,
  folder: string,
  { account, login }: LoginAttempt,
): Promise<AuditedRecord | undefined> {
  const isWanted = (record: AuditedRecord): boolean =>
    record.operation === "login" && !record.allowed && record.account === account && record.claimed === login;
  return await findNewest(fs, folder, `"claimed_unverified":${JSON.stringify(login)}`, isWanted);
}

async function findNewest(
  fs: AuditFileSystem,
  folder: string,
  text: string,
  isWanted: (record: AuditedRecord) => boolean,
): Promise<AuditedRecord | undefined> {
  let left = maxBytes;
  for (const name of trailNames(fs, folder).toReversed()) {
    const file = openTrailFile(fs, folder, name);
    try {
      for (let end = file.bytes; end > 0 && left > 0; end -= chunkBytes) {
        const start = Math.max(0, end - chunkBytes);
        const piece = readAt(fs, file.descriptor, start, Math.min(file.bytes, end + overlapBytes) - start);
        for (const line of linesWith(piece, text, start === 0)) {
          const record = parseRecord(line);
          if (isWanted(record)) return record;
        }
        left -= chunkBytes;
        await nextTurn();
      }
    } finally {
      fs.closeSync(file.descriptor);
    }
  }
  return undefined;
}

/** The last one first. Skips a line whose beginning lies before the piece: the next piece has it whole. */
function* linesWith(piece: Buffer, text: string, isWhole: boolean): Generator<string> {
  for (let at = piece.lastIndexOf(text); at >= 0; ) {
    const start = piece.lastIndexOf(0x0a, at) + 1;
    const end = piece.indexOf(0x0a, at);
    if (start === 0 && !isWhole) return;
    if (end >= 0) yield piece.toString("utf8", start, end);
    if (start === 0) return;
    at = piece.lastIndexOf(text, start - 1);
  }
}
