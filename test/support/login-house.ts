/**
 * A whole core behind the Conjur front, without sockets: every external authenticator, issuers and services that answer from memory, and the policies
 * that their users write.
 */

import { createAuthenticators } from "../../src/authenticators/registry";
import { conjur } from "../../src/fronts/conjur/routes";
import type { FrontApp } from "../../src/fronts/front";
import { PosternError } from "../../src/model/failures";
import { parseId } from "../../src/model/ids";
import type { Directory, HttpAnswer } from "../../src/model/ports";
import type { RequestContext } from "../../src/model/types";
import { explainDecision } from "../../src/server/explanation";
import { quietEdge } from "../fronts/ask";
import type { Outcome } from "./azure-house";
import { createFakeWeb, createLogKeeper, type FakeWeb, jwkOf, type Members, signingKey, signToken } from "./fake-issuer";
import { createHouse, createTestClock, type House, secret, seededRandom, startOfTime } from "./house";
import { identityAnswer, stsUrl } from "./signed-request";

export interface Attempt {
  /** `POST /authn-jwt/ci/acme/authenticate`. */
  readonly ask: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly from?: string;
}

export interface LoginHouse {
  readonly house: House;
  readonly web: FakeWeb;
  readonly front: FrontApp;
  attempt(attempt: Attempt): Promise<Outcome>;
  /** `Token token="…"` of a role that has an API key. */
  tokenOf(role: string): Promise<string>;
  set(variable: string, value: string): Promise<void>;
}

export const seconds = startOfTime / 1000;
export const ciKeys = "https://ci.example/-/jwks";
export const staff = "https://idp.example/realms/staff";

/** Claims of a job of continuous integration. */
export function jobClaims(overrides: Members = {}): Members {
  const standard = { iss: "https://ci.example", aud: "postern", sub: "job-7", exp: seconds + 300, iat: seconds - 5 };
  return { ...standard, project: "shop", ref: "main", count: 3, "kubernetes.io": { namespace: "prod" }, ...overrides };
}

/** Claims of a virtual machine of Google Cloud, in the full format. */
export function googleClaims(overrides: Members = {}): Members {
  const machine = { project_id: "shop-prod", instance_name: "vm-1" };
  return {
    iss: "https://accounts.google.com",
    aud: "conjur/acme/host/gcp/vm",
    sub: "108551234567890",
    email: "vm@shop-prod.iam.gserviceaccount.com",
    email_verified: true,
    iat: seconds - 10,
    exp: seconds + 3590,
    google: { compute_engine: machine },
    ...overrides,
  };
}

/** Claims of a member of staff. */
export function staffClaims(overrides: Members = {}): Members {
  return { iss: staff, aud: "postern-cli", sub: "f3", exp: seconds + 300, iat: seconds, nonce: "n-1", username: "alice", ...overrides };
}

export const form = (members: Readonly<Record<string, string>>): string => new URLSearchParams(members).toString();
export const json = (value: unknown, status = 200): HttpAnswer => ({ status, headers: {}, body: Buffer.from(JSON.stringify(value)) });

const enabled = [
  "authn-jwt/ci",
  "authn-jwt/named",
  "authn-jwt/ghost",
  "authn-jwt/unset",
  "authn-gcp",
  "authn-oidc/token",
  "authn-oidc/web",
  "authn-iam/prod",
  "authn-ldap/corp",
  "authn-ldap/away",
];

export async function createLoginHouse(policy: string, values: Readonly<Record<string, string>> = {}): Promise<LoginHouse> {
  const clock = createTestClock();
  const web = createFakeWeb();
  const logger = createLogKeeper();
  const random = seededRandom(5);
  const house = await createHouse({
    clock,
    authenticators: createAuthenticators({ http: web, directory, clock, random, logger }),
    enabledAuthenticators: enabled,
  });
  const front = conjur.serve(house.broker);
  publish(web);
  await house.load(policy);
  const set = (variable: string, value: string) =>
    house.broker.writeSecret({ ...house.admin, context: house.context() }, parseId(`acme:variable:${variable}`), secret(value));
  for (const [variable, value] of Object.entries(values)) await set(variable, value);
  return {
    house,
    web,
    front,
    set,
    async attempt({ ask, body, headers = {}, from }) {
      const [method = "GET", path = "/"] = ask.split(" ", 2);
      const before = house.audit.length;
      const context: RequestContext = house.context(from === undefined ? {} : { clientAddress: from });
      const init = { method, headers, ...(body === undefined ? {} : { body }) };
      const answer = await front.app.fetch(new Request(`http://postern.test${path}`, init), { context, edge: quietEdge });
      const lines = house.audit.slice(before);
      const last = lines.at(-1);
      return {
        status: answer.status,
        body: await answer.text(),
        headers: answer.headers,
        lines,
        why: last === undefined ? "" : explainDecision(last),
      };
    },
    async tokenOf(role) {
      const key = await house.operator.retrieveKey(house.id(role), house.context());
      const request = { authenticator: "authn", account: "acme", role: house.id(role), claimed: role, credential: key };
      const { token } = await house.broker.login(request, house.context());
      return `Token token="${Buffer.from(token.reveal()).toString("base64")}"`;
    },
  };
}

/** Passwords of a directory's people, by the filters that find them. */
const people: Readonly<Record<string, string>> = {
  "(&(objectClass=posixAccount)(uid=dave))": "dave's password",
  "(&(objectClass=posixAccount)(uid=admin))": "admin's password",
  "(&(objectClass=posixAccount)(uid=bob))": "bob's password",
};

const directory: Directory = {
  async ask({ url, filter, password, searcher }) {
    if (url !== "ldaps://dc.example") throw new PosternError({ code: "upstream_unavailable", upstream: url, because: "connect" });
    if (searcher?.password !== "canary-bind-password") return { outcome: "searcher_refused" };
    const wanted = people[filter];
    if (wanted === undefined) return { outcome: "none" };
    return wanted === Buffer.from(password.reveal()).toString() ? { outcome: "proven", name: `of ${filter}` } : { outcome: "refused" };
  },
};

/** Every issuer that the services of these tests know, each with the first two keys. */
function publish(web: FakeWeb): void {
  const keys = { keys: [jwkOf(signingKey(0)), jwkOf(signingKey(1))] };
  web.pages.set(ciKeys, keys);
  web.pages.set("https://accounts.google.com/.well-known/openid-configuration", {
    issuer: "https://accounts.google.com",
    jwks_uri: "https://www.googleapis.com/oauth2/v3/certs",
  });
  web.pages.set("https://www.googleapis.com/oauth2/v3/certs", keys);
  web.pages.set(`${staff}/.well-known/openid-configuration`, {
    issuer: staff,
    jwks_uri: `${staff}/certs`,
    authorization_endpoint: `${staff}/auth`,
    token_endpoint: `${staff}/token`,
  });
  web.pages.set(`${staff}/certs`, keys);
  web.answers.set(stsUrl(), () => identityAnswer());
  web.answers.set(`${staff}/token`, () => json({ id_token: signToken(staffClaims()) }));
}
