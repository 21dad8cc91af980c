/** Logins by JWT and by OpenID Connect against the shipped program, with a provider on loopback over TLS: in, out, rotation, outage, and what stays behind. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type FakeDirectory, type Person, startFakeDirectory } from "../support/fake-directory";
import type { Members } from "../support/fake-issuer";
import { createOperatorShell, type OperatorShell, type ServerProcess, shippedProgram } from "../support/operator";
import { startTlsIssuer, type TlsIssuer } from "../support/tls-issuer";

const timeoutMs = 120_000;
const policy = (directory: string) => `
- !policy
  id: conjur/authn-ldap/corp
  body:
    - !webservice
      annotations:
        ldap-authn/uri: ${directory}
        ldap-authn/base_dn: dc=example
        ldap-authn/bind_dn: cn=postern,dc=example
    - !variable bind-password
    - !group users
    - !permit { role: !group users, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: conjur/authn-jwt/ci
  body:
    - !webservice
    - !webservice status
    - !variable jwks-uri
    - !variable issuer
    - !variable audience
    - !variable token-app-property
    - !variable identity-path
    - !group apps
    - !permit { role: !group apps, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: conjur/authn-oidc/staff
  body:
    - !webservice
    - !variable provider-uri
    - !variable client-id
    - !variable client-secret
    - !variable claim-mapping
    - !variable redirect-uri
    - !variable ca-cert
    - !group users
    - !permit { role: !group users, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: ci
  body:
    - !host { id: shop, annotations: { authn-jwt/ci/ref: main } }
    - !variable pw
    - !permit { role: !host shop, privileges: [ read, execute ], resource: !variable pw }
    - !permit { role: !user /alice, privileges: [ read, execute ], resource: !variable pw }
- !user alice
- !user dave
- !grant { role: !group conjur/authn-ldap/corp/users, member: !user dave }
- !grant { role: !group conjur/authn-jwt/ci/apps, member: !host ci/shop }
- !grant { role: !group conjur/authn-oidc/staff/users, member: !user alice }
`;

let shell: OperatorShell;
let server: ServerProcess;
let issuer: TlsIssuer;
let adminKey = "";
let directory: FakeDirectory;
const people: readonly Person[] = [
  { dn: "cn=postern,dc=example", password: "canary-bind-password", attributes: {} },
  { dn: "uid=dave,dc=example", password: "canary-dave's-password", attributes: { uid: ["dave"], objectClass: ["posixAccount"] } },
];

beforeAll(async () => {
  issuer = startTlsIssuer();
  directory = await startFakeDirectory(people, ["localhost"]);
  shell = createOperatorShell(shippedProgram);
  writeFileSync(join(shell.folder, "root.pem"), `${issuer.rootPem}\n${directory.rootPem}`);
  expect((await shell.run(["init"])).code).toBe(0);
  const account = await shell.run(["account", "create", "acme"]);
  adminKey = /^API key for admin: (\S+)$/mu.exec(account.out)?.[1] ?? "";
  expect((await shell.run(["policy", "load", "--account", "acme", "-"], policy(`ldaps://localhost:${directory.port}`))).code).toBe(0);
  const values = {
    "conjur/authn-jwt/ci/jwks-uri": `${issuer.url}/jwks`,
    "conjur/authn-jwt/ci/issuer": issuer.url,
    "conjur/authn-jwt/ci/audience": "postern",
    "conjur/authn-jwt/ci/token-app-property": "project",
    "conjur/authn-jwt/ci/identity-path": "ci",
    "conjur/authn-oidc/staff/provider-uri": issuer.url,
    "conjur/authn-oidc/staff/client-id": "postern-cli",
    "conjur/authn-oidc/staff/client-secret": issuer.clientSecret,
    "conjur/authn-oidc/staff/claim-mapping": "username",
    "conjur/authn-oidc/staff/redirect-uri": "http://127.0.0.1:8888/callback",
    "conjur/authn-oidc/staff/ca-cert": issuer.rootPem,
    "conjur/authn-ldap/corp/bind-password": "canary-bind-password",
    "ci/pw": "sesame",
  };
  for (const [name, value] of Object.entries(values))
    expect((await shell.run(["variable", "set", "--account", "acme", name], value)).code).toBe(0);
  server = await start();
}, timeoutMs);
afterAll(async () => {
  await shell.remove();
  await issuer.stop();
  await directory.stop();
});

function start(): Promise<ServerProcess> {
  const outbound = ["--allow-outbound", `${issuer.url},ldaps://localhost:${directory.port}`, "--ca", join(shell.folder, "root.pem")];
  return shell.serve(["--log-level", "debug", "--authenticators", "authn-jwt/ci,authn-oidc/staff,authn-ldap/corp", ...outbound]);
}

function job(claims: Members = {}, which?: "present" | "former"): string {
  const exp = Math.floor(Date.now() / 1000) + 300;
  return issuer.sign({ sub: "job-7", aud: "postern", project: "shop", ref: "main", exp, ...claims }, which);
}

async function logIn(token = job()): Promise<Response> {
  const body = new URLSearchParams({ jwt: token });
  return fetch(`${server.url}/authn-jwt/ci/acme/authenticate`, {
    method: "POST",
    body,
    headers: { "accept-encoding": "base64" },
    decompress: false,
  });
}

async function reads(session: string): Promise<string> {
  const answer = await fetch(`${server.url}/secrets/acme/variable/ci%2Fpw`, { headers: { authorization: `Token token="${session}"` } });
  return answer.text();
}

/** What `postern why` says of the newest login in the trail. */
async function why(): Promise<string> {
  const trail = readdirSync(join(shell.folder, "data/audit")).map((name) => readFileSync(join(shell.folder, "data/audit", name), "utf8"));
  const decision =
    trail
      .join("")
      .match(/d-[0-9a-hjkmnp-tv-z]{12}/gu)
      ?.at(-1) ?? "";
  return (await shell.run(["why", decision])).out;
}

describe("a job with a JWT", () => {
  test(
    "logs in as the host its claim names, and reads what that may",
    async () => {
      const answer = await logIn();
      expect(answer.status).toBe(200);
      expect(await reads(await answer.text())).toBe("sesame");
    },
    timeoutMs,
  );

  test(
    "of another branch is refused, and the operator is told which annotation did not match and where it stands",
    async () => {
      const answer = await logIn(job({ ref: "feature" }));
      expect([answer.status, await answer.text()]).toEqual([401, ""]);
      const told = await why();
      expect(told).toContain("because claim_mismatch");
      expect(told).toContain("says it is host/ci/shop");
      expect(told).toMatch(
        /✗ ref: policy wants 'main', the proof says 'feature' {2}\[standard input:\d+:\d+, load 1 of acme:policy:root\]/u,
      );
    },
    timeoutMs,
  );

  test(
    "is let in by a new key at once, while the provider is away, over a restart too, and not by a program that never met it",
    async () => {
      issuer.rotate();
      expect((await logIn()).status).toBe(200);
      expect((await logIn(job({}, "former"))).status).toBe(401);
      issuer.trouble("down");
      expect((await logIn()).status).toBe(200);
      expect(await server.end("SIGTERM")).toBe(0);
      server = await start();
      // What the provider said is kept over a restart; the key that it gave up is not.
      expect((await logIn()).status).toBe(200);
      expect((await logIn(job({}, "former"))).status).toBe(401);
      expect(await server.end("SIGTERM")).toBe(0);
      rmSync(join(shell.folder, "data/issuers.json"));
      server = await start();
      expect((await logIn()).status).toBe(401);
      expect(await why()).toContain("✗ issuer_keys");
      issuer.trouble("none");
      expect(await server.end("SIGTERM")).toBe(0);
      server = await start();
      expect((await logIn()).status).toBe(200);
    },
    timeoutMs,
  );

  test(
    "shows in the status of its authenticator whether the provider answers",
    async () => {
      const key = await fetch(`${server.url}/authn/acme/admin/authenticate`, {
        method: "POST",
        body: adminKey,
        headers: { "accept-encoding": "base64" },
        decompress: false,
      });
      const authorization = `Token token="${await key.text()}"`;
      const status = async () => (await fetch(`${server.url}/authn-jwt/ci/acme/status`, { headers: { authorization } })).text();
      expect(await status()).toBe('{"status":"ok"}');
    },
    timeoutMs,
  );
});

describe("a person with a browser", () => {
  async function invitation(): Promise<{ readonly nonce: string; readonly code_verifier: string; readonly redirect_uri: string }> {
    const [first] = JSON.parse(await (await fetch(`${server.url}/authn-oidc/acme/providers`)).text());
    return first;
  }
  const redeem = (code: string, nonce: string, verifier: string) =>
    fetch(`${server.url}/authn-oidc/staff/acme/authenticate?${new URLSearchParams({ code, nonce, code_verifier: verifier })}`, {
      headers: { "accept-encoding": "base64" },
      decompress: false,
    });
  const alice = () => ({ sub: "f3", username: "alice", exp: Math.floor(Date.now() / 1000) + 300 });

  test(
    "signs in at the provider, and is let in by the code, once",
    async () => {
      const { nonce, code_verifier: verifier, redirect_uri: address } = await invitation();
      const code = issuer.signIn(address, alice());
      const answer = await redeem(code, nonce, verifier);
      expect(answer.status).toBe(200);
      expect(await reads(await answer.text())).toBe("sesame");
      expect((await redeem(code, nonce, verifier)).status).toBe(401);
      expect(await why()).toContain("because code_exchange");
    },
    timeoutMs,
  );

  test(
    "is not let in by the code of somebody else's sign-in",
    async () => {
      const [mine, theirs] = [await invitation(), await invitation()];
      const stolen = issuer.signIn(theirs.redirect_uri, alice());
      expect((await redeem(stolen, mine.nonce, mine.code_verifier)).status).toBe(401);
      const again = issuer.signIn(theirs.redirect_uri, alice());
      expect((await redeem(again, mine.nonce, theirs.code_verifier)).status).toBe(401);
      expect(await why()).toContain("because nonce");
      const unknown = issuer.signIn(mine.redirect_uri, { ...alice(), username: "mallory" });
      expect((await redeem(unknown, mine.nonce, mine.code_verifier)).status).toBe(401);
      expect(await why()).toContain("because role");
    },
    timeoutMs,
  );
});

describe("a person of the directory", () => {
  const authorization = (password: string) => ({ authorization: `Basic ${Buffer.from(`dave:${password}`).toString("base64")}` });
  const login = (password: string) => fetch(`${server.url}/authn-ldap/corp/acme/login`, { headers: authorization(password) });
  const enter = (body: string) => fetch(`${server.url}/authn-ldap/corp/acme/dave/authenticate`, { method: "POST", body });

  test(
    "shows their password for their API key, goes on with either, and with no other word",
    async () => {
      const answer = await login("canary-dave's-password");
      expect(answer.status).toBe(200);
      expect((await enter(await answer.text())).status).toBe(200);
      expect((await enter("canary-dave's-password")).status).toBe(200);
      expect((await enter("dave's-password")).status).toBe(401);
      expect(await why()).toContain("because directory_password");
      expect((await login("")).status).toBe(401);
      directory.silence(true);
      expect((await enter("canary-dave's-password")).status).toBe(401);
      expect(await why()).toContain("because timeout");
      directory.silence(false);
    },
    timeoutMs,
  );
});

test(
  "no code, no secret of a client and no token is left anywhere on disk",
  async () => {
    const token = job();
    await logIn(token);
    expect(await server.end("SIGTERM")).toBe(0);
    const files = readdirSync(shell.folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const texts = files.map((entry) => readFileSync(join(entry.parentPath, entry.name)));
    expect(texts.length).toBeGreaterThan(4);
    const canaries = [
      "canary-code",
      "canary-bind-password",
      "canary-dave's-password",
      issuer.clientSecret,
      token,
      token.split(".")[2] ?? "",
      Buffer.from(issuer.clientSecret).toString("base64"),
    ];
    for (const canary of canaries) for (const text of texts) expect(text.includes(canary)).toBe(false);
  },
  timeoutMs,
);
