/** Where the keys for JWTs come from, over TLS and through the product's own way out: rotations, outages, other people's certificates, closed doors. */

import { afterEach, describe, expect, test } from "bun:test";
import { createAuthenticators } from "../../src/authenticators/registry";
import { conjur } from "../../src/fronts/conjur/routes";
import { parseId } from "../../src/model/ids";
import { createHttpClient } from "../../src/runtime/http-client";
import { quietEdge } from "../fronts/ask";
import { createLogKeeper, type Members, noDirectory } from "../support/fake-issuer";
import { createHouse, createTestClock, secret, seededRandom } from "../support/house";
import { startTlsIssuer, type TlsIssuer, type Trouble } from "../support/tls-issuer";

const hour = 3_600_000;
const opened: TlsIssuer[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.stop();
});

const policy = (variables: readonly string[]) => `
- !policy
  id: conjur/authn-jwt/ci
  body:
    - !webservice
${variables.map((name) => `    - !variable ${name}\n`).join("")}
- !host { id: shop, annotations: { authn-jwt/ci/project: shop } }
- !permit { role: !host shop, privileges: [ authenticate ], resource: !webservice conjur/authn-jwt/ci }
`;

/** A house and an issuer; `settings` are made from the issuer, `allowed` says what the operator opened. */
async function begin(
  settings: (issuer: TlsIssuer) => Readonly<Record<string, string>> = (issuer) => ({
    "jwks-uri": `${issuer.url}/jwks`,
    issuer: issuer.url,
  }),
  options: { readonly allowed?: (issuer: TlsIssuer) => readonly string[]; readonly roots?: (issuer: TlsIssuer) => readonly string[] } = {},
) {
  const issuer = startTlsIssuer();
  opened.push(issuer);
  const clock = createTestClock();
  const logger = createLogKeeper();
  const http = createHttpClient({
    allowOutbound: options.allowed?.(issuer) ?? [issuer.url],
    extraRoots: options.roots?.(issuer) ?? [issuer.rootPem],
    clock,
    logger,
  });
  const patience = { timeoutMs: 400, connectTimeoutMs: 400 };
  const impatient = {
    getJson: (url: string, limits: Parameters<typeof http.getJson>[1]) => http.getJson(url, { ...limits, ...patience }),
    send: http.send,
  };
  const house = await createHouse({
    clock,
    authenticators: createAuthenticators({ directory: noDirectory, http: impatient, clock, random: seededRandom(5), logger }),
    enabledAuthenticators: ["authn-jwt/ci"],
  });
  const front = conjur.serve(house.broker);
  const values = settings(issuer);
  await house.load(policy(Object.keys(values)));
  for (const [name, value] of Object.entries(values))
    await house.broker.writeSecret(house.admin, parseId(`acme:variable:conjur/authn-jwt/ci/${name}`), secret(value));
  const sign = (claims: Members = {}, which?: "present" | "former") =>
    issuer.sign({ sub: "job", project: "shop", exp: clock.now() / 1000 + 300, ...claims }, which);
  return {
    issuer,
    clock,
    sign,
    async enter(token = sign()) {
      const body = new URLSearchParams({ jwt: token }).toString();
      const url = "http://postern.test/authn-jwt/ci/acme/host%2Fshop/authenticate";
      const bindings = { context: house.context(), edge: quietEdge };
      const answer = await front.app.fetch(new Request(url, { method: "POST", body }), bindings);
      return { status: answer.status, because: house.lastAudit().because };
    },
  };
}

const welcome = { status: 200, because: undefined };

describe("an issuer of JWTs", () => {
  test("is asked once for many logins", async () => {
    const { issuer, enter } = await begin();
    expect(await Promise.all(Array.from({ length: 20 }, () => enter()))).toEqual(Array.from({ length: 20 }, () => welcome));
    expect(issuer.asked("/jwks")).toBe(1);
  });

  test("that rotates its keys is believed from the first token on, and the former key no more", async () => {
    const { issuer, clock, sign, enter } = await begin();
    expect(await enter()).toEqual(welcome);
    issuer.rotate();
    expect(await enter()).toEqual(welcome);
    expect(await enter(sign({}, "former"))).toEqual({ status: 401, because: "signing_key" });
    clock.advance(60_000);
    issuer.rotate();
    expect(await enter()).toEqual(welcome);
  });

  test.each(["down", "garbage", "empty", "redirect", "silent"] as const satisfies readonly Trouble[])(
    "that is in trouble (%s) stops nobody for a day where its keys are known, and everybody after it",
    async (kind) => {
      const { issuer, clock, enter } = await begin();
      expect(await enter()).toEqual(welcome);
      issuer.trouble(kind);
      for (let passed = 0; passed < 24; passed += 6) {
        expect(await enter()).toEqual(welcome);
        clock.advance(6 * hour);
      }
      clock.advance(hour);
      expect((await enter()).status).toBe(401);
      issuer.trouble("none");
      clock.advance(60_000);
      expect(await enter()).toEqual(welcome);
    },
  );

  test("is not asked for keys that strangers make up, however many", async () => {
    const { issuer, enter, sign } = await begin();
    await enter();
    const [head = "", ...rest] = sign().split(".");
    const header = JSON.parse(Buffer.from(head, "base64url").toString());
    for (let round = 0; round < 50; round += 1) {
      const made = Buffer.from(JSON.stringify({ ...header, kid: `made-up-${round}` })).toString("base64url");
      expect(await enter([made, ...rest].join("."))).toEqual({ status: 401, because: "signing_key" });
    }
    expect(issuer.asked("/jwks")).toBe(2);
    expect(await enter()).toEqual(welcome);
  });

  test("may be found by its document, and must then name itself", async () => {
    const found = await begin((issuer) => ({ "provider-uri": issuer.url }));
    expect(await found.enter()).toEqual(welcome);
    const other = await begin((issuer) => ({ "provider-uri": issuer.url, issuer: "https://other.example" }));
    expect(await other.enter()).toEqual({ status: 401, because: "issuer" });
  });
});

describe("the way to an issuer", () => {
  const withRoot = (pem: (issuer: TlsIssuer) => string) => (issuer: TlsIssuer) => ({
    "jwks-uri": `${issuer.url}/jwks`,
    issuer: issuer.url,
    "ca-cert": pem(issuer),
  });
  const nobody = () => [];

  test("is vouched for by the certificate of the service, which counts alone", async () => {
    const own = await begin(
      withRoot((issuer) => issuer.rootPem),
      { roots: nobody },
    );
    expect(await own.enter()).toEqual(welcome);
    const stranger = startTlsIssuer();
    opened.push(stranger);
    const other = await begin(withRoot(() => stranger.rootPem));
    expect(await other.enter()).toEqual({ status: 401, because: "tls" });
  });

  test("is closed without a certificate that vouches for it", async () => {
    const { enter } = await begin(undefined, { roots: nobody });
    expect(await enter()).toEqual({ status: 401, because: "tls" });
  });

  test("is closed to addresses that are not public, unless the operator opened it", async () => {
    const { issuer, enter } = await begin(undefined, { allowed: nobody });
    expect(await enter()).toEqual({ status: 401, because: "refused_url" });
    expect(issuer.asked("/jwks")).toBe(0);
    for (const url of ["https://127.0.0.1/jwks", "https://169.254.169.254/jwks", "https://[::ffff:127.0.0.1]/jwks"]) {
      const closed = await begin(() => ({ "jwks-uri": url, issuer: "x" }), { allowed: nobody });
      expect(await closed.enter()).toEqual({ status: 401, because: "refused_address" });
    }
  });
});
