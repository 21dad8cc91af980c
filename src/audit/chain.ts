/**
 * What makes the trail tamper-evident: every line ends with a MAC over the MAC of the line before it and the line's own bytes.
 *
 * Epoch and MAC are written in one way only (decimal without leading zeros, lower-case hex), so that no byte of a line can change unnoticed.
 */

import * as v from "valibot";
import type { Keyring } from "../model/ports";

export type AuditKeys = Pick<Keyring, "mac" | "verifyMac">;

/** Where the chain stands after a line: its sequence and its MAC in hex. */
export interface Link {
  readonly sequence: number;
  readonly mac: string;
}

/** What stands before the first line. */
export const genesis: Link = { sequence: 0, mac: "0".repeat(64) };

/** A line taken apart. `body` are the bytes the MAC covers. */
export interface ChainedLine {
  readonly sequence: number;
  readonly body: Uint8Array;
  readonly epoch: number;
  readonly mac: string;
}

/** The known end of the trail, kept beside it: written only after its line is on the disk, so that it is never ahead of the truth. */
export interface Head extends Link {
  readonly isClosed: boolean;
}

export const headFileBytes = 320;

// `,"epoch":…,"mac":"…"}`: the MAC, an epoch of at most 16 digits and the words around them.
const longestEndBytes = 112;
const endPattern = /,"epoch":(0|[1-9]\d{0,15}),"mac":"([0-9a-f]{64})"\}$/u;
const startPattern = /^\{"seq":([1-9]\d{0,15}),/u;
const headLabel = Buffer.from("head");

/** Takes a line (without its newline) apart; undefined when it has not the form of one. */
export function parseLine(line: Buffer): ChainedLine | undefined {
  const end = endPattern.exec(line.toString("latin1", Math.max(0, line.length - longestEndBytes)));
  const start = startPattern.exec(line.toString("latin1", 0, 32));
  if (end === null || start === null) return undefined;
  const [all, epoch, mac = ""] = end;
  return { sequence: Number(start[1]), body: line.subarray(0, line.length - all.length), epoch: Number(epoch), mac };
}

/** Whether the line follows `previousMac`. */
export function follows(keys: AuditKeys, line: ChainedLine, previousMac: string): boolean {
  return keys.verifyMac("audit", [Buffer.from(previousMac, "hex"), line.body], { epoch: line.epoch, tag: Buffer.from(line.mac, "hex") });
}

/** The head as its file keeps it: always of the same length. */
export function printHead(keys: AuditKeys, head: Head): Buffer {
  const { sequence, mac, isClosed } = head;
  const content = JSON.stringify({ sequence, mac, isClosed });
  const { epoch, tag } = keys.mac("audit", [headLabel, Buffer.from(content)]);
  return Buffer.from(`${JSON.stringify({ head: content, epoch, mac: Buffer.from(tag).toString("hex") }).padEnd(headFileBytes - 1)}\n`);
}

/** The head of a file's bytes; undefined when it was changed or damaged. */
export function parseHead(keys: AuditKeys, bytes: Uint8Array): Head | undefined {
  const outer = v.safeParse(HeadFile, Buffer.from(bytes).toString("utf8"));
  if (!outer.success) return undefined;
  const { head, epoch, mac } = outer.output;
  if (!keys.verifyMac("audit", [headLabel, Buffer.from(head)], { epoch, tag: Buffer.from(mac, "hex") })) return undefined;
  return v.parse(HeadContent, head);
}

const MacText = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/u));
const HeadFile = v.pipe(v.string(), v.parseJson(), v.strictObject({ head: v.string(), epoch: v.number(), mac: MacText }));
const HeadContent = v.pipe(v.string(), v.parseJson(), v.strictObject({ sequence: v.number(), mac: MacText, isClosed: v.boolean() }));
