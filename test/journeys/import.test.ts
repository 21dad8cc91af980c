import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createOperatorShell, type OperatorShell, shippedProgram } from "../support/operator";

const timeoutMs = 120_000;
const variables = 2000;
let source: OperatorShell;
let target: OperatorShell;
let sourceKey: string;

beforeEach(async () => {
  source = createOperatorShell(shippedProgram);
  target = createOperatorShell(shippedProgram);
  for (const shell of [source, target]) expect((await shell.run(["init"])).code).toBe(0);
  sourceKey = /^API key for admin: (\S+)$/mu.exec((await source.run(["account", "create", "acme"])).out)?.[1] ?? "";
  await target.run(["account", "create", "acme"]);
}, timeoutMs);
afterEach(async () => {
  await source.remove();
  await target.remove();
});

/** Half of them are text, which comes in batches; half are bytes that no text has. */
function bytesOf(index: number): Buffer<ArrayBuffer> {
  return index < variables / 2
    ? Buffer.from(`\uFEFF"\u00e9\u{1F511}\\\n ${index}\0\r\n`)
    : Buffer.from([0, 255, index & 255, index >> 8, 10]);
}

describe("an account of another server", () => {
  test(
    "is taken over with 2,000 values of any bytes, by an import that was killed and run again",
    async () => {
      const ids = Array.from({ length: variables }, (_, index) => `app/v${index}`);
      const policy = `- !policy\n  id: app\n  body:\n${ids.map((id) => `    - !variable ${id.slice(4)}\n`).join("")}    - !group readers\n- !host web\n- !grant { role: !group app/readers, member: !host web }\n- !permit { role: !group app/readers, privileges: [ read, execute ], resource: !variable app/v7 }\n`;
      writeFileSync(join(source.folder, "policy.yml"), policy);
      const values = Object.fromEntries(ids.map((id, index) => [id, { base64: bytesOf(index).toString("base64") }]));
      writeFileSync(join(source.folder, "values.json"), JSON.stringify(values), { mode: 0o600 });
      const filled = await source.run(["import", "conjur", "--account", "acme", "--policy", "policy.yml", "--values", "values.json"]);
      expect(filled).toMatchObject({ code: 0 });
      const server = await source.serve(["--tls-self-signed", "127.0.0.1"]);
      const certificate = join(source.folder, "data", "tls", "server.pem");

      const words = ["import", "conjur", "--account", "acme", "--url", server.url, "--ca-cert", certificate, "--keys-out", "keys.json"];
      const unproven = await target.run([...words.slice(0, 6)], sourceKey);
      expect(unproven).toMatchObject({ code: 75, out: "" });
      expect(unproven.err).toContain("(tls)");
      const state = join(target.folder, "postern-import.state");
      const killed = Bun.spawn([...shippedProgram, ...words], {
        cwd: target.folder,
        env: { POSTERN_DATA: join(target.folder, "data"), POSTERN_SEAL: `file:${join(target.folder, "seal.key")}` },
        stdin: Buffer.from(sourceKey),
        stdout: "ignore",
        stderr: "ignore",
      });
      while (killed.exitCode === null && (!existsSync(state) || readFileSync(state, "utf8").split("\n").length < 300)) await Bun.sleep(5);
      killed.kill("SIGKILL");
      await killed.exited;
      expect(readFileSync(state, "utf8").split("\n").length).toBeLessThan(variables);

      const again = await target.run([...words.slice(0, -2), "--json"], sourceKey);
      expect(again).toMatchObject({ code: 0 });
      const report = JSON.parse(again.out);
      expect(report.values.skipped).toBeGreaterThan(200);
      expect(report.values.skipped + report.values.written).toBe(variables);
      await server.end("SIGTERM");

      const here = await target.serve();
      const adminKey = (await target.run(["role", "retrieve-key", "acme:user:admin"])).out.trim();
      const token = await (await fetch(`${here.url}/authn/acme/admin/authenticate`, { method: "POST", body: adminKey })).text();
      const authorization = `Token token="${btoa(token)}"`;
      for (const index of [0, 1, 7, 255, 256, 1999]) {
        const answer = await fetch(`${here.url}/secrets/acme/variable/app%2Fv${index}`, { headers: { authorization } });
        expect([answer.status, Buffer.from(await answer.arrayBuffer())]).toEqual([200, bytesOf(index)]);
      }
      const keys = JSON.parse(readFileSync(join(target.folder, "keys.json"), "utf8"));
      const web = await (
        await fetch(`${here.url}/authn/acme/host%2Fweb/authenticate`, { method: "POST", body: keys["acme:host:web"] })
      ).text();
      const own = { headers: { authorization: `Token token="${btoa(web)}"` } };
      expect((await fetch(`${here.url}/secrets/acme/variable/app%2Fv7`, own)).status).toBe(200);
      expect((await fetch(`${here.url}/secrets/acme/variable/app%2Fv8`, own)).status).toBe(404);
      await here.end("SIGTERM");
    },
    timeoutMs,
  );
});
