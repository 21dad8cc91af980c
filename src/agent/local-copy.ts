/**
 * What the apps of this machine may read, on its disk for a start without the line: one file for each app, sealed by the keyring and bound to the app, its
 * role, the primary and the machine, so that none opens in place of another, or on the clone of a disk.
 *
 * The file says how old each value was when it was written, and the time then. At a start the time since is added. A clock that is behind that time has been
 * set back, or was wrong before: then nobody knows how old anything is, and nothing is served until the primary was asked. An older file put back is only
 * older. What this cannot see is a clock that is set back while the machine is off, to after the last writing; files are written every minute.
 */

import { join } from "node:path";
import * as v from "valibot";
import { type AccountName, parseId } from "../model/ids";
import type { Clock, Keyring, Logger, PrivateFiles, SealContext } from "../model/ports";
import { SecretBytes } from "../model/secret-bytes";
import type { CacheState } from "./secret-cache";

export type { CacheState } from "./secret-cache";

export interface LocalCopy {
  load(): CacheState | undefined;
  save(state: CacheState): void;
  /** Makes the file one that nothing is loaded from, in the space that it has: for when it cannot be written anew. */
  discard(): void;
}

export interface LocalCopyOptions {
  readonly files: PrivateFiles;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly folder: string;
  readonly account: AccountName;
  readonly app: string;
  /** `host/apps/billing` at `https://postern.example`, on the machine of that name, which is empty where nothing names it. */
  readonly boundTo: { readonly login: string; readonly primary: string; readonly machine: string };
}

const Base64 = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]*={0,2}$/u));
const File = v.strictObject({
  format: v.literal("postern-copy/1"),
  scopeKey: v.string(),
  generation: v.number(),
  wrap: Base64,
  body: Base64,
});
const Age = v.pipe(v.number(), v.minValue(0));
const Mount = v.strictObject({ path: v.string(), type: v.picklist(["kv-v1", "kv-v2", "conjur"]) });
const Origin = v.strictObject({ mount: Mount, version: v.exactOptional(v.number()), createdAt: v.exactOptional(v.number()) });
const Content = v.strictObject({
  writtenAt: v.number(),
  isRefused: v.boolean(),
  kept: v.array(
    v.strictObject({
      id: v.string(),
      version: v.optional(v.number()),
      value: Base64,
      mimeType: v.optional(v.string()),
      origin: v.optional(Origin),
      ageMs: Age,
    }),
  ),
});

const maxFileBytes = 64 * 2 ** 20;
/** Time servers move a clock by less. */
const toleranceMs = 60_000;

export function createLocalCopy(options: LocalCopyOptions): LocalCopy {
  const { files, keyring, clock, logger, folder, account, app, boundTo } = options;
  const path = join(folder, `${app}.copy`);
  const id = JSON.stringify([app, boundTo.login, boundTo.primary, boundTo.machine]);
  const context: SealContext = { purpose: "agent_copy", account, kind: "copy", id, version: 1, revision: 1 };

  function open(bytes: Uint8Array): v.InferOutput<typeof Content> {
    const { scopeKey, generation, wrap, body } = v.parse(File, JSON.parse(Buffer.from(bytes).toString("utf8")));
    const sealed = { scopeKey, generation, wrap: Buffer.from(wrap, "base64"), body: Buffer.from(body, "base64") };
    const plain = keyring.open(sealed, context);
    try {
      return v.parse(Content, JSON.parse(Buffer.from(plain).toString("utf8")));
    } finally {
      plain.fill(0);
    }
  }

  return {
    load() {
      try {
        const bytes = files.read(path, { maxBytes: maxFileBytes });
        if (bytes === undefined) return undefined;
        const content = open(bytes);
        const sinceMs = clock.now() - content.writtenAt;
        if (sinceMs < -toleranceMs) logger.warn("copy_from_the_future", { app, behindSeconds: Math.round(-sinceMs / 1000) });
        const addMs = sinceMs < -toleranceMs ? Number.POSITIVE_INFINITY : Math.max(sinceMs, 0);
        return {
          isRefused: content.isRefused,
          kept: content.kept.map(({ id: name, version, value, mimeType, origin, ageMs }) => ({
            id: parseId(name),
            value: new SecretBytes(Buffer.from(value, "base64")),
            ageMs: ageMs + addMs,
            ...(version === undefined ? {} : { version }),
            ...(mimeType === undefined ? {} : { mimeType }),
            ...(origin === undefined ? {} : { origin }),
          })),
        };
      } catch (error) {
        // Damaged, of another machine's keys, or of another app: it is nobody's copy, and the next one replaces it.
        logger.error("copy_not_opened", { app, reason: error instanceof Error ? error.name : "unknown" });
        return undefined;
      }
    },
    save(state) {
      const kept = state.kept
        // What has no age any more is worth nothing at the next start either.
        .filter(({ ageMs }) => Number.isFinite(ageMs))
        .map(({ value, ...each }) => ({ ...each, value: Buffer.from(value.reveal()).toString("base64") }));
      const plain = Buffer.from(JSON.stringify({ writtenAt: clock.now(), isRefused: state.isRefused, kept }));
      const { scopeKey, generation, wrap, body } = keyring.seal(plain, context);
      plain.fill(0);
      const printed = { wrap: Buffer.from(wrap).toString("base64"), body: Buffer.from(body).toString("base64") };
      files.replace(path, Buffer.from(JSON.stringify({ format: "postern-copy/1", scopeKey, generation, ...printed })));
    },
    discard() {
      const sizeBytes = files.size(path) ?? 0;
      if (sizeBytes === 0) return;
      const cell = files.openCell(path);
      try {
        cell.write(new Uint8Array(sizeBytes));
        cell.sync();
      } finally {
        cell.close();
      }
    },
  };
}
