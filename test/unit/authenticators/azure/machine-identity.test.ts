import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTestClock, textOf } from "../../../support/house";
import { createTestMachine, outcomeOf } from "../../../support/machine";
import { arm, part, startSimulator } from "../../simulator/azure/fixture";

const clock = createTestClock();
const simulator = await startSimulator({ clock });
const folder = mkdtempSync(join(tmpdir(), "postern-identity-"));
afterAll(async () => {
  await simulator.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  for (const machine of simulator.machines) if (machine.url !== "") machine.clearFaults();
});

const hour = 3_600_000;
const path = "/metadata/identity/oauth2/token";
const machineOf = (name: string) => simulator.machine(name);

function imds(name: string, selector?: { kind: "client" | "object" | "resource"; value: string }, impatient = false) {
  const options = { source: "imds" as const, endpoint: `${machineOf(name).url}${path}`, ...(selector === undefined ? {} : { selector }) };
  return createTestMachine(options, { clock, impatient });
}

async function claims(machine: ReturnType<typeof imds>, audience = arm) {
  return part(textOf((await machine.identity.credential(audience)).token), 1);
}

describe("where the token comes from", () => {
  test("is the metadata service when nothing else is there", async () => {
    const machine = createTestMachine({}, { clock, files: { exists: () => false } });
    expect(machine.identity.source).toBe("imds");
  });

  test("is the Arc agent when its program is there, though no variable says so", () => {
    expect(createTestMachine({}, { clock, files: { exists: (file) => file === "/opt/azcmagent/bin/himds" } }).identity.source).toBe("arc");
  });

  test.each([
    ["vm", "imds"],
    ["arc", "arc"],
    ["web", "app-service"],
    ["function", "app-service"],
    ["container-app-both", "app-service"],
    ["container-group", "imds"],
  ])("is found out on %s, and answers as that machine", async (name, source) => {
    const machine = machineOf(name);
    const options = source === "imds" ? { endpoint: `${machine.url}${path}` } : { tokensFolder: simulator.tokensFolder };
    const environment = source === "imds" ? {} : machine.environment;
    const own = createTestMachine(options, { clock, environment, files: source === "imds" ? { exists: () => false } : {} });
    expect(own.identity.source).toBe(source);
    expect(await own.identity.available()).toBe(true);
    expect(await claims(own)).toMatchObject({ oid: machine.identity().oid });
  });

  test("is the machine itself where the agent's variable says localhost, which is not looked up", async () => {
    const { environment, identity } = machineOf("arc");
    const named = Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, value.replace("127.0.0.1", "localhost")]));
    const own = createTestMachine({ tokensFolder: simulator.tokensFolder }, { clock, environment: named });
    expect(await claims(own)).toMatchObject({ oid: identity().oid });
  });

  test("is App Service where all variables are set", () => {
    const environment = { IDENTITY_ENDPOINT: "http://127.0.0.1:1/msi/token", IDENTITY_HEADER: "x", IMDS_ENDPOINT: "http://127.0.0.1:1" };
    expect(createTestMachine({}, { clock, environment }).identity.source).toBe("app-service");
  });

  test.each([
    [{ IDENTITY_ENDPOINT: "http://127.0.0.1:1/", IDENTITY_HEADER: "x", IDENTITY_SERVER_THUMBPRINT: "y" }, "unsupported"],
    [{ MSI_ENDPOINT: "http://127.0.0.1:1/" }, "unsupported"],
    [{ IDENTITY_ENDPOINT: "http://192.0.2.1/msi/token", IDENTITY_HEADER: "x" }, "configuration"],
    [{ IDENTITY_ENDPOINT: "http://192.0.2.1/token", IMDS_ENDPOINT: "http://192.0.2.1" }, "configuration"],
    [{ AZURE_FEDERATED_TOKEN_FILE: "/x", AZURE_CLIENT_ID: "a", AZURE_TENANT_ID: "b", AZURE_AUTHORITY_HOST: "http://x" }, "configuration"],
  ])("is refused in %j", (environment, because) => {
    expect(() => createTestMachine({}, { clock, environment })).toThrow(because);
  });

  test("is Entra ID in a cluster, for the token in the file as it is now", async () => {
    const file = join(folder, "token");
    const pods = simulator.identity("id-pods");
    const environment = {
      AZURE_FEDERATED_TOKEN_FILE: file,
      AZURE_CLIENT_ID: pods.clientId,
      AZURE_TENANT_ID: pods.tenantId,
      AZURE_AUTHORITY_HOST: simulator.entra.url,
    };
    const pod = createTestMachine({}, { clock, environment, allowOutbound: [simulator.entra.url], extraRoots: [simulator.caPem] });
    expect(await outcomeOf(pod.identity, arm)).toContain("federated_token_file");
    writeFileSync(file, `${simulator.cluster.serviceAccountToken({ namespace: "shop", serviceAccount: "web" })}\n`);
    clock.advance(2000);
    expect(await claims(pod)).toMatchObject({ oid: pods.oid });
  });
});

describe("which identity it is", () => {
  const app = machineOf("vm-both").identity("id-app");

  test.each([
    ["client", app.clientId],
    ["object", app.oid.toUpperCase()],
    ["resource", app.mirid ?? ""],
  ] as const)("is chosen by %s id", async (kind, value) => {
    expect(await claims(imds("vm-both", { kind, value }))).toMatchObject({ oid: app.oid });
  });

  test("is refused when it is not assigned, at once and by name of the refusal", async () => {
    const machine = imds("vm", { kind: "client", value: app.clientId });
    expect(await outcomeOf(machine.identity, arm)).toBe("upstream_unavailable: http_400_invalid_request");
    expect(machine.pauses).toEqual([]);
  });

  test("fails closed when an old Arc agent ignores the choice", async () => {
    const arc = machineOf("arc-both");
    const options = { tokensFolder: simulator.tokensFolder, selector: { kind: "client" as const, value: app.clientId } };
    const machine = () => createTestMachine(options, { clock, environment: arc.environment });
    expect(await claims(machine())).toMatchObject({ oid: app.oid });
    arc.configure({ legacyAgent: true });
    expect(await outcomeOf(machine().identity, arm)).toBe("upstream_unavailable: identity_mismatch");
    arc.configure({ legacyAgent: false, echo: false });
    expect(await outcomeOf(machine().identity, arm)).toBe("upstream_unavailable: identity_mismatch");
    arc.configure({ echo: true });
  });

  test.each([
    ["client", app.clientId],
    ["object", app.oid],
    ["resource", app.mirid ?? ""],
  ] as const)(
    "fails closed when the endpoint hands out somebody else's token for a %s id, whatever it says beside it",
    async (kind, value) => {
      const said = { client_id: app.clientId, object_id: app.oid, msi_res_id: app.mirid, mi_res_id: app.mirid, resource: arm };
      const body = JSON.stringify({ access_token: simulator.mint({ machine: "vm", now: clock.now() }), ...said });
      machineOf("vm-both").fault("token", { kind: "body", body, contentType: "application/json" });
      expect(await outcomeOf(imds("vm-both", { kind, value }).identity, arm)).toBe("upstream_unavailable: identity_mismatch");
    },
  );

  test("may be a resource whose id is written with a slash at the start or without, and in any case", async () => {
    const value = (app.mirid ?? "").toUpperCase().replace(/^\//u, "");
    const token = simulator.mint({ machine: "vm-both", identity: "id-app", now: clock.now() });
    machineOf("vm-both").fault("token", { kind: "body", body: JSON.stringify({ access_token: token }), contentType: "application/json" });
    expect(await outcomeOf(imds("vm-both", { kind: "resource", value }).identity, arm)).toBe("token");
    const longer = imds("vm-both", { kind: "resource", value: `${value}X` });
    expect(await outcomeOf(longer.identity, arm)).toContain("identity_mismatch");
  });

  test("must be told where there are several and none is the machine's own", async () => {
    const endpoint = `${machineOf("vm-multi").url}${path}`;
    const machine = createTestMachine({ source: "imds", endpoint }, { clock });
    expect(await outcomeOf(machine.identity, arm)).toBe("upstream_unavailable: http_400_invalid_request");
    expect(machine.pauses).toEqual([]);
  });
});

describe("what is believed of an answer", () => {
  const said = (token: string, more: object = {}) => JSON.stringify({ access_token: token, token_type: "Bearer", ...more });
  const good = () => simulator.mint({ machine: "vm", now: clock.now() });

  test.each([
    ["HTML", () => ({ kind: "body" as const, body: "<html>log in</html>", contentType: "text/html" }), "content_type"],
    ["no JSON", () => ({ kind: "garbage" as const }), "token_answer"],
    ["a redirect", () => ({ kind: "redirect" as const, location: "https://evil.example/" }), "redirect"],
    ["too much", () => ({ kind: "huge" as const }), "too_large"],
    ["no token", () => ({ kind: "body" as const, body: "{}", contentType: "application/json" }), "token_answer"],
    ["no JWT", () => ({ kind: "body" as const, body: said("abc"), contentType: "application/json" }), "token_shape"],
    [
      "a token for somebody else",
      () => ({
        kind: "body" as const,
        body: said(simulator.mint({ machine: "vm", resource: "https://vault.azure.net" })),
        contentType: "application/json",
      }),
      "token_audience",
    ],
    [
      "another resource beside it",
      () => ({ kind: "body" as const, body: said(good(), { resource: "https://vault.azure.net" }), contentType: "application/json" }),
      "token_audience",
    ],
    [
      "a token of yesterday",
      () => ({
        kind: "body" as const,
        body: said(simulator.mint({ machine: "vm", now: clock.now() - 48 * hour })),
        contentType: "application/json",
      }),
      "token_expired",
    ],
  ])("refuses %s without asking again", async (_what, fault, because) => {
    machineOf("vm").fault("token", fault());
    const machine = imds("vm");
    const before = machineOf("vm").requests("token");
    expect(await outcomeOf(machine.identity, arm)).toBe(`upstream_unavailable: ${because}`);
    expect(machineOf("vm").requests("token") - before).toBe(1);
    expect(machine.log.lines).toContainEqual(expect.objectContaining({ event: "machine_token_refused" }));
    expect(JSON.stringify(machine.log.lines)).not.toContain("eyJ");
  });
});

describe("asking", () => {
  test("is done once for any number of callers, and once for each audience", async () => {
    const machine = imds("vm");
    const before = machineOf("vm").requests("token");
    await Promise.all(Array.from({ length: 100 }, () => machine.identity.credential(arm)));
    await machine.identity.credential(arm);
    expect(machineOf("vm").requests("token") - before).toBe(1);
    await machine.identity.credential("https://postern.example");
    expect(machineOf("vm").requests("token") - before).toBe(2);
  });

  test("is done again at half of the life, in the background", async () => {
    const machine = imds("vm");
    const first = await machine.identity.credential(arm);
    const before = machineOf("vm").requests("token");
    const lifeMs = first.expiresAt - clock.now();
    clock.advance(lifeMs * 0.44);
    expect(await machine.identity.credential(arm)).toBe(first);
    expect(machineOf("vm").requests("token")).toBe(before);
    clock.advance(lifeMs * 0.12);
    expect(await machine.identity.credential(arm)).toBe(first);
    while (machineOf("vm").requests("token") === before) await Bun.sleep(1);
    while ((await machine.identity.credential(arm)) === first) await Bun.sleep(1);
    expect((await machine.identity.credential(arm)).expiresAt).toBeGreaterThan(first.expiresAt);
  });

  test("that fails leaves the old token in use until five minutes before its end", async () => {
    const machine = imds("vm");
    const first = await machine.identity.credential(arm);
    machineOf("vm").fault("token", { kind: "status", status: 500 });
    clock.advance(first.expiresAt - clock.now() - 301_000);
    expect(await machine.identity.credential(arm)).toBe(first);
    clock.advance(2000);
    expect(await outcomeOf(machine.identity, arm)).toContain("http_500");
  });

  test.each([404, 410, 429, 500, 503])("is repeated with growing pauses after %i", async (status) => {
    machineOf("vm").fault("token", { kind: "status", status }, 3);
    const machine = imds("vm");
    expect(await outcomeOf(machine.identity, arm)).toBe("token");
    expect(machine.pauses.length).toBe(3);
    for (const [at, ms] of machine.pauses.entries()) {
      expect(ms).toBeGreaterThanOrEqual(500 * 2 ** at);
      expect(ms).toBeLessThanOrEqual(1000 * 2 ** at);
    }
  });

  test("waits as long as the endpoint asks for", async () => {
    machineOf("vm").fault("token", { kind: "status", status: 429, retryAfterSeconds: 7 }, 1);
    const machine = imds("vm");
    await machine.identity.credential(arm);
    expect(machine.pauses).toEqual([7000]);
  });

  test("leaves the endpoint alone for as long as it asks for, also where that is longer than anybody waits", async () => {
    machineOf("vm").fault("token", { kind: "status", status: 429, retryAfterSeconds: 200 }, 1);
    const machine = imds("vm");
    const before = machineOf("vm").requests("token");
    expect(await outcomeOf(machine.identity, arm)).toContain("http_429");
    clock.advance(199_000);
    expect(await outcomeOf(machine.identity, arm)).toContain("http_429");
    expect(machineOf("vm").requests("token") - before).toBe(1);
    clock.advance(1001);
    expect(await outcomeOf(machine.identity, arm)).toBe("token");
    expect(machine.pauses).toEqual([]);
  });

  test("goes on for 75 seconds, and a later caller asks anew: absence is not remembered", async () => {
    machineOf("vm").fault("token", { kind: "status", status: 410 });
    const machine = imds("vm");
    expect(await outcomeOf(machine.identity, arm)).toBe("upstream_unavailable: http_410_unknown");
    const total = machine.pauses.reduce((sum, ms) => sum + ms, 0);
    expect(total).toBeGreaterThan(50_000);
    expect(total).toBeLessThan(75_000);
    machineOf("vm").clearFaults();
    expect(await outcomeOf(machine.identity, arm)).toContain("http_410");
    clock.advance(1001);
    expect(await outcomeOf(machine.identity, arm)).toBe("token");
  });

  test("keeps a caller waiting for five seconds at most", async () => {
    machineOf("vm").fault("token", { kind: "hang" });
    expect(await outcomeOf(imds("vm", undefined, true).identity, arm)).toBe("upstream_unavailable: timeout");
  });

  test("of a token whose end the wall clock has passed begins anew, whichever clock is wrong", async () => {
    const machine = imds("vm");
    const first = await machine.identity.credential(arm);
    const before = clock.now();
    clock.setWall(before + 30 * hour);
    expect(await machine.identity.credential(arm)).not.toBe(first);
    clock.setWall(before);
  });

  describe.each([
    ["behind, by two days", -48],
    ["behind, by a year", -24 * 365],
  ])("by a machine whose clock is %s", (_how, hours) => {
    const late = { ...clock, now: () => clock.now() + hours * hour };

    test.each([
      ["says how long it lives", {}],
      ["says nothing of it", { expires_in: undefined }],
      ["says nonsense", { expires_in: "forever" }],
    ])("holds on to no token past its end, where the endpoint %s", async (_what, told) => {
      const first = simulator.mint({ machine: "vm", now: clock.now() });
      const { iat, exp } = part(first, 1);
      const lifeMs = (Number(exp) - Number(iat)) * 1000;
      const body = { access_token: first, token_type: "Bearer", expires_in: String(lifeMs / 1000), ...told };
      machineOf("vm").fault("token", { kind: "body", body: JSON.stringify(body), contentType: "application/json" }, 1);
      const { identity } = createTestMachine({ source: "imds", endpoint: `${machineOf("vm").url}${path}` }, { clock: late });
      expect(textOf((await identity.credential(arm)).token)).toBe(first);
      clock.advance(lifeMs - 299_000);
      expect(textOf((await identity.credential(arm)).token)).not.toBe(first);
    });
  });

  test("of a token that the endpoint has had for long counts what is left of it, not what it had", async () => {
    const behind = { ...clock, now: () => clock.now() - 48 * hour };
    const old = simulator.mint({ machine: "vm", now: clock.now() });
    clock.advance(20 * hour);
    const leftMs = Math.floor(Number(part(old, 1).exp) - clock.now() / 1000) * 1000;
    const body = JSON.stringify({ access_token: old, token_type: "Bearer", expires_in: leftMs / 1000 });
    machineOf("vm").fault("token", { kind: "body", body, contentType: "application/json" }, 1);
    const { identity } = createTestMachine({ source: "imds", endpoint: `${machineOf("vm").url}${path}` }, { clock: behind });
    expect(textOf((await identity.credential(arm)).token)).toBe(old);
    clock.advance(leftMs - 299_000);
    expect(textOf((await identity.credential(arm)).token)).not.toBe(old);
  });
});
