import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failureOf } from "../../../src/model/failures";
import { type DevOptions, type RunningDev, startDev } from "../../../src/server/dev";

/** Temporary folders go to one of this test's own, so that what stays behind is seen. */
let home = "";
let before: string | undefined;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "postern-dev-test-"));
  before = process.env.TMPDIR;
  process.env.TMPDIR = home;
});

afterAll(() => {
  if (before === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = before;
  rmSync(home, { recursive: true, force: true });
});

interface Started extends RunningDev {
  readonly text: string;
  exported(name: string): string;
  readonly ca: string | undefined;
}

async function start(options: Partial<DevOptions> = {}): Promise<Started> {
  const printed: string[] = [];
  const dev = await startDev({ listen: "127.0.0.1:0", ...options, print: (text) => printed.push(text) });
  const text = printed.join("");
  const exported = (name: string) => new RegExp(`^export ${name}=(\\S+)$`, "mu").exec(text)?.[1] ?? "";
  const certFile = exported("CONJUR_CERT_FILE");
  return { ...dev, text, exported, ca: certFile === "" ? undefined : readFileSync(certFile, "utf8") };
}

const ask = (dev: Started, path: string, init: RequestInit = {}) =>
  fetch(`${dev.url}${path}`, { ...init, ...(dev.ca === undefined ? {} : { tls: { ca: dev.ca } }) });

async function failureFrom(work: Promise<unknown>) {
  try {
    await work;
  } catch (error) {
    return failureOf(error);
  }
  throw new Error("it was not refused");
}

describe("postern dev", () => {
  test.each(["0.0.0.0:8443", "[::]:8443", "192.0.2.1:0", "[::ffff:192.0.2.1]:0", "dev.example:8443", "127.0.0.1", "/tmp/dev.sock", ""])(
    "refuses to listen on %j, and leaves nothing behind",
    async (listen) => {
      const failure = await failureFrom(startDev({ listen, print: () => expect.unreachable() }));
      expect(failure).toMatchObject({ code: "malformed", where: "listen" });
      expect(readdirSync(home)).toEqual([]);
    },
  );

  test("says that a port is taken, prints nothing, and leaves nothing behind", async () => {
    const other = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    try {
      for (const isPlainHttp of [true, false]) {
        const options = { listen: `127.0.0.1:${other.port}`, isPlainHttp, print: () => expect.unreachable() };
        expect(await failureFrom(startDev(options))).toMatchObject({ code: "conflict", because: "address_in_use" });
        expect(readdirSync(home)).toEqual([]);
      }
    } finally {
      await other.stop(true);
    }
  });

  test("refuses a folder for challenges that a real agent may be using, and leaves it alone", async () => {
    const arcTokensFolder = mkdtempSync(join(tmpdir(), "agent-"));
    await Bun.write(join(arcTokensFolder, "own.key"), "x");
    expect(await failureFrom(start({ arcTokensFolder }))).toMatchObject({ code: "exists" });
    expect(readdirSync(arcTokensFolder)).toEqual(["own.key"]);
    rmSync(arcTokensFolder, { recursive: true });
    expect(readdirSync(home)).toEqual([]);
  });

  test("marks every answer: of health, a refusal, a login, and another dialect", async () => {
    const dev = await start();
    try {
      const key = dev.exported("CONJUR_AUTHN_API_KEY");
      const answers = await Promise.all([
        ask(dev, "/health"),
        ask(dev, "/secrets/dev/variable/secrets%2Ftest-variable"),
        ask(dev, "/authn/dev/admin/authenticate", { method: "POST", body: key }),
        ask(dev, "/resources/dev"),
        ask(dev, "/v1/sys/health"),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([200, 401, 200, 401, 200]);
      for (const { headers } of answers) expect(headers.get("x-postern-dev")).toBe("not for production");
    } finally {
      await dev.stop();
    }
  });

  test("keeps neither keys nor store on the disk, and shows the rest to nobody else", async () => {
    const dev = await start();
    try {
      const folder = dev.exported("POSTERN_DATA");
      expect(readdirSync(folder).sort()).toEqual([
        "admin.sock",
        "agent.toml",
        "audit",
        "azure-ca.pem",
        "postern-cert.pem",
        "postern-key.pem",
        "tokens",
      ]);
      expect(lstatSync(folder).mode & 0o077).toBe(0);
      for (const name of ["admin.sock", "postern-key.pem"]) expect(lstatSync(join(folder, name)).mode & 0o777).toBe(0o600);
      expect(readFileSync(join(folder, "audit/audit.jsonl"), "utf8")).not.toContain("the-value-of-the-sample-secret");
    } finally {
      await dev.stop();
    }
  });

  test("serves plain HTTP where that is asked for", async () => {
    const dev = await start({ isPlainHttp: true });
    try {
      expect(dev.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/u);
      expect((await ask(dev, "/health")).status).toBe(200);
      expect(existsSync(join(dev.exported("POSTERN_DATA"), "postern-key.pem"))).toBe(false);
    } finally {
      await dev.stop();
    }
  });

  test("has a certificate for the very address it listens on", async () => {
    const dev = await start({ listen: "127.0.0.2:0" });
    try {
      expect(dev.url).toStartWith("https://127.0.0.2:");
      expect((await ask(dev, "/health")).status).toBe(200);
    } finally {
      await dev.stop();
    }
  });

  test("never asks an issuer that is not the simulated one", async () => {
    const dev = await start();
    let asked = 0;
    const foreign = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch() {
        asked += 1;
        return Response.json({});
      },
    });
    try {
      const key = dev.exported("CONJUR_AUTHN_API_KEY");
      const headers = { "accept-encoding": "base64" };
      const token = await (await ask(dev, "/authn/dev/admin/authenticate", { method: "POST", body: key, headers })).text();
      const authorization = { authorization: `Token token="${token}"` };
      const uri = "/secrets/dev/variable/conjur%2Fauthn-azure%2FAzureAE1%2Fprovider-uri";
      const genuine = await (await ask(dev, uri, { headers: authorization })).text();
      const tenant = new URL(genuine).pathname;
      const platform = `${dev.exported("AZURE_POD_IDENTITY_AUTHORITY_HOST")}/metadata/identity/oauth2/token`;
      const query = "?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F";
      const answer: unknown = await (await fetch(`${platform}${query}`, { headers: { metadata: "true" } })).json();
      const jwt = typeof answer === "object" && answer !== null && "access_token" in answer ? String(answer.access_token) : "";
      const logIn = () =>
        ask(dev, "/authn-azure/AzureAE1/dev/host%2Fazure-apps%2Fvm/authenticate", { method: "POST", body: new URLSearchParams({ jwt }) });
      expect((await logIn()).status).toBe(200);

      const body = `http://127.0.0.1:${foreign.port}${tenant}`;
      expect((await ask(dev, uri, { method: "POST", headers: authorization, body })).status).toBe(201);
      expect([(await logIn()).status, asked]).toEqual([401, 0]);
      const audit = readFileSync(join(dev.exported("POSTERN_DATA"), "audit/audit.jsonl"), "utf8");
      expect(audit.trimEnd().split("\n").at(-1)).toContain('"because":"refused_url"');
    } finally {
      await dev.stop();
      await foreign.stop(true);
    }
  });

  test("ends everything, once, and removes its folder", async () => {
    const listeners = process.listenerCount("exit");
    const dev = await start();
    const machine = dev.exported("AZURE_POD_IDENTITY_AUTHORITY_HOST");
    expect((await fetch(machine)).status).toBeGreaterThan(0);
    await Promise.all([dev.stop(), dev.stop()]);
    await dev.stop();
    for (const url of [dev.url, machine]) expect(fetch(url)).rejects.toThrow();
    expect(readdirSync(home)).toEqual([]);
    expect(process.listenerCount("exit")).toBe(listeners);
  });
});
