import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { createHash, X509Certificate } from "node:crypto";
import { createLocalJWKSet, createRemoteJWKSet, customFetch, jwtVerify } from "jose";
import { fixedNow, jsonOf, part, startSimulator } from "./fixture";

const simulator = await startSimulator();
const tenant = simulator.tenant();
const ci = simulator.identity("ci");
const pods = simulator.identity("id-pods");
const exchange = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
afterAll(() => simulator.close());
beforeEach(() => {
  simulator.clock.setOffset(0);
  simulator.entra.clearFaults();
});

describe("Entra's metadata", () => {
  test.each([
    [tenant.providerUris.v1, tenant.issuers.v1],
    [tenant.providerUris.v2, tenant.issuers.v2],
  ])("is found at %s with one slash or two, and names the issuer", async (providerUri, issuer) => {
    for (const between of ["/", "//"]) {
      const document = await jsonOf(await get(`${providerUri.replace(/\/$/, "")}${between}.well-known/openid-configuration`));
      expect(document).toMatchObject({ issuer, id_token_signing_alg_values_supported: ["RS256"], subject_types_supported: ["pairwise"] });
    }
  });

  test("names the issuer that it is found below", () => {
    expect(tenant.issuers).toEqual({ v1: `${simulator.entra.url}/${tenant.id}/`, v2: `${simulator.entra.url}/${tenant.id}/v2.0` });
  });

  test.each(["common", "organizations"])("for %s is a template with literal braces", async (name) => {
    const v1 = await jsonOf(await get(`${simulator.entra.url}/${name}/.well-known/openid-configuration`));
    const v2 = await jsonOf(await get(`${simulator.entra.url}/${name}/v2.0/.well-known/openid-configuration`));
    expect([v1.issuer, v2.issuer]).toEqual([`${simulator.entra.url}/{tenantid}/`, `${simulator.entra.url}/{tenantid}/v2.0`]);
  });

  test("of an unknown tenant is AADSTS90002", async () => {
    const answer = await get(`${simulator.entra.url}/00000000-0000-4000-8000-000000000000/v2.0/.well-known/openid-configuration`);
    const body = await jsonOf(answer);
    expect([answer.status, body.error, body.error_codes]).toEqual([400, "invalid_tenant", [90002]]);
    expect(body.timestamp).toBe("2026-09-21 14:13:20Z");
  });

  test("is nowhere else", async () => {
    expect((await get(`${simulator.entra.url}/`)).status).toBe(404);
    expect((await get(`${tenant.providerUris.v2}/.well-known/other`)).status).toBe(404);
  });

  test("names Azure's own issuers when so asked, still served here", async () => {
    const azure = await startSimulator({ issuerStyle: "azure" });
    const { id, issuers, providerUris } = azure.tenant();
    const document = await jsonOf(await fetch(`${providerUris.v1}.well-known/openid-configuration`, { tls: { ca: azure.caPem } }));
    const common = await jsonOf(await fetch(`${azure.entra.url}/common/.well-known/openid-configuration`, { tls: { ca: azure.caPem } }));
    expect(issuers).toEqual({ v1: `https://sts.windows.net/${id}/`, v2: `https://login.microsoftonline.com/${id}/v2.0` });
    expect([document.issuer, common.issuer]).toEqual([issuers.v1, "https://sts.windows.net/{tenantid}/"]);
    expect(document.jwks_uri).toStartWith(azure.entra.url);
    expect(part(azure.mint(), 1).iss).toBe(issuers.v1);
    await azure.close();
  });

  test("is refused to a client that does not trust the simulator's own authority", async () => {
    await expect(fetch(`${tenant.providerUris.v2}/.well-known/openid-configuration`)).rejects.toThrow();
  });
});

describe("Entra's keys", () => {
  test("are two active ones, named by the SHA-1 of their certificates, without alg", async () => {
    const keys = await publicKeys("common/discovery/keys");
    expect(keys).toHaveLength(2);
    for (const key of keys) {
      const certificate = Buffer.from(String(key.x5c).split(",")[0] ?? "", "base64");
      expect(key).toMatchObject({
        kty: "RSA",
        use: "sig",
        e: "AQAB",
        x5t: key.kid,
        kid: createHash("sha1").update(certificate).digest("base64url"),
      });
      expect(new X509Certificate(certificate).publicKey.export({ format: "jwk" }).n).toBe(String(key.n));
      expect([Object.hasOwn(key, "alg"), Object.hasOwn(key, "d"), Object.hasOwn(key, "issuer")]).toEqual([false, false, false]);
    }
  });

  test("of version 2 say for which issuer they are, one of them for another tenant's", async () => {
    const issuers = (await publicKeys(`${tenant.id}/discovery/v2.0/keys`)).map((key) => String(key.issuer));
    const template = `${simulator.entra.url}/{tenantid}/v2.0`;
    expect(issuers.filter((issuer) => issuer === template)).toHaveLength(2);
    expect(issuers.filter((issuer) => issuer !== template)).toEqual([expect.stringContaining("f0f0f0f0")]);
  });

  test("verify the tokens they signed, by the metadata alone", async () => {
    for (const [version, uri] of [[1, tenant.providerUris.v1] as const, [2, tenant.providerUris.v2] as const]) {
      const document = await jsonOf(await get(`${uri}/.well-known/openid-configuration`));
      const keys = createRemoteJWKSet(new URL(String(document.jwks_uri)), { [customFetch]: (url: string) => get(url) });
      const token = simulator.mint({ machine: "vm-uami", version, resource: "https://postern.example" });
      const verified = await jwtVerify(token, keys, {
        issuer: String(document.issuer),
        algorithms: ["RS256"],
        currentDate: new Date(fixedNow),
      });
      expect(verified.payload).toMatchObject({ ver: `${version}.0`, xms_sim: "1" });
    }
  });

  test("rotate on schedule with the old one kept, and in an emergency with both gone", async () => {
    const own = await startSimulator();
    const kids = async () => {
      const body = await jsonOf(await fetch(`${own.entra.url}/common/discovery/keys`, { tls: { ca: own.caPem } }));
      return keysOf(body).map((key) => String(key.kid));
    };
    const before = await kids();
    const [first, next] = [part(own.mint(), 0).kid, part(own.mint({ key: "next" }), 0).kid];
    await own.entra.rotate();
    expect(part(own.mint(), 0).kid).toBe(next);
    expect(part(own.mint({ key: "retired" }), 0).kid).toBe(first);
    expect(await kids()).toEqual(expect.arrayContaining([...before, part(own.mint({ key: "next" }), 0).kid]));

    await own.entra.rotate("emergency");
    const after = await kids();
    expect(after).toHaveLength(2);
    expect(after.some((kid) => before.includes(kid))).toBe(false);
    expect(after).toContain(String(part(own.mint(), 0).kid));
    await own.close();
  });
});

describe("the token endpoint", () => {
  const secret = { grant_type: "client_credentials", client_id: ci.clientId, client_secret: "ci-secret" };
  const assertion = () => simulator.cluster.serviceAccountToken({ namespace: "shop", serviceAccount: "web" });
  const federated = () => ({
    grant_type: "client_credentials",
    client_id: pods.clientId,
    client_assertion_type: exchange,
    client_assertion: assertion(),
  });
  const scope = { scope: "https://postern.example/.default" };

  test("gives an application a token for its secret, with numbers in the body and no resource claims", async () => {
    const body = await jsonOf(await post("oauth2/v2.0/token", { ...secret, ...scope }));
    expect(body).toMatchObject({ token_type: "Bearer", expires_in: 86_399, ext_expires_in: 86_399 });
    const claims = part(body.access_token, 1);
    expect(claims).toMatchObject({
      aud: "https://postern.example",
      oid: ci.oid,
      sub: ci.oid,
      appid: ci.clientId,
      appidacr: "1",
      ver: "1.0",
    });
    expect([Object.hasOwn(claims, "xms_mirid"), Object.hasOwn(claims, "xms_az_rid")]).toEqual([false, false]);
  });

  test("gives the version of token that the audience asks for, by either endpoint", async () => {
    const resource = "https://v2.postern.example";
    const answers = [
      await post("oauth2/token", { ...secret, resource }),
      await post("oauth2/v2.0/token", { ...secret, scope: `${resource}/.default` }),
    ];
    for (const answer of answers) {
      const claims = part((await jsonOf(answer)).access_token, 1);
      expect(claims).toMatchObject({ ver: "2.0", azp: ci.clientId, iss: tenant.issuers.v2 });
      expect(claims.aud).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  test("of version 1 answers text and the resource, slash and all", async () => {
    const body = await jsonOf(await post("oauth2/token", { ...secret, resource: "https://management.azure.com/" }));
    expect(body).toMatchObject({
      expires_in: "86399",
      expires_on: String(fixedNow / 1000 + 86_400),
      resource: "https://management.azure.com/",
    });
    expect(part(body.access_token, 1).aud).toBe("https://management.azure.com/");
  });

  test("exchanges a service account's token, for an identity's own resource and no host's", async () => {
    const body = await jsonOf(await post("oauth2/v2.0/token", { ...federated(), ...scope }));
    const claims = part(body.access_token, 1);
    expect(claims).toMatchObject({ oid: pods.oid, xms_mirid: pods.mirid, appidacr: "2" });
    expect(claims).not.toHaveProperty("xms_az_rid");
  });

  test.each<[string, Record<string, string>, number]>([
    ["no grant type", { client_id: ci.clientId, ...scope }, 900144],
    ["no client", { grant_type: "client_credentials", ...scope }, 900144],
    ["no scope", secret, 900144],
    ["another grant", { ...secret, ...scope, grant_type: "password" }, 70003],
    ["an unknown application", { ...secret, ...scope, client_id: "00000000-0000-4000-8000-000000000000" }, 700016],
    ["an application of another tenant", { ...secret, ...scope, client_id: simulator.identity("id-globex").clientId }, 700016],
    ["no credential", { grant_type: "client_credentials", client_id: ci.clientId, ...scope }, 7000218],
    ["a wrong secret", { ...secret, ...scope, client_secret: "guess" }, 7000215],
    ["a secret for who has none", { ...secret, ...scope, client_id: pods.clientId }, 7000215],
    ["an assertion of another type", { ...federated(), ...scope, client_assertion_type: "jwt" }, 7000218],
    ["an assertion that is no JWT", { ...federated(), ...scope, client_assertion: "nonsense" }, 50027],
    ["an assertion somebody else signed", { ...federated(), ...scope, client_assertion: `${assertion().slice(0, -8)}AAAAAAAA` }, 700211],
    ["an assertion of another issuer", { ...federated(), ...scope, client_assertion: simulator.mint() }, 700211],
    ["a scope without its suffix", { ...secret, scope: "https://postern.example" }, 1002012],
    ["an unknown audience", { ...secret, scope: "https://nowhere.example/.default" }, 500011],
    ["an audience it has no role for", { ...secret, scope: "https://closed.example/.default" }, 501051],
  ])("refuses %s", async (_, form, code) => {
    const answer = await post("oauth2/v2.0/token", form);
    const body = await jsonOf(answer);
    expect(body).toMatchObject({
      error_codes: [code],
      error: expect.any(String),
      trace_id: expect.any(String),
      correlation_id: expect.any(String),
    });
    expect(body.error_description).toStartWith(`AADSTS${code}: `);
    expect(answer.status).toBeOneOf([400, 401]);
    expect(body).not.toHaveProperty("access_token");
  });

  test.each([
    [{ serviceAccount: "other" }, 700213],
    [{ audience: "https://elsewhere.example" }, 700212],
    [{ lifetimeSeconds: -1 }, 700024],
  ])("refuses an assertion that is not what the identity trusts (%#)", async (change, code) => {
    const presented = simulator.cluster.serviceAccountToken({ namespace: "shop", serviceAccount: "web", ...change });
    const body = await jsonOf(await post("oauth2/v2.0/token", { ...federated(), ...scope, client_assertion: presented }));
    expect(body.error_codes).toEqual([code]);
  });

  test("accepts nothing but POST, and knows no unknown tenant", async () => {
    expect((await jsonOf(await get(`${simulator.entra.url}/${tenant.id}/oauth2/v2.0/token`))).error_codes).toEqual([900561]);
    const other = `${simulator.entra.url}/${simulator.tenant("globex").id}/oauth2/v2.0/token`;
    const body = await jsonOf(
      await fetch(other, { method: "POST", body: new URLSearchParams({ ...secret, ...scope }), tls: { ca: simulator.caPem } }),
    );
    expect(body.error_codes).toEqual([700016]);
  });
});

describe("faults and counters", () => {
  const keys = `${simulator.entra.url}/common/discovery/keys`;

  test("answer once as told, then well again, and are counted all the same", async () => {
    const before = simulator.entra.requests("keys");
    simulator.entra.fault("keys", { kind: "status", status: 503, retryAfterSeconds: 7 }, 1);
    const failed = await get(keys);
    expect([failed.status, failed.headers.get("Retry-After")]).toEqual([503, "7"]);
    expect((await get(keys)).status).toBe(200);
    expect(simulator.entra.requests("keys")).toBe(before + 2);
  });

  test("last until cleared when no number is given, and leave other routes alone", async () => {
    simulator.entra.fault("keys", { kind: "empty_set" });
    expect(await (await get(keys)).json()).toEqual({ keys: [] });
    expect(await (await get(keys)).json()).toEqual({ keys: [] });
    expect((await get(`${tenant.providerUris.v1}.well-known/openid-configuration`)).status).toBe(200);
    simulator.entra.clearFaults();
    expect(keysOf(await jsonOf(await get(keys)))).toHaveLength(2);
  });

  test("can be garbage, a given body, a huge one, a redirect and a delay", async () => {
    simulator.entra.fault("keys", { kind: "garbage" }, 1);
    await expect(get(keys).then((answer) => answer.json())).rejects.toThrow();
    simulator.entra.fault("keys", { kind: "body", body: '{"keys":1}' }, 1);
    expect(await (await get(keys)).text()).toBe('{"keys":1}');
    simulator.entra.fault("keys", { kind: "huge", bytes: 300_000 }, 1);
    expect((await (await get(keys)).text()).length).toBeGreaterThan(300_000);
    simulator.entra.fault("keys", { kind: "redirect", location: "https://elsewhere.example/" }, 1);
    expect((await get(keys)).headers.get("Location")).toBe("https://elsewhere.example/");
    simulator.entra.fault("keys", { kind: "delay", delayMs: 5 }, 1);
    expect((await get(keys)).status).toBe(200);
  });

  test("can tear the connection down, or leave it hanging until the simulator closes", async () => {
    // Not just once: over a connection it has kept, the client tries again by itself.
    simulator.entra.fault("keys", { kind: "reset" });
    await expect(get(keys)).rejects.toThrow();
    simulator.entra.clearFaults();
    simulator.entra.fault("keys", { kind: "hang" }, 1);
    await expect(fetch(keys, { tls: { ca: simulator.caPem }, signal: AbortSignal.timeout(50) })).rejects.toThrow();

    const other = await startSimulator();
    other.entra.fault("keys", { kind: "hang" });
    const hanging = fetch(`${other.entra.url}/common/discovery/keys`, { tls: { ca: other.caPem } }).then(
      () => "answered",
      () => "torn down",
    );
    while (other.entra.requests("keys") === 0) await Bun.sleep(1);
    await other.close();
    expect(await hanging).toBe("torn down");
  });
});

describe("a key set", () => {
  test("without the foreign issuer's key still holds for tokens of the tenant", async () => {
    const keys = await publicKeys(`${tenant.id}/discovery/v2.0/keys`);
    const ours = keys
      .filter((key) => !String(key.issuer).includes("f0f0f0f0"))
      .map(({ kty, n, e, kid }) => ({ kty: String(kty), n: String(n), e: String(e), kid: String(kid) }));
    const token = simulator.mint({ version: 2 });
    expect((await jwtVerify(token, createLocalJWKSet({ keys: ours }), { currentDate: new Date(fixedNow) })).payload.tid).toBe(tenant.id);
  });
});

function get(url: string): Promise<Response> {
  return fetch(url, { tls: { ca: simulator.caPem }, redirect: "manual" });
}

function post(path: string, form: Readonly<Record<string, string>>): Promise<Response> {
  return fetch(`${simulator.entra.url}/${tenant.id}/${path}`, {
    method: "POST",
    body: new URLSearchParams(form),
    tls: { ca: simulator.caPem },
  });
}

async function publicKeys(path: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return keysOf(await jsonOf(await get(`${simulator.entra.url}/${path}`)));
}

function keysOf(body: Readonly<Record<string, unknown>>): readonly Readonly<Record<string, unknown>>[] {
  if (!Array.isArray(body.keys)) throw new Error("expected a key set");
  return body.keys.map((key: unknown) => ({ ...(typeof key === "object" ? key : {}) }));
}
