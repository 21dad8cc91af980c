/**
 * How far the store had come, kept beside it: a copy of the database that is older than this was put back by somebody, and is not what clients were
 * told is stored. The mark carries a MAC, so that it cannot simply be set back with the database.
 *
 * It moves after a commit is durable and may lag behind by the last moments before a power cut; it is never ahead.
 */

import type { Keyring, PrivateCell, PrivateFiles } from "../model/ports";
import type { Revision } from "../model/types";

export interface Mark {
  readonly deployment: string;
  readonly epoch: number;
  readonly revision: Revision;
}

export interface HighWater {
  /** What is written, when it holds. */
  readonly mark: Mark | undefined;
  /** Whether there is a file at all: the store has had data. */
  readonly exists: boolean;
  /** Whether what is written does not hold. */
  readonly isDamaged: boolean;
  raise(mark: Mark): void;
  sync(): void;
  close(): void;
}

const cellBytes = 512;

export function openHighWater(files: PrivateFiles, path: string, keyring: Keyring): HighWater {
  const written = files.read(path);
  const exists = written !== undefined && written.byteLength > 0;
  const mark = exists ? readMark(written, keyring) : undefined;
  let cell: PrivateCell | undefined;

  function open(): PrivateCell {
    if (cell === undefined) {
      files.ensureFile(path);
      cell = files.openCell(path);
    }
    return cell;
  }

  return {
    mark,
    exists,
    isDamaged: exists && mark === undefined,
    raise: (next) => open().write(printMark(next, keyring)),
    sync: () => cell?.sync(),
    close() {
      cell?.sync();
      cell?.close();
      cell = undefined;
    },
  };
}

function partsOf({ deployment, epoch, revision }: Mark): readonly Uint8Array[] {
  return [Buffer.from(deployment), Buffer.from(String(epoch)), Buffer.from(String(revision))];
}

function printMark(mark: Mark, keyring: Keyring): Uint8Array {
  const { epoch, tag } = keyring.mac("high_water", partsOf(mark));
  const text = JSON.stringify({ ...mark, macEpoch: epoch, mac: Buffer.from(tag).toString("hex") });
  return Buffer.from(text.padEnd(cellBytes - 1).concat("\n"));
}

function readMark(bytes: Uint8Array, keyring: Keyring): Mark | undefined {
  try {
    const { deployment, epoch, revision, macEpoch, mac }: Record<string, unknown> = JSON.parse(Buffer.from(bytes).toString("utf8"));
    if (typeof deployment !== "string" || typeof epoch !== "number" || typeof revision !== "number") return undefined;
    if (typeof macEpoch !== "number" || typeof mac !== "string") return undefined;
    const mark = { deployment, epoch, revision };
    return keyring.verifyMac("high_water", partsOf(mark), { epoch: macEpoch, tag: Buffer.from(mac, "hex") }) ? mark : undefined;
  } catch {
    return undefined;
  }
}
