/**
 * How far the store had come, kept beside it: a database that is older than this was put back by somebody, and is not what clients were told is stored.
 * The mark names the last commit of every account, so that one account cannot be set back alone, and carries a MAC, so that it cannot be made to fit.
 *
 * It moves after a commit is durable, in one write of one disk sector: after the end of the process it is exact, after a power cut it may lag behind, and
 * it is never ahead.
 */

import * as v from "valibot";
import { lengthPrefixed, unsigned64 } from "../crypto/aead";
import { sha256 } from "../crypto/digest";
import type { Keyring, PrivateCell, PrivateFiles } from "../model/ports";
import type { Revision } from "../model/types";

/** An account's last commit. */
export interface Tip {
  readonly revision: Revision;
  readonly mac: Uint8Array;
}

const Mark = v.strictObject({
  format: v.literal("postern-high-water/1"),
  deployment: v.string(),
  /** How often a rollback was accepted, plus one. */
  epoch: v.pipe(v.number(), v.safeInteger()),
  revision: v.pipe(v.number(), v.safeInteger()),
  /** Below it no revision is given out: some were, before a rollback that was accepted. */
  floor: v.pipe(v.number(), v.safeInteger()),
  /** Hex digest of all tips. */
  tips: v.string(),
  /** The last write of tokens; absent before there was one. */
  tokens: v.optional(v.pipe(v.number(), v.safeInteger())),
});
const SignedMark = v.strictObject({ ...Mark.entries, macEpoch: v.pipe(v.number(), v.safeInteger()), mac: v.string() });
export type Mark = v.InferOutput<typeof Mark>;

/** What is written: nothing at all, something that does not hold, or a mark. */
export type WrittenMark = { readonly state: "absent" } | { readonly state: "damaged" } | { readonly state: "present"; readonly mark: Mark };

export interface HighWater {
  readonly written: WrittenMark;
  /** Fails as `PrivateFiles` does; the mark then stays behind, which loses nothing but sharpness. */
  raise(mark: Mark): void;
  /** Makes the last `raise` durable. */
  sync(): void;
  close(): void;
}

/** One sector: a disk writes it whole or not at all. */
const cellBytes = 512;

export function openHighWater(files: PrivateFiles, path: string, keyring: Pick<Keyring, "mac" | "verifyMac">): HighWater {
  const bytes = files.read(path);
  let cell: PrivateCell | undefined;

  function raise(mark: Mark): void {
    const printed = printMark(mark, keyring);
    if (cell === undefined) {
      // A file of another length is none of ours, or the first: whole and durable. In place otherwise, which a full disk allows.
      if (files.size(path) !== cellBytes) files.replace(path, printed);
      cell = files.openCell(path);
    }
    cell.write(printed);
  }

  return {
    written: bytes === undefined ? { state: "absent" } : readMark(bytes, keyring),
    raise,
    sync: () => cell?.sync(),
    close() {
      cell?.sync();
      cell?.close();
      cell = undefined;
    },
  };
}

/** Names the last commits of all accounts in one digest; setting one account anew does not read the others again. */
export interface TipsDigest {
  set(account: string, tip: Tip): void;
  /** Hex. */
  digest(): string;
}

export function createTipsDigest(): TipsDigest {
  const leaves = new Map<string, Buffer>();
  let order: readonly string[] = [];
  return {
    set(account, { revision, mac }) {
      leaves.set(account, sha256(Buffer.concat([lengthPrefixed(account), unsigned64(revision), mac])));
      if (leaves.size !== order.length) order = [...leaves.keys()].sort();
    },
    digest: () => sha256(Buffer.concat(order.flatMap((account) => leaves.get(account) ?? []))).toString("hex"),
  };
}

export function digestOfTips(tips: Iterable<readonly [account: string, tip: Tip]>): string {
  const digest = createTipsDigest();
  for (const [account, tip] of tips) digest.set(account, tip);
  return digest.digest();
}

function printMark(mark: Mark, keyring: Pick<Keyring, "mac">): Uint8Array {
  const { epoch, tag } = keyring.mac("high_water", [canonical(mark)]);
  const text = JSON.stringify({ ...mark, macEpoch: epoch, mac: Buffer.from(tag).toString("hex") });
  return Buffer.from(`${text.padEnd(cellBytes - 1)}\n`, "utf8");
}

function readMark(bytes: Uint8Array, keyring: Pick<Keyring, "verifyMac">): WrittenMark {
  const parsed = v.safeParse(SignedMark, parseJson(bytes));
  if (!parsed.success) return { state: "damaged" };
  const { macEpoch, mac, ...mark } = parsed.output;
  const holds = keyring.verifyMac("high_water", [canonical(mark)], { epoch: macEpoch, tag: Buffer.from(mac, "hex") });
  return holds ? { state: "present", mark } : { state: "damaged" };
}

/** Members in the order of the schema, whatever their order was. */
function canonical(mark: Mark): Uint8Array {
  return Buffer.from(JSON.stringify(v.parse(Mark, mark)), "utf8");
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    // The schema refuses it, with whatever else is no mark.
    return undefined;
  }
}
