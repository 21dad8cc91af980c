/**
 * Finds where the chain stands when a process opens the trail: after a clean end, a killed process, a power cut, or somebody's hand.
 *
 * A line torn by a power cut is taken away, because the next line would otherwise be glued to it. Everything else that is wrong stays as evidence: the
 * chain goes on after it, at a sequence that leaves the gap to be seen, and what was found is written into the next line.
 */

import { type AuditKeys, follows, genesis, type Head, headFileBytes, type Link, parseHead, parseLine } from "./chain";
import { type AuditFileSystem, activeName, openTrailFile, readAt, trailNames } from "./trail-files";

/** `torn_line_removed`, `unclean_stop`, `lines_missing`, `head_missing`, `head_damaged`, `last_line_changed`, `unreadable_line`. */
export interface StartFinding {
  readonly finding: string;
  readonly detail: string;
}

export interface Standing {
  readonly link: Link;
  /** Length of the growing file without its torn line. */
  readonly bytes: number;
  /** Of the growing file; undefined while it is empty. */
  readonly firstSequence: number | undefined;
  readonly findings: readonly StartFinding[];
}

interface End {
  readonly link: Link | undefined;
  readonly wholeBytes: number;
  readonly findings: readonly StartFinding[];
}

// The longest line is far shorter.
const windowBytes = 1 << 20;

/** Looks at the end of the trail; `active` and `headFile` are open. Changes nothing. Throws `sealed` without keys. */
export function inspectEnd(
  fs: AuditFileSystem,
  keys: AuditKeys,
  folder: string,
  open: { readonly active: number; readonly headFile: number },
): Standing {
  const bytes = fs.fstatSync(open.active).size;
  const active = endOf(fs, keys, open.active, bytes);
  const end = active.link === undefined ? (endOfFinished(fs, keys, folder) ?? active) : active;
  const found = [...active.findings];
  if (bytes > active.wholeBytes)
    found.push({ finding: "torn_line_removed", detail: `${bytes - active.wholeBytes} bytes of an unfinished line` });

  const last = end.link ?? genesis;
  const headBytes = readAt(fs, open.headFile, 0, headFileBytes);
  const head = parseHead(keys, headBytes);
  if (head === undefined && last.sequence > 0) {
    const finding = headBytes.length === 0 ? "head_missing" : "head_damaged";
    found.push({ finding, detail: "whether lines are missing at the end cannot be told" });
  }
  if (head !== undefined && head.sequence > last.sequence) {
    found.push({ finding: "lines_missing", detail: `${last.sequence + 1} to ${head.sequence} were on the disk and are not there` });
  }
  if (head !== undefined && !head.isClosed) {
    found.push({ finding: "unclean_stop", detail: "lines of the last 100 ms before a power cut may be missing" });
  }
  const link = head !== undefined && head.sequence > last.sequence ? linkOf(head) : last;
  const first = parseLine(firstLine(fs, open.active));
  return { link, bytes: active.wholeBytes, firstSequence: first?.sequence, findings: found };
}

function endOf(fs: AuditFileSystem, keys: AuditKeys, descriptor: number, bytes: number): End {
  const start = Math.max(0, bytes - windowBytes);
  const window = readAt(fs, descriptor, start, bytes - start);
  const wholeLength = window.lastIndexOf(0x0a) + 1;
  const lines = splitLines(window.subarray(0, wholeLength));
  // The first line of a window in the middle of a file is cut.
  const parsed = lines.slice(start === 0 ? 0 : 1).map(parseLine);
  const findings: StartFinding[] = [];
  const lastAt = parsed.findLastIndex((line) => line !== undefined);
  const last = parsed[lastAt];
  if (lastAt < parsed.length - 1)
    findings.push({ finding: "unreadable_line", detail: `${parsed.length - 1 - lastAt} lines at the end are no audit lines` });
  const previous = parsed[lastAt - 1];
  if (last !== undefined && previous !== undefined && !follows(keys, last, previous.mac)) {
    findings.push({ finding: "last_line_changed", detail: `line ${last.sequence} does not follow the line before it` });
  }
  return { link: last === undefined ? undefined : linkOf(last), wholeBytes: start + wholeLength, findings };
}

function endOfFinished(fs: AuditFileSystem, keys: AuditKeys, folder: string): End | undefined {
  const name = trailNames(fs, folder).findLast((each) => each !== activeName);
  if (name === undefined) return undefined;
  const file = openTrailFile(fs, folder, name);
  try {
    return endOf(fs, keys, file.descriptor, file.bytes);
  } finally {
    fs.closeSync(file.descriptor);
  }
}

function firstLine(fs: AuditFileSystem, descriptor: number): Buffer {
  const start = readAt(fs, descriptor, 0, 1 << 16);
  return start.subarray(0, Math.max(0, start.indexOf(0x0a)));
}

/** The lines of bytes that end with a newline, without it. */
function splitLines(bytes: Buffer): readonly Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0x0a, start);
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

function linkOf(line: Head | Link): Link {
  return { sequence: line.sequence, mac: line.mac };
}
