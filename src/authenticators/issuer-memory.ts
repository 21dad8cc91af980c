/**
 * What issuers last said, kept on the disk for a start without the line: documents as they came, to be judged again like fresh ones.
 *
 * Whoever could write a key into the file could make tokens, so it carries a MAC by the keyring; while that is sealed, or when the MAC does not hold, nothing
 * is known. An old file put back is old: it counts from when its documents came.
 */

import * as v from "valibot";
import { failureOf } from "../model/failures";
import type { Keyring, Logger, PrivateFiles } from "../model/ports";
import type { Instant } from "../model/types";

export interface KeptIssuer {
  readonly fetchedAt: Instant;
  /** By URL. */
  readonly documents: Readonly<Record<string, unknown>>;
}

export interface IssuerMemory {
  load(name: string): KeptIssuer | undefined;
  save(name: string, kept: KeptIssuer): void;
}

export interface IssuerMemoryDeps {
  readonly keyring: Pick<Keyring, "mac" | "verifyMac">;
  readonly files: PrivateFiles;
  readonly logger: Logger;
  /** `/var/lib/postern/issuers.json`. */
  readonly path: string;
}

const Issuers = v.record(v.string(), v.strictObject({ fetchedAt: v.number(), documents: v.record(v.string(), v.unknown()) }));
const File = v.strictObject({ issuers: v.string(), epoch: v.number(), mac: v.string() });

const maxFileBytes = 16 * 2 ** 20;
const maxKept = 64;
const purpose = "issuers";

export function createIssuerMemory({ keyring, files, logger, path }: IssuerMemoryDeps): IssuerMemory {
  let known: Map<string, KeptIssuer> | undefined;

  function read(): Map<string, KeptIssuer> {
    const bytes = files.read(path, { maxBytes: maxFileBytes });
    if (bytes === undefined) return new Map();
    const { issuers, epoch, mac } = v.parse(File, JSON.parse(Buffer.from(bytes).toString("utf8")));
    if (!keyring.verifyMac(purpose, [Buffer.from(issuers)], { epoch, tag: Buffer.from(mac, "base64") })) {
      logger.error("issuers_not_believed", { path });
      return new Map();
    }
    return new Map(Object.entries(v.parse(Issuers, JSON.parse(issuers))));
  }

  /** Read when first needed: by then the keyring may be unsealed. */
  function all(): Map<string, KeptIssuer> {
    known ??= read();
    return known;
  }

  function attempt<Result>(work: () => Result): Result | undefined {
    try {
      return work();
    } catch (error) {
      // Only what a start without the line could use is lost.
      logger.warn("issuers_not_kept", { reason: failureOf(error).code });
      return undefined;
    }
  }

  return {
    load: (name) => attempt(() => all().get(name)),
    save(name, kept) {
      attempt(() => {
        const issuers = all();
        const oldest = issuers.keys().next();
        if (issuers.size >= maxKept && !issuers.has(name) && oldest.done !== true) issuers.delete(oldest.value);
        issuers.set(name, kept);
        const text = JSON.stringify(Object.fromEntries(issuers));
        const { epoch, tag } = keyring.mac(purpose, [Buffer.from(text)]);
        files.replace(path, Buffer.from(JSON.stringify({ issuers: text, epoch, mac: Buffer.from(tag).toString("base64") })));
      });
    },
  };
}
