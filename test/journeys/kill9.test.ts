/** What a store owes to whom it answered: everything it acknowledged, whole, however its process ends. */

import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type KeyringControl, openKeyring } from "../../src/keyring/keyring";
import { failureOf } from "../../src/model/failures";
import { parseId } from "../../src/model/ids";
import type { Commit } from "../../src/model/types";
import { createPrivateFiles } from "../../src/runtime/files";
import { openStore, type StoreControl } from "../../src/store/store";
import { failureFrom } from "../contract/authenticator";
import { createTestClock, seededRandom } from "../support/house";

const rounds = 34;
const longestLifeMs = 320;
const longestStartMs = 140;
const factsPerLoad = 60;
const keysPerLoad = 600;
const folder = mkdtempSync(join(tmpdir(), "postern-kill-"));
const databaseIn = (each: string): string => join(each, "data", "postern.db");
const writer = join(import.meta.dir, "../support/store-writer.ts");

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Everything any writer said, by the names and versions it wrote. */
interface Acknowledged {
  readonly values: Map<string, string>;
  readonly facts: number[];
  /** The digest that the newest load of keys gave all of them. */
  keys: string;
  scope: number;
  root: number;
  opened: number;
}

const acknowledged: Acknowledged = { values: new Map(), facts: [], keys: "", scope: 0, root: 0, opened: 0 };

function note(line: string): void {
  const [what, first = "", second = "", third = ""] = line.split(" ");
  if (what === "opened") acknowledged.opened += 1;
  if (what === "secret") acknowledged.values.set(`${first} ${second}`, third);
  if (what === "facts") acknowledged.facts.push(Number(first));
  if (what === "keys") acknowledged.keys = first;
  if (what === "scope") acknowledged.scope = Math.max(acknowledged.scope, Number(first));
  if (what === "root") acknowledged.root = Math.max(acknowledged.root, Number(first));
}

interface Life {
  readonly lengthMs: number;
  /** Whether it is counted from the opening of the store, or from the start of the process, which may end before that. */
  readonly fromOpening: boolean;
}

/** Lets a writer live for a while and kills it without a warning. */
async function writeAndKill(round: number, life: Life, into = folder): Promise<void> {
  const child = Bun.spawn([process.execPath, writer, into, String(round)], { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
  const reader = child.stdout.getReader();
  const chunks: Uint8Array[] = [];
  const kill = (): void => child.kill("SIGKILL");
  if (!life.fromOpening) setTimeout(kill, life.lengthMs);
  async function readAll(): Promise<void> {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      if (chunks.length === 0 && life.fromOpening) setTimeout(kill, life.lengthMs);
      chunks.push(next.value);
    }
  }
  await readAll();
  await child.exited;
  expect(await new Response(child.stderr).text()).toBe("");
  expect(child.signalCode).toBe("SIGKILL");
  // The last line may have been cut off in the pipe: it counts only with its end.
  const lines = Buffer.concat(chunks).toString("utf8").split("\n").slice(0, -1);
  if (into === folder) for (const line of lines) note(line);
}

async function reopen(from = folder): Promise<{ readonly store: StoreControl; readonly keyring: KeyringControl }> {
  const files = createPrivateFiles();
  const path = databaseIn(from);
  const clock = createTestClock();
  const keyring = await openKeyring({
    clock,
    random: seededRandom(acknowledged.opened),
    files,
    path: join(from, "keys", "keyring.json"),
    nodePath: join(from, "keys", "node.json"),
    providers: [`file:${join(from, "seal.key")}`],
    dataExists: existsSync(path),
  });
  const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  return { keyring, store: await openStore({ path, keyring, clock, files, logger: silent }) };
}

async function verifyAll(): Promise<void> {
  const { store, keyring } = await reopen();
  try {
    const { commits, damaged, revision } = await store.load();
    expect(damaged).toEqual([]);
    expect(revision).toBe(commits.at(-1)?.revision ?? 0);
    const lost = [...acknowledged.values].filter(([key, value]) => storedValue(store, key) !== value);
    expect(lost).toEqual([]);
    // No load is there in half, acknowledged or not.
    const loads = new Map<string, number>();
    for (const { changes } of commits) {
      for (const change of changes) {
        if (change.type !== "put_resource") continue;
        const load = change.resource.id.split("/")[0] ?? "";
        loads.set(load, (loads.get(load) ?? 0) + 1);
      }
    }
    expect([...new Set(loads.values())]).toEqual(loads.size === 0 ? [] : [factsPerLoad]);
    expect(loads.size).toBeGreaterThanOrEqual(acknowledged.facts.length);
    await verifyKeys(store, commits);
    expect(revision).toBeGreaterThanOrEqual(Math.max(0, ...acknowledged.facts));
    const { accounts, rows, unexpected } = await store.verify();
    expect({ accounts, rows, unexpected }).toEqual({ accounts: [], rows: [], unexpected: 0 });
    expect(keyring.status().epoch ?? 0).toBeGreaterThanOrEqual(acknowledged.root);
    expect(keyring.status().scopes[0]?.generation ?? 0).toBeGreaterThanOrEqual(acknowledged.scope);
  } finally {
    await store.close();
  }
}

/** The newest load of keys that is there is there whole, and no older than the newest acknowledged one. */
async function verifyKeys(store: StoreControl, commits: readonly Commit[]): Promise<void> {
  const loads = commits.flatMap(({ changes }) => changes.flatMap((each) => (each.type === "put_credential" ? [each.credential] : [])));
  const newest = new Map(loads.map(({ role, apiKeyDigest }) => [role, apiKeyDigest ?? ""]));
  const digests = [...new Set(newest.values())];
  expect(digests).toHaveLength(newest.size === 0 ? 0 : 1);
  expect([0, keysPerLoad]).toContain(newest.size);
  if (acknowledged.keys === "") return;
  const order = (digest: string): number => digest.split("-").reduce((sum, part) => sum * 10_000 + Number(part), 0);
  expect(order(digests[0] ?? "")).toBeGreaterThanOrEqual(order(acknowledged.keys));
  for (const [id, digest] of newest) expect(Buffer.from((await store.record("api_key", id))?.reveal() ?? []).toString("utf8")).toBe(digest);
}

/** Killed before there were keys, there is nothing yet; the next start makes them. */
async function afterAbortedInit(fresh: string, error: unknown): ReturnType<typeof reopen> {
  expect(failureOf(error)).toMatchObject({ code: "sealed", reason: "uninitialised" });
  expect(existsSync(databaseIn(fresh))).toBe(false);
  await writeAndKill(0, { fromOpening: true, lengthMs: 5 }, fresh);
  return reopen(fresh);
}

function storedValue(store: StoreControl, key: string): string | undefined {
  const [name = "", version] = key.split(" ");
  const value = store.secretValue(parseId(`acme:variable:${name}`), Number(version));
  return value === undefined ? undefined : Buffer.from(value.reveal()).toString("utf8");
}

describe("a store whose process is killed", () => {
  test("has every acknowledged write, whole and with its value, after each of many kills", async () => {
    const dice = seededRandom(9);
    for (let round = 0; round < rounds; round += 1) {
      const [high = 0, low = 0] = dice.bytes(2);
      const share = (high * 256 + low) / 65_536;
      // Every fourth one dies while it starts: in the recovery from the death before.
      const fromOpening = round % 4 !== 3;
      await writeAndKill(round, { fromOpening, lengthMs: fromOpening ? share * longestLifeMs : 40 + share * longestStartMs });
      // Every third time also by a reader in this process; the writers themselves recover from all the others.
      if (round % 3 === 2) await verifyAll();
    }
    await verifyAll();
    expect(acknowledged.opened).toBeGreaterThanOrEqual(rounds * 0.7);
    expect(acknowledged.values.size).toBeGreaterThan(rounds);
    expect(acknowledged.scope).toBeGreaterThan(1);
    expect(acknowledged.root).toBeGreaterThan(1);
    expect(acknowledged.keys).not.toBe("");
  }, 60_000);

  test("is made anew or goes on when it was killed while it was made", async () => {
    for (let round = 0; round < 10; round += 1) {
      const fresh = join(folder, `fresh-${round}`);
      mkdirSync(fresh, { mode: 0o700 });
      await writeAndKill(round, { fromOpening: false, lengthMs: 35 + round * 7 }, fresh);
      const { store, keyring } = await reopen(fresh).catch((error: unknown) => afterAbortedInit(fresh, error));
      expect((await store.load()).damaged).toEqual([]);
      expect(keyring.state().state).toBe("unsealed");
      await store.close();
    }
  }, 20_000);

  test("is refused to a second opener while it lives, and free as soon as it is dead", async () => {
    const child = Bun.spawn([process.execPath, writer, folder, "second"], { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
    const reader = child.stdout.getReader();
    await reader.read();
    expect(await failureFrom(reopen)).toMatchObject({ code: "conflict", because: "store_in_use" });
    child.kill("SIGKILL");
    await child.exited;
    const { store } = await reopen();
    expect((await store.load()).damaged).toEqual([]);
    await store.close();
  });

  test("leaves nothing open to others and nothing in the clear", () => {
    const names = readdirSync(join(folder, "data"));
    expect(names.filter((name) => (statSync(join(folder, "data", name)).mode & 0o077) !== 0)).toEqual([]);
    const value = [...acknowledged.values.values()].find((each) => each.length > 500) ?? "";
    expect(value).not.toBe("");
    for (const name of names) expect(readFileSync(join(folder, "data", name)).includes(value)).toBe(false);
  });
});
