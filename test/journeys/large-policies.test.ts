/** Large policies on the shipped program: who comes at the same time, what others see meanwhile, and what a kill leaves of a load. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { seededRandom } from "../support/house";
import { createOperatorShell, type OperatorShell, type ServerProcess, shippedProgram } from "../support/operator";

const timeoutMs = 120_000;
const hosts = 400;
const variables = 6000;

let shell: OperatorShell;
let server: ServerProcess;
let adminKey: string;
/** How long a load takes here. */
let loadMs = 0;

beforeAll(async () => {
  shell = createOperatorShell(shippedProgram);
  expect((await shell.run(["init"])).code).toBe(0);
  const account = await shell.run(["account", "create", "acme"]);
  adminKey = /^API key for admin: (\S+)$/mu.exec(account.out)?.[1] ?? "";
  const policy = "- !policy side\n- !variable steady\n- !policy big\n";
  expect((await shell.run(["policy", "load", "--account", "acme", "-"], policy)).code).toBe(0);
  expect((await shell.run(["variable", "set", "--account", "acme", "steady"], "as ever")).code).toBe(0);
  server = await shell.serve();
}, timeoutMs);
afterAll(() => shell.remove());

/** Hosts and variables of one name, all in one branch: they come together or not at all. */
function large(name: string): string {
  const lines = ["- &all"];
  for (let index = 0; index < variables; index += 1) lines.push(`  - !variable ${name}/v${index}`);
  for (let index = 0; index < hosts; index += 1) lines.push(`- !host ${name}/h${index}`);
  lines.push(`- !group ${name}/readers`, `- !permit { role: !group ${name}/readers, privileges: [ read, execute ], resource: *all }`);
  return `${lines.join("\n")}\n`;
}
const records = hosts + variables + 1;

async function session(login = "admin", key = adminKey): Promise<string> {
  const answer = await fetch(`${server.url}/authn/acme/${encodeURIComponent(login)}/authenticate`, {
    method: "POST",
    body: key,
    headers: { "accept-encoding": "base64" },
  });
  expect(answer.status).toBe(200);
  return `Token token="${await answer.text()}"`;
}

function ask(authorization: string, method: string, path: string, body?: string): Promise<Response> {
  return fetch(`${server.url}${path}`, { method, headers: { authorization }, ...(body === undefined ? {} : { body }) });
}

async function count(authorization: string, search: string): Promise<number> {
  const answer = await ask(authorization, "GET", `/resources/acme?count=true&search=${search}`);
  expect(answer.status).toBe(200);
  return JSON.parse(await answer.text()).count;
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe("a large policy, while it is loaded", () => {
  test(
    "sends other loads of its branch away for a while, and holds up nobody else",
    async () => {
      const admin = await session();
      const started = performance.now();
      let isLoaded = false;
      const loading = ask(admin, "POST", "/policies/acme/policy/big", large("first")).finally(() => {
        isLoaded = true;
      });
      const sentAway: { readonly status: number; readonly retryAfter: string | null; readonly body: string }[] = [];
      const others: number[] = [];
      const counts = new Set<number>();
      for (let side = 0; !isLoaded; side += 1) {
        others.push((await ask(admin, "POST", "/policies/acme/policy/side?dryRun=true", `- !variable s${side}\n`)).status);
        const read = await ask(admin, "GET", "/secrets/acme/variable/steady");
        others.push(read.status);
        expect(await read.text()).toBe("as ever");
        counts.add(await count(admin, "first"));
        const again = await ask(admin, "PATCH", "/policies/acme/policy/big", "- !variable small\n");
        if (again.status !== 201)
          sentAway.push({ status: again.status, retryAfter: again.headers.get("retry-after"), body: await again.text() });
      }
      loadMs = performance.now() - started;
      const loaded = await loading;
      expect(loaded.status).toBe(201);
      const { created_roles: created } = JSON.parse(await loaded.text());
      expect(Object.keys(created)).toHaveLength(hosts);
      expect(sentAway.length).toBeGreaterThan(0);
      for (const { status, retryAfter, body } of sentAway) {
        expect(status).toBe(409);
        expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
        expect(Number(retryAfter)).toBeLessThanOrEqual(8);
        expect(JSON.parse(body)).toEqual({
          error: { code: "policy_conflict", message: "Concurrent policy load in progress, please retry" },
        });
      }
      expect([...new Set(others)]).toEqual([200]);
      expect([...counts].filter((each) => each !== 0 && each !== records)).toEqual([]);
      await session("host/big/first/h7", created["acme:host:big/first/h7"].api_key);
    },
    timeoutMs,
  );

  test(
    "loses a race against a small load of another branch without either being lost",
    async () => {
      const admin = await session();
      const loading = ask(admin, "POST", "/policies/acme/policy/big", large("second"));
      const small = await ask(admin, "POST", "/policies/acme/policy/side", "- !host quick\n");
      expect([small.status, (await loading).status]).toEqual([201, 201]);
      expect(await count(admin, "second")).toBe(records);
      expect(await count(admin, "quick")).toBe(1);
    },
    timeoutMs,
  );

  test(
    "is there whole or not at all when the process is killed, and so are the keys of its hosts",
    async () => {
      const dice = seededRandom(5);
      const rounds = 9;
      let stored = 0;
      for (let round = 0; round < rounds; round += 1) {
        const name = `round-${round}-`;
        const started = performance.now();
        const loading = ask(await session(), "POST", "/policies/acme/policy/big", large(name)).then(
          ({ status }) => status,
          () => undefined,
        );
        const share = (dice.bytes(1)[0] ?? 0) / 255;
        // From the first planning to after the answer, on slow machines and on fast ones; the last one right after its answer.
        if (round === rounds - 1) await loading;
        else while (performance.now() - started < loadMs * 1.4 * share) await nextTurn();
        await server.end("SIGKILL");
        const status = await loading;
        server = await shell.serve();
        const found = await count(await session(), name);
        expect([0, records]).toContain(found);
        if (status === 201) expect(found).toBe(records);
        if (found === records) {
          stored += 1;
          const key = await shell.run(["role", "retrieve-key", `acme:host:big/${name}/h${hosts - 1}`]);
          await session(`host/big/${name}/h${hosts - 1}`, key.out.trim());
        }
      }
      process.stdout.write(`${stored} of ${rounds} loads were stored before the kill\n`);
      expect(stored).toBeGreaterThan(0);
      expect((await shell.run(["audit", "verify"])).code).toBe(0);
    },
    timeoutMs,
  );
});
