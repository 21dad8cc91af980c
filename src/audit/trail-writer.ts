/**
 * The writing end of the trail: chained lines into the growing file, whole or not at all, with rotation and the head beside it. Says nothing and
 * decides nothing; errors of the operating system reach the caller, after which `reattach` finds the way back.
 */

import { join } from "node:path";
import { type AuditKeys, genesis, headFileBytes, type Link, printHead } from "./chain";
import { inspectEnd, type StartFinding } from "./opening";
import { type AuditFileSystem, activeName, appendAll, finishedFile, openActive, openHeadFile, syncFolder } from "./trail-files";

export interface TrailWriter {
  /** Where the chain stands after the last line that is with the kernel. */
  link(): Link;
  /** Opens the files, at first or anew after an error. What was found belongs into the next line. Throws `sealed` without keys. */
  attach(): readonly StartFinding[];
  isAttached(): boolean;
  /** Lets go of the files after an error; what is with the kernel stays there. */
  detach(): void;
  /** Whether the growing file is full, or is no longer the one in the folder. */
  wantsRotation(): boolean;
  wasMoved(): boolean;
  /** Sets the growing file aside, durably, and begins the next one. */
  rotate(): void;
  /** Chains the lines (each the text of one JSON object) and hands them to the kernel with one write. On an error none of them counts. */
  write(lines: readonly string[]): void;
  /** Makes everything written so far durable, off the serving thread, then moves the head. */
  sync(done: (error: Error | null) => void): void;
  /** The same on the spot, and marks the end as clean. */
  close(): void;
}

export interface TrailWriterDeps {
  readonly fs: AuditFileSystem;
  readonly keys: AuditKeys;
  readonly folder: string;
  readonly node: string;
  readonly rotateBytes: number;
}

interface Files {
  readonly active: number;
  readonly headFile: number;
  bytes: number;
  firstSequence: number | undefined;
}

// Grows by doubling; one ordinary line takes 500 bytes.
const initialBufferBytes = 1 << 16;
// One unit of a string takes three bytes of UTF-8 at most. Sequence, node and the end of a line take less than this.
const lineReserveBytes = 1024;
const comma = 0x2c;

export function createTrailWriter({ fs, keys, folder, node, rotateBytes }: TrailWriterDeps): TrailWriter {
  const nodeMember = `"node":${JSON.stringify(node)}`;
  let files: Files | undefined;
  let link: Link = genesis;
  let buffer = Buffer.allocUnsafe(initialBufferBytes);

  function attached(): Files {
    if (files === undefined) throw new Error("the audit trail is not open");
    return files;
  }

  /** Fills the buffer with the chained lines and gives their length and the link after them. */
  function chain(lines: readonly string[]): { readonly length: number; readonly after: Link } {
    let length = 0;
    let { sequence } = link;
    let previous: Uint8Array = Buffer.from(link.mac, "hex");
    let mac = link.mac;
    for (const text of lines) {
      sequence += 1;
      reserve(length, text.length * 3 + lineReserveBytes);
      const members = length + buffer.write(`{"seq":${sequence},${nodeMember}`, length);
      // The text begins with a brace; a comma takes its place, and the end of the line that of its last one.
      const end = members + buffer.write(text, members) - 1;
      buffer[members] = comma;
      const made = keys.mac("audit", [previous, buffer.subarray(length, end)]);
      previous = made.tag;
      mac = made.tag.toHex();
      length = end + buffer.write(`,"epoch":${made.epoch},"mac":"${mac}"}\n`, end, "latin1");
    }
    return { length, after: { sequence, mac } };
  }

  function reserve(used: number, more: number): void {
    if (used + more <= buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, used + more));
    buffer.copy(larger, 0, 0, used);
    buffer = larger;
  }

  function writeHead(headFile: number, at: Link, isClosed: boolean): void {
    // The length is written out: without it Bun 1.4.5 takes no notice of the position.
    fs.writeSync(headFile, printHead(keys, { ...at, isClosed }), 0, headFileBytes, 0);
  }

  function openFiles(): readonly StartFinding[] {
    const active = openActive(fs, folder);
    try {
      const headFile = openHeadFile(fs, folder);
      try {
        const { link: end, bytes, firstSequence, findings } = inspectEnd(fs, keys, folder, { active, headFile });
        if (fs.fstatSync(active).size > bytes) fs.ftruncateSync(active, bytes);
        fs.fsyncSync(active);
        // After an error this process knows better than the files where the chain stands.
        const lost = link.sequence > end.sequence ? [{ finding: "lines_missing", detail: `${end.sequence + 1} to ${link.sequence}` }] : [];
        if (end.sequence >= link.sequence) link = end;
        writeHead(headFile, link, false);
        files = { active, headFile, bytes, firstSequence };
        return [...findings, ...lost];
      } catch (cause) {
        fs.closeSync(headFile);
        throw cause;
      }
    } catch (cause) {
      fs.closeSync(active);
      throw cause;
    }
  }

  function detach(): void {
    if (files === undefined) return;
    const { active, headFile } = files;
    files = undefined;
    fs.closeSync(active);
    fs.closeSync(headFile);
  }

  return {
    link: () => link,
    attach: openFiles,
    isAttached: () => files !== undefined,
    detach,
    wantsRotation: () => files !== undefined && files.bytes >= rotateBytes,
    wasMoved() {
      const inFolder = fs.statSync(join(folder, activeName), { throwIfNoEntry: false });
      return files !== undefined && inFolder?.ino !== fs.fstatSync(files.active).ino;
    },
    rotate() {
      const { active, headFile, firstSequence } = attached();
      if (firstSequence === undefined) return;
      fs.fsyncSync(active);
      fs.renameSync(join(folder, activeName), join(folder, finishedFile(firstSequence)));
      const next = openActive(fs, folder);
      fs.closeSync(active);
      files = { active: next, headFile, bytes: 0, firstSequence: undefined };
      syncFolder(fs, folder);
      writeHead(headFile, link, false);
    },
    write(lines) {
      const open = attached();
      const { length, after } = chain(lines);
      try {
        appendAll(fs, open.active, buffer, length);
      } catch (cause) {
        // Part of it may be in the file. If even this fails, `attach` takes the unfinished line away.
        fs.ftruncateSync(open.active, open.bytes);
        throw cause;
      }
      open.firstSequence ??= link.sequence + 1;
      open.bytes += length;
      link = after;
    },
    sync(done) {
      const { active, headFile } = attached();
      const durable = link;
      fs.fdatasync(active, (error) => {
        if (error === null && files?.headFile === headFile) writeHead(headFile, durable, false);
        done(error);
      });
    },
    close() {
      if (files === undefined) return;
      fs.fsyncSync(files.active);
      writeHead(files.headFile, link, true);
      fs.fsyncSync(files.headFile);
      syncFolder(fs, folder);
      detach();
    },
  };
}
