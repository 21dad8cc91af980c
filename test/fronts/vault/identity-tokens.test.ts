import { beforeEach, expect, test } from "bun:test";
import { createLocalJWKSet, jwtVerify } from "jose";
import { type AzureDesk, createAzureDesk, P1, S1, std, token } from "./azure-desk";

let desk: AzureDesk;
const issuer = "https://postern.example:8200/v1/identity/oidc/plugins";
const audience = "api://AzureADTokenExchange";
const federated = { client_secret: "", client_id: "app", identity_token_audience: audience, identity_token_ttl: "10m" };

beforeEach(async () => {
  desk = await createAzureDesk();
});

const write = (path: string, body: object) => desk.vault.as("POST", path, { body });
const read = (path: string) => desk.vault.as("GET", path, { token: null });

test("there is no issuer, and no key, before somebody says by which address it is known", async () => {
  expect((await read("identity/oidc/plugins/.well-known/openid-configuration")).status).toBe(404);
  expect((await read("identity/oidc/plugins/.well-known/keys")).body).toEqual({ keys: [] });
  expect((await write("auth/azure/config", federated)).status).toBe(400);
  for (const address of ["postern.example", "https://postern.example/path", "ftp://postern.example", "https://user@postern.example"])
    expect((await write("identity/oidc/config", { issuer: address })).status).toBe(400);
  expect((await desk.vault.as("GET", "identity/oidc/config")).body.data).toEqual({ issuer: "" });
});

test("a method proves itself to Azure by a token of this issuer's, which its published key verifies", async () => {
  expect((await write("identity/oidc/config", { issuer: "https://postern.example:8200/" })).status).toBe(204);
  expect((await write("auth/azure/config", federated)).status).toBe(204);
  expect((await desk.vault.as("GET", "auth/azure/config")).body.data).toMatchObject({
    identity_token_audience: audience,
    identity_token_ttl: 600,
  });
  await desk.role("dev-role", { bound_service_principal_ids: P1, bound_subscription_ids: S1 });
  expect((await desk.login(token("sys"), { ...std, vm_name: "vm1" })).status).toBe(200);

  const [asked] = desk.tokens;
  const form = asked?.body !== undefined && "form" in asked.body ? asked.body.form : {};
  expect(form).toMatchObject({
    grant_type: "client_credentials",
    client_id: "app",
    scope: "https://management.core.windows.net//.default",
  });
  expect(form.client_assertion_type).toBe("urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
  expect(form.client_secret).toBeUndefined();
  const discovery = await read("identity/oidc/plugins/.well-known/openid-configuration");
  expect([discovery.body.issuer, discovery.body.jwks_uri]).toEqual([issuer, `${issuer}/.well-known/keys`]);
  expect(discovery.headers.get("cache-control")).toContain("max-age");
  const { body: keys, text } = await read("identity/oidc/plugins/.well-known/keys");
  expect(text).not.toMatch(/"(d|p|q|dp|dq|qi)"/);
  const accessor: string = (await desk.vault.as("GET", "sys/auth")).body.data["azure/"].accessor;
  const now = desk.clock.now();
  const { payload, protectedHeader } = await jwtVerify(form.client_assertion ?? "", createLocalJWKSet(keys), {
    issuer,
    audience,
    subject: `plugin-identity:root:auth:${accessor}`,
    algorithms: ["RS256"],
    currentDate: new Date(now),
  });
  expect([payload.exp, payload.nbf, protectedHeader.alg]).toEqual([Math.floor(now / 1000) + 600, Math.floor(now / 1000), "RS256"]);
  expect(JSON.stringify(desk.vault.house.audit)).not.toContain(form.client_assertion ?? "none");
});

test("both credentials at once are refused, and nobody changes the issuer without a right to", async () => {
  await write("identity/oidc/config", { issuer: "https://postern.example:8200" });
  expect(await write("auth/azure/config", { ...federated, client_secret: "right" })).toMatchObject({
    status: 400,
    body: { errors: ["only one of 'client_secret' or 'identity_token_audience' can be set"] },
  });
  const { body } = await desk.vault.as("POST", "auth/token/create", { body: { policies: ["default"] } });
  const shown: string = body.auth.client_token;
  expect((await desk.vault.as("POST", "identity/oidc/config", { token: shown, body: { issuer: "https://evil.example" } })).status).toBe(
    403,
  );
  expect(desk.vault.house.lastAudit()).toMatchObject({ operation: "identity_issuer.write", allowed: false });
  expect((await read("identity/oidc/plugins/.well-known/openid-configuration")).body.issuer).toBe(issuer);
});
