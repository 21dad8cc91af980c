import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processIo } from "../../../src/cli/io";
import { sealAead, symmetricKey } from "../../../src/crypto/aead";
import { PosternError } from "../../../src/model/failures";
import { parseId } from "../../../src/model/ids";
import type { AdminApp } from "../../../src/server/admin";
import { type CliBench, createCliBench, createOperatedHouse, type OperatedHouse } from "../../support/cli-bench";
import { textOf } from "../../support/house";

let operated: OperatedHouse;
let cli: CliBench;

beforeEach(async () => {
  operated = await createOperatedHouse();
  cli = createCliBench(() => operated.app);
});
afterEach(() => operated.close());

const policy = `
- !policy
  id: app
  annotations: { description: billing }
  body:
    - !host { id: web, restricted_to: [ 10.0.0.0/8 ] }
    - !user alice
    - !group readers
    - !grant { role: !group readers, member: !host web }
    - !variable pw
    - !variable empty
    - !permit { role: !group readers, privileges: [ read, execute ], resource: !variable pw }
- !policy
  id: conjur/authn-azure/east
  body: [ !webservice , !variable provider-uri ]
`;
const canary = "canary-7f3a";
const archive = "/home/op/move.archive";

async function fill(): Promise<void> {
  const files = { "/home/op/p.yml": policy };
  expect(await cli.run("policy load acme p.yml", { files })).toMatchObject({ code: 0 });
  expect(await cli.run("variable set --account acme app/pw", { input: canary })).toMatchObject({ code: 0 });
  const { house } = operated;
  await house.broker.setAuthenticatorEnabled(house.admin, { account: "acme", authenticator: "authn-azure", service: "east" }, true);
}

describe("postern export", () => {
  test("writes accounts that postern import archive takes over: records, rights, networks, values, switches", async () => {
    await fill();
    const exported = await cli.run("export -l move --json");
    expect(exported).toMatchObject({ code: 0 });
    expect(JSON.parse(exported.out)).toEqual({ file: archive, key: "/home/op/key", accounts: ["acme"], values: 1 });
    await cli.run("account create other");

    const imported = await cli.run(`import archive ${archive} --source-account acme --account other --keys-out keys.json --json`);
    expect(imported).toMatchObject({ code: 0 });
    expect(JSON.parse(imported.out)).toMatchObject({
      values: { written: 1 },
      newKeys: 2,
      authenticators: ["authn-azure/east"],
      notTaken: [],
    });
    const { house } = operated;
    const shown = await cli.run("variable get other:variable:app/pw");
    expect(shown.out).toBe(canary);
    const keys = JSON.parse(cli.written.get("/home/op/keys.json") ?? "{}");
    expect(Object.keys(keys).sort()).toEqual(["other:host:app/web", "other:user:alice@app"]);
    const admin = house.operator.caller("other", house.context());
    const view = await house.broker.showResource(admin, parseId("other:variable:app/pw"));
    expect(view.resource).toMatchObject({ owner: "other:policy:app", policy: "other:policy:root" });
    expect(view.permits.map(({ role, privilege }) => `${role} ${privilege}`).sort()).toEqual([
      "other:group:app/readers execute",
      "other:group:app/readers read",
    ]);
    expect((await house.broker.showResource(admin, parseId("other:host:app/web"))).restrictedTo).toEqual(["10.0.0.0/8"]);
    expect(house.audit.filter(({ operation }) => operation === "account.export").map(({ allowed }) => allowed)).toEqual([true]);
  });

  test("shows no value in the file, in what it prints, or without the key", async () => {
    await fill();
    const { out, err } = await cli.run("export -l move");
    const bytes = Buffer.from(cli.bytesOf.get(archive) ?? []);
    for (const form of [canary, Buffer.from(canary).toString("base64"), "app/pw"]) {
      expect(bytes.includes(form)).toBe(false);
      expect(`${out}${err}`).not.toContain(form);
    }
    cli.bytesOf.set("/home/op/key", Buffer.from(`${"0".repeat(64)}\n`));
    const refused = await cli.run(`import archive ${archive} --account acme`);
    expect(refused.code).toBe(2);
    expect(refused.err).toContain("as it was made");
  });

  test("notices every changed byte, and takes nothing of such a file", async () => {
    await fill();
    await cli.run("export -l move");
    const good = Buffer.from(cli.bytesOf.get(archive) ?? []);
    expect(good.byteLength).toBeGreaterThan(200);
    for (let at = 0; at < good.byteLength; at += 37) {
      const changed = Buffer.from(good);
      changed[at] = (changed[at] ?? 0) ^ 1;
      cli.bytesOf.set(archive, changed);
      expect([at, (await cli.run(`import archive ${archive} --account acme`)).code]).toEqual([at, 2]);
    }
    for (const length of [0, 10, 18, 30, good.byteLength - 1]) {
      cli.bytesOf.set(archive, good.subarray(0, length));
      expect([length, (await cli.run(`import archive ${archive} --account acme`)).code]).toEqual([length, 2]);
    }
  });

  test("keeps the key that is there, never writes over an archive, and takes upstream's command line", async () => {
    await fill();
    expect(await cli.run("conjurctl export -o /home/op -l move")).toMatchObject({ code: 0 });
    const key = cli.written.get("/home/op/key");
    expect(key).toMatch(/^[0-9a-f]{64}\n$/u);
    expect((await cli.run("export -l move")).code).toBe(2);
    expect(await cli.run("export -l again --account acme")).toMatchObject({ code: 0 });
    expect(cli.written.get("/home/op/key")).toBe(key);
  });

  test("refuses an archive whose maker put something else into it", async () => {
    const keyText = "1".repeat(64);
    const key = symmetricKey(Buffer.from(keyText, "hex"));
    const mark = Buffer.from("POSTERN-ARCHIVE-1\n");
    const context = {
      purpose: "archive",
      deployment: "",
      account: "",
      kind: "",
      id: "",
      version: 1,
      scopeKey: "",
      generation: 0,
      revision: 0,
    };
    const bomb = Bun.gzipSync(new Uint8Array(513 * 2 ** 20), { level: 9 });
    cli.bytesOf.set("/home/op/key", Buffer.from(keyText));
    for (const inside of [new Uint8Array(2), Bun.gzipSync("no JSON"), Bun.gzipSync('{"accounts":[{"name":1}]}'), bomb]) {
      cli.bytesOf.set(archive, Buffer.concat([mark, sealAead(key, new Uint8Array(12), inside, context)]));
      const { code, err } = await cli.run(`import archive ${archive} --account acme`);
      expect([code, err]).toEqual([2, expect.stringContaining("expected an archive of")]);
    }
  });

  test("says why the server refuses, and ends as it does", async () => {
    const absent = await cli.run("export --account nobody");
    expect([absent.code, absent.err.split("\n")[0]]).toEqual([1, "postern: not found: account nobody (account)"]);
    const refusal = { error: { code: "sealed", message: "sealed: locked" } };
    const fetch: AdminApp["fetch"] = async (request, peer) =>
      new URL(request.url).pathname === "/variables/get" ? Response.json(refusal, { status: 503 }) : operated.app.fetch(request, peer);
    await fill();
    const late = createCliBench(() => ({ ...operated.app, fetch }));
    expect(await late.run("export")).toMatchObject({ code: 78, err: "postern: sealed: locked\n" });
    expect([...cli.written.keys(), ...late.written.keys()]).toEqual([]);
  });

  test("takes no key that others may read or did write", () => {
    const folder = mkdtempSync(join(tmpdir(), "postern-key-"));
    try {
      const path = join(folder, "key");
      const { readLines } = processIo();
      writeFileSync(path, `${"1".repeat(64)}\n`, { mode: 0o600 });
      expect(readLines(path)).toEqual(["1".repeat(64)]);
      for (const mode of [0o644, 0o640, 0o620, 0o602]) {
        chmodSync(path, mode);
        expect(() => readLines(path)).toThrow(PosternError);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.each([
    ["export --account nobody", 1],
    ["export -l ../up", 2],
    ["import archive absent --account acme", 1],
    [`import archive ${archive} --account acme --source-account nobody`, 2],
    [`import archive ${archive}`, 2],
  ])("refuses %s", async (words, code) => {
    await fill();
    await cli.run("export -l move");
    const outcome = await cli.run(words);
    expect([outcome.code, outcome.err.startsWith("postern: ")]).toEqual([code, true]);
  });

  test("leaves what ended or was never set without a value", async () => {
    await fill();
    await cli.run("export -l move");
    await cli.run("account create other");
    await cli.run(`import archive ${archive} --source-account acme --account other`);
    expect((await cli.run("variable get other:variable:app/empty")).code).toBe(1);
    expect(textOf((await operated.house.broker.read(operated.house.admin, { id: parseId("acme:variable:app/pw") })).value)).toBe(canary);
  });
});
