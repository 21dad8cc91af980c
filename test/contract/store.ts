/** What every store must do, whatever it keeps things in. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { parseAccount } from "../../src/model/ids";
import type { Store } from "../../src/model/ports";
import { SecretBytes } from "../../src/model/secret-bytes";
import type { Change, Commit } from "../../src/model/types";
import {
  acme,
  globex,
  now,
  putAccount,
  putCredential,
  putPolicy,
  putValue,
  putVariable,
  role,
  textOf,
  variable,
} from "../unit/store/fixture";
import { failureFrom } from "./authenticator";

export function storeContract(name: string, open: () => Promise<Store>): void {
  describe(`${name} as a store`, () => {
    let store: Store;
    const commit = (changes: readonly Change[], expected = store.position().revision): Promise<Commit> =>
      store.commit(changes, { account: acme, expected, now });

    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());

    test("is empty at revision 0", async () => {
      expect(await store.load()).toEqual({ revision: 0, commits: [], damaged: [] });
    });

    test("gives each commit the next revision, across accounts", async () => {
      const first = await commit([putAccount()]);
      const second = await store.commit([putAccount(globex)], { account: globex, expected: 0, now: now + 1 });
      expect([first.revision, second.revision]).toEqual([1, 2]);
      expect(store.position()).toEqual({ revision: 2, syncedAt: now + 1 });
      expect(await store.load()).toEqual({ revision: 2, commits: [first, second], damaged: [] });
    });

    test("fills in revisions and leaves values out of what it returns and keeps", async () => {
      const returned = await commit([
        putVariable("db"),
        putValue("db", 1, "s3cret"),
        putCredential("host:app", "key-1"),
        putPolicy(1, "- !host app"),
      ]);
      const [, version, credential, policy] = returned.changes;
      expect<unknown>(version).toEqual({ type: "put_secret_version", resource: variable("db"), version: 1, createdAt: now, revision: 1 });
      expect<unknown>(credential).toEqual({ ...putCredential("host:app"), apiKeyRevision: 1 });
      expect<unknown>(policy).toEqual({ ...putPolicy(1), textRevision: 1 });
      expect(JSON.stringify(await store.load())).not.toContain("value");
    });

    test("opens values, API keys and policy texts, and knows nothing of others", async () => {
      await commit([putValue("db", 1, "one"), putCredential("host:app", "key-1"), putPolicy(1, "- !host app")]);
      await commit([putValue("db", 2, "zwei ü \u0000 end")]);
      expect(textOf(store.secretValue(variable("db"), 1))).toBe("one");
      expect(textOf(store.secretValue(variable("db"), 2))).toBe("zwei ü \u0000 end");
      expect(store.secretValue(variable("db"), 3)).toBeUndefined();
      expect(store.secretValue(variable("other"), 1)).toBeUndefined();
      expect(textOf(await store.record("api_key", role("host:app")))).toBe("key-1");
      expect(textOf(await store.record("policy_text", `${role("policy:root")}@1`))).toBe("- !host app");
      expect(await store.record("policy_text", `${role("policy:root")}@2`)).toBeUndefined();
      expect(await store.record("api_key", role("host:other"))).toBeUndefined();
    });

    test("keeps an empty value and one of every byte", async () => {
      const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index);
      const change: Change = {
        type: "put_secret_version",
        resource: variable("bin"),
        version: 2,
        createdAt: now,
        value: new SecretBytes(bytes),
      };
      await commit([putValue("bin", 1, ""), change]);
      expect(store.secretValue(variable("bin"), 1)?.byteLength).toBe(0);
      expect(Buffer.compare(store.secretValue(variable("bin"), 2)?.reveal() ?? Buffer.alloc(0), bytes)).toBe(0);
    });

    test("tells a binary name from its neighbours", async () => {
      const names = ["a", "a/b", "a:b", "a|b", "a@1", "ä", "a'b", "a?b"];
      await commit(names.map((each) => putValue(each, 1, `value of ${each}`)));
      for (const each of names) expect(textOf(store.secretValue(variable(each), 1))).toBe(`value of ${each}`);
    });

    test("tells a commit before it counts, and stores nothing when whoever is told fails", async () => {
      const told: Commit[] = [];
      const changes = [putVariable("db"), putValue("db", 1, "one")];
      const returned = await store.commit(changes, {
        account: acme,
        expected: 0,
        now,
        async foretold(commit) {
          expect(store.position().revision).toBe(0);
          expect(store.secretValue(variable("db"), 1)).toBeUndefined();
          told.push(commit);
        },
      });
      expect(told).toEqual([returned]);
      const failing = store.commit([putValue("db", 2, "two")], {
        account: acme,
        expected: 1,
        now,
        foretold: () => Promise.reject(new Error("not this one")),
      });
      await expect(failing).rejects.toThrow("not this one");
      expect(store.position().revision).toBe(1);
      expect(store.secretValue(variable("db"), 2)).toBeUndefined();
      expect((await commit([putValue("db", 2, "zwei")])).revision).toBe(2);
      expect(await store.load()).toMatchObject({ commits: [{ revision: 1 }, { revision: 2 }] });
    });

    test("keeps a commit of thousands of changes as one, with everything else let through while it is made", async () => {
      const count = 5000;
      const changes = Array.from({ length: count }, (_, n) =>
        n % 5 === 0 ? putCredential(`host:h${n}`, `key ${n}`) : putVariable(`v${n}`),
      );
      let turns = 0;
      let isStored = false;
      const storing = commit(changes).finally(() => {
        isStored = true;
      });
      while (!isStored) {
        expect(store.position().revision).toBe(0);
        await new Promise((resolve) => setImmediate(resolve));
        turns += 1;
      }
      const stored = await storing;
      expect(turns).toBeGreaterThanOrEqual(4);
      expect(await store.load()).toEqual({ revision: 1, commits: [stored], damaged: [] });
      expect(textOf(await store.record("api_key", role("host:h4995")))).toBe("key 4995");
    });

    test("refuses a commit that was planned before facts changed, and stores nothing of it", async () => {
      await commit([putAccount()]);
      await commit([putVariable("db")]);
      expect(await failureFrom(() => commit([putValue("db", 1, "late")], 1))).toMatchObject({ code: "conflict" });
      expect(await failureFrom(() => commit([putVariable("late")], 1))).toMatchObject({ code: "conflict" });
      expect(store.position().revision).toBe(2);
      expect(store.secretValue(variable("db"), 1)).toBeUndefined();
    });

    test("accepts a commit planned before new secret versions, and before facts of another account", async () => {
      await commit([putAccount()]);
      await commit([putValue("db", 1, "one")]);
      await store.commit([putAccount(globex)], { account: globex, expected: 0, now });
      expect((await commit([putVariable("db")], 1)).revision).toBe(4);
    });

    test("lets exactly one of many commits planned at the same time win", async () => {
      await commit([putAccount()]);
      const outcomes = await Promise.allSettled(Array.from({ length: 10 }, (_, index) => commit([putVariable(`v${index}`)], 1)));
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      expect(store.position().revision).toBe(2);
    });

    test("refuses a change of another account than the commit's", async () => {
      for (const stray of [putVariable("x", globex), putValue("x", 1, "v", globex), putAccount(globex)]) {
        expect(await failureFrom(() => commit([putAccount(), stray]))).toMatchObject({ code: "internal" });
      }
      expect(store.position().revision).toBe(0);
    });

    test("refuses a secret version without a value", async () => {
      const change: Change = { type: "put_secret_version", resource: variable("db"), version: 1, createdAt: now };
      expect(await failureFrom(() => commit([change]))).toMatchObject({ code: "malformed", where: "value" });
    });

    test("refuses to seal for an account without keys", async () => {
      const failure = await failureFrom(() => store.commit([putValue("db", 1, "v", stranger)], { account: stranger, expected: 0, now }));
      expect(failure).toMatchObject({ code: "sealed", reason: "scope_key_missing" });
    });

    test("keeps the sealed API key when only the password changes", async () => {
      await commit([putCredential("user:eve", "key-1")]);
      const { changes } = await commit([putCredential("user:eve")]);
      expect(changes[0]).toMatchObject({ apiKeyRevision: 1 });
      expect(textOf(await store.record("api_key", role("user:eve")))).toBe("key-1");
      await commit([putCredential("user:eve", "key-2")]);
      expect(textOf(await store.record("api_key", role("user:eve")))).toBe("key-2");
    });

    test("forgets what is removed: one version, a credential, a policy text, a resource with all that hangs on it", async () => {
      await commit([
        putValue("db", 1, "one"),
        putValue("db", 2, "two"),
        putCredential("host:app", "key"),
        putPolicy(1, "one"),
        putPolicy(2, "two"),
      ]);
      await commit([
        { type: "remove_secret_version", resource: variable("db"), version: 1 },
        { type: "remove_policy_version", policy: role("policy:root"), version: 1 },
        { type: "remove_credential", role: role("host:app") },
      ]);
      expect(store.secretValue(variable("db"), 1)).toBeUndefined();
      expect(textOf(store.secretValue(variable("db"), 2))).toBe("two");
      expect(await store.record("policy_text", `${role("policy:root")}@1`)).toBeUndefined();
      expect(await store.record("api_key", role("host:app"))).toBeUndefined();
      await commit([
        { type: "remove_resource", id: variable("db") },
        { type: "remove_resource", id: role("policy:root") },
      ]);
      expect(store.secretValue(variable("db"), 2)).toBeUndefined();
      expect(await store.record("policy_text", `${role("policy:root")}@2`)).toBeUndefined();
    });

    test("keeps that there was a version when its value is destroyed, and nothing of the value", async () => {
      await commit([putVariable("db"), putValue("db", 1, "one"), putValue("db", 2, "two")]);
      const { changes } = await commit([destroyed("db", 1)]);
      expect<unknown>(changes).toEqual([destroyed("db", 1)]);
      expect(store.secretValue(variable("db"), 1)).toBeUndefined();
      expect(textOf(store.secretValue(variable("db"), 2))).toBe("two");
      // Whatever is said of it later.
      await commit([{ type: "put_version_state", resource: variable("db"), version: 1 }]);
      expect(store.secretValue(variable("db"), 1)).toBeUndefined();
      expect((await store.load()).commits.flatMap((each) => each.changes)).toContainEqual(destroyed("db", 1));
    });

    test("keeps the value of a version that is only deleted", async () => {
      await commit([putVariable("db"), putValue("db", 1, "one")]);
      await commit([{ type: "put_version_state", resource: variable("db"), version: 1, deletesAt: now }]);
      expect(textOf(store.secretValue(variable("db"), 1))).toBe("one");
    });

    test("seals and destroys in one commit, and takes the number again after a removal", async () => {
      await commit([putVariable("db"), putValue("db", 1, "one"), destroyed("db", 1)]);
      expect(store.secretValue(variable("db"), 1)).toBeUndefined();
      await commit([{ type: "remove_secret_version", resource: variable("db"), version: 1 }, putValue("db", 1, "again")]);
      expect(textOf(store.secretValue(variable("db"), 1))).toBe("again");
    });

    test("takes no state or rules of another account", async () => {
      await commit([putAccount()]);
      const rules: Change = { type: "put_secret_rules", rules: { resource: variable("x", globex), createdAt: now, updatedAt: now } };
      for (const stray of [{ ...destroyed("x", 1), resource: variable("x", globex) }, rules]) {
        expect(await failureFrom(() => commit([stray]))).toMatchObject({ code: "internal" });
      }
    });

    test("accepts a commit planned before states and rules of versions", async () => {
      await commit([putAccount(), putVariable("db"), putValue("db", 1, "one")]);
      await commit([{ type: "put_secret_rules", rules: { resource: variable("db"), createdAt: now, updatedAt: now, versionsKept: 3 } }]);
      await commit([destroyed("db", 1)]);
      expect((await commit([putVariable("other")], 1)).revision).toBe(4);
    });

    test("starts empty for a name that was removed and made again, also in one commit", async () => {
      await commit([putVariable("db"), putValue("db", 1, "old"), putCredential("host:app", "old key")]);
      await commit([
        { type: "remove_resource", id: variable("db") },
        { type: "remove_resource", id: role("host:app") },
        putVariable("db"),
        putCredential("host:app"),
        putValue("db", 2, "new"),
      ]);
      expect(store.secretValue(variable("db"), 1)).toBeUndefined();
      expect(textOf(store.secretValue(variable("db"), 2))).toBe("new");
      expect(await store.record("api_key", role("host:app"))).toBeUndefined();
    });

    test("forgets an account as a whole, and no other", async () => {
      await commit([putAccount(), putValue("db", 1, "acme's"), putCredential("host:app", "key")]);
      await store.commit([putAccount(globex), putValue("db", 1, "globex's", globex)], { account: globex, expected: 0, now });
      await commit([{ type: "remove_account", account: acme }]);
      expect(store.secretValue(variable("db"), 1)).toBeUndefined();
      expect(await store.record("api_key", role("host:app"))).toBeUndefined();
      expect(textOf(store.secretValue(variable("db", globex), 1))).toBe("globex's");
    });

    test("forgets no account whose names merely contain the removed one's", async () => {
      const lookalike = putCredential("host:x acme:host:app", "globex's key", globex);
      await store.commit([putAccount(globex), lookalike], { account: globex, expected: 0, now });
      await commit([putAccount()]);
      await commit([{ type: "remove_account", account: acme }]);
      expect(textOf(await store.record("api_key", role("host:x acme:host:app", globex)))).toBe("globex's key");
    });

    test("does not carry an API key over the removal of its account within one commit", async () => {
      await commit([putAccount(), putCredential("host:app", "old key")]);
      const remade = await commit([{ type: "remove_account", account: acme }, putAccount(), putCredential("host:app")]);
      expect(await store.record("api_key", role("host:app"))).toBeUndefined();
      expect(JSON.stringify(remade)).not.toContain("apiKeyRevision");
    });

    test("tells followers every commit after a revision, oldest first, without values", async () => {
      const commits = [await commit([putAccount()]), await commit([putValue("db", 1, "one")]), await commit([putVariable("db")])];
      const told: Commit[] = [];
      for await (const each of store.changesAfter(1)) told.push(each);
      expect(told).toEqual(commits.slice(1));
      for await (const each of store.changesAfter(3)) throw new Error(`nothing comes after the newest, but ${each.revision}`);
    });

    test("never hands out bytes that a caller could spoil for the next", async () => {
      await commit([putValue("db", 1, "value")]);
      store.secretValue(variable("db"), 1)?.reveal().fill(0);
      expect(textOf(store.secretValue(variable("db"), 1))).toBe("value");
    });
  });
}

const destroyed = (name: string, version: number): Change & { readonly type: "put_version_state" } => ({
  type: "put_version_state",
  resource: variable(name),
  version,
  destroyed: true,
});

const stranger = parseAccount("stranger");
