/** A machine that works by Vault's protocol, and what it finds again after the server was killed and started anew. */

import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createOperatorShell, type OperatorShell, type ServerProcess, shippedProgram } from "../support/operator";

const timeoutMs = 60_000;
let shell: OperatorShell;
let server: ServerProcess;

beforeEach(async () => {
  shell = createOperatorShell(shippedProgram);
  expect((await shell.run(["init"])).code).toBe(0);
  expect((await shell.run(["account", "create", "acme"])).code).toBe(0);
  server = await shell.serve();
}, timeoutMs);
afterEach(() => shell.remove());

interface Reply {
  readonly status: number;
  readonly body: ReturnType<typeof JSON.parse>;
}

async function ask(token: string | undefined, method: string, path: string, body?: object): Promise<Reply> {
  const answer = await fetch(`${server.url}/v1/${path}`, {
    method,
    headers: token === undefined ? {} : { "x-vault-token": token },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? null : JSON.parse(text) };
}

async function rootToken(): Promise<string> {
  const { code, out } = await shell.run(["vault", "token", "--ttl", "15m"]);
  expect(code).toBe(0);
  return out.trim();
}

test(
  "tokens, secrets, roles, secret-ids and wrapped answers outlive the process; what was revoked or used up does not come back",
  async () => {
    const root = await rootToken();
    for (const [path, body] of [
      ["sys/mounts/secret", { type: "kv", options: { version: "2" } }],
      ["secret/data/app", { data: { password: "one" } }],
      ["secret/data/app", { data: { password: "two" } }],
      ["sys/policies/acl/app", { policy: 'path "secret/data/app" { capabilities = ["read"] }' }],
      ["sys/auth/approle", { type: "approle" }],
      ["auth/approle/role/app", { role_id: "app", token_policies: "app" }],
    ] as const)
      expect([path, (await ask(root, "POST", path, body)).status]).toEqual([path, expect.any(Number)]);
    const secretId = async (body: object): Promise<string> =>
      (await ask(root, "POST", "auth/approle/role/app/secret-id", body)).body.data.secret_id;
    const login = (id: string) => ask(undefined, "POST", "auth/approle/login", { role_id: "app", secret_id: id });
    const [many, once] = [await secretId({}), await secretId({ num_uses: 1 })];
    const kept: string = (await login(many)).body.auth.client_token;
    const revoked: string = (await login(once)).body.auth.client_token;
    expect((await ask(revoked, "POST", "auth/token/revoke-self")).status).toBe(204);
    const wrapping = await fetch(`${server.url}/v1/secret/data/app`, { headers: { "x-vault-token": kept, "x-vault-wrap-ttl": "5m" } });
    const { wrap_info } = JSON.parse(await wrapping.text());

    await server.end("SIGKILL");
    server = await shell.serve();

    expect((await ask(kept, "GET", "secret/data/app")).body.data).toMatchObject({ data: { password: "two" }, metadata: { version: 2 } });
    expect((await ask(kept, "GET", "secret/data/app?version=1")).body.data.data).toEqual({ password: "one" });
    expect((await ask(kept, "POST", "secret/data/app", { data: {} })).status).toBe(403);
    const trail = readFileSync(join(shell.folder, "data/audit/audit.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const refused = trail.findLast(({ operation, allowed }) => operation === "secret.write" && !allowed);
    expect(refused).toMatchObject({ path: "secret/data/app", accessor: expect.stringMatching(/^\w{24}$/) });
    expect((await shell.run(["why", refused.decision])).out).toContain(
      'What would allow it, in a policy that the token has:\n  path "secret/data/app" { capabilities = ["update"] }\n',
    );
    expect((await ask(revoked, "GET", "auth/token/lookup-self")).status).toBe(403);
    expect([(await login(many)).status, (await login(once)).status]).toEqual([200, 400]);
    expect((await ask(wrap_info.token, "POST", "sys/wrapping/unwrap")).body.data.data).toEqual({ password: "two" });
    expect((await ask(wrap_info.token, "POST", "sys/wrapping/unwrap")).status).toBe(400);
    expect((await ask(root, "GET", "auth/token/lookup-self")).status).toBe(200);
    expect(await server.end("SIGTERM")).toBe(0);
    const verified = await shell.run(["audit", "verify"]);
    expect([verified.code, verified.err]).toEqual([0, ""]);
  },
  timeoutMs,
);

test(
  "a policy of the graph gives a machine what its role holds, and takes it away",
  async () => {
    const root = await rootToken();
    await ask(root, "POST", "sys/mounts/kv", { type: "kv" });
    await ask(root, "POST", "kv/a", { x: "y" });
    await ask(root, "POST", "sys/policies/acl/reader", { policy: 'path "kv/*" { capabilities = ["read"] }' });
    await ask(root, "POST", "sys/auth/userpass", { type: "userpass" });
    await ask(root, "POST", "auth/userpass/users/alice", { password: "horse" });
    const { body } = await ask(undefined, "POST", "auth/userpass/login/alice", { password: "horse" });
    const token: string = body.auth.client_token;
    expect((await ask(token, "GET", "kv/a")).status).toBe(403);
    const grant = "- !grant\n  role: !group vault/policy/reader\n  member: !host vault/role/userpass/alice\n";
    expect((await shell.run(["policy", "load", "--account", "acme", "-"], grant)).code).toBe(0);
    expect((await ask(token, "GET", "kv/a")).body.data).toEqual({ x: "y" });
    expect((await ask(token, "GET", "auth/token/lookup-self")).body.data.identity_policies).toEqual(["reader"]);
    expect(
      (await shell.run(["policy", "load", "--account", "acme", "--mode", "update", "-"], grant.replace("!grant", "!revoke"))).code,
    ).toBe(0);
    expect((await ask(token, "GET", "kv/a")).status).toBe(403);
    expect(await server.end("SIGTERM")).toBe(0);
  },
  timeoutMs,
);
