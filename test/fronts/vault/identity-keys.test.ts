import { beforeEach, describe, expect, test } from "bun:test";
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import { type AzureDesk, createAzureDesk, P1, S1, std, token } from "./azure-desk";
import { createVaultClient } from "./client";

let desk: AzureDesk;
const audience = "api://AzureADTokenExchange";
const federated = { client_secret: "", client_id: "app", identity_token_audience: audience, identity_token_ttl: "10m" };
const minuteMs = 60_000;

beforeEach(async () => {
  desk = await createAzureDesk();
  await write("identity/oidc/config", { issuer: "https://postern.example:8200" });
  await desk.role("dev-role", { bound_service_principal_ids: P1, bound_subscription_ids: S1 });
});

const write = (path: string, body: object = {}) => desk.vault.as("POST", path, { body });
const get = (path: string) => desk.vault.as("GET", path);

async function keyIds(): Promise<readonly string[]> {
  const { body } = await desk.vault.as("GET", "identity/oidc/plugins/.well-known/keys", { token: null });
  return body.keys.map(({ kid }: { kid: string }) => kid);
}

/** What a login shows to Azure, once nothing is remembered of the one before. */
async function assertion(): Promise<string> {
  expect((await write("auth/azure/config", federated)).status).toBe(204);
  expect((await desk.login(token("sys"), { ...std, vm_name: "vm1" })).status).toBe(200);
  const body = desk.tokens.at(-1)?.body;
  return (body !== undefined && "form" in body ? body.form.client_assertion : undefined) ?? "";
}

const signerOf = (shown: string): string => String(decodeProtectedHeader(shown).kid);

async function isVerified(shown: string): Promise<boolean> {
  const { body } = await desk.vault.as("GET", "identity/oidc/plugins/.well-known/keys", { token: null });
  const currentDate = new Date(desk.clock.now());
  return jwtVerify(shown, createLocalJWKSet(body), { currentDate }).then(
    () => true,
    () => false,
  );
}

describe("a key that Postern signs with", () => {
  test("is called default, may be set, and says what is wrong with what it is set to", async () => {
    const usual = { algorithm: "RS256", allowed_client_ids: [], rotation_period: 86_400, verification_ttl: 86_400 };
    expect((await get("identity/oidc/key/default")).body.data).toEqual({ ...usual, allowed_client_ids: ["*"] });
    expect((await desk.vault.as("LIST", "identity/oidc/key")).body.data).toEqual({ keys: ["default"] });
    expect((await get("identity/oidc/key/other")).status).toBe(404);
    expect((await write("identity/oidc/key/other", { rotation_period: "1h", verification_ttl: 600 })).status).toBe(204);
    expect((await get("identity/oidc/key/other")).body.data).toEqual({ ...usual, rotation_period: 3600, verification_ttl: 600 });
    expect((await desk.vault.as("LIST", "identity/oidc/key")).body.data).toEqual({ keys: ["default", "other"] });
    for (const [body, says] of [
      [{ rotation_period: "9m" }, "rotation_period must be at least ten minutes"],
      [{ rotation_period: "10m", verification_ttl: "101m" }, "verification_ttl cannot be longer than 10x rotation_period"],
      [{ verification_ttl: 0 }, "verification_ttl must be at least one second"],
      [{ algorithm: "ES256" }, 'unknown signing algorithm "ES256"'],
    ] as const)
      expect(await write("identity/oidc/key/other", body)).toMatchObject({ status: 400, body: { errors: [says] } });
    expect((await get("identity/oidc/key/other")).body.data.rotation_period).toBe(3600);
  });

  test("is published with the one after it before either is known to have signed, and never with a private part", async () => {
    expect(await keyIds()).toEqual([]);
    const first = signerOf(await assertion());
    const published = await keyIds();
    expect([published.length, published[0]]).toEqual([2, first]);
    const { text } = await desk.vault.as("GET", "identity/oidc/plugins/.well-known/keys", { token: null });
    expect(text).not.toMatch(/"(d|p|q|dp|dq|qi)"/);
  });

  test("changes by itself when its time has come, to the key that was published long before, and verifies until its tokens ended", async () => {
    await write("identity/oidc/key/default", { rotation_period: "1h", verification_ttl: "30m" });
    const before = await assertion();
    const [first, next] = await keyIds();
    desk.clock.advance(59 * minuteMs);
    expect(signerOf(await assertion())).toBe(first ?? "");
    desk.clock.advance(minuteMs);
    const last = signerOf(before);
    const after = await assertion();
    expect([signerOf(after), last]).toEqual([next ?? "", first ?? ""]);
    expect([await keyIds(), await isVerified(after)]).toEqual([[next, expect.any(String), first], true]);
    // The longest that a token of that key could be meant to live is a day: so it was before it was set to less.
    desk.clock.advance(24 * 60 * minuteMs - 1);
    expect(await keyIds()).toContain(first ?? "");
    desk.clock.advance(1);
    expect(await keyIds()).not.toContain(first ?? "");
  });

  test("is rotated at once when that is asked for, but never to a key that verifiers may not know yet", async () => {
    const before = await assertion();
    const [, next] = await keyIds();
    expect(await write("identity/oidc/key/default/rotate")).toMatchObject({
      status: 400,
      body: { errors: ["the next key is published too shortly for it to be known everywhere: rotate again in 300 seconds"] },
    });
    expect(signerOf(await assertion())).toBe(signerOf(before));
    desk.clock.advance(5 * minuteMs);
    expect((await write("identity/oidc/key/default/rotate")).status).toBe(204);
    expect([signerOf(await assertion()), await isVerified(before)]).toEqual([next ?? "", true]);
    const lines = desk.vault.house.audit.filter(({ operation }) => operation === "identity_key.rotate");
    // It was allowed and then could not be done; then it was done.
    expect(lines.map(({ allowed }) => allowed)).toEqual([true, false, true]);
    expect((await write("identity/oidc/key/none/rotate")).status).toBe(404);
  });

  test("that somebody else may have verifies nothing from the moment it is rotated with no time left", async () => {
    const before = await assertion();
    const published = await keyIds();
    // Both there are, at once: whoever read the one may have read the other.
    for (const _ of published) expect((await write("identity/oidc/key/default/rotate", { verification_ttl: 0 })).status).toBe(204);
    expect([await isVerified(before), await isVerified(await assertion())]).toEqual([false, true]);
    expect((await keyIds()).filter((id) => published.includes(id))).toEqual([]);
  });

  test("is rotated once, however many ask for it at the same time", async () => {
    await assertion();
    desk.clock.advance(25 * 60 * minuteMs);
    const path = "identity/oidc/key/default/rotate";
    const [one, two] = await Promise.all([write(path), write(path)]);
    expect([one.status, two.status].sort()).toEqual([204, 400]);
    expect(await keyIds()).toHaveLength(3);
  });
});

describe("a mount with a key of its own", () => {
  test("signs with that one, which cannot be removed from under it, and lives no longer than the key verifies", async () => {
    expect(await write("sys/auth/azure/tune", { identity_token_key: "own" })).toMatchObject({
      status: 400,
      body: { errors: ['key "own" does not exist'] },
    });
    await write("identity/oidc/key/own", { verification_ttl: "5m" });
    expect((await write("sys/auth/azure/tune", { identity_token_key: "own" })).status).toBe(204);
    expect((await get("sys/auth/azure/tune")).body.data.identity_token_key).toBe("own");
    expect((await get("sys/auth")).body.data["azure/"].config.identity_token_key).toBe("own");
    expect(await write("auth/azure/config", federated)).toMatchObject({
      status: 400,
      body: { errors: ['identity_token_ttl cannot be longer than the verification_ttl of key "own"'] },
    });
    await write("identity/oidc/key/own", { verification_ttl: "10m" });
    const own = await assertion();
    await write("identity/oidc/key/own", { verification_ttl: "5m" });
    desk.clock.advance(minuteMs);
    await desk.vault.as("DELETE", "auth/azure/role/other");
    await write("sys/auth/azure/tune", { identity_token_key: "" });
    const usual = await assertion();
    expect([signerOf(own) === signerOf(usual), await isVerified(own), await isVerified(usual)]).toEqual([false, true, true]);

    await write("sys/auth/azure/tune", { identity_token_key: "own" });
    expect(await desk.vault.as("DELETE", "identity/oidc/key/own")).toMatchObject({
      status: 400,
      body: { errors: ['unable to delete key "own" because it is currently referenced by these mounts: azure'] },
    });
    await write("sys/auth/azure/tune", { identity_token_key: "" });
    expect((await desk.vault.as("DELETE", "identity/oidc/key/own")).status).toBe(204);
    expect([await isVerified(own), await keyIds()]).toEqual([false, expect.not.arrayContaining([signerOf(own)])]);
    expect((await desk.vault.as("DELETE", "identity/oidc/key/default")).body.errors).toEqual(['deletion of key "default" not allowed']);
  });

  test("made again under the same name does not bring the old key back", async () => {
    await write("identity/oidc/key/own");
    await write("sys/auth/azure/tune", { identity_token_key: "own" });
    const own = await assertion();
    await write("sys/auth/azure/tune", { identity_token_key: "" });
    await desk.vault.as("DELETE", "identity/oidc/key/own");
    desk.clock.advance(1);
    await write("identity/oidc/key/own");
    expect([await isVerified(own), (await keyIds()).length]).toEqual([false, 2]);
  });

  test("is published from the moment that there is a key, before anything is signed by it", async () => {
    await write("identity/oidc/key/own");
    const published = await keyIds();
    await write("sys/auth/azure/tune", { identity_token_key: "own" });
    expect([published.length, published[0]]).toEqual([2, signerOf(await assertion())]);
  });

  test("may be made with it, and not with one that does not exist", async () => {
    expect((await write("sys/auth/second", { type: "azure", config: { identity_token_key: "none" } })).status).toBe(400);
    expect((await get("sys/auth")).body.data["second/"]).toBeUndefined();
    await write("identity/oidc/key/own");
    expect((await write("sys/auth/second", { type: "azure", config: { identity_token_key: "own" } })).status).toBe(204);
    expect((await get("sys/auth")).body.data["second/"].config.identity_token_key).toBe("own");
  });
});

describe("whoever may not", () => {
  test("neither reads, sets, rotates nor removes a key; nor the issuer; each attempt stands in the audit", async () => {
    await assertion();
    desk.clock.advance(5 * minuteMs);
    const before = await keyIds();
    const { body } = await write("auth/token/create", { policies: ["default"] });
    const shown: string = body.auth.client_token;
    for (const [method, path, operation] of [
      ["GET", "key/default", "read"],
      ["LIST", "key", "list"],
      ["POST", "key/default", "write"],
      ["POST", "key/default/rotate", "rotate"],
      ["DELETE", "key/default", "remove"],
    ] as const) {
      const asked = { token: shown, ...(method === "POST" ? { body: { verification_ttl: 0 } } : {}) };
      expect([path, (await desk.vault.as(method, `identity/oidc/${path}`, asked)).status]).toEqual([path, 403]);
      expect(desk.vault.house.lastAudit()).toMatchObject({ operation: `identity_key.${operation}`, allowed: false });
    }
    expect(await keyIds()).toEqual(before);
  });

  test("has no way to be given a mount's token, with a root token neither: what callers get is of another issuer, whatever its role says", async () => {
    const shown = await assertion();
    const mount = decodeJwt(shown);
    expect(JSON.stringify(desk.vault.house.audit)).not.toContain(shown);
    expect(JSON.stringify((await get("auth/azure/config")).body)).not.toContain(shown.slice(0, 40));
    for (const template of [`{"iss": "${mount.iss}"}`, `{"sub": "${mount.sub}"}`, `{"aud": ["${audience}"]}`])
      expect((await write("identity/oidc/role/forged", { key: "default", template })).status).toBe(400);
    expect((await write("identity/oidc/role/forged", { key: "default", client_id: audience })).status).toBe(204);
    await write("sys/policies/acl/forger", { policy: 'path "identity/oidc/token/*" { capabilities = ["read"] }' });
    await write("auth/azure/role/dev-role", { token_policies: "forger" });
    const { body } = await desk.login(token("sys"), { ...std, vm_name: "vm1" });
    const forged = await desk.vault.as("GET", "identity/oidc/token/forged", { token: body.auth.client_token });
    const claims = decodeJwt(forged.body.data.token);
    expect([claims.aud, claims.iss === mount.iss, claims.sub === mount.sub]).toEqual([audience, false, false]);
  });
});

describe("the issuer", () => {
  test("is the configured address of the server where nobody has written another", async () => {
    const client = await createVaultClient({ settings: { apiAddress: "https://configured.example:8200" } });
    const discovery = () => client.as("GET", "identity/oidc/plugins/.well-known/openid-configuration", { token: null });
    expect((await discovery()).body).toMatchObject({
      issuer: "https://configured.example:8200/v1/identity/oidc/plugins",
      jwks_uri: "https://configured.example:8200/v1/identity/oidc/plugins/.well-known/keys",
    });
    expect((await discovery()).headers.get("cache-control")).toBe("max-age=300");
    await client.as("POST", "identity/oidc/config", { body: { issuer: "https://written.example" } });
    expect((await discovery()).body.issuer).toStartWith("https://written.example/");
    await client.as("POST", "identity/oidc/config", { body: { issuer: "" } });
    expect((await discovery()).body.issuer).toStartWith("https://configured.example:8200/");
  });
});
