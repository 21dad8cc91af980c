import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { lineAdvice, tokenAdvice } from "../../../src/cli/doctor/advice";
import { type Finding, findingText } from "../../../src/cli/doctor/finding";
import { openRemote } from "../../../src/cli/remote";
import type { CliWorld } from "../../../src/cli/world";
import type { Connection } from "../../../src/config/connection";
import { PosternError } from "../../../src/model/failures";
import { machineName } from "../../support/agent-house";
import { createClientBench } from "../../support/client-bench";
import { createLogKeeper } from "../../support/fake-issuer";
import { startFakeVault } from "../../support/fake-vault";

const bench = await createClientBench();
const { primary, clock, house } = bench;
afterAll(() => bench.close());
beforeEach(async () => {
  bench.cut(false);
  bench.skew(0);
  rmSync(bench.state, { recursive: true, force: true });
  await bench.run(bench.asMachine("host/apps/billing"));
});

const well: Partial<CliWorld> = { membershipOf: () => "member" };
const agentFile = "/etc/postern/agent.toml";
const agentText = `${house.settings}[apps.billing]
role = "host/apps/billing"
socket = "/nowhere/billing.sock"
[apps.gone]
role = "host/apps/gone"
socket = "/nowhere/gone.sock"
`;

interface Report {
  readonly code: number;
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  /** The one of this name. */
  of(check: string): Finding | undefined;
}

async function doctor(world: Partial<CliWorld> = {}, files: Readonly<Record<string, string>> = {}): Promise<Report> {
  const { code, out, err } = await bench.run("doctor --json", { files, world: { ...well, ...world } });
  expect(err).toBe("");
  // Neither a token nor a value is any part of it.
  expect(out).not.toMatch(/eyJ[\w-]{8,}\.[\w-]{8,}/u);
  expect(out).not.toContain("the billing password");
  const report: { readonly ok: boolean; readonly findings: readonly Finding[] } = JSON.parse(out);
  return { code, ...report, of: (check) => report.findings.find((each) => each.check === check) };
}

/** A machine whose endpoint gives no token, for this reason. */
function without(because: string, source = "arc"): Partial<CliWorld> {
  return {
    remote: (connection: Connection) => {
      const real = bench.world.remote?.(connection);
      if (real === undefined) throw new Error("the bench has a way out");
      const credential = () => Promise.reject(new PosternError({ code: "upstream_unavailable", upstream: source, because }));
      return {
        client: real.client,
        http: real.http,
        identity: () => ({ source, available: async () => because !== "connect", credential }),
      };
    },
  };
}

describe("postern doctor", () => {
  test("finds everything well, and says which identity and which claims", async () => {
    const report = await doctor();
    expect(report.findings.filter(({ state }) => state === "fail")).toEqual([]);
    expect([report.code, report.ok]).toEqual([0, true]);
    expect(report.of("identity endpoint")?.found).toStartWith("arc answers");
    expect(report.of("identity")?.details).toContain(`oid = ${house.simulator.machine(machineName).identity().oid}`);
    expect(report.of("login host/apps/billing")).toMatchObject({ state: "ok" });
    expect(report.findings.map(({ check }) => check)).toEqual(expect.arrayContaining(["version", "dns", "tls", "clock", "group himds"]));
  });

  test("is text for people, with cause and command below what failed", async () => {
    const { code, out } = await bench.run("doctor", { world: { ...well, membershipOf: () => "outside" } });
    expect(code).toBe(1);
    expect(out).toContain("FAIL  group himds: this user is not in it\n      because this user may not read the agent's challenge files");
    expect(out).toContain('mend:   usermod -aG himds "$USER"');
  });

  test("has nobody to ask for where nobody is logged in, and fails nothing by that", async () => {
    rmSync(bench.state, { recursive: true });
    const report = await doctor();
    expect([report.code, report.of("login")?.state, report.of("login")?.remedy]).toEqual([0, "warn", "postern login --help"]);
  });

  test("tries no login over a line that is cut", async () => {
    bench.cut(true);
    const before = primary.house.audit.length;
    const report = await doctor();
    expect(report.of("connection")).toMatchObject({ state: "fail", remedy: expect.stringContaining("nc -vz 127.0.0.1") });
    expect([report.code, report.of("login host/apps/billing"), primary.house.audit.length]).toEqual([1, undefined, before]);
  });

  test.each([
    [31_000, "warn", "31s behind the server's"],
    [-31_000, "warn", "31s ahead of the server's"],
    [3_600_000, "fail", "1h behind the server's"],
    [2000, "ok", "within 3 s"],
  ] as const)("measures a clock that differs by %d ms", async (skewMs, state, found) => {
    bench.skew(skewMs);
    expect((await doctor()).of("clock")).toMatchObject({ state, found: expect.stringContaining(found) });
  });

  test.each([
    [10 * 86_400_000, "warn", "good for 10d"],
    [-1, "warn", "good for 0s"],
    [90 * 86_400_000, "ok", "good for 90d"],
    [undefined, "ok", "does not say until when"],
  ] as const)("says how long a certificate is good: %p ms", async (leftMs, state, found) => {
    // The way itself is plain here; what is told of a certificate does not depend on it.
    const remote: CliWorld["remote"] = (connection) => {
      const real = bench.world.remote?.({ ...connection, url: primary.listener.url });
      if (real === undefined) throw new Error("the bench has a way out");
      const send: typeof real.http.send = (request, limits) =>
        real.http.send({ ...request, url: request.url.replace("https://postern.example", primary.listener.url) }, limits);
      return { client: real.client, identity: real.identity, http: { ...real.http, send } };
    };
    const path = `${bench.state}/postern/connection.json`;
    const text = Buffer.from(bench.world.files?.read(path) ?? []).toString("utf8");
    bench.world.files?.replace(path, Buffer.from(text.replace(primary.listener.url, "https://postern.example")));
    const certificateEnd: CliWorld["certificateEnd"] = async ({ host, port }) => {
      expect([host, port]).toEqual(["postern.example", 443]);
      return leftMs === undefined ? undefined : clock.now() + leftMs;
    };
    expect((await doctor({ remote, certificateEnd })).of("tls")).toMatchObject({ state, found: expect.stringContaining(found) });
  });

  test.each([
    ["root", "ok"],
    ["member", "ok"],
    ["listed", "fail"],
    ["outside", "fail"],
    ["absent", "unknown"],
  ] as const)("knows what it means to be %s of the agent's group", async (membership, state) => {
    expect((await doctor({ membershipOf: () => membership })).of("group himds")?.state).toBe(state);
  });

  test.each([
    ["challenge_file_not_permitted", "usermod -aG himds"],
    ["challenge_folder", "namei -l"],
    ["challenge_path", "ss -ltnp"],
    ["connect", "himdsd"],
    ["http_400_invalid_request", "az vm identity assign"],
    ["identity_mismatch", "--client-id"],
    ["token_audience", "--audience"],
    ["token_expired", "timedatectl"],
    ["http_429_too_many_requests", "wait a minute"],
    ["http_503", "wait a minute"],
  ])("says what mends an endpoint that gives no token because of %s", async (because, remedy) => {
    const report = await doctor(without(because));
    expect(report.of("identity")).toMatchObject({ state: "fail", cause: expect.any(String), remedy: expect.stringContaining(remedy) });
    expect(report.of("login host/apps/billing")).toMatchObject({ state: "unknown" });
    expect(report.code).toBe(1);
  });

  test.each([
    [{ bytes: 2 ** 40, files: 5 }, "ok"],
    [{ bytes: 2 ** 25, files: 5 }, "warn"],
    [{ bytes: 2 ** 20, files: 5 }, "fail"],
    [{ bytes: 2 ** 40, files: 0 }, "fail"],
    [undefined, "unknown"],
  ] as const)("judges a disk with %p free", async (space, state) => {
    expect((await doctor({ freeSpace: () => space })).of(`disk ${bench.state}/postern`)?.state).toBe(state);
  });

  test("says whether what is sealed here opens", async () => {
    const seal = async (sealState: NonNullable<Partial<CliWorld>["sealState"]>) =>
      (await doctor({ sealState })).of("seal of the offline copy");
    expect(await seal(async () => ({ state: "unsealed", warnings: [] }))).toMatchObject({ state: "ok" });
    expect(await seal(async () => ({ state: "sealed", reason: "seal_key_missing" }))).toMatchObject({
      state: "fail",
      cause: expect.stringContaining("no key at file:"),
    });
    const open = new PosternError({
      code: "malformed",
      where: "/k",
      expected: "a file closed to group and others",
      because: "file_not_private",
    });
    expect(await seal(() => Promise.reject(open))).toMatchObject({ state: "fail", remedy: "chmod 0600 /k" });
    const theirs = new PosternError({
      code: "malformed",
      where: "/k",
      expected: "a file this user may use",
      because: "file_not_permitted",
    });
    expect(await seal(() => Promise.reject(theirs))).toMatchObject({ state: "unknown" });
  });
});

describe("a login that is refused", () => {
  const refused = "login host/apps/other";
  const record = (at: number): object => ({
    decision: "d-7k2m9x4p1qz0",
    at,
    because: "resource_group_mismatch",
    checks: [
      { check: "subscription-id", ok: true, detail: "policy wants 'a', the proof says 'a'" },
      { check: "resource-group", ok: false, detail: "policy wants 'b', the proof says 'c'" },
    ],
  });
  const operator = (at: () => number): Partial<CliWorld> => ({
    servedAdmin: async () => (request) =>
      request.url.endsWith("/audit/why-login")
        ? Response.json({ text: "", record: record(at()) })
        : Response.json({ error: { code: "internal", message: "not asked" } }, { status: 500 }),
  });

  beforeEach(async () => {
    // Kept as a login that the machine has no right to: nobody could have logged in so.
    const { files } = bench.world;
    const path = `${bench.state}/postern/connection.json`;
    const text = Buffer.from(files?.read(path) ?? []).toString("utf8");
    files?.replace(path, Buffer.from(text.replace("host/apps/billing", "host/apps/other")));
    const { lines } = await primary.attempt({ login: "host/apps/other" });
    expect(lines.at(-1)).toMatchObject({ allowed: false });
  });

  test("is compared with the policy annotation by annotation, by the word of the server's operator", async () => {
    const finding = (await doctor(operator(() => clock.now()))).of(refused);
    expect(finding).toMatchObject({ state: "fail", cause: "resource_group_mismatch", remedy: "postern why d-7k2m9x4p1qz0" });
    expect(finding?.details).toEqual([
      "✓ subscription-id: policy wants 'a', the proof says 'a'",
      "✗ resource-group: policy wants 'b', the proof says 'c'",
    ]);
  });

  test("is not explained by an older refusal", async () => {
    expect((await doctor(operator(() => clock.now() - 1))).of(refused)?.cause).toContain("the server does not say why");
  });

  test("is answered with what the policy would have to say, where nobody can be asked", async () => {
    const finding = (await doctor()).of(refused);
    const { oid } = house.simulator.machine(machineName).identity();
    expect(finding?.remedy).toContain(`  id: apps/other\n  annotations:\n`);
    expect(finding?.remedy).toContain(`authn-azure/system-assigned-identity: ${oid}`);
    expect(finding?.remedy).toContain("postern why --account acme --login host/apps/other");
    expect(primary.house.audit.at(-1)).toMatchObject({ operation: "login", allowed: false, claimed: "host/apps/other" });
  });
});

describe("an agent's file", () => {
  test("is read where it is, and each of its apps logged in for", async () => {
    const report = await doctor({}, { [agentFile]: agentText });
    expect(report.of("agent's file")).toMatchObject({ state: "ok" });
    expect(report.findings.filter(({ check }) => check.startsWith("login ")).map(({ check, state }) => [check, state])).toEqual([
      ["login host/apps/billing", "ok"],
      ["login host/apps/billing", "ok"],
      ["login host/apps/gone", "fail"],
    ]);
    expect(report.of("agent")).toMatchObject({ state: "fail", remedy: expect.stringContaining("ls -l /nowhere/billing.sock") });
  });

  test("with a Vault as its primary is tried by Vault's protocol, and no session is left there", async () => {
    const vault = startFakeVault();
    const primaryTable = `[primary]\nprotocol = "vault"\nurl = "${vault.url}"\nmount = "azure"\n`;
    const text = `${primaryTable}${house.settings.slice(house.settings.indexOf("[identity]"))}[apps.billing]\nrole = "billing"\nsocket = "/nowhere/billing.sock"\n`;
    const remote: CliWorld["remote"] = (connection) => openRemote(connection, { clock, logger: createLogKeeper() });
    expect((await doctor({ remote }, { [agentFile]: text })).of("login billing")).toMatchObject({ state: "ok" });
    expect(vault.asked.slice(-2)).toEqual(["PUT /v1/auth/azure/login", "PUT /v1/auth/token/revoke-self"]);
    vault.refuseLogins(400);
    const refused = (await doctor({ remote }, { [agentFile]: text })).of("login billing");
    expect(refused).toMatchObject({ state: "fail", remedy: "vault read auth/azure/role/billing" });
    expect(refused?.details?.join(" ")).toContain("resource-group = ");
    await vault.stop();
  });

  test("that is not fit is told line by line", async () => {
    const report = await doctor({}, { [agentFile]: "[primary]\nurl = 1\n" });
    expect(report.of("agent's file")).toMatchObject({
      state: "fail",
      cause: expect.stringContaining("primary.url: expected"),
      remedy: `postern agent --check --config ${agentFile}`,
    });
  });

  test("whose certificates are not there is told, and its sockets are looked at all the same", async () => {
    const report = await doctor({}, { [agentFile]: agentText.replace("[identity]", 'ca = "gone.pem"\n[identity]') });
    expect(report.of("tls")).toBeDefined();
    expect(report.findings.filter(({ check, state }) => check === "tls" && state === "fail")).toMatchObject([
      { remedy: "ls -l /etc/postern/gone.pem" },
    ]);
    expect(report.of("agent")).toMatchObject({ state: "fail" });
  });
});

describe("text of a finding", () => {
  test("steers no terminal, whatever a server or a token says", () => {
    const text = findingText({
      check: "c",
      state: "fail",
      found: "a\u001b[2Jb",
      details: ["x\u202ey"],
      cause: "one\ntwo",
      remedy: "three",
    });
    expect(text).toBe("FAIL  c: a\u00b7[2Jb\n        x\u00b7y\n      because one\n              two\n      mend:   three\n");
  });
});

describe("advice", () => {
  const url = new URL("https://postern.example:8443");
  test.each([
    ["dns", "dns", "getent hosts postern.example"],
    ["tls", "tls", "openssl s_client -connect postern.example:8443"],
    ["connect", "connection", "nc -vz postern.example 8443"],
    ["timeout", "connection", "curl -sv"],
    ["redirect", "connection", "curl -sSI"],
  ])("for a line with %s names the check and a command", (because, check, remedy) => {
    expect(lineAdvice(url, because)).toMatchObject({ check, cause: expect.any(String), remedy: expect.stringContaining(remedy) });
  });

  test("of what nobody has seen says the reason itself", () => {
    expect(lineAdvice(url, "strange")).toEqual({ check: "connection", cause: "strange" });
    expect(tokenAdvice("imds", "strange")).toEqual({ cause: "strange" });
  });
});
