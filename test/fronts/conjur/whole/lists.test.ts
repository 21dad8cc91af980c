/** What lists, batches and public keys show to whom, over the whole core; and branches made and removed on the wire. */

import { describe, expect, test } from "bun:test";
import { versionTwo } from "../../../../src/fronts/conjur/access";
import { createTown, type Town } from "./town";

const line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDeq0SwVeo5AqMyS5w2WzlgvUEQ9J4VPmBH4o7NQqyPN x";
const headers = { accept: versionTwo };

async function idsOf(town: Town, as: string, query = ""): Promise<unknown> {
  const { status, text } = await town.ask({ ask: `GET /resources/acme${query}`, as });
  return status === 200 ? JSON.parse(text).map(({ id }: { readonly id: string }) => id.slice("acme:".length)) : status;
}

describe("a list", () => {
  test("shows each what they see, a page at a time, and counts the same", async () => {
    const town = await createTown();
    expect(await idsOf(town, "stranger")).toEqual([]);
    const seen = ["variable:vault/empty", "variable:vault/second", "variable:vault/thing"];
    expect(await idsOf(town, "viewer", "?kind=variable")).toEqual(seen);
    expect(await idsOf(town, "viewer", "/variable?limit=2")).toEqual(seen.slice(0, 2));
    expect(await idsOf(town, "viewer", "/variable?offset=1")).toEqual(seen.slice(1));
    expect(await idsOf(town, "viewer", "?search=VAULT%20second")).toEqual(["variable:vault/second"]);
    const counted = await town.ask({ ask: "GET /resources/acme/variable?count=true&limit=1", as: "viewer" });
    expect(counted.text).toBe('{"count":3}');
  });

  test("is seen through the eyes of a role by who holds it; an unseen role and an absent one get the same answer", async () => {
    const town = await createTown();
    expect(await idsOf(town, "admin", "?acting_as=acme:user:admin&kind=host_factory")).toEqual(["host_factory:vault/births"]);
    expect(await idsOf(town, "admin", "?role=acme:policy:vault&kind=layer")).toEqual(["layer:vault/boxes"]);
    for (const role of ["user:keeper", "user:absent"]) expect(await idsOf(town, "viewer", `?role=acme:${role}`)).toBe(403);
    for (const owner of ["user:stranger", "user:absent"]) expect(await idsOf(town, "viewer", `?owner=${owner}`)).toBe(404);
    expect(await idsOf(town, "viewer", "?owner=policy:vault&kind=host")).toEqual(["host:vault/box"]);
  });
});

describe("a batch", () => {
  test("refuses before it says what is missing, and hides what is unseen", async () => {
    const town = await createTown();
    const batch = async (as: string, ...names: readonly string[]) => {
      const ids = names.map((name) => `acme%3Avariable%3Avault%2F${name}`).join(",");
      return (await town.ask({ ask: `GET /secrets?variable_ids=${ids}`, as })).status;
    };
    expect(await batch("viewer", "absent", "thing")).toBe(403);
    expect(await batch("stranger", "absent", "thing")).toBe(404);
    expect(await batch("keeper", "thing", "absent")).toBe(404);
    expect(await batch("keeper", "thing", "second")).toBe(200);
  });
});

describe("public keys", () => {
  test("are those of exactly this user, and tell nothing of who there is", async () => {
    const town = await createTown();
    await town.house.load(`- !user { id: keyed, public_keys: [ "${line}" ] }`);
    const keys = async (user: string) => {
      const { status, text } = await town.ask({ ask: `GET /public_keys/acme/user/${user}` });
      return [status, text];
    };
    expect(await keys("keyed")).toEqual([200, `${line}\n`]);
    for (const user of ["viewer", "absent", "keye", "keyed2", "%25", "_eyed", "keyed%2Fx"]) expect(await keys(user)).toEqual([200, "\n"]);
  });
});

describe("branches on the wire", () => {
  test("are made, listed, take policy and a group's members, and go with all they hold", async () => {
    const town = await createTown();
    const asAdmin = (ask: string, body?: string) => town.ask({ ask, as: "admin", headers, ...(body === undefined ? {} : { body }) });
    const made = await asAdmin("POST /branches/acme", `{"name":"new","branch":"vault","annotations":{"a":"b"}}`);
    expect([made.status, JSON.parse(made.text)]).toEqual([
      201,
      { name: "new", branch: "vault", owner: { kind: "policy", id: "vault" }, annotations: { a: "b" } },
    ]);
    expect((await asAdmin("POST /branches/acme", `{"name":"new","branch":"vault"}`)).status).toBe(409);
    expect((await town.ask({ ask: "POST /policies/acme/policy/vault%2Fnew", as: "admin", body: "- !variable v\n- !group g" })).status).toBe(
      201,
    );
    const member = `{"kind":"host","id":"vault/box"}`;
    expect((await asAdmin("POST /groups/acme/vault%2Fnew%2Fg/members", member)).status).toBe(201);
    expect((await asAdmin("POST /groups/acme/vault%2Fnew%2Fg/members", member)).status).toBe(409);
    const held = await town.ask({ ask: "GET /roles/acme/host/vault%2Fbox?all", as: "admin" });
    expect(JSON.parse(held.text)).toContain("acme:group:vault/new/g");
    expect((await asAdmin("DELETE /groups/acme/vault%2Fnew%2Fg/members/host/vault%2Fbox")).status).toBe(204);
    expect((await asAdmin("DELETE /groups/acme/vault%2Fnew%2Fg/members/host/vault%2Fbox")).status).toBe(404);
    const listed = await asAdmin("GET /branches/acme?limit=1&offset=3");
    expect(JSON.parse(listed.text)).toMatchObject({ branches: [{ name: "new", branch: "vault" }], count: 4 });
    expect((await asAdmin("DELETE /branches/acme/vault%2Fnew")).status).toBe(204);
    expect((await town.ask({ ask: "GET /resources/acme/variable/vault%2Fnew%2Fv", as: "admin" })).status).toBe(404);
  });

  test("are made by who may `create` above, and are otherwise not there", async () => {
    const town = await createTown();
    const made = async (as: string, branch: string) =>
      (await town.ask({ ask: "POST /branches/acme", as, headers, body: `{"name":"n","branch":"${branch}"}` })).text;
    const missing = `{"code":"404","message":"Branch 'vault/deep' not found in account 'acme'"}`;
    expect(await made("stranger", "vault/deep")).toBe(missing);
    expect(await made("viewer", "vault/deep")).toBe(missing);
    expect(await made("stranger", "vault/gone")).toBe(missing.replace("deep", "gone"));
    expect(JSON.parse(await made("keeper", "vault/deep"))).toMatchObject({ name: "n", branch: "vault/deep" });
  });
});
