import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { generateRsa, type KeyPair, publicJwk, signJws } from "../../../../src/crypto/signing";
import type { HttpClient } from "../../../../src/model/ports";
import { fixedNow, jsonOf, part, startSimulator } from "./fixture";

const issuer = "https://postern.example.com/v1/identity/oidc/plugins";
const keysAt = `${issuer}/.well-known/keys`;
const audience = "api://AzureADTokenExchange";
const subject = "plugin-identity:root:auth:auth_azure_1a2b3c4d";
const [first, second] = await Promise.all([generateRsa(), generateRsa()]);
const jwk = (pair: KeyPair, kid: string) => publicJwk(pair, { kid, alg: "RS256" });
const documents = new Map<string, object>();
const asked: string[] = [];
const http: HttpClient = {
  getJson: () => Promise.reject(new Error("asked otherwise than expected")),
  async send({ url }) {
    asked.push(url);
    const body = documents.get(url);
    if (body === undefined) throw new Error("nobody is there");
    return { status: 200, headers: { "cache-control": "max-age=300" }, body: Buffer.from(JSON.stringify(body)) };
  },
};
const simulator = await startSimulator({ http });
const application = simulator.identity("reporter");
simulator.federate("reporter", { issuer, subject, audience });
afterAll(() => simulator.close());
beforeEach(() => {
  // Whatever was kept of the issuer has ended.
  simulator.clock.advance(301_000);
  documents.clear();
  documents.set(`${issuer}/.well-known/openid-configuration`, { issuer, jwks_uri: keysAt });
  documents.set(keysAt, { keys: [jwk(first, "one")] });
  asked.length = 0;
});

describe("an application that trusts an issuer outside", () => {
  test("gets a token for one of that issuer's, by the keys it publishes", async () => {
    const body = await exchange(assertion());
    expect(part(body.access_token, 1)).toMatchObject({ oid: application.oid, appidacr: "2" });
    expect(asked).toEqual([`${issuer}/.well-known/openid-configuration`, keysAt]);
  });

  test.each<[string, () => string, number]>([
    ["another audience", () => assertion({ aud: "api://elsewhere" }), 700212],
    ["another subject", () => assertion({ sub: `${subject}0` }), 700213],
    ["another issuer", () => assertion({ iss: `${issuer}/` }), 700211],
    ["a time that is over", () => assertion({ exp: seconds() - 1 }), 700024],
    ["a time that has not come", () => assertion({ nbf: seconds() + 60 }), 700024],
    ["another key's signature", () => assertion({}, { kid: "one", pair: second }), 700027],
    ["a key that is not published", () => assertion({}, { kid: "two", pair: second }), 700027],
  ])("gets none for a token with %s", async (_, token, code) => {
    expect((await exchange(token())).error_codes).toEqual([code]);
  });

  test("gets none while the issuer cannot be asked, or names itself otherwise", async () => {
    documents.set(`${issuer}/.well-known/openid-configuration`, { issuer: "https://elsewhere.example", jwks_uri: keysAt });
    expect((await exchange(assertion())).error_codes).toEqual([50166]);
    documents.clear();
    expect((await exchange(assertion())).error_codes).toEqual([50166]);
  });

  test("knows a new key only once what it keeps has ended, unless that was published before", async () => {
    await exchange(assertion());
    documents.set(keysAt, { keys: [jwk(first, "one"), jwk(second, "two")] });
    expect((await exchange(assertion({}, { kid: "two", pair: second }))).error_codes).toEqual([700027]);
    simulator.clock.advance(300_000);
    expect(await exchange(assertion({}, { kid: "two", pair: second }))).toHaveProperty("access_token");
  });

  test("is asked about by nobody else's word: an issuer that it does not trust is never fetched", async () => {
    expect((await exchange(assertion({ iss: "https://attacker.example" }))).error_codes).toEqual([700211]);
    expect(asked).toEqual([]);
  });

  test("cannot be a machine by itself", () => {
    expect(() => simulator.federate("vm", { issuer, subject })).toThrow();
  });
});

function seconds(): number {
  return Math.floor(simulator.clock.now() / 1000);
}

function assertion(claims: object = {}, by: { readonly kid: string; readonly pair: KeyPair } = { kid: "one", pair: first }): string {
  const all = { iss: issuer, sub: subject, aud: [audience], iat: seconds(), nbf: seconds(), exp: seconds() + 3600, ...claims };
  return signJws({ alg: "RS256", typ: "JWT", kid: by.kid }, all, { method: "RS256", pair: by.pair });
}

async function exchange(token: string): Promise<Readonly<Record<string, unknown>>> {
  expect(simulator.clock.now()).toBeGreaterThan(fixedNow);
  const form = {
    grant_type: "client_credentials",
    client_id: application.clientId,
    scope: "https://management.azure.com//.default",
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: token,
  };
  const answer = await fetch(`${simulator.entra.url}/${simulator.tenant().id}/oauth2/v2.0/token`, {
    method: "POST",
    body: new URLSearchParams(form),
    tls: { ca: simulator.caPem },
  });
  return jsonOf(answer);
}
