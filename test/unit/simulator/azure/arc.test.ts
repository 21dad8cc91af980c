import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PosternError } from "../../../../src/model/failures";
import type { SimulatedMachine } from "../../../../src/simulator/azure/simulator";
import { arm, askImds, jsonOf, metadata, part, startSimulator } from "./fixture";

const simulator = await startSimulator();
const arc = simulator.machine("arc");
const both = simulator.machine("arc-both");
const assigned = both.identity("id-app");
const request = { "api-version": "2020-06-01", resource: arm };
afterAll(() => simulator.close());
beforeEach(() => {
  simulator.clock.setOffset(0);
  both.configure({ legacyAgent: false, echo: true });
});

describe("the Arc challenge", () => {
  test("is 401 with a JSON body and the bare path of a key file, spelled as scripts expect", async () => {
    const raw =
      await Bun.$`curl -s -D - -H Metadata:true ${`${arc.url}/metadata/identity/oauth2/token?api-version=2019-11-01&resource=x`}`.text();
    const line = raw.split("\r\n").find((header) => header.startsWith("Www-Authenticate: "));
    const path = line?.slice("Www-Authenticate: Basic realm=".length) ?? "";
    expect(raw).toStartWith("HTTP/1.1 401 ");
    expect(path).toMatch(new RegExp(`^${simulator.tokensFolder}/[0-9a-f-]{36}\\.key$`));
    expect(raw.split("\r\n\r\n")[1]).toStartWith("{");
  });

  test("leaves a file without a newline that others cannot read, in a folder they cannot enter", async () => {
    const file = await challengeFile(arc);
    expect((await stat(file)).mode & 0o777).toBe(0o640);
    expect((await stat(simulator.tokensFolder)).mode & 0o777).toBe(0o750);
    expect(await readFile(file, "utf8")).toMatch(/^[\w-]{43}$/);
  });

  test("is met once: the token comes, the file goes, the secret is spent", async () => {
    const file = await challengeFile(arc);
    const headers = { ...metadata, Authorization: `Basic ${await readFile(file, "utf8")}` };
    const first = await askImds(arc, request, { headers });
    expect(first.status).toBe(200);
    expect(part((await jsonOf(first)).access_token, 1)).toMatchObject({ oid: arc.identity().oid, xms_mirid: arc.resourceId });
    expect(existsSync(file)).toBe(false);
    expect((await askImds(arc, request, { headers })).status).toBe(401);
  });

  test.each(["Basic wrong", "Bearer SECRET", "basic SECRET", "Basic"])("is not met by %p", async (authorization) => {
    const secret = await readFile(await challengeFile(arc), "utf8");
    const headers = { ...metadata, Authorization: authorization.replace("SECRET", secret) };
    expect((await askImds(arc, request, { headers })).status).toBe(401);
  });

  test("is not met by another machine's secret", async () => {
    const headers = { ...metadata, Authorization: `Basic ${await readFile(await challengeFile(both), "utf8")}` };
    expect((await askImds(arc, request, { headers })).status).toBe(401);
  });

  test("expires after a minute, and its file is swept with the next", async () => {
    const file = await challengeFile(arc);
    const headers = { ...metadata, Authorization: `Basic ${await readFile(file, "utf8")}` };
    simulator.clock.advance(60_000);
    expect((await askImds(arc, request, { headers })).status).toBe(401);
    const stale = await challengeFile(arc);
    simulator.clock.advance(60_000);
    await challengeFile(arc);
    expect([file, stale].map((path) => existsSync(path))).toEqual([false, false]);
  });

  test("leaves at most 64 files behind", async () => {
    for (let count = 0; count < 70; count += 1) await challengeFile(arc);
    expect((await readdir(simulator.tokensFolder)).length).toBeLessThanOrEqual(64 + 2);
  });

  test("comes only for a request that could be served", async () => {
    const statuses = [
      askImds(arc, request, { headers: {} }),
      askImds(arc, { resource: arm }),
      askImds(arc, { "api-version": "2020-06-01" }),
      askImds(arc, request, { method: "POST" }),
      askImds(arc, request, { headers: { ...metadata, "X-Forwarded-For": "10.0.0.1" } }),
    ].map(async (answer) => (await answer).status);
    expect(await Promise.all(statuses)).toEqual([400, 400, 400, 405, 400]);
  });

  test.each(["2019-08-15", "2019-11-01", "2020-06-01", "2021-02-01"])("knows api-version %s", async (version) => {
    expect((await tokenOf(arc, { ...request, "api-version": version })).access_token).toBeString();
  });

  test("counts its two steps apart", async () => {
    const before = [both.requests("challenge"), both.requests("token")];
    await tokenOf(both, request);
    expect([both.requests("challenge"), both.requests("token")]).toEqual(before.map((count) => count + 1));
  });
});

describe("a user-assigned identity on Arc", () => {
  const selectors = [{ client_id: assigned.clientId }, { object_id: assigned.oid }, { msi_res_id: assigned.mirid ?? "" }];

  test.each(selectors)("is selected and echoed in full (%#)", async (selector) => {
    const body = await tokenOf(both, { ...request, ...selector });
    expect(body).toMatchObject({ client_id: assigned.clientId, object_id: assigned.oid, msi_res_id: assigned.mirid });
    expect(part(body.access_token, 1)).toMatchObject({ oid: assigned.oid, xms_az_rid: both.resourceId });
  });

  test("is not selected by App Service's spelling", async () => {
    expect((await tokenOf(both, { ...request, mi_res_id: assigned.mirid ?? "" })).client_id).toBe(both.identity().clientId);
  });

  test("is refused with 400 where it is not assigned", async () => {
    const headers = { ...metadata, Authorization: `Basic ${await readFile(await challengeFile(arc), "utf8")}` };
    const answer = await askImds(arc, { ...request, client_id: assigned.clientId }, { headers });
    expect([answer.status, (await jsonOf(answer)).error]).toEqual([400, "invalid_request"]);
  });

  test.each(selectors)("is ignored by a legacy agent, which answers for the machine (%#)", async (selector) => {
    both.configure({ legacyAgent: true });
    const body = await tokenOf(both, { ...request, ...selector });
    expect(part(body.access_token, 1).oid).toBe(both.identity().oid);
    expect(Object.values(body)).not.toContain(Object.values(selector)[0]);
  });

  test.each(selectors)("is served without an echo when so told (%#)", async (selector) => {
    both.configure({ echo: false });
    const body = await tokenOf(both, { ...request, ...selector });
    expect(part(body.access_token, 1).oid).toBe(assigned.oid);
    expect(Object.values(body)).not.toContain(Object.values(selector)[0]);
  });
});

describe("instance metadata of Arc", () => {
  test("needs no challenge", async () => {
    const body = await jsonOf(await askImds(arc, { "api-version": "2020-06-01" }, { path: "/metadata/instance" }));
    expect(body.compute).toMatchObject({ name: "arc", resourceGroupName: "rg-onprem", provider: "Microsoft.HybridCompute" });
  });
});

describe("the tokens folder", () => {
  test("is made where asked, parents too, and removed as far as it was made", async () => {
    const parent = mkdtempSync(join(tmpdir(), "arc-"));
    const tokensFolder = join(parent, "azcmagent", "tokens");
    const other = await startSimulator({ tokensFolder });
    await challengeFile(other.machine("arc"));
    expect(await readdir(tokensFolder)).toHaveLength(1);
    await other.close();
    expect(await readdir(parent)).toEqual([]);
    rmSync(parent, { recursive: true });
  });

  test("is refused when it holds anything, as a real agent's may, and left as it was", async () => {
    const tokensFolder = mkdtempSync(join(tmpdir(), "arc-"));
    await writeFile(join(tokensFolder, "real.key"), "secret");
    await expect(startSimulator({ tokensFolder })).rejects.toThrow(PosternError);
    expect(await readdir(tokensFolder)).toEqual(["real.key"]);
    rmSync(tokensFolder, { recursive: true });
  });
});

async function challengeFile(machine: SimulatedMachine): Promise<string> {
  const answer = await askImds(machine, request);
  expect(answer.status).toBe(401);
  return answer.headers.get("WWW-Authenticate")?.replace("Basic realm=", "") ?? "";
}

async function tokenOf(machine: SimulatedMachine, query: Readonly<Record<string, string>>): Promise<Readonly<Record<string, unknown>>> {
  const secret = await readFile(await challengeFile(machine), "utf8");
  const answer = await askImds(machine, query, { headers: { ...metadata, Authorization: `Basic ${secret}` } });
  expect(answer.status).toBe(200);
  return jsonOf(answer);
}
