/** Reads the whole trail and says whether every line is where and what it was. */

import { setImmediate as nextTurn } from "node:timers/promises";
import { type AuditKeys, type ChainedLine, follows, genesis, headFileBytes, type Link, parseHead, parseLine } from "./chain";
import { type AuditFileSystem, openTrailFile, readAt, readHeadFile, trailNames } from "./trail-files";

export type FindingKind =
  | "changed"
  | "missing"
  | "inserted"
  | "reordered"
  | "truncated"
  | "unreadable"
  | "torn"
  | "head_missing"
  | "head_damaged";

export interface AuditFinding {
  readonly sequence: number;
  readonly kind: FindingKind;
  readonly detail: string;
  /** Where: the file and its line, from 1. */
  readonly file?: string;
  readonly line?: number;
}

export interface AuditReport {
  readonly ok: boolean;
  /** Lines that were read. */
  readonly lines: number;
  readonly files: readonly string[];
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly lastMac: string;
  /** By sequence; the first hundred. */
  readonly findings: readonly AuditFinding[];
  /** How many there are. */
  readonly found: number;
}

export interface VerifyOptions {
  /** Where the trail stood once, as kept elsewhere (a checkpoint in the log): finds a trail cut behind its own head. */
  readonly knownHead?: Link;
  /** The lines before this sequence were archived on purpose. */
  readonly from?: number;
}

interface Position {
  readonly file: string;
  readonly line: number;
}

interface Walk {
  take(line: ChainedLine | undefined, position: Position): void;
  tear(position: Position): void;
  finish(): Omit<AuditReport, "files">;
}

const chunkBytes = 1 << 20;
const maxFindings = 100;
const previousMember = /,"previous":"([0-9a-f]{64})"[,}]?/u;

/** Yields to other work between pieces of a megabyte. Throws `sealed` without keys. */
export async function verifyTrail(fs: AuditFileSystem, keys: AuditKeys, folder: string, options: VerifyOptions): Promise<AuditReport> {
  const names = trailNames(fs, folder);
  const headBytes = readHeadFile(fs, folder, headFileBytes);
  const head = headBytes === undefined ? undefined : parseHead(keys, headBytes);
  const heads = [head, options.knownHead].filter((each) => each !== undefined);
  const walk = createWalk(keys, heads, options.from ?? 1);
  for (const name of names) await readLines(fs, folder, name, walk);
  const report = walk.finish();
  const files = [...names];
  if (head !== undefined || report.lines === 0) return { ...report, files };
  const kind = headBytes === undefined ? "head_missing" : "head_damaged";
  const detail = "whether lines are missing at the end cannot be told";
  const finding: AuditFinding = { sequence: report.lastSequence + 1, kind, detail };
  return { ...report, ok: false, findings: [...report.findings, finding], found: report.found + 1, files };
}

async function readLines(fs: AuditFileSystem, folder: string, name: string, walk: Walk): Promise<void> {
  const file = openTrailFile(fs, folder, name);
  try {
    let number = 0;
    let rest: Buffer = Buffer.alloc(0);
    for (let position = 0; position < file.bytes; position += chunkBytes) {
      const chunk = readAt(fs, file.descriptor, position, Math.min(chunkBytes, file.bytes - position));
      const text = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let end = text.indexOf(0x0a); end >= 0; end = text.indexOf(0x0a, start)) {
        number += 1;
        walk.take(parseLine(text.subarray(start, end)), { file: name, line: number });
        start = end + 1;
      }
      rest = text.subarray(start);
      await nextTurn();
    }
    if (rest.length > 0) walk.tear({ file: name, line: number + 1 });
  } finally {
    fs.closeSync(file.descriptor);
  }
}

function createWalk(keys: AuditKeys, heads: readonly Link[], from: number): Walk {
  const findings: AuditFinding[] = [];
  const missing = new Set<number>();
  let lines = 0;
  let firstSequence = 0;
  let beforePrevious: Link = genesis;
  let previous: Link = genesis;

  function find(finding: AuditFinding): void {
    findings.push(finding);
  }

  function step(line: ChainedLine): void {
    beforePrevious = previous;
    previous = { sequence: line.sequence, mac: line.mac };
  }

  function takeNext(line: ChainedLine, position: Position): void {
    const isFirstKept = lines === 1 && from > 1 && line.sequence === from;
    const expected = isFirstKept ? from : previous.sequence + 1;
    if (line.sequence > expected) {
      for (let sequence = expected; sequence < line.sequence && missing.size < maxFindings; sequence += 1) missing.add(sequence);
      find({ sequence: expected, kind: "missing", detail: gap(expected, line.sequence - 1), ...position });
    }
    // Behind a gap a line can be proven only if it says itself what stood before it.
    const isBehindGap = line.sequence !== previous.sequence + 1;
    const before = isBehindGap ? previousMember.exec(Buffer.from(line.body).toString("utf8"))?.[1] : previous.mac;
    if (before !== undefined && !follows(keys, line, before)) {
      find({ sequence: line.sequence, kind: "changed", detail: "the line is not the one that was written", ...position });
    }
    step(line);
  }

  function takeEarlier(line: ChainedLine, position: Position): void {
    if (missing.delete(line.sequence)) {
      withdraw(line.sequence, "missing");
      find({ sequence: line.sequence, kind: "reordered", detail: `the line stands behind line ${previous.sequence}`, ...position });
      return;
    }
    if (line.sequence === previous.sequence && follows(keys, line, beforePrevious.mac) && withdraw(line.sequence, "changed")) {
      // The one before claimed this place.
      find({ sequence: line.sequence, kind: "inserted", detail: "a foreign line stands before the true one", ...position });
      previous = { sequence: line.sequence, mac: line.mac };
      return;
    }
    find({ sequence: line.sequence, kind: "inserted", detail: `line ${line.sequence} was there before`, ...position });
  }

  function withdraw(sequence: number, kind: FindingKind): boolean {
    const index = findings.findIndex((finding) => finding.sequence === sequence && finding.kind === kind);
    if (index >= 0) findings.splice(index, 1);
    return index >= 0;
  }

  return {
    take(line, position) {
      lines += 1;
      if (line === undefined) {
        find({ sequence: previous.sequence + 1, kind: "unreadable", detail: "no line of the audit trail", ...position });
        return;
      }
      if (firstSequence === 0) firstSequence = line.sequence;
      if (line.sequence <= previous.sequence) takeEarlier(line, position);
      else takeNext(line, position);
      if (heads.some((head) => head.sequence === line.sequence && head.mac !== line.mac)) {
        find({ sequence: line.sequence, kind: "changed", detail: "the line is not the one that the known head names", ...position });
      }
    },
    tear(position) {
      find({ sequence: previous.sequence + 1, kind: "torn", detail: "the file ends in the middle of a line", ...position });
    },
    finish() {
      const known = Math.max(0, ...heads.map((head) => head.sequence));
      if (known > previous.sequence) {
        find({ sequence: previous.sequence + 1, kind: "truncated", detail: `${gap(previous.sequence + 1, known)} at the end` });
      }
      const sorted = findings.sort((left, right) => left.sequence - right.sequence);
      return {
        ok: sorted.length === 0,
        lines,
        firstSequence,
        lastSequence: previous.sequence,
        lastMac: previous.mac,
        findings: sorted.slice(0, maxFindings),
        found: sorted.length,
      };
    },
  };
}

function gap(first: number, last: number): string {
  return first === last ? `line ${first} is missing` : `lines ${first} to ${last} are missing`;
}
