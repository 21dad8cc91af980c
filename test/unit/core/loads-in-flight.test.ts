/** What others see while a large policy is loaded: what was before or what is after, in every turn of the event loop, and never some of both. */

import { describe, expect, test } from "bun:test";
import { PosternError } from "../../../src/model/failures";
import { parseId } from "../../../src/model/ids";
import type { Store } from "../../../src/model/ports";
import type { Caller } from "../../../src/model/types";
import { createMemoryStore } from "../../../src/store/memory";
import { failureOfWork } from "../../support/failing";
import { createHouse, type House, nodeSecretsOnly, secret, textOf } from "../../support/house";
import { memoryKeyring, movableClock, removeFoldersAfterwards, storeOnDisk } from "../store/fixture";

removeFoldersAfterwards();

/** So many that planning, preparing, writing and folding all take several turns. */
const many = 4000;

/** Host `app` may read everything below `before/`, or below `after/`. Each variable has a value when the load is over. */
function policy(branch: "before" | "after"): string {
  const lines = [
    "- !host app",
    "- !variable always",
    `- !permit { role: !host app, privileges: [ read, execute ], resource: !variable always }`,
  ];
  lines.push(`- !policy`, `  id: ${branch}`, `  body:`, `    - &all`);
  for (let index = 0; index < many; index += 1) lines.push(`      - !variable v${index}`);
  lines.push(`    - !permit { role: !host /app, privileges: [ read, execute ], resource: *all }`);
  return `${lines.join("\n")}\n`;
}

async function memoryStore(): Promise<{ readonly store: Store; readonly keyring: Awaited<ReturnType<typeof memoryKeyring>> }> {
  const keyring = await memoryKeyring();
  return { keyring, store: createMemoryStore({ keyring, clock: movableClock() }) };
}

async function diskStore(): ReturnType<typeof memoryStore> {
  const disk = await storeOnDisk();
  return { keyring: disk.keyring, store: await disk.open() };
}

async function houseOver({ store, keyring }: Awaited<ReturnType<typeof memoryStore>>): Promise<House> {
  const whole = { ...store, commits: [], beforeNextCommit: () => undefined };
  return createHouse({ store: whole, keyring: { ...keyring, ...pick(nodeSecretsOnly()) } });
}

const pick = ({ nodeSecret, putNodeSecret }: ReturnType<typeof nodeSecretsOnly>) => ({ nodeSecret, putNodeSecret });

const watched = [0, 1, many / 2, many - 1];

/** What the host can do at one moment: all is asked in one turn, before anything else can happen. */
async function seen(made: House, app: Caller): Promise<string> {
  const reads = ["before", "after"].flatMap((branch) =>
    watched.map((index) =>
      made.broker.read(app, { id: parseId(`acme:variable:${branch}/v${index}`) }).then(
        ({ value }) => `${branch} ${textOf(value)}`,
        ({ failure }) => (failure.empty === true ? `${branch} empty` : failure.code),
      ),
    ),
  );
  const constant = made.broker.read(app, { id: parseId("acme:variable:always") }).then(({ value }) => textOf(value));
  return [...(await Promise.all(reads)), await constant].join(", ");
}

const old = [...watched.map((index) => `before value ${index}`), ...watched.map(() => "not_found"), "constant"].join(", ");
const next = [...watched.map(() => "not_found"), ...watched.map(() => "after empty"), "constant"].join(", ");

describe.each([
  ["in memory", memoryStore],
  ["on disk", diskStore],
])("a large load over a store %s", (_, open) => {
  test("shows the old rights with the old values, then the new ones, and nothing between", async () => {
    const parts = await open();
    const made = await houseOver(parts);
    await made.load(policy("before"));
    await made.broker.writeSecret(made.admin, parseId("acme:variable:always"), secret("constant"));
    for (const index of watched)
      await made.broker.writeSecret(made.admin, parseId(`acme:variable:before/v${index}`), secret(`value ${index}`));
    const app = await made.session("host:app");
    expect(await seen(made, app)).toBe(old);

    let isLoaded = false;
    const moments: string[] = [];
    const loading = made.load(policy("after"), "replace").finally(() => {
      isLoaded = true;
    });
    while (!isLoaded) {
      moments.push(await seen(made, app));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await loading;
    moments.push(await seen(made, app));
    const change = moments.indexOf(next);
    // The planner runs in this very thread here; what comes after it is what is watched.
    expect(change).toBeGreaterThan(5);
    expect(new Set(moments.slice(0, change))).toEqual(new Set([old]));
    expect(new Set(moments.slice(change))).toEqual(new Set([next]));
    await parts.store.close();
  }, 60_000);

  test("that cannot be stored leaves rights and values as they were", async () => {
    const parts = await open();
    const made = await houseOver({ ...parts, store: { ...parts.store, commit: refusing(parts.store) } });
    await made.load(policy("before"));
    await made.broker.writeSecret(made.admin, parseId("acme:variable:always"), secret("constant"));
    for (const index of watched)
      await made.broker.writeSecret(made.admin, parseId(`acme:variable:before/v${index}`), secret(`value ${index}`));
    const app = await made.session("host:app");
    expect((await failureOfWork(made.load(policy("after"), "replace"))).code).toBe("storage_full");
    expect(await seen(made, app)).toBe(old);
    expect(made.lastAudit()).toMatchObject({ operation: "secret.read" });
    expect(made.audit.find(({ operation, failure }) => operation === "policy.load" && failure === "storage_full")).toBeDefined();
    // The branch is free again, and the next load finds everything as it was.
    expect((await made.load("- !host another")).version).toBe(2);
    await parts.store.close();
  }, 60_000);
});

/** A store whose disk is full for what removes things. It fails after the commit was foretold, as a disk does. */
function refusing(store: Store): Store["commit"] {
  return (changes, options) =>
    store.commit(changes, {
      ...options,
      async foretold(commit) {
        await options.foretold?.(commit);
        if (changes.some(({ type }) => type === "remove_resource")) throw new PosternError({ code: "storage_full" });
      },
    });
}
