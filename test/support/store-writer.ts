/**
 * A process that writes to a store without pause and tells what was acknowledged, to be killed at any moment: `bun store-writer.ts <folder> <round>`.
 *
 * Prints one line per acknowledged step, at once: `opened`, `secret <name> <version> <value>`, `facts <revision> <count>`, `keys <digest> <count>`,
 * `scope <generation>`, `root <epoch>`.
 * A line is printed after the promise resolved, and by a synchronous write: what is printed was acknowledged.
 */

import { existsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openKeyring } from "../../src/keyring/keyring";
import { parseAccount, parseId, parseRoleId } from "../../src/model/ids";
import { SecretBytes } from "../../src/model/secret-bytes";
import type { Change } from "../../src/model/types";
import { createClock } from "../../src/runtime/clock";
import { createPrivateFiles } from "../../src/runtime/files";
import { createRandom } from "../../src/runtime/random";
import { openStore } from "../../src/store/store";

const [folder = "", round = "0"] = process.argv.slice(2);
const account = parseAccount("acme");
const owner = parseRoleId("acme:user:admin");
const files = createPrivateFiles();
const clock = createClock();
const random = createRandom();
const path = join(folder, "data", "postern.db");
const seal = `file:${join(folder, "seal.key")}`;
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

const keyring = await openKeyring({
  clock,
  random,
  files,
  path: join(folder, "keys", "keyring.json"),
  nodePath: join(folder, "keys", "node.json"),
  providers: [seal],
  dataExists: existsSync(path),
});
if (keyring.state().state === "uninitialised") await keyring.init([seal]);
await keyring.ensureAccount(account);
const store = await openStore({ path, keyring, clock, files, logger: silent });
const loaded = await store.load();
if (loaded.damaged.length > 0) throw new Error("the store is damaged");
say("opened");

/** So many facts that a commit of half of them would show. */
const factsPerLoad = 60;

function factsOf(step: number): readonly Change[] {
  return Array.from({ length: factsPerLoad }, (_, index): Change => {
    const id = parseId(`acme:variable:load-${round}-${step}/${index}`);
    return { type: "put_resource", resource: { id, owner, createdAt: clock.now() } };
  });
}

/** So many that they are written in several slices of one transaction; the same names in each round, and another digest. */
const keysPerLoad = 600;

function keysOf(step: number): readonly Change[] {
  const apiKeyDigest = `${round}-${step}`;
  return Array.from({ length: keysPerLoad }, (_, index): Change => {
    const credential = { role: parseRoleId(`acme:host:many/${index}`), apiKeyDigest, rotatedAt: clock.now() };
    return { type: "put_credential", credential, apiKey: SecretBytes.ofText(apiKeyDigest) };
  });
}

if (!loaded.commits.some(({ changes }) => changes.some(({ type }) => type === "put_account"))) {
  await store.commit([{ type: "put_account", account: { name: account, createdAt: clock.now() } }], {
    account,
    expected: 0,
    now: clock.now(),
  });
}
// Ended from outside, and never by itself.
for (let step = 1; ; step += 1) {
  const name = `r${round}/${step % 7}`;
  const value = `${round}-${step}-${"x".repeat((step * 37) % 3000)}`;
  const put: Change = {
    type: "put_secret_version",
    resource: parseId(`acme:variable:${name}`),
    version: step,
    createdAt: clock.now(),
    value: SecretBytes.ofText(value),
  };
  await store.commit([put], { account, expected: store.position().revision, now: clock.now() });
  say(`secret ${name} ${step} ${value}`);
  if (step % 3 === 0) {
    const { revision } = await store.commit(factsOf(step), { account, expected: store.position().revision, now: clock.now() });
    say(`facts ${revision} ${factsPerLoad}`);
  }
  if (step % 20 === 2) {
    await store.commit(keysOf(step), { account, expected: store.position().revision, now: clock.now() });
    say(`keys ${round}-${step} ${keysPerLoad}`);
  }
  if (step % 5 === 0) {
    const { generation } = await keyring.rotateScope(account);
    say(`scope ${generation}`);
    // Not waited for: commits go on beside it.
    void store.rewrapAll().then(async () => {
      for (const [scopeKey, inUse] of await store.generationsInUse()) await keyring.retireGenerations(scopeKey, inUse);
    });
  }
  if (step % 8 === 0) say(`root ${(await keyring.rotateRoot()).epoch}`);
  if (step % 11 === 0) await store.compact();
  if (step % 13 === 0) await store.checkpoint();
}
