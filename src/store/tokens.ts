/**
 * Tokens in the database of the store. Writers share one transaction, and so one fsync; and all rows together carry a tag (`token-set.ts`), so that what was
 * changed behind Postern's back is thrown away instead of believed: whoever held a token then logs in again.
 */

import { PosternError } from "../model/failures";
import type { AccountName } from "../model/ids";
import type { Keyring, Logger, TokenRecord, TokenStep, TokenStore } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import type { Engine, Statement } from "./engine";
import { pause } from "./pause";
import {
  digestOfToken,
  isDamage,
  openToken,
  putSet,
  putToken,
  readMembers,
  readSet,
  readToken,
  readTokens,
  removeAllTokens,
  removeToken,
  sealToken,
} from "./token-rows";
import { createSetTag, type SetMember, type SetTag } from "./token-set";

export interface TokensDeps {
  readonly engine: Engine;
  readonly keyring: Keyring;
  readonly logger: Logger;
  /** How often a rollback of the store was accepted, plus one: tokens of another epoch were given out for other facts. */
  readonly storeEpoch: number;
  /** The last write that the mark beside the store knows of. */
  readonly markedSerial: number;
  /** Told after each durable write. */
  readonly written: (serial: number) => void;
  /** Told when all the space of what was removed has been given back. */
  readonly shrunk?: () => void;
}

export interface KeptTokens extends TokenStore {
  /** Removes what an account has. */
  forget(account: AccountName): Promise<void>;
  serial(): number;
  /** Waits for what is being written, and takes nothing more. */
  close(): Promise<void>;
}

interface Waiting {
  readonly steps: readonly TokenStep[];
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/** As many steps go into one transaction: some ten milliseconds of SQLite. */
const stepsPerWrite = 500;
const pagesPerTidying = 256;
/** Kept for the next ones: half a megabyte. */
const sparePages = 128;
const tidyingsPerCall = 32;

/** The rows of one digest. There are as many as there are tokens, and most have no more than their own record. */
interface Known {
  readonly account: string;
  /** Of the record without a name; below zero: there is none. */
  serial: number;
  named: Map<string, number> | undefined;
}

const noSerial = -1;

export async function openTokens(deps: TokensDeps): Promise<KeptTokens> {
  const { engine, keyring, logger, storeEpoch } = deps;
  const known = new Map<string, Known>();
  const queue: Waiting[] = [];
  let isFlushing = false;
  let isClosed = false;
  let hasRemoved = true;

  const found = await readSet(engine, keyring);
  const reason = distrust(found, deps);
  const isTrusted = found !== undefined && found !== "damaged" && reason === undefined;
  const keyEpoch = isTrusted ? found.keyEpoch : keyring.mac("token_set", []).epoch;
  let serial = Math.max(deps.markedSerial, isTrusted ? found.serial : 0);
  let tag: SetTag = createSetTag(keyring, keyEpoch);
  const first = (await readMembers(engine).next()).value;
  if (reason !== undefined && (found !== undefined || (first?.length ?? 0) > 0)) await dropAll(reason);
  else if (isTrusted) await check(found.tag);

  async function dropAll(because: string): Promise<void> {
    logger.error("tokens_dropped", { reason: because });
    serial += 1;
    tag = createSetTag(keyring, keyEpoch);
    known.clear();
    await engine.write([removeAllTokens, putSet(keyring, { serial, storeEpoch, keyEpoch, tag: tag.bytes() })]);
    deps.written(serial);
  }

  /** Every row counts, also those that have ended: they are removed by whoever swept them last time. */
  async function check(expected: Uint8Array): Promise<void> {
    for await (const page of readMembers(engine)) {
      for (const member of page) if (member.serial >= 0) tag.toggle(member);
      await pause();
    }
    if (!Buffer.from(tag.bytes()).equals(Buffer.from(expected))) await dropAll("token_set_tag");
  }

  function put(digest: string, account: string, name: string, at: number): void {
    const entry = known.get(digest) ?? { account, serial: noSerial, named: undefined };
    known.set(digest, entry);
    if (name === "") entry.serial = at;
    else {
      entry.named ??= new Map();
      entry.named.set(name, at);
    }
  }

  function drop(digest: string, name: string | undefined): void {
    const entry = known.get(digest);
    if (entry === undefined) return;
    if (name === "") entry.serial = noSerial;
    else if (name !== undefined) entry.named?.delete(name);
    const isEmpty = entry.serial === noSerial && (entry.named === undefined || entry.named.size === 0);
    if (name === undefined || isEmpty) known.delete(digest);
  }

  function serialOf(digest: string, name: string): number | undefined {
    const entry = known.get(digest);
    if (name !== "") return entry?.named?.get(name);
    return entry === undefined || entry.serial === noSerial ? undefined : entry.serial;
  }

  /** By name, as a copy. */
  function serialsOfKnown(digest: string): Map<string, number> {
    const serials = new Map(known.get(digest)?.named);
    const own = serialOf(digest, "");
    return own === undefined ? serials : serials.set("", own);
  }

  /** The rows of one write: what is said of a row later in it holds. */
  function planned(batch: readonly Waiting[], at: number): { readonly statements: Statement[]; readonly next: SetTag } {
    const next = tag.fork();
    const statements: Statement[] = [];
    const drafts = new Map<string, Map<string, number>>();
    const serialsOf = (digest: string): Map<string, number> => {
      const draft = drafts.get(digest) ?? serialsOfKnown(digest);
      drafts.set(digest, draft);
      return draft;
    };
    const takeOut = (digest: string, name: string, serials: Map<string, number>): void => {
      const before = serials.get(name);
      if (before !== undefined) next.toggle({ digest, name, serial: before });
      serials.delete(name);
    };
    for (const step of batch.flatMap(({ steps }) => steps)) {
      const { digest } = step;
      const serials = serialsOf(digest);
      if (step.step === "put") {
        const member: SetMember = { digest, name: step.name, serial: at };
        takeOut(digest, step.name, serials);
        next.toggle(member);
        serials.set(step.name, at);
        const sealed = sealToken(keyring, member, step.account, step.body);
        statements.push(putToken({ ...member, account: step.account, expiresAt: step.expiresAt, sealed }));
        continue;
      }
      for (const name of step.name === undefined ? [...serials.keys()] : [step.name]) {
        takeOut(digest, name, serials);
        statements.push(removeToken(digest, name));
      }
    }
    statements.push(putSet(keyring, { serial: at, storeEpoch, keyEpoch, tag: next.bytes() }));
    return { statements, next };
  }

  async function flush(): Promise<void> {
    if (isFlushing) return;
    isFlushing = true;
    try {
      while (queue.length > 0) {
        // Whoever writes in the same turn shares the transaction: one that begins at once would be the first one's alone, and each costs a disk's write.
        await pause();
        const batch = takeBatch(queue);
        try {
          const at = serial + 1;
          const { statements, next } = planned(batch, at);
          await engine.write(statements);
          serial = at;
          tag = next;
          for (const step of batch.flatMap(({ steps }) => steps)) {
            if (step.step === "put") put(step.digest, step.account, step.name, at);
            else {
              drop(step.digest, step.name);
              hasRemoved = true;
            }
          }
          deps.written(at);
          for (const { done } of batch) done();
        } catch (error) {
          for (const { failed } of batch) failed(error);
        }
      }
    } finally {
      isFlushing = false;
    }
  }

  function write(steps: readonly TokenStep[]): Promise<void> {
    if (steps.length === 0) return Promise.resolve();
    if (isClosed) return Promise.reject(new PosternError({ code: "sealed", reason: "closing" }));
    return new Promise((resolve, reject) => {
      queue.push({ steps, done: resolve, failed: reject });
      void flush();
    });
  }

  return {
    digest: (token: SecretBytes) => digestOfToken(keyring, token, keyEpoch),

    async *load(now) {
      const gone: TokenStep[] = [];
      const ended: TokenStep[] = [];
      for await (const page of readTokens(engine)) {
        const records: TokenRecord[] = [];
        for (const row of page) {
          put(row.digest, row.account, row.name, row.serial);
          if (row.expiresAt !== 0 && row.expiresAt <= now) {
            // With a token goes what belongs to it, however long that was to be kept.
            ended.push(row.name === "" ? { step: "remove", digest: row.digest } : { step: "remove", digest: row.digest, name: row.name });
            continue;
          }
          // What belongs to a token is opened when somebody wants it.
          if (row.name !== "") continue;
          try {
            const { account, body } = openToken(keyring, row);
            records.push({ account, digest: row.digest, name: row.name, expiresAt: row.expiresAt, body });
          } catch (error) {
            if (!isDamage(error)) throw error;
            gone.push({ step: "remove", digest: row.digest });
          }
        }
        yield records;
        await pause();
      }
      if (gone.length > 0) logger.error("token_rows_damaged", { rows: gone.length });
      const orphans = [...known].flatMap(([digest, { serial }]): TokenStep[] => (serial === noSerial ? [{ step: "remove", digest }] : []));
      for (const steps of inSlices([...gone, ...ended, ...orphans])) await write(steps);
    },

    write,

    async belonging(digest, name) {
      const expected = serialOf(digest, name);
      if (expected === undefined) return undefined;
      const row = await readToken(engine, digest, name);
      // Written or removed while it was looked up: what is there now is another one's.
      if (row === undefined || row.serial !== expected) {
        if (serialOf(digest, name) !== expected) return undefined;
        throw new PosternError({ code: "integrity", what: `what belongs to a token: ${name}`, because: "sealed_row_missing" });
      }
      return openToken(keyring, row).body;
    },

    async tidy() {
      if (!hasRemoved || engine.isBroken()) return;
      for (let times = 0; times < tidyingsPerCall; times += 1) {
        if (isClosed || isFlushing) return;
        const left = await engine.giveBack(pagesPerTidying, sparePages);
        deps.written(serial);
        if (left === 0) {
          hasRemoved = false;
          deps.shrunk?.();
          return;
        }
        await pause();
      }
    },

    async forget(account) {
      const digests = [...known].flatMap(([digest, entry]) => (entry.account === account ? [digest] : []));
      for (const steps of inSlices(digests.map((digest): TokenStep => ({ step: "remove", digest })))) await write(steps);
    },

    serial: () => serial,

    async close() {
      isClosed = true;
      while (isFlushing) await pause();
    },
  };
}

/** Why what is there must not be believed; undefined when nothing speaks against it, or nothing is there. */
function distrust(found: Awaited<ReturnType<typeof readSet>>, { markedSerial, storeEpoch }: TokensDeps): string | undefined {
  if (found === "damaged") return "token_set_mac";
  if (found === undefined) return "token_set_missing";
  if (found.storeEpoch !== storeEpoch) return "rollback_accepted";
  return found.serial < markedSerial ? "tokens_rolled_back" : undefined;
}

function takeBatch(queue: Waiting[]): readonly Waiting[] {
  let steps = 0;
  let count = 0;
  while (count < queue.length && (count === 0 || steps < stepsPerWrite)) {
    steps += queue[count]?.steps.length ?? 0;
    count += 1;
  }
  return queue.splice(0, count);
}

function* inSlices(steps: readonly TokenStep[]): Generator<readonly TokenStep[]> {
  for (let at = 0; at < steps.length; at += stepsPerWrite) yield steps.slice(at, at + stepsPerWrite);
}
