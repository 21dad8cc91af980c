/**
 * Every route of every engine, asked anything by anybody: whatever it is, it is answered, nothing of it is half done, and what was decided is written down.
 * Seeded, so that a failure comes again.
 */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { EngineRoute } from "../../../src/fronts/vault/engine";
import { engineOf } from "../../../src/fronts/vault/engines";
import { PosternError } from "../../../src/model/failures";
import type { AzureProofs } from "../../../src/model/ports";
import { createVaultClient, type VaultClient, type VaultReply } from "./client";

const canary = "canary-51c7e0";
const unavailable = () => new PosternError({ code: "upstream_unavailable", upstream: "azure" });
const azure: AzureProofs = {
  verify: () => Promise.reject(new PosternError({ code: "unauthenticated", because: "signature" })),
  inTime: (work) => work(),
  resources: () => {
    throw unavailable();
  },
  applications: () => {
    throw unavailable();
  },
  forget: () => undefined,
};

const mounts = [
  ["sys", "system"],
  ["auth/token", "token"],
  ["auth/approle", "approle"],
  ["auth/azure", "azure"],
  ["auth/userpass", "userpass"],
  ["auth/jwt", "jwt"],
  ["conjur", "conjur"],
  ["old", "kv", "1"],
  ["secret", "kv", "2"],
  ["cubbyhole", "cubbyhole"],
  ["identity", "identity"],
] as const;

interface Target {
  readonly pattern: string;
  readonly route: EngineRoute;
}

const targets: readonly Target[] = mounts.flatMap(([path, type, version]) =>
  (engineOf({ type, options: version === undefined ? {} : { version } })?.engine.routes ?? []).map((route) => ({
    pattern: route.path === "" ? path : `${path}/${route.path}`,
    route,
  })),
);

const names = [
  "a",
  "app",
  "default",
  "root",
  "CI",
  "sys",
  "a.b",
  "__proto__",
  "constructor",
  "é",
  "%2e%2e",
  "%2fa",
  "a%5Cb",
  "%00",
  "%ff",
  "..",
  "+",
  "*",
];
const more = ["n".repeat(600), "%F0%9F%92%A9", "a%20", "%20", "%E2%80%8B", "tune", "e%CC%81", "a/b/c", "-1", "999999999999999999999"];
const name = fc.constantFrom(...names, ...more);

const fields = [
  "data options cas versions custom_metadata max_versions cas_required delete_version_after ttl lease period policies meta id num_uses renewable",
  "explicit_max_ttl no_parent no_default_policy display_name type entity_alias token accessor increment path paths policy rules description config",
  "default_lease_ttl max_lease_ttl listing_visibility version input format bytes lease_id role jwt role_id secret_id password token_ttl token_policies",
  "token_bound_cidrs token_type bound_claims bound_issuer tenant_id resource allowed_policies allowed_entity_aliases cidr_list metadata orphan issuer",
  "template key client_id allowed_client_ids rotation_period verification_ttl algorithm __proto__ constructor value",
]
  .join(" ")
  .split(" ");

const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    1,
    -1,
    1.5,
    1e308,
    2 ** 53,
    "",
    "0",
    "-1",
    "1h",
    "99999999h",
    "true",
    "a,b",
    "a=b",
    "10.0.0.0/8",
    "kv",
    "root",
  ),
  fc.constantFrom<unknown>(
    "\u0000",
    "\ud800",
    "x".repeat(5000),
    'path "*" { capabilities = ["sudo"] }',
    "{{identity.entity.id}}",
    "2",
    "approle",
  ),
);
const value = fc.oneof(
  { weight: 4, arbitrary: leaf },
  { weight: 1, arbitrary: fc.array(leaf, { maxLength: 4 }) },
  { weight: 2, arbitrary: fc.dictionary(fc.constantFrom("cas", "a", "version", "__proto__", "type"), leaf, { maxKeys: 3 }) },
);
const objects = fc.dictionary(fc.constantFrom(...fields), value, { maxKeys: 5 });
const rawBodies = fc.constantFrom(
  "",
  "%20",
  "null",
  "[]",
  '"text"',
  "{",
  "{}{}",
  `{"data":{"a":"${canary}"`,
  `{"data":${"[".repeat(40)}${"]".repeat(40)}}`,
  `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`,
  `{"data":{"a":1},"data":{"a":2}}`,
  `{"token":"${canary}"}`,
  `{"password":"${canary}","secret_id":"${canary}","role_id":"x","jwt":"${canary}","role":"a"}`,
  `{"data":{"a":"${canary}"}}`,
  `{"value":"${canary}"}`,
  `{"token":"x","\\u0074oken":"y"}`,
  `[${"1,".repeat(20_000)}1]`,
  "a=b&a=c",
  "data=x&options=y",
  "\ufeff{}",
  '{"data":{"n":1e400,"m":-0,"big":123456789012345678901234567890}}',
);

const asked = fc.record({
  target: fc.nat(targets.length - 1),
  names: fc.array(name, { minLength: 3, maxLength: 3 }),
  method: fc.constantFrom("GET", "LIST", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"),
  isFitting: fc.boolean(),
  tail: fc.constantFrom("", "", "", "/", "//", "?version=1", "?version=x", "?list=true", "?depth=1&depth=2", "?after=a&limit=1", "?%ff"),
  body: fc.oneof({ weight: 3, arbitrary: objects.map((body) => JSON.stringify(body)) }, { weight: 1, arbitrary: rawBodies }),
  token: fc.constantFrom("root", "root", "root", "some", "limited", "batch", "wrapping", "none", "rubbish", "two"),
  headers: fc.constantFrom<Readonly<Record<string, string>>>(
    {},
    {},
    {},
    { "x-vault-wrap-ttl": "60" },
    { "x-vault-wrap-ttl": "-1" },
    { "x-vault-namespace": "other" },
    { "content-type": "application/x-www-form-urlencoded" },
    { "content-type": "text/plain" },
  ),
});

type Asked = typeof asked extends fc.Arbitrary<infer Value> ? Value : never;

const verbs = { read: ["GET"], list: ["LIST"], write: ["POST", "PUT"], patch: ["PATCH"], delete: ["DELETE"] } as const;

/** What the route takes, for half of the questions: others would be most of them. */
function methodOf({ method, isFitting }: Asked, { route }: Target): string {
  const taken = Object.entries(verbs).flatMap(([action, words]) => (action in route ? words : []));
  return isFitting ? (taken[method.length % taken.length] ?? method) : method;
}

function pathOf({ names: words, tail }: Asked, { pattern }: Target): string {
  let next = 0;
  return `${pattern.replace(/:\w+|\*/g, () => words[next++ % words.length] ?? "a")}${tail}`;
}

interface Scene {
  readonly vault: VaultClient;
  readonly tokens: Readonly<Record<string, string | null>>;
}

async function scene(): Promise<Scene> {
  const vault = await createVaultClient({ azure });
  const make = async (body: object) => (await vault.as("POST", "auth/token/create", { body })).body.auth.client_token;
  for (const type of ["approle", "azure", "userpass", "jwt"]) await vault.as("POST", `sys/auth/${type}`, { body: { type } });
  await vault.as("POST", "sys/mounts/old", { body: { type: "kv" } });
  await vault.as("POST", "sys/mounts/secret", { body: { type: "kv-v2" } });
  await vault.as("POST", "secret/data/a", { body: { data: { password: canary } } });
  await vault.as("POST", "old/a", { body: { password: canary } });
  const wrapped = await vault.as("GET", "secret/data/a", { headers: { "x-vault-wrap-ttl": "1h" } });
  const tokens = {
    root: vault.root,
    some: await make({ policies: ["default", "app"] }),
    limited: await make({ policies: ["default"], num_uses: 3 }),
    batch: await make({ policies: ["default"], type: "batch" }),
    wrapping: wrapped.body.wrap_info.token,
    none: null,
    rubbish: "hvs.rubbish",
    two: "hvs.one, hvs.two",
  };
  return { vault, tokens };
}

async function put(question: Asked, { vault, tokens }: Scene): Promise<void> {
  const target = targets[question.target];
  if (target === undefined) throw new Error("no such route");
  const method = methodOf(question, target);
  const path = pathOf(question, target);
  const { audit, store } = vault.house;
  const [linesBefore, commitsBefore] = [audit.length, store.commits.length];
  const token = tokens[question.token] ?? null;
  const bodiless = method === "GET" || method === "HEAD" || method === "LIST";
  const reply = await vault.as(method, path, { token, headers: question.headers, ...(bodiless ? {} : { body: question.body }) });
  const told = `${method} ${path.slice(0, 200)} as ${question.token} with ${question.body.slice(0, 200)}: ${reply.status} ${reply.text.slice(0, 300)}`;
  const isOdd = reply.status === 500 || (reply.status > 502 && !path.startsWith("sys/"));
  if (isOdd) throw new Error(`broke: ${told}`);
  if (reply.status >= 400 && store.commits.length !== commitsBefore) throw new Error(`left something behind: ${told}`);
  if (reply.text !== "" && reply.body === null && reply.headers.get("content-type") === "application/json")
    throw new Error(`no JSON: ${told}`);
  if (token !== vault.root && reply.text.includes(canary) && !mayBeTold(question, reply)) throw new Error(`told a secret: ${told}`);
  const isDecided = isDecision(reply, target, method);
  if (isDecided && audit.length === linesBefore) throw new Error(`left no line: ${told}`);
}

/** The answer that a wrapping token stands for is for whoever shows it. */
const mayBeTold = ({ token, body }: Asked, reply: VaultReply): boolean =>
  token === "wrapping" || body.includes(canary) || reply.status >= 400;

/** What was done, or refused by the rules: not what no route takes, what is open to all, and what came of a token that is none. */
function isDecision({ status, text }: VaultReply, { route }: Target, method: string): boolean {
  const action = Object.entries(verbs).find(([, words]) => words.some((word) => word === method))?.[0] ?? "read";
  const isOpen = route.open === true || (Array.isArray(route.open) && route.open.some((each) => each === action));
  if (isOpen) return false;
  return (status >= 200 && status < 300) || (status === 403 && text.includes("1 error occurred"));
}

describe("Vault's protocol", () => {
  test(`has ${targets.length} routes, and none of them breaks, leaks, or does anything by half`, async () => {
    expect(targets.length).toBeGreaterThan(80);
    await fc.assert(
      fc.asyncProperty(fc.array(asked, { minLength: 60, maxLength: 60 }), async (questions) => {
        const place = await scene();
        for (const question of questions) await put(question, place);
        const { vault } = place;
        expect((await vault.as("GET", "sys/health", { token: null })).status).toBe(200);
        expect(JSON.stringify(vault.house.audit)).not.toContain(canary);
        await vault.house.tidy();
        const again = await createVaultClient({ azure, store: vault.house.store, clock: vault.house.clock });
        expect((await again.as("GET", "sys/mounts")).status).toBe(200);
      }),
      { seed: 20_261_127, numRuns: 100, endOnFailure: true },
    );
  }, 120_000);
});
