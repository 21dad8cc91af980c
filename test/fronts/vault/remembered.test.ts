/** Reads remember what they found on the way to their answer. Each of these changes something behind a read that was answered a moment before. */

import { beforeEach, describe, expect, test } from "bun:test";
import { parseId } from "../../../src/model/ids";
import { secret } from "../../support/house";
import { createDesk, type Desk } from "./desk";

let desk: Desk;
let token: string;
beforeEach(async () => {
  desk = await createDesk();
  await desk.ask("POST secret/data/app/db", { data: { n: 1 } });
  await desk.ask("POST old/app", { n: 1 });
  await allow('path "secret/data/*" { capabilities = ["read"] } path "old/*" { capabilities = ["read"] }');
  token = await tokenOf({ policies: ["reader"] });
  expect(await read()).toMatchObject({ status: 200, body: { data: { data: { n: 1 } } } });
  expect(await read("old/app")).toMatchObject({ status: 200, body: { data: { n: 1 } } });
});

const allow = (policy: string) => desk.ask("PUT sys/policies/acl/reader", { policy });
const read = (path = "secret/data/app/db") => desk.with(token).ask(`GET ${path}`);
const tokenOf = async (body: object, by = desk.root): Promise<string> =>
  (await desk.with(by).ask("POST auth/token/create", body)).body.auth.client_token;

describe("the request after", () => {
  test("a token was revoked is refused", async () => {
    await desk.ask("POST auth/token/revoke", { token });
    expect(await read()).toMatchObject({ status: 403, body: { errors: [expect.stringContaining("invalid token")] } });
  });

  test("a token's parent was revoked is refused", async () => {
    await desk.ask("PUT sys/policies/acl/maker", { policy: 'path "auth/token/create" { capabilities = ["update", "sudo"] }' });
    const parent = await tokenOf({ policies: ["maker", "reader"] });
    token = await tokenOf({ policies: ["reader"] }, parent);
    expect((await read()).status).toBe(200);
    await desk.ask("POST auth/token/revoke", { token: parent });
    expect((await read()).status).toBe(403);
  });

  test("a token's last use is refused", async () => {
    token = await tokenOf({ policies: ["reader"], num_uses: 2 });
    expect([(await read()).status, (await read()).status, (await read()).status]).toEqual([200, 200, 403]);
  });

  test("a token ended is refused", async () => {
    token = await tokenOf({ policies: ["reader"], ttl: "60s" });
    expect((await read()).status).toBe(200);
    desk.house.clock.advance(60_000);
    expect((await read()).status).toBe(403);
  });

  test.each([
    ["says less", 'path "secret/data/other" { capabilities = ["read"] }'],
    ["denies", 'path "secret/data/*" { capabilities = ["deny"] }'],
    ["demands what was not sent", 'path "secret/data/*" { capabilities = ["read"] required_parameters = ["why"] }'],
    ["wants the answer wrapped", 'path "secret/data/*" { capabilities = ["read"] min_wrapping_ttl = "1m" }'],
  ])("a policy %s is refused", async (_, policy) => {
    await allow(policy);
    expect((await read()).status).toBe(403);
  });

  test("a policy was removed is refused, and allowed when it is there again", async () => {
    await desk.ask("DELETE sys/policies/acl/reader");
    expect((await read()).status).toBe(403);
    await allow('path "secret/data/*" { capabilities = ["read"] }');
    expect((await read()).status).toBe(200);
  });

  test("a membership ended is refused", async () => {
    const { house } = desk;
    await desk.ask("POST sys/auth/approle", { type: "approle" });
    await desk.ask("POST auth/approle/role/app", { token_no_default_policy: true });
    const roleId = (await desk.ask("GET auth/approle/role/app/role-id")).body.data.role_id;
    const secretId = (await desk.ask("POST auth/approle/role/app/secret-id")).body.data.secret_id;
    const login = await desk.with(null).ask("POST auth/approle/login", { role_id: roleId, secret_id: secretId });
    token = login.body.auth.client_token;
    expect((await read()).status).toBe(403);
    await house.load("- !grant { role: !group vault/policy/reader, member: !host vault/role/approle/app }");
    expect((await read()).status).toBe(200);
    await house.load("- !revoke { role: !group vault/policy/reader, member: !host vault/role/approle/app }", "update");
    expect((await read()).status).toBe(403);
  });

  test("a mount was removed finds nothing there, nor what was kept, when it is there again", async () => {
    await desk.ask("DELETE sys/mounts/secret");
    const gone = await read();
    expect([gone.status, gone.text.includes('"n"')]).toEqual([404, false]);
    await desk.ask("POST sys/mounts/secret", { type: "kv", options: { version: "2" } });
    expect(await read()).toMatchObject({ status: 404, body: { errors: [] } });
  });

  test("a mount was made again as another kind is answered by that kind", async () => {
    await desk.ask("DELETE sys/mounts/secret");
    await desk.ask("POST sys/mounts/secret", { type: "kv" });
    await desk.ask("POST secret/data/app/db", { plain: true });
    expect(await read()).toMatchObject({ status: 200, body: { data: { plain: true } } });
  });

  test("a value was replaced by what is no object shows it as a value", async () => {
    const { house } = desk;
    for (const [path, name] of [
      ["old/app", "old/app"],
      ["secret/data/app/db", "secret/app/db"],
    ] as const) {
      await house.broker.writeSecret(house.admin, parseId(`acme:variable:${name}`), secret('{"n":'));
      const { status, body } = await read(path);
      expect([status, body.data.data ?? body.data]).toEqual([200, { value: '{"n":' }]);
    }
  });

  test("a version was deleted, put back and destroyed tells what became of it", async () => {
    await desk.ask("DELETE secret/data/app/db");
    expect((await read()).status).toBe(404);
    await desk.ask("POST secret/undelete/app/db", { versions: [1] });
    expect((await read()).status).toBe(200);
    await desk.ask("POST secret/destroy/app/db", { versions: [1] });
    expect(await read()).toMatchObject({ status: 404, body: { data: { metadata: { destroyed: true } } } });
  });
});

describe("what is remembered", () => {
  test("of one token's reads helps no other", async () => {
    const stranger = await tokenOf({ policies: ["default"] });
    expect((await desk.with(stranger).ask("GET secret/data/app/db")).status).toBe(403);
    expect((await desk.with(null).ask("GET secret/data/app/db")).status).toBe(403);
    expect((await read()).status).toBe(200);
  });

  test("of a path is not confused by how a URL writes it, nor by its query", async () => {
    await desk.ask("POST secret/data/app/db", { data: { n: 2 } });
    expect((await read("secret/data/app/db?version=1")).body.data.data).toEqual({ n: 1 });
    expect((await read("secret/data/app/db")).body.data.data).toEqual({ n: 2 });
    expect((await read("secret//data/app%2Fdb")).body.data.data).toEqual({ n: 2 });
    expect((await read("secret/data/app/db?version=1")).body.data.data).toEqual({ n: 1 });
  });

  test("of refusals is nothing: a path with dots is refused every time", async () => {
    for (let times = 0; times < 2; times += 1) expect((await read("secret/data/app/..%2Fdb")).status).toBe(400);
  });
});

describe("a flood of tokens that are none", () => {
  test("is refused one by one, writes nothing to the store, and no more lines to the audit than it may", async () => {
    const { store, audit } = desk.house;
    const { write } = store.tokens;
    let writes = 0;
    Object.assign(store.tokens, {
      write: (...steps: Parameters<typeof write>) => {
        writes += 1;
        return write(...steps);
      },
    });
    const lines = audit.length;
    for (let at = 0; at < 2000; at += 1) {
      const forged = [`hvs.${"x".repeat(30)}${at}`, `hvb.${Buffer.from(`forged ${at}`).toString("base64url")}`, `s.${at}`, `any-${at}`][
        at % 4
      ];
      const { status } = await desk.with(forged ?? "").ask("GET secret/data/app/db");
      if (status !== 403) throw new Error(`${status} for a token that is none`);
    }
    expect(writes).toBe(0);
    expect(audit.length - lines).toBeLessThanOrEqual(100);
    expect((await read()).status).toBe(200);
  });

  test("leaves those served that hold one, and so does one of many that do", async () => {
    const holders = await Promise.all(Array.from({ length: 5000 }, () => tokenOf({ policies: ["reader"] })));
    for (const holder of holders) if ((await desk.with(holder).ask("GET secret/data/app/db")).status !== 200) throw new Error("refused");
    await allow('path "secret/data/other" { capabilities = ["read"] }');
    for (const holder of [...holders.slice(0, 5), ...holders.slice(-5), token])
      expect((await desk.with(holder).ask("GET secret/data/app/db")).status).toBe(403);
  });
});
