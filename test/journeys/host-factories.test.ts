/** Machines that are born by the hundred, against the shipped program: tokens, hosts, their keys, and what is left of them on disk. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createOperatorShell, type OperatorShell, type ServerProcess, shippedProgram } from "../support/operator";

const timeoutMs = 120_000;
const policy = `
- !policy
  id: app
  body:
    - !layer servers
    - !host-factory { id: factory, layers: [ !layer servers ] }
    - !host-factory { id: doomed, layers: [ !layer servers ] }
    - !variable pw
    - !permit { role: !layer servers, privileges: [ read, execute ], resource: !variable pw }
- !user onlooker
- !user stranger
- !permit { role: !user onlooker, privileges: [ read ], resource: !host-factory app/factory }
`;
const form = { "content-type": "application/x-www-form-urlencoded" };

let shell: OperatorShell;
let server: ServerProcess;
let adminKey: string;
/** Every token that was ever issued here. */
const tokens: string[] = [];

beforeAll(async () => {
  shell = createOperatorShell(shippedProgram);
  expect((await shell.run(["init"])).code).toBe(0);
  const account = await shell.run(["account", "create", "acme"]);
  adminKey = /^API key for admin: (\S+)$/mu.exec(account.out)?.[1] ?? "";
  expect((await shell.run(["policy", "load", "--account", "acme", "-"], policy)).code).toBe(0);
  expect((await shell.run(["variable", "set", "--account", "acme", "app/pw"], "sesame\n")).code).toBe(0);
  server = await start();
}, timeoutMs);
afterAll(() => shell.remove());

/** All hosts here come from one address, which in life they do not. */
function start(environment: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
  const limits = ["--limits-logins-per-address-burst", "100000", "--limits-logins-per-identity-burst", "100000"];
  return shell.serve(["--log-level", "debug", ...limits], environment);
}

async function sessionOf(login: string, key: string): Promise<string> {
  const answer = await fetch(`${server.url}/authn/acme/${encodeURIComponent(login)}/authenticate`, {
    method: "POST",
    body: key,
    headers: { "accept-encoding": "base64" },
  });
  return answer.status === 200 ? `Token token="${await answer.text()}"` : `refused ${answer.status}`;
}

async function keyOf(role: string): Promise<string> {
  return (await shell.run(["role", "retrieve-key", `acme:${role}`])).out.trim();
}

async function ask(method: string, path: string, authorization: string, body?: string, headers = form): Promise<Response> {
  return fetch(`${server.url}${path}`, { method, headers: { ...headers, authorization }, ...(body === undefined ? {} : { body }) });
}

/** The body of a request for tokens, with its end so many seconds from now. */
function request(seconds: number, rest = "", factory = "app/factory"): string {
  const end = new Date(Math.ceil((Date.now() + seconds * 1000) / 1000) * 1000).toISOString();
  return `host_factory=acme:host_factory:${encodeURIComponent(factory)}&expiration=${encodeURIComponent(end)}${rest}`;
}

async function issue(body: string): Promise<readonly string[]> {
  const answer = await ask("POST", "/host_factory_tokens", await sessionOf("admin", adminKey), body);
  expect(answer.status).toBe(200);
  const issued: readonly { readonly token: string }[] = JSON.parse(await answer.text());
  tokens.push(...issued.map(({ token }) => token));
  return issued.map(({ token }) => token);
}

const make = (token: string | undefined, id: string, rest = "") =>
  ask("POST", "/host_factories/hosts", `Token token="${token}"`, `id=${encodeURIComponent(id)}${rest}`);

async function made(token: string | undefined, id: string): Promise<string> {
  const answer = await make(token, id);
  const text = await answer.text();
  expect([answer.status, text.includes(`"id":"acme:host:${id}"`)]).toEqual([201, true]);
  const host: { readonly api_key: string } = JSON.parse(text);
  return host.api_key;
}

async function reads(login: string, key: string): Promise<string> {
  const session = await sessionOf(login, key);
  if (session.startsWith("refused")) return session;
  return (await ask("GET", "/secrets/acme/variable/app%2Fpw", session)).text();
}

describe("a machine with a factory's token", () => {
  test(
    "makes its host, logs in and reads what the layer may; born again it gets another key",
    async () => {
      const [token] = await issue(request(600));
      const first = await made(token, "app/web");
      expect(await reads("host/app/web", first)).toBe("sesame");
      const second = await made(token, "app/web");
      expect(await reads("host/app/web", first)).toBe("refused 401");
      expect(await reads("host/app/web", second)).toBe("sesame");
    },
    timeoutMs,
  );

  test(
    "is one of twenty at the same moment: one host, every answer a key, and one key that counts",
    async () => {
      const [token] = await issue(request(600));
      const keys = await Promise.all(Array.from({ length: 20 }, () => made(token, "app/twin")));
      expect(new Set(keys).size).toBe(20);
      const outcomes = await Promise.all(keys.map((key) => reads("host/app/twin", key)));
      expect(outcomes.filter((each) => each === "sesame")).toHaveLength(1);
      const listed = await ask("GET", "/resources/acme/host?search=twin", await sessionOf("admin", adminKey));
      expect(JSON.parse(await listed.text())).toHaveLength(1);
    },
    timeoutMs,
  );

  test(
    "is refused from elsewhere, when the token has ended, was revoked, or went with its factory",
    async () => {
      const [elsewhere] = await issue(request(600, "&cidr[]=198.51.100.0%2F24"));
      expect((await make(elsewhere, "app/x")).status).toBe(401);
      const [near] = await issue(request(600, "&cidr[]=198.51.100.0%2F24&cidr[]=127.0.0.0%2F8"));
      expect((await make(near, "app/x")).status).toBe(201);

      const [brief] = await issue(request(1));
      const deadline = performance.now() + 10_000;
      let status = 201;
      while (status === 201 && performance.now() < deadline) {
        status = (await make(brief, "app/x")).status;
        await Bun.sleep(50);
      }
      expect(status).toBe(401);

      const [revoked] = await issue(request(600));
      const key = await made(revoked, "app/stays");
      const admin = await sessionOf("admin", adminKey);
      expect((await ask("DELETE", `/host_factory_tokens/${revoked}`, admin)).status).toBe(204);
      expect((await make(revoked, "app/stays")).status).toBe(401);
      expect((await ask("DELETE", `/host_factory_tokens/${revoked}`, admin)).status).toBe(404);
      expect(await reads("host/app/stays", key)).toBe("sesame");

      const [orphan] = await issue(request(600, "", "app/doomed"));
      const orphanKey = await made(orphan, "app/orphan");
      const removal = "- !delete { record: !host-factory app/doomed }";
      expect((await ask("PATCH", "/policies/acme/policy/root", admin, removal)).status).toBe(201);
      expect((await make(orphan, "app/orphan")).status).toBe(401);
      expect(await reads("host/app/orphan", orphanKey)).toBe("refused 401");
    },
    timeoutMs,
  );

  test(
    "keeps what it was answered when the server is killed at that moment",
    async () => {
      const [token] = await issue(request(600));
      const key = await made(token, "app/survivor");
      await server.end("SIGKILL");
      server = await start();
      expect(await reads("host/app/survivor", key)).toBe("sesame");
      const again = await made(token, "app/survivor");
      expect(await reads("host/app/survivor", again)).toBe("sesame");
    },
    timeoutMs,
  );
});

describe("who may do what with a factory", () => {
  test(
    "is told by status: absent and unseen alike, seen without the right, allowed",
    async () => {
      const [token] = await issue(request(600));
      const people = { admin: adminKey, onlooker: await keyOf("user:onlooker"), stranger: await keyOf("user:stranger") };
      const statuses: Record<string, readonly number[]> = {};
      for (const [name, key] of Object.entries(people)) {
        const session = await sessionOf(name, key);
        const create = (factory: string) => ask("POST", "/host_factory_tokens", session, request(600, "", factory));
        const shown = await ask("GET", "/resources/acme/host_factory/app%2Ffactory", session);
        const answers = [
          await create("app/factory"),
          await create("app/absent"),
          await ask("DELETE", "/host_factory_tokens/nonsense", session),
          shown,
        ];
        statuses[name] = answers.map(({ status }) => status);
        // No answer but the first shows a token; only who may use the factory learns that there are any.
        const text = await shown.text();
        expect(tokens.some((each) => text.includes(each))).toBe(false);
        expect(text.includes('"expiration"')).toBe(name === "admin");
        if (answers[0]?.status === 200) tokens.push(...JSON.parse(await answers[0].text()).map((each: { token: string }) => each.token));
      }
      expect(statuses).toEqual({ admin: [200, 404, 404, 200], onlooker: [403, 404, 404, 200], stranger: [404, 404, 404, 404] });
      const revokers = await Promise.all((["stranger", "onlooker", "admin"] as const).map(async (name) => sessionOf(name, people[name])));
      const revoked: number[] = [];
      for (const session of revokers) revoked.push((await ask("DELETE", `/host_factory_tokens/${token}`, session)).status);
      expect(revoked).toEqual([404, 403, 204]);
    },
    timeoutMs,
  );
});

describe("a thousand hosts", () => {
  test(
    "come from a thousand tokens as quickly at the end as at the start",
    async () => {
      const issued = await issue(request(600, "&count=1000"));
      expect(new Set(issued).size).toBe(1000);
      const batchMs: number[] = [];
      for (let start = 0; start < issued.length; start += 250) {
        const startedAt = performance.now();
        const batch = issued.slice(start, start + 250);
        for (let at = 0; at < batch.length; at += 25)
          await Promise.all(batch.slice(at, at + 25).map((token, index) => made(token, `fleet/h${start + at + index}`)));
        batchMs.push(performance.now() - startedAt);
      }
      const counted = await ask("GET", "/resources/acme/host?search=fleet&count=true", await sessionOf("admin", adminKey));
      expect(await counted.json()).toEqual({ count: 1000 });
      // Without growing: the bound is wide, because the machine has other work.
      expect(batchMs[3] ?? 0).toBeLessThan(4 * (batchMs[0] ?? 0) + 500);
      process.stdout.write(`1000 hosts in batches of 250: ${batchMs.map((each) => `${Math.round(each)} ms`).join(", ")}\n`);
    },
    timeoutMs,
  );
});

describe("a policy load", () => {
  test(
    "comes through while hosts are born all the time",
    async () => {
      const [token] = await issue(request(600));
      let isLoaded = false;
      let born = 0;
      async function bear(line: number): Promise<void> {
        for (let next = 0; !isLoaded; next += 1) {
          await made(token, `stream/${line}-${next}`);
          born += 1;
        }
      }
      const births = [bear(1), bear(2), bear(3)];
      const text = Array.from({ length: 1000 }, (_, index) => `- !variable v${index}`).join("\n");
      const answer = await ask("POST", "/policies/acme/policy/app", await sessionOf("admin", adminKey), text);
      isLoaded = true;
      await Promise.all(births);
      expect(answer.status).toBe(201);
      expect(born).toBeGreaterThan(3);
    },
    timeoutMs,
  );
});

describe("afterwards", () => {
  test(
    "no token stands in any file, and the trail names what each did",
    async () => {
      expect(await server.end("SIGTERM")).toBe(0);
      expect(tokens.length).toBeGreaterThan(1000);
      const files = readdirSync(shell.folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
      const sought = [tokens[0], tokens.at(-1), ...tokens.slice(0, 12)].filter((each) => each !== undefined);
      const found: string[] = [];
      let trail = "";
      for (const { parentPath, name } of files) {
        const content = readFileSync(join(parentPath, name)).toString("latin1");
        if (content.includes("host_factory.create_host")) trail += content;
        for (const token of sought)
          for (const spelling of [token, Buffer.from(token).toString("base64"), Buffer.from(token).toString("hex")])
            if (content.includes(spelling)) found.push(`${name}: ${token.slice(0, 4)}…`);
      }
      expect(found).toEqual([]);
      for (const operation of ["create_tokens", "create_host", "revoke_token"]) expect(trail).toContain(`host_factory.${operation}`);
      expect((await shell.run(["audit", "verify"])).code).toBe(0);
    },
    timeoutMs,
  );

  test(
    "the factories can be switched off, and are then no routes",
    async () => {
      server = await start({ CONJUR_HOST_FACTORIES_ENABLED: "false" });
      const admin = await sessionOf("admin", adminKey);
      const answers = [
        await ask("POST", "/host_factory_tokens", admin, request(600)),
        await ask("DELETE", "/host_factory_tokens/x", admin),
        await make("x", "app/late"),
      ];
      expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
      expect(await server.end("SIGTERM")).toBe(0);
    },
    timeoutMs,
  );
});
