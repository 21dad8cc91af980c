/** What nobody thought of: random requests, headers, claims and names against every external authenticator. Seeded, so that a failure can be seen again. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Members, part, signToken } from "../support/fake-issuer";
import { startOfTime } from "../support/house";
import { createLoginHouse, form, googleClaims, jobClaims, staffClaims } from "../support/login-house";
import { loginPolicy, loginValues } from "../support/login-policies";
import { signedRequest } from "../support/signed-request";

const seed = { seed: 20_261_126, numRuns: 150 };
const made = await createLoginHouse(loginPolicy, loginValues);
const places = {
  jwt: "POST /authn-jwt/ci/acme/host%2Fjwt%2Fshop/authenticate",
  named: "POST /authn-jwt/named/acme/authenticate",
  gcp: "POST /authn-gcp/acme/authenticate",
  oidc: "POST /authn-oidc/token/acme/authenticate",
  iam: "POST /authn-iam/prod/acme/host%2Faws%2F123456789012%2Fapp-role/authenticate",
  ldap: "POST /authn-ldap/corp/acme/dave/authenticate",
} as const;
const refusals = [400, 401, 403];

/** A refusal that says nothing, with one line or none: never a defect of ours, and never a way in. */
async function isRefused(ask: string, body: string): Promise<void> {
  const { status, body: answer, lines } = await made.attempt({ ask, body });
  expect(refusals).toContain(status);
  expect(answer === "" || answer.includes("CONJ00016E")).toBe(true);
  expect(lines.length).toBeLessThanOrEqual(1);
  for (const line of lines) {
    expect(line).toMatchObject({ operation: "login", allowed: false });
    expect(line.failure).not.toBe("internal");
  }
}

const json = fc.json({ maxDepth: 3 });
const word = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: "binary", maxLength: 40 }));

describe("a random body", () => {
  test.each(Object.entries(places))("lets nobody in by %s, and breaks nothing", async (_name, ask) => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(word, json, fc.webQueryParameters()), async (body) => {
        for (const text of [body, form({ jwt: body }), form({ id_token: body })]) await isRefused(ask, text);
      }),
      seed,
    );
  });
});

describe("a token of random parts", () => {
  test.each(["jwt", "named", "gcp", "oidc"] as const)("lets nobody in by %s", async (name) => {
    await fc.assert(
      fc.asyncProperty(json, json, word, async (header, claims, signature) => {
        const token = `${part(header)}.${part(claims)}.${part(signature)}`;
        await isRefused(places[name], name === "oidc" ? form({ id_token: token }) : form({ jwt: token }));
      }),
      seed,
    );
  });
});

describe("a genuine token with one claim changed at random", () => {
  const base = { jwt: jobClaims(), named: jobClaims(), gcp: googleClaims(), oidc: staffClaims() };
  // What decides in each; any other value of these must not let the same role in.
  const decisive = {
    jwt: ["iss", "aud", "exp", "project"],
    named: ["iss", "exp", "project"],
    gcp: ["iss", "aud", "exp", "google"],
    oidc: ["iss", "aud", "exp", "username"],
  };

  test.each(["jwt", "named", "gcp", "oidc"] as const)("lets nobody in by %s who is not that one", async (name) => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...decisive[name]), fc.jsonValue(), async (claim, value) => {
        const claims: Members = { ...base[name], [claim]: value };
        // An end that is only later is another end, and a list of audiences may hold the right one; neither comes of these values.
        const token = signToken(claims);
        await isRefused(places[name], name === "oidc" ? form({ id_token: token }) : form({ jwt: token }));
      }),
      seed,
    );
  });
});

describe("a signed request with random headers", () => {
  const closed =
    /^https:\/\/sts\.(?:[a-z]{2}(?:-gov)?-[a-z]+-[1-9]\.)?amazonaws\.com(?:\.cn)?\/\?Action=GetCallerIdentity&Version=2011-06-15$/u;

  test("goes to STS or nowhere, with the headers that are known or not at all", async () => {
    await fc.assert(
      fc.asyncProperty(word, word, word, word, async (region, host, name, value) => {
        const before = made.web.sent.length;
        for (const change of [{ region }, { host }, { region, host }, { headers: { [name]: value } }, { headers: { [name]: value }, host }])
          await made.attempt({ ask: places.iam, body: signedRequest(startOfTime, change) });
        for (const { url, headers = {}, method = "GET" } of made.web.sent.slice(before)) {
          expect(url).toMatch(closed);
          expect(method).toBe("GET");
          expect(Object.keys(headers).filter((each) => each !== "authorization" && !each.startsWith("x-amz-"))).toEqual([]);
        }
      }),
      seed,
    );
  });
});
