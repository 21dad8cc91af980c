import { describe, expect, test } from "bun:test";
import { planPolicy } from "../../../src/core/policy/task";
import { parseId, parseRoleId } from "../../../src/model/ids";
import { failureOfWork } from "../../support/failing";
import { createHouse, secret, textOf } from "../../support/house";

describe("a policy load", () => {
  test("counts versions and shows each new key once", async () => {
    const made = await createHouse();
    const first = await made.load("- !host a\n- !user bob");
    expect(first.version).toBe(1);
    expect(first.createdRoles.map(({ id }) => String(id))).toEqual(["acme:host:a", "acme:user:bob"]);
    const key = first.createdRoles[0]?.apiKey;
    expect(key === undefined ? "" : textOf(key)).toMatch(/^[0-9a-hjkmnp-tv-z]{52}$/);
    const second = await made.load("- !host a");
    expect(second).toMatchObject({ version: 2, createdRoles: [] });
  });

  test("of text with problems stores nothing and tells them all", async () => {
    const made = await createHouse();
    const before = made.store.commits.length;
    const failure = await failureOfWork(made.load("- !hots a\n- !user\n  id: b\n  colour: red"));
    expect(failure).toMatchObject({ code: "policy_invalid", kind: "language" });
    if (failure.code === "policy_invalid") expect(failure.problems.map(({ line }) => line)).toEqual([1, 4]);
    expect(made.store.commits).toHaveLength(before);
    expect(made.lastAudit()).toMatchObject({ operation: "policy.load", allowed: false, failure: "policy_invalid" });
  });

  test("without text is told apart", async () => {
    const made = await createHouse();
    expect(await failureOfWork(made.load(""))).toMatchObject({ code: "policy_invalid", kind: "empty" });
  });

  test("of the same branch at the same time is a conflict to come back from", async () => {
    const made = await createHouse();
    const results = await Promise.allSettled([made.load("- !host a"), made.load("- !host b")]);
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const refused = results.find((result) => result.status === "rejected");
    expect(refused?.reason.failure).toMatchObject({ code: "conflict", retryAfterSeconds: 2 });
    await made.load("- !host c");
  });

  test("that is overtaken by another change plans anew on what is there now", async () => {
    const made = await createHouse();
    await made.load("- !group g\n- !host a");
    made.store.beforeNextCommit(async () => {
      // Another branch's load would wait its turn behind this very commit; the store is told directly.
      await made.store.commit([{ type: "put_annotation", annotation: { resource: parseId("acme:host:a"), name: "n", value: "v" } }], {
        account: made.account,
        expected: made.store.commits.length,
        now: made.clock.now(),
      });
    });
    const failure = await failureOfWork(made.load("- !host b"));
    // The graph here never hears of the other writer, as in a store with two masters: it gives up instead of overwriting.
    expect(failure.code).toBe("conflict");
    expect(made.store.commits.at(-1)?.changes[0]?.type).toBe("put_annotation");
  });

  test("takes create for adding and update for the rest, and tells a branch one cannot see nothing", async () => {
    const made = await createHouse();
    await made.load(
      "- !policy app\n- !host adder\n- !host nobody\n- !permit { role: !host adder, privilege: [ create ], resource: !policy app }",
    );
    const adder = await made.session("host:adder");
    const nobody = await made.session("host:nobody");
    const load = (caller: typeof adder, mode: "create" | "update" | "replace") =>
      made.broker.loadPolicy(caller, { policy: parseRoleId("acme:policy:app"), mode, text: Buffer.from("- !variable x") });
    expect((await load(adder, "create")).version).toBe(1);
    expect((await failureOfWork(load(adder, "update"))).code).toBe("forbidden");
    expect((await failureOfWork(load(nobody, "create"))).code).toBe("not_found");
  });

  test("replaces a branch only for those who may update all that is below it", async () => {
    const made = await createHouse();
    await made.load(`
- !host editor
- !policy app
- !permit { role: !host editor, privileges: [ create, update ], resource: !policy app }
`);
    await made.load("- !variable { id: kept, owner: !user /admin }", "create", "app");
    const editor = await made.session("host:editor");
    const failure = await failureOfWork(
      made.broker.loadPolicy(editor, { policy: parseRoleId("acme:policy:app"), mode: "replace", text: Buffer.from("[]") }),
    );
    expect(failure).toMatchObject({ code: "forbidden", because: "update_on_children" });
    expect((await made.broker.showResource(made.admin, parseId("acme:variable:app/kept"))).resource.id).toBe(
      parseId("acme:variable:app/kept"),
    );
  });

  test("comes through while others change facts all the time", async () => {
    const made = await createHouse();
    await made.load("- !group g\n- !host h");
    const [group, host] = [made.id("group:g"), made.id("host:h")];
    let isLoaded = false;
    async function change(): Promise<void> {
      while (!isLoaded) {
        await made.broker.addMember(made.admin, group, host);
        await made.broker.removeMember(made.admin, group, host);
      }
    }
    const changing = change();
    const { version } = await made.load("- !variable v").finally(() => {
      isLoaded = true;
    });
    await changing;
    expect(version).toBe(2);
    expect((await made.broker.showResource(made.admin, parseId("acme:variable:v"))).resource.owner).toBe(made.id("user:admin"));
  });

  test("is planned beside one other at most, of however many branches; the rest wait and are all done", async () => {
    let running = 0;
    let most = 0;
    const made = await createHouse({
      async planPolicy(input) {
        running += 1;
        most = Math.max(most, running);
        for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        return planPolicy(input);
      },
    });
    const branches = ["a", "b", "c", "d", "e"];
    await made.load(branches.map((branch) => `- !policy ${branch}`).join("\n"));
    const rehearsal = made.broker.rehearsePolicy(made.admin, {
      policy: made.id("policy:root"),
      mode: "create",
      text: Buffer.from("- !host x"),
    });
    const refused = failureOfWork(
      made.broker.rehearsePolicy(made.admin, { policy: made.id("policy:a"), mode: "create", text: Buffer.from("- !hots x") }),
    );
    const loads = branches.map((branch) => made.load("- !variable v", "create", branch));
    expect((await Promise.all(loads)).map(({ version }) => version)).toEqual([1, 1, 1, 1, 1]);
    expect((await rehearsal).created).toHaveLength(1);
    expect((await refused).code).toBe("policy_invalid");
    expect(most).toBe(2);
    expect(running).toBe(0);
  });

  test.each([
    ["all of it", "- !deny { role: !host editor, privileges: [ read, update ], resource: !policy app }", "not_found"],
    ["the right to change it", "- !deny { role: !host editor, privilege: update, resource: !policy app }", "forbidden"],
  ] as const)("is refused when its caller loses %s while it is planned", async (_what, revocation, code) => {
    let isRevoked = true;
    const made = await createHouse({
      async planPolicy(input) {
        if (!isRevoked) {
          isRevoked = true;
          await made.load(revocation, "update");
        }
        return planPolicy(input);
      },
    });
    await made.load("- !host editor\n- !policy app\n- !permit { role: !host editor, privileges: [ read, update ], resource: !policy app }");
    const editor = await made.session("host:editor");
    isRevoked = false;
    const load = made.broker.loadPolicy(editor, { policy: made.id("policy:app"), mode: "update", text: Buffer.from("- !variable mine") });
    expect(await failureOfWork(load)).toMatchObject({ code, because: "revoked_meanwhile" });
    expect(made.lastAudit()).toMatchObject({
      operation: "policy.load",
      allowed: false,
      role: made.id("host:editor"),
      because: "revoked_meanwhile",
    });
    expect(await failureOfWork(made.broker.showResource(made.admin, parseId("acme:variable:app/mine")))).toMatchObject({
      code: "not_found",
    });
  });

  test("lets nobody but its administrator begin an account's root policy", async () => {
    const made = await createHouse();
    await made.operator.createAccount("globex", made.context());
    const load = made.broker.loadPolicy(made.admin, {
      policy: parseRoleId("globex:policy:root"),
      mode: "create",
      text: Buffer.from("- !host mine"),
    });
    expect((await failureOfWork(load)).code).toBe("not_found");
  });

  test("keeps its text for those who own the policy or may read it, and its number for whoever sees it", async () => {
    const made = await createHouse();
    await made.load(
      "- !host boss\n- !host reader\n- !host adder\n- !host stranger\n- !policy { id: app, owner: !host boss }\n- !permit { role: !host reader, privilege: read, resource: !policy app }\n- !permit { role: !host adder, privilege: create, resource: !policy app }",
    );
    await made.load("- !variable inline", "create", "app");
    const app = parseId("acme:policy:app");
    const shown = async (role: string) => (await made.broker.showResource(await made.session(`host:${role}`), app)).policyVersions;
    for (const role of ["boss", "reader"]) expect(await shown(role)).toMatchObject([{ version: 1, text: "- !variable inline" }]);
    const [version] = await shown("adder");
    expect(version).toMatchObject({ version: 1, role: "acme:user:admin" });
    expect(version).not.toHaveProperty("text");
    expect((await failureOfWork(shown("stranger"))).code).toBe("not_found");
  });

  test("is remembered with its number as long as it is among the newest; the count goes on", async () => {
    const made = await createHouse({ settings: { policyVersionsKept: 3 } });
    for (let load = 1; load <= 5; load += 1) expect((await made.load(`- !variable v${load}`)).version).toBe(load);
    const { policyVersions } = await made.broker.showResource(made.admin, parseId("acme:policy:root"));
    expect(policyVersions.map(({ version, text }) => `${version} ${text}`)).toEqual([
      "5 - !variable v5",
      "4 - !variable v4",
      "3 - !variable v3",
    ]);
    expect((await made.load("[]", "replace")).version).toBe(6);
  });

  test("of a user's public key makes it readable, and the same key again stores no version", async () => {
    const made = await createHouse();
    const text = "- !user\n  id: bob\n  public_keys:\n    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBob bob@laptop";
    await made.load(text);
    await made.load(text);
    const key = await made.broker.showResource(made.admin, parseId("acme:public_key:user/bob/bob@laptop"));
    expect(key.secretVersions).toHaveLength(1);
  });

  test("that removes a variable removes its values", async () => {
    const made = await createHouse();
    await made.load("- !variable v");
    await made.broker.writeSecret(made.admin, parseId("acme:variable:v"), secret("gone"));
    await made.load("[]", "replace");
    await made.load("- !variable v");
    expect(await failureOfWork(made.broker.read(made.admin, { id: parseId("acme:variable:v") }))).toMatchObject({
      code: "not_found",
      empty: true,
    });
  });
});

describe("a policy check", () => {
  test("tells what a load would, and stores nothing", async () => {
    const made = await createHouse();
    const before = made.store.commits.length;
    const check = (text: string) =>
      made.operator.checkPolicy({ policy: parseRoleId("acme:policy:root"), mode: "create", text: Buffer.from(text) }, "acme");
    expect(await check("- !host a")).toMatchObject({ ok: true, problems: [] });
    expect(await check("- !grant { role: !group g, member: !host a }")).toMatchObject({ ok: false });
    expect(made.store.commits).toHaveLength(before);
  });
});
