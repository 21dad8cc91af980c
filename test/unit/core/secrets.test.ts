import { describe, expect, test } from "bun:test";
import { parseId } from "../../../src/model/ids";
import { SecretBytes } from "../../../src/model/secret-bytes";
import type { Change } from "../../../src/model/types";
import { failureOfWork } from "../../support/failing";
import { createHouse, type House, secret, startOfTime, textOf } from "../../support/house";

const db = parseId("acme:variable:db/password");
const other = parseId("acme:variable:db/other");
const absent = parseId("acme:variable:db/absent");
const empty = parseId("acme:variable:db/empty");

async function house(): Promise<House> {
  const made = await createHouse();
  await made.load(`
- !policy
  id: db
  body:
    - !variable
      id: password
      mime_type: text/plain
    - !variable other
    - !variable empty
- !host app
- !host looker
- !host writer
- !host nobody
- !permit { role: !host app, privileges: [ execute ], resources: [ !variable db/password, !variable db/empty ] }
- !permit { role: !host looker, privileges: [ read ], resource: !variable db/password }
- !permit { role: !host writer, privileges: [ update ], resource: !variable db/password }
`);
  await made.broker.writeSecret(made.admin, db, secret("one"));
  await made.broker.writeSecret(made.admin, other, secret("other"));
  return made;
}

describe("reading a secret", () => {
  test("takes execute, and says by which permit in the audit", async () => {
    const made = await house();
    const read = await made.broker.read(await made.session("host:app"), { id: db });
    expect(textOf(read.value)).toBe("one");
    expect(read).toMatchObject({ version: 1, mimeType: "text/plain" });
    expect(made.lastAudit()).toMatchObject({
      operation: "secret.read",
      allowed: true,
      rule: "permit execute to acme:host:app",
      resource: db,
    });
  });

  test.each([
    ["host:looker", db, "forbidden"],
    ["host:nobody", db, "not_found"],
    ["host:app", other, "not_found"],
    ["host:app", absent, "not_found"],
    ["host:app", empty, "not_found"],
  ] as const)("by %s of %s is %s", async (role, id, code) => {
    const made = await house();
    const caller = await made.session(role);
    expect((await failureOfWork(made.broker.read(caller, { id }))).code).toBe(code);
    expect(made.lastAudit()).toMatchObject({ operation: "secret.read", allowed: false, failure: code, role: caller.role, resource: id });
  });

  test("tells of a hidden and an absent one the same to the caller, and which it was to the audit", async () => {
    const made = await house();
    const caller = await made.session("host:app");
    const hidden = await failureOfWork(made.broker.read(caller, { id: other }));
    expect(hidden).toMatchObject({ code: "not_found", hidden: true });
    expect(made.lastAudit().because).toBe("privilege_missing");
    await failureOfWork(made.broker.read(caller, { id: absent }));
    expect(made.lastAudit().because).toBe("resource_missing");
  });

  test("gives nothing when the audit takes no line", async () => {
    const made = await house();
    const caller = await made.session("host:app");
    made.breakAudit(true);
    expect(await failureOfWork(made.broker.read(caller, { id: db }))).toMatchObject({ code: "internal", because: "audit_unavailable" });
  });

  test("is refused on the very next request after the permit is taken away", async () => {
    const made = await house();
    const caller = await made.session("host:app");
    await made.load("- !deny { role: !host app, privileges: [ execute ], resource: !variable db/password }", "update");
    expect((await failureOfWork(made.broker.read(caller, { id: db }))).code).toBe("not_found");
  });

  test("explains a refusal with the permits tried, where they are declared, and what would help", async () => {
    const made = await house();
    await failureOfWork(made.broker.read(await made.session("host:looker"), { id: db }));
    const line = made.lastAudit();
    expect(line.checks?.filter((check) => check.check === "permit")).toHaveLength(3);
    expect(line.checks?.find((check) => check.detail?.startsWith("read to acme:host:looker"))).toMatchObject({
      ok: false,
      origin: { line: 15, version: 1 },
    });
    expect(line.remedy).toContain("member: !host looker");
  });
});

describe("writing a secret", () => {
  test("makes the next version and leaves the earlier readable", async () => {
    const made = await house();
    await made.broker.writeSecret(await made.session("host:writer"), db, secret("two"));
    const app = await made.session("host:app");
    expect(textOf((await made.broker.read(app, { id: db })).value)).toBe("two");
    expect(textOf((await made.broker.read(app, { id: db, version: 1 })).value)).toBe("one");
  });

  test("of the newest value again stores nothing", async () => {
    const made = await house();
    const before = made.store.commits.length;
    await made.broker.writeSecret(made.admin, db, secret("one"));
    expect(made.store.commits).toHaveLength(before);
  });

  test("keeps twenty versions and never counts anew", async () => {
    const made = await house();
    for (let count = 2; count <= 25; count += 1) await made.broker.writeSecret(made.admin, db, secret(`value ${count}`));
    const view = await made.broker.showResource(made.admin, db);
    expect(view.secretVersions.map(({ version }) => version)).toEqual(Array.from({ length: 20 }, (_, index) => index + 6));
    expect((await failureOfWork(made.broker.read(made.admin, { id: db, version: 5 }))).code).toBe("not_found");
  });

  test.each(["", " ", "\n\t "])("of white space (%j) is refused", async (text) => {
    const made = await house();
    expect(await failureOfWork(made.broker.writeSecret(made.admin, db, secret(text)))).toMatchObject({ code: "malformed", where: "value" });
  });

  test.each([
    ["host:app", "forbidden"],
    ["host:nobody", "not_found"],
  ])("by %s is %s", async (role, code) => {
    const made = await house();
    const before = made.store.commits.length;
    expect((await failureOfWork(made.broker.writeSecret(await made.session(role), db, secret("x")))).code).toBe(code as never);
    expect(made.store.commits).toHaveLength(before);
  });

  test("is not made when the audit takes no line", async () => {
    const made = await house();
    const before = made.store.commits.length;
    made.breakAudit(true);
    await failureOfWork(made.broker.writeSecret(made.admin, db, secret("unseen")));
    made.breakAudit(false);
    expect(made.store.commits).toHaveLength(before);
    expect(textOf((await made.broker.read(made.admin, { id: db })).value)).toBe("one");
  });

  test("many at once gives each a version of its own", async () => {
    const made = await house();
    await Promise.all(Array.from({ length: 10 }, (_, index) => made.broker.writeSecret(made.admin, db, secret(`v${index}`))));
    const { secretVersions } = await made.broker.showResource(made.admin, db);
    expect(secretVersions.map(({ version }) => version)).toEqual(Array.from({ length: 11 }, (_, index) => index + 1));
  });

  test("keeps bytes as they are", async () => {
    const made = await house();
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    await made.broker.writeSecret(made.admin, db, new SecretBytes(bytes));
    expect((await made.broker.read(made.admin, { id: db })).value.reveal()).toEqual(bytes);
  });
});

describe("a batch", () => {
  test("is all or nothing", async () => {
    const made = await house();
    const app = await made.session("host:app");
    expect((await made.broker.readMany(app, [db, db])).size).toBe(1);
    expect((await failureOfWork(made.broker.readMany(app, [db, other]))).code).toBe("not_found");
  });

  test("tells missing and hidden alike, and forbidden before either", async () => {
    const made = await house();
    const looker = await made.session("host:looker");
    expect((await failureOfWork(made.broker.readMany(looker, [absent, db]))).code).toBe("forbidden");
    expect((await failureOfWork(made.broker.readMany(looker, [absent]))).code).toBe("not_found");
    expect((await failureOfWork(made.broker.readMany(looker, [other]))).code).toBe("not_found");
  });
});

describe("public keys", () => {
  const policy =
    "- !user { id: al, public_keys: [ ssh-ed25519 AAAA al@desk ] }\n- !user { id: alice, public_keys: [ ssh-ed25519 BBBB a@desk, ssh-rsa CCCC a@home ] }\n- !variable v\n";
  const user = (name: string) => parseId(`acme:user:${name}`);

  test("are those of exactly this user, and of nobody nothing", async () => {
    const house = await createHouse();
    await house.load(policy);
    expect(house.broker.publicKeys(user("alice"))).toEqual(["ssh-ed25519 BBBB a@desk", "ssh-rsa CCCC a@home"]);
    expect(house.broker.publicKeys(user("al"))).toEqual(["ssh-ed25519 AAAA al@desk"]);
    for (const name of ["a", "%", "al_ce", "nobody", "admin"]) expect(house.broker.publicKeys(user(name))).toEqual([]);
    expect(house.broker.publicKeys(parseId("acme:public_key:user/al/al@desk"))).toEqual(["ssh-ed25519 AAAA al@desk"]);
    expect(house.broker.publicKeys(parseId("acme:variable:v"))).toEqual([]);
  });

  test("go with their user, and can be replaced by a line that is one and by nothing else", async () => {
    const house = await createHouse();
    await house.load(policy);
    const key = parseId("acme:public_key:user/al/al@desk");
    for (const text of ["hello", "ssh-rsa AAAA", "ssh-rsa !!!! x", "ssh-rsa AAAA x\nssh-rsa BBBB y"])
      expect(await failureOfWork(house.broker.writeSecret(house.admin, key, secret(text)))).toMatchObject({
        code: "malformed",
        where: "public_key",
      });
    await house.broker.writeSecret(house.admin, key, secret("ssh-rsa DDDD al@desk\n"));
    expect(house.broker.publicKeys(user("al"))).toEqual(["ssh-rsa DDDD al@desk"]);
    await house.load("- !delete { record: !user al }", "update");
    expect(house.broker.publicKeys(user("al"))).toEqual([]);
  });
});

describe("a secret that is due to be replaced", () => {
  test("says so of its newest version until there is a newer one, and can be read all the same", async () => {
    const house = await createHouse();
    await house.load("- !variable v\n- !host web\n- !permit { role: !host web, privileges: [ read, execute ], resource: !variable v }");
    const id = parseId("acme:variable:v");
    expect(await failureOfWork(house.broker.expireSecret(house.admin, id))).toMatchObject({ code: "not_found", empty: true });
    await house.broker.writeSecret(house.admin, id, secret("one"));
    expect(await failureOfWork(house.broker.expireSecret(await house.session("host:web"), id))).toMatchObject({ code: "forbidden" });
    expect(house.lastAudit()).toMatchObject({ operation: "secret.expire", allowed: false });
    await house.broker.expireSecret(house.admin, id);
    expect((await house.broker.showResource(house.admin, id)).secretExpiry).toEqual({
      resource: id,
      version: 1,
      expiresAt: house.clock.now(),
    });
    expect(textOf((await house.broker.read(house.admin, { id })).value)).toBe("one");
    await house.load("- !delete { record: !variable v }", "update");
    await house.load("- !variable v");
    expect(await house.broker.showResource(house.admin, id)).not.toHaveProperty("secretExpiry");
  });
});

describe("a version that is not given out", () => {
  const version = (changes: object): Change => ({ type: "put_version_state", resource: db, version: 2, ...changes });

  async function withState(changes: object): Promise<House> {
    const made = await house();
    await made.broker.writeSecret(made.admin, db, secret("two"));
    await made.store.commit([version(changes)], { account: made.account, expected: made.store.position().revision, now: made.clock.now() });
    // The state came by another door than this broker's: it is seen by one that starts now.
    return createHouse({ store: made.store, clock: made.clock });
  }

  test.each([
    ["deleted", { deletesAt: startOfTime }],
    ["destroyed", { destroyed: true }],
  ])("because it is %s is not_found, and no older one stands in for it", async (state, changes) => {
    const made = await withState(changes);
    for (const ref of [{ id: db }, { id: db, version: 2 }]) {
      expect(await failureOfWork(made.broker.read(made.admin, ref))).toMatchObject({
        code: "not_found",
        empty: true,
        because: `version_${state}`,
      });
      expect(made.lastAudit()).toMatchObject({ operation: "secret.read", allowed: false, because: `version_${state}`, resource: db });
    }
    expect(await failureOfWork(made.broker.readMany(made.admin, [db]))).toMatchObject({ because: `version_${state}` });
    expect(await failureOfWork(made.broker.expireSecret(made.admin, db))).toMatchObject({ because: `version_${state}` });
    expect(textOf((await made.broker.read(made.admin, { id: db, version: 1 })).value)).toBe("one");
    expect((await made.broker.showResource(made.admin, db)).secretVersions.map((each) => each.version)).toEqual([1]);
    expect((await made.operator.exportFacts(made.account, made.context())).valued).not.toContain(db);
  });

  test("is read until its time has come", async () => {
    const made = await withState({ deletesAt: startOfTime + 1000 });
    expect(textOf((await made.broker.read(made.admin, { id: db })).value)).toBe("two");
    const later = { ...made.admin, context: made.context({ now: startOfTime + 1000 }) };
    expect(await failureOfWork(made.broker.read(later, { id: db }))).toMatchObject({ because: "version_deleted" });
  });

  test("is followed by the next when the same value is written again", async () => {
    const made = await withState({ deletesAt: startOfTime });
    await made.broker.writeSecret(made.admin, db, secret("two"));
    expect(await made.broker.read(made.admin, { id: db })).toMatchObject({ version: 3 });
  });
});
