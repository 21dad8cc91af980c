import { describe, expect, test } from "bun:test";
import { roleOfLogin } from "../../../src/core/sessions";
import type { Failure } from "../../../src/model/failures";
import { parseAccount } from "../../../src/model/ids";
import { failureOfWork } from "../../support/failing";
import { createHouse, type House, secret, textOf } from "../../support/house";

const goodPassword = "SEcret12!!!!";

async function house(): Promise<House> {
  const made = await createHouse();
  await made.load(
    "- !user bob\n- !host app\n- !host near\n- !group g\n- !permit { role: !user bob, privilege: [ update ], resource: !host app }\n- !permit { role: !user bob, privilege: [ read ], resource: !host near }\n- !permit { role: !user bob, privilege: [ update ], resource: !group g }",
  );
  return made;
}

const basic = (made: House, role: string, text: string) => ({ account: "acme", role: made.id(role), claimed: role, secret: secret(text) });
const keyOf = async (made: House, role: string): Promise<string> => textOf(await made.operator.retrieveKey(made.id(role), made.context()));

function apiKeyLogin(made: House, role: string, text: string) {
  return made.broker.login(
    { authenticator: "authn", account: "acme", role: made.id(role), claimed: role, credential: secret(text) },
    made.context(),
  );
}

describe("an API key", () => {
  test("logs its role in, and nobody else", async () => {
    const made = await house();
    const key = await keyOf(made, "host:app");
    expect((await apiKeyLogin(made, "host:app", key)).role).toBe(made.id("host:app"));
    for (const attempt of [key.slice(0, -1), `${key}x`, key.toUpperCase(), "", " "]) {
      expect((await failureOfWork(apiKeyLogin(made, "host:app", attempt))).code).toBe("unauthenticated");
    }
    expect((await failureOfWork(apiKeyLogin(made, "host:near", key))).code).toBe("unauthenticated");
  });

  test("is given for itself or for the password", async () => {
    const made = await house();
    const key = await keyOf(made, "user:bob");
    await made.broker.changePassword(basic(made, "user:bob", key), secret(goodPassword), made.context());
    expect(textOf(await made.broker.exchangeForApiKey(basic(made, "user:bob", goodPassword), made.context()))).toBe(key);
    expect(textOf(await made.broker.exchangeForApiKey(basic(made, "user:bob", key), made.context()))).toBe(key);
  });

  test("of a password does not log in where only keys do", async () => {
    const made = await house();
    await made.broker.changePassword(basic(made, "user:bob", await keyOf(made, "user:bob")), secret(goodPassword), made.context());
    expect((await failureOfWork(apiKeyLogin(made, "user:bob", goodPassword))).code).toBe("unauthenticated");
  });

  test.each([
    ["an unknown role", "user:nobody", "x"],
    ["a wrong secret", "user:bob", "x"],
    ["a role without credentials", "group:g", "x"],
    ["nothing at all", "user:bob", ""],
  ])("is not given to %s; the audit has a line", async (_, role, text) => {
    const made = await house();
    expect((await failureOfWork(made.broker.exchangeForApiKey(basic(made, role, text), made.context()))).code).toBe("unauthenticated");
    expect(made.lastAudit()).toMatchObject({ operation: "api_key.exchange", allowed: false });
  });

  test("rotated by its role dies at once", async () => {
    const made = await house();
    const old = await keyOf(made, "host:app");
    const fresh = textOf(await made.broker.rotateOwnApiKey(basic(made, "host:app", old), made.context()));
    expect(fresh).not.toBe(old);
    expect((await failureOfWork(apiKeyLogin(made, "host:app", old))).code).toBe("unauthenticated");
    expect((await apiKeyLogin(made, "host:app", fresh)).role).toBe(made.id("host:app"));
  });

  test("is rotated by another who holds update, and by nobody with a session of its own alone", async () => {
    const made = await house();
    const bob = await made.session("user:bob");
    expect(textOf(await made.broker.rotateApiKey(bob, made.id("host:app")))).toBe(await keyOf(made, "host:app"));
    expect(await failureOfWork(made.broker.rotateApiKey(bob, made.id("user:bob")))).toMatchObject({
      code: "unauthenticated",
      reason: "weak",
    });
    expect((await failureOfWork(made.broker.rotateApiKey(bob, made.id("host:near")))).code).toBe("forbidden");
    expect((await failureOfWork(made.broker.rotateApiKey(bob, made.id("host:absent")))).code).toBe("not_found");
    expect((await failureOfWork(made.broker.rotateApiKey(bob, made.id("group:g")))).code).toBe("unsupported");
  });

  test("tells its age to its role by the key, and to another by the right to rotate it", async () => {
    const made = await house();
    const bornAt = made.clock.now();
    made.clock.advance(60_000);
    const bob = await made.session("user:bob");
    const ageOf = (role: string) => made.broker.apiKeyAge({ ...bob, context: made.context() }, made.id(role));
    expect(await ageOf("host:app")).toEqual({ role: made.id("host:app"), rotatedAt: bornAt });
    const rotated = await made.broker.rotateApiKey({ ...bob, context: made.context() }, made.id("host:app"));
    expect((await ageOf("host:app")).rotatedAt).toBe(bornAt + 60_000);
    const own = await made.broker.ownApiKeyAge(basic(made, "host:app", textOf(rotated)), made.context());
    expect(own).toEqual({ role: made.id("host:app"), rotatedAt: bornAt + 60_000 });
    expect(made.lastAudit()).toMatchObject({ operation: "api_key.age", allowed: true, role: made.id("host:app") });
    for (const [role, code] of [
      ["user:bob", "unauthenticated"],
      ["host:near", "forbidden"],
      ["host:absent", "not_found"],
      ["group:g", "unsupported"],
    ] as const) {
      expect((await failureOfWork(ageOf(role))).code).toBe(code);
      expect(made.lastAudit()).toMatchObject({ operation: "api_key.age", allowed: false });
    }
    const wrong = made.broker.ownApiKeyAge(basic(made, "host:app", "wrong"), made.context());
    expect((await failureOfWork(wrong)).code).toBe("unauthenticated");
  });

  test("is not left behind by a rotation that comes after its role went", async () => {
    const made = await house();
    let rotation: Promise<Failure> | undefined;
    // Decided while the removal is being stored, and carried out after it.
    made.store.beforeNextCommit(async () => {
      rotation = failureOfWork(made.broker.rotateApiKey(made.admin, made.id("host:app")));
    });
    await made.load("- !delete { record: !host app }", "update");
    expect((await rotation)?.code).toBe("not_found");
    const newest = made.store.commits.at(-1)?.changes ?? [];
    expect(newest.map(({ type }) => type)).not.toContain("put_credential");
  });

  test("rotated while the password changes is not undone by it", async () => {
    const made = await house();
    const old = await keyOf(made, "user:bob");
    const [, fresh] = await Promise.all([
      made.broker.changePassword(basic(made, "user:bob", old), secret(goodPassword), made.context()),
      made.broker.rotateApiKey(made.admin, made.id("user:bob")),
    ]);
    expect((await failureOfWork(apiKeyLogin(made, "user:bob", old))).code).toBe("unauthenticated");
    expect(textOf(await made.broker.exchangeForApiKey(basic(made, "user:bob", goodPassword), made.context()))).toBe(textOf(fresh));
  });
});

describe("a password", () => {
  test.each([
    "short1A!",
    "alllowercase12!!",
    "ALLUPPERCASE12!!",
    "NoDigitsHere!!!!",
    "NoSpecials123456",
    `${"Aa1!".repeat(33)}`,
    "SEcret12!!!!\n",
  ])("like %j is too weak", async (password) => {
    const made = await house();
    const proof = basic(made, "user:bob", await keyOf(made, "user:bob"));
    expect(await failureOfWork(made.broker.changePassword(proof, secret(password), made.context()))).toMatchObject({
      code: "malformed",
      kind: "validation",
      where: "password",
    });
  });

  test("is not for hosts", async () => {
    const made = await house();
    const proof = basic(made, "host:app", await keyOf(made, "host:app"));
    expect((await failureOfWork(made.broker.changePassword(proof, secret(goodPassword), made.context()))).code).toBe("forbidden");
  });
});

describe("an account", () => {
  test("is made once", async () => {
    const made = await house();
    expect((await failureOfWork(made.operator.createAccount("acme", made.context()))).code).toBe("exists");
  });

  test.each(["", "!", "a b", "a/b", "a:b", "..", " acme", "ａ！".slice(1), "a\u0000"])("cannot be called %j", async (name) => {
    const made = await house();
    expect((await failureOfWork(made.operator.createAccount(name, made.context()))).code).toBe("malformed");
  });

  test("has an administrator who appears in no list", async () => {
    const made = await house();
    const { items } = await made.broker.listResources(made.admin, { account: made.account });
    expect(items.map(({ resource }) => String(resource.id))).not.toContain("acme:user:admin");
    expect((await failureOfWork(made.broker.showResource(made.admin, made.id("user:admin")))).code).toBe("not_found");
  });
});

describe("a login name", () => {
  const acme = parseAccount("acme");
  test.each([
    ["alice", "acme:user:alice"],
    ["user/alice", "acme:user:alice"],
    ["alice@app-prod", "acme:user:alice@app-prod"],
    ["host/app/web", "acme:host:app/web"],
  ])("%s names %s", (login, role) => {
    expect(String(roleOfLogin(acme, login))).toBe(role);
  });

  test.each(["group/x", "layer/x", "policy/root", "host/", "", "host/a/../b", "host//a"])("%j names nobody", (login) => {
    expect(roleOfLogin(acme, login)).toBeUndefined();
  });
});
