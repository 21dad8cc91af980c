import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, lstatSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createOperatorShell, type OperatorShell } from "../support/operator";

const policy = "- !policy\n  id: apps\n  body:\n    - !variable db\n- !host web\n";
const timeoutMs = 60_000;

let shell: OperatorShell;
let recoveryKey: string;
let adminKey: string;

beforeEach(async () => {
  shell = createOperatorShell();
  const made = await shell.run(["init"]);
  expect(made.code).toBe(0);
  recoveryKey = made.out.trim().split("\n").at(-1) ?? "";
  const account = await shell.run(["account", "create", "acme"]);
  adminKey = /^API key for admin: (\S+)$/mu.exec(account.out)?.[1] ?? "";
  expect(adminKey).not.toBe("");
}, timeoutMs);
afterEach(() => shell.remove());

/** The bytes of every file below a folder, by path. */
function everyFile(folder: string): ReadonlyMap<string, Buffer> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));
  return new Map(paths.filter((path) => lstatSync(path).isFile()).map((path) => [path, readFileSync(path)]));
}

describe("an operator", () => {
  test(
    "works on the folder alone, and then through the server that owns it, with the same commands",
    async () => {
      expect(await shell.run(["policy", "load", "--account", "acme", "-"], policy)).toMatchObject({ code: 0 });
      expect(await shell.run(["variable", "set", "--account", "acme", "apps/db"], "sesame\n")).toMatchObject({ code: 0, err: "" });

      const server = await shell.serve();
      expect(await shell.run(["variable", "get", "--account", "acme", "apps/db"])).toEqual({ code: 0, out: "sesame", err: "" });
      expect(await shell.run(["role", "retrieve-key", "acme:user:admin"])).toEqual({ code: 0, out: `${adminKey}\n`, err: "" });
      expect((await shell.run(["status"])).out).toContain(`listening   ${server.url}`);
      const login = await fetch(`${server.url}/authn/acme/login`, { headers: { authorization: `Basic ${btoa(`admin:${adminKey}`)}` } });
      expect([login.status, await login.text()]).toEqual([200, adminKey]);

      expect(await server.end("SIGTERM")).toBe(0);
      expect(existsSync(join(shell.folder, "data/admin.sock"))).toBe(false);
      expect(await shell.run(["audit", "verify"])).toMatchObject({ code: 0 });
    },
    timeoutMs,
  );

  test(
    "finds the folder taken by a running server, and free again after that was killed",
    async () => {
      const server = await shell.serve();
      expect(await shell.run(["server", "--listen", "127.0.0.1:0"])).toMatchObject({ code: 75, out: "" });
      await server.end("SIGKILL");
      expect(await shell.run(["role", "retrieve-key", "acme:user:admin"])).toMatchObject({ code: 0, out: `${adminKey}\n` });
      const next = await shell.serve();
      expect((await shell.run(["audit", "verify"])).code).toBe(0);
      expect(await next.end("SIGTERM")).toBe(0);
    },
    timeoutMs,
  );

  test(
    "sends every decision to the places beside the trail, in Conjur's words, and none of the secrets",
    async () => {
      const events = join(shell.folder, "events.log");
      const server = await shell.serve(["--audit-syslog", `file:${events}`]);
      expect(await shell.run(["policy", "load", "--account", "acme", "-"], policy)).toMatchObject({ code: 0 });
      expect(await shell.run(["variable", "set", "--account", "acme", "apps/db"], "sesame\n")).toMatchObject({ code: 0 });
      await fetch(`${server.url}/authn/acme/login`, { headers: { authorization: `Basic ${btoa(`admin:${adminKey}`)}` } });
      await fetch(`${server.url}/authn/acme/host%2Fnobody/authenticate`, { method: "POST", body: "canary" });
      expect(await server.end("SIGTERM")).toBe(0);
      const lines = readFileSync(events, "utf8").split("\n");
      const ends = lines.map((line) => line.split(/\] (?=\S)/u).at(-1));
      expect(ends).toContain("acme:user:admin added role acme:host:web");
      expect(ends).toContain("acme:user:admin added resource acme:variable:apps/db");
      expect(ends).toContain("acme:user:admin updated acme:variable:apps/db");
      expect(ends).toContain("acme:user:admin successfully logged in with authenticator authn service acme:webservice:conjur/authn");
      expect(ends).toContain(
        "acme:host:nobody failed to authenticate with authenticator authn service acme:webservice:conjur/authn: CONJ00007E 'host/nobody' not found",
      );
      for (const secret of ["sesame", "canary", adminKey]) expect(lines.join("\n")).not.toContain(secret);
    },
    timeoutMs,
  );

  test(
    "lets the server make its certificate once, for the names that clients use, and keep it over restarts",
    async () => {
      const words = ["--tls-self-signed", "localhost,127.0.0.1"];
      const pem = join(shell.folder, "data/tls/server.pem");
      const first = await shell.serve(words);
      const ca = readFileSync(pem, "utf8");
      const port = new URL(first.url).port;
      for (const host of ["localhost", "127.0.0.1"])
        expect((await fetch(`https://${host}:${port}/health`, { tls: { ca } })).status).toBe(200);
      await first.end("SIGTERM");
      const second = await shell.serve(words);
      expect(readFileSync(pem, "utf8")).toBe(ca);
      expect((lstatSync(join(shell.folder, "data/tls/server.key")).mode & 0o777).toString(8)).toBe("600");
      await second.end("SIGTERM");
    },
    timeoutMs,
  );

  test(
    "unseals a server whose key is gone by the recovery key, without a restart",
    async () => {
      renameSync(join(shell.folder, "seal.key"), join(shell.folder, "elsewhere.key"));
      expect((await shell.run(["role", "retrieve-key", "acme:user:admin"])).code).toBe(78);
      expect((await shell.run(["server", "--listen", "127.0.0.1:0", "--exit-if-sealed"])).code).toBe(78);

      const server = await shell.serve();
      expect((await fetch(`${server.url}/health`)).status).toBe(503);
      expect(await shell.run(["seal", "status"])).toMatchObject({ code: 78, out: expect.stringContaining("seal_key_missing") });
      expect((await shell.run(["seal", "unseal", "--recovery-key-stdin"], recoveryKey)).code).toBe(0);
      expect((await fetch(`${server.url}/health`)).status).toBe(200);
      expect(await shell.run(["role", "retrieve-key", "acme:user:admin"])).toMatchObject({ code: 0, out: `${adminKey}\n` });
      expect(await server.end("SIGTERM")).toBe(0);
    },
    timeoutMs,
  );

  test(
    "finds values and keys in no file, however they are written",
    async () => {
      const canary = "canary-5f1e9b-value";
      const server = await shell.serve(["--log-level", "debug"]);
      await shell.run(["policy", "load", "--account", "acme", "-"], policy);
      await shell.run(["variable", "set", "--account", "acme", "apps/db"], canary);
      await fetch(`${server.url}/authn/acme/admin/authenticate`, { method: "POST", body: `${adminKey}x` });
      await fetch(`${server.url}/authn/acme/login`, { headers: { authorization: `Basic ${btoa(`admin:${canary}`)}` } });
      await shell.run(["variable", "get", "--account", "acme", "apps/db"]);
      await server.end("SIGTERM");

      const files = everyFile(shell.folder);
      expect(files.size).toBeGreaterThan(5);
      const secrets = [canary, adminKey, recoveryKey].flatMap((text) => [
        text,
        Buffer.from(text).toString("hex"),
        btoa(text).replace(/=+$/u, ""),
      ]);
      const leaks = [...files].flatMap(([path, bytes]) => secrets.filter((secret) => bytes.includes(secret)).map(() => path));
      expect(leaks).toEqual([]);
    },
    timeoutMs,
  );
});

describe("the audit trail of a server", () => {
  test(
    "explains a refusal that the client learns nothing of",
    async () => {
      const server = await shell.serve();
      const refused = await fetch(`${server.url}/authn/acme/host%2Fnobody/authenticate`, { method: "POST", body: "x" });
      expect(refused.status).toBe(401);
      const [decision = ""] =
        readFileSync(join(shell.folder, "data/audit/audit.jsonl"), "utf8").match(/d-[0-9a-z]{12}(?=","allowed":false)/u) ?? [];
      expect(await refused.text()).not.toContain(decision);

      const why = await shell.run(["why", decision]);
      expect(why.code).toBe(0);
      expect(why.out).toStartWith(`${decision}  refused  login`);
      expect(why.out).toContain("Refused     unauthenticated");
      await server.end("SIGTERM");
    },
    timeoutMs,
  );

  test(
    "shows a foreign hand, also behind the next start",
    async () => {
      const path = join(shell.folder, "data/audit/audit.jsonl");
      const lines = readFileSync(path, "utf8").split("\n");
      const changed = lines.map((line) => line.replace('"operation":"account.create"', '"operation":"account.delete"'));
      expect(changed).not.toEqual(lines);
      writeFileSync(path, changed.join("\n"));

      const server = await shell.serve();
      const { code, out } = await shell.run(["audit", "verify"]);
      expect(code).toBe(74);
      expect(out).toMatch(/^The audit trail is NOT whole\. The first bad line is \d+\.\n {2}\d+ {2}changed: /u);
      await server.end("SIGTERM");
    },
    timeoutMs,
  );
});
