/** What another server may do to this one while an operator takes over an account of it: nothing beyond that account, and nothing weaker than it was. */

import { beforeEach, describe, expect, test } from "bun:test";
import type { ImportedFacts } from "../../../src/core/broker";
import { parseAccount, parseId, parseRoleId } from "../../../src/model/ids";
import { SecretBytes } from "../../../src/model/secret-bytes";
import type { RowsChanged } from "../../../src/model/types";
import { createHouse, type House } from "../../support/house";

let house: House;
const other = parseAccount("prod");
const root = parseRoleId("acme:policy:root");
const nothing: ImportedFacts = { resources: [], grants: [], permits: [], annotations: [], restrictions: [] };
const record = (id: string, owner = "acme:policy:root") => ({ id: parseId(id), owner: parseRoleId(owner), createdAt: 1 });
const membership = (role: string, member: string) => ({
  role: parseRoleId(role),
  member: parseRoleId(member),
  adminOption: false,
  ownership: false,
});

async function take(facts: Partial<ImportedFacts>, of: House = house) {
  return of.operator.importFacts(of.account, { ...nothing, ...facts }, of.context());
}

beforeEach(async () => {
  house = await createHouse();
  await house.load("- !host evil\n- !group mine\n");
  await house.operator.createAccount(other, house.context());
  const operator = house.operator.caller(other, house.context());
  const text = Buffer.from(
    "- !group admins\n- !variable pw\n- !host web\n- !permit { role: !group admins, privilege: execute, resource: !variable pw }\n",
  );
  await house.broker.loadPolicy(operator, { policy: parseRoleId("prod:policy:root"), mode: "create", text });
  await house.broker.writeSecret(operator, parseId("prod:variable:pw"), SecretBytes.ofText("canary"));
});

describe("an import", () => {
  test("gives nobody anything in another account, whichever end of a fact reaches there", async () => {
    const revision = house.store.position().revision;
    const { refused, added } = await take({
      resources: [
        record("prod:host:new", "prod:policy:root"),
        record("acme:variable:x", "prod:policy:root"),
        { ...record("acme:variable:y"), policy: parseRoleId("prod:policy:root") },
      ],
      grants: [membership("prod:group:admins", "acme:host:evil"), membership("acme:group:mine", "prod:host:web")],
      permits: [
        { role: parseRoleId("acme:host:evil"), privilege: "execute", resource: parseId("prod:variable:pw") },
        { role: parseRoleId("prod:host:web"), privilege: "execute", resource: parseId("acme:group:mine") },
      ],
      annotations: [{ resource: parseId("prod:host:web"), name: "authn-azure/subscription-id", value: "mine" }],
      restrictions: [{ role: parseRoleId("prod:host:web"), networks: ["10.0.0.0/8"] }],
    });
    expect(added).toBe(0);
    expect(refused).toHaveLength(9);
    for (const { reason } of refused) expect(reason).toContain("another account");
    expect(house.store.position().revision).toBe(revision);
    const evil = await house.session("host:evil");
    await expect(house.broker.read(evil, { id: parseId("prod:variable:pw") })).rejects.toMatchObject({ failure: { code: "not_found" } });
    expect(house.lastAudit()).toMatchObject({ operation: "secret.read", allowed: false });
  });

  test("takes no role without the restrictions that it had, nor what such a role owns", async () => {
    const { refused, newRecords } = await take({
      resources: [
        record("acme:host:half"),
        record("acme:host:bound"),
        record("acme:variable:of-half", "acme:host:half"),
        record("acme:host:whole"),
      ],
      restrictions: [
        { role: parseRoleId("acme:host:half"), networks: ["10.0.0.0/8", "everywhere"] },
        { role: parseRoleId("acme:host:whole"), networks: ["10.0.0.0/8"] },
      ],
      annotations: [
        { resource: parseId("acme:host:bound"), name: "authn-azure/resource-group", value: "a\0b" },
        { resource: parseId("acme:host:whole"), name: "note", value: "a\0b" },
      ],
    });
    expect(newRecords).toEqual([parseId("acme:host:whole")]);
    const reasons = new Map(refused.map(({ what, reason }) => [what, reason]));
    expect(reasons.get("acme:host:half")).toBe("one of its networks is none");
    expect(reasons.get("acme:host:bound")).toBe("its annotation authn-azure/resource-group its value is no text");
    expect(reasons.get("acme:variable:of-half")).toContain("is not there");
    expect(reasons.get("annotation note on acme:host:whole")).toBe("its value is no text");
  });

  test("takes nothing that owns itself, by whatever way round", async () => {
    const { refused, newRecords } = await take({
      resources: [
        record("acme:host:self", "acme:host:self"),
        record("acme:group:a", "acme:group:b"),
        record("acme:group:b", "acme:group:a"),
        record("acme:variable:of-a", "acme:group:a"),
        record("acme:group:fine", root),
      ],
    });
    expect(newRecords).toEqual([parseId("acme:group:fine")]);
    expect(refused.map(({ what }) => what).sort()).toEqual(["acme:group:a", "acme:group:b", "acme:host:self", "acme:variable:of-a"]);
  });

  test("makes API keys for users, and for hosts only where policies would", async () => {
    const facts: Partial<ImportedFacts> = {
      resources: [record("acme:user:alice"), record("acme:host:plain"), record("acme:host:asks")],
      annotations: [{ resource: parseId("acme:host:asks"), name: "authn/api-key", value: "true" }],
    };
    const keysIn = async (of: House) => (await take(facts, of)).createdRoles.map(({ id }): string => id).sort();
    expect(await keysIn(house)).toEqual(["acme:host:asks", "acme:host:plain", "acme:user:alice"]);
    const strict = await createHouse({ settings: { apiKeysByDefault: false } });
    await strict.load("- !group mine\n");
    expect(await keysIn(strict)).toEqual(["acme:host:asks", "acme:user:alice"]);
  });

  test("tells the audit's sinks of every row, as the administrator's doing", async () => {
    const told: RowsChanged[] = [];
    const watched = await createHouse({ rowsChanged: (event) => void told.push(event) });
    await watched.load("- !group mine\n");
    told.length = 0;
    const grants = [membership("acme:group:mine", "acme:host:web")];
    await take({ resources: [record("acme:host:web"), record("acme:group:mine")], grants }, watched);
    expect(told.map(({ role }): string => role)).toEqual(["acme:user:admin"]);
    expect(told.flatMap(({ rows }) => rows)).toEqual([
      { operation: "add", subject: { role: "acme:host:web" } },
      { operation: "add", subject: { resource: "acme:host:web" } },
      { operation: "add", subject: { role: "acme:group:mine", member: "acme:host:web" } },
    ]);
  });

  test("leaves a trace of itself, and of one that was refused", async () => {
    await take({ resources: [record("acme:group:x")] });
    expect(house.lastAudit()).toMatchObject({ operation: "account.import", allowed: true, account: "acme", count: 1 });
    const nobody = parseAccount("nobody");
    await expect(house.operator.importFacts(nobody, nothing, house.context())).rejects.toMatchObject({ failure: { code: "not_found" } });
    expect(house.lastAudit()).toMatchObject({ operation: "account.import", allowed: false, account: "nobody" });
  });
});
