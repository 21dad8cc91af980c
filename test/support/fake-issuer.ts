/** An Azure tenant for tests: keys, documents served from memory, and tokens signed at will, well or badly. Written apart from the simulator. */

import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { createIssuers, type Issuers } from "../../src/authenticators/issuer";
import { PosternError } from "../../src/model/failures";
import type { Clock, Directory, HttpAnswer, HttpClient, HttpRequest, Logger, Random } from "../../src/model/ports";
import { SecretBytes } from "../../src/model/secret-bytes";

export const tenant = "11111111-2222-4333-8444-555555555555";
export const otherTenant = "99999999-2222-4333-8444-555555555555";
export const subscription = "0b1f26cd-6c77-4d1c-8e0e-1b3a4c5d6e7f";
export const objectId = "b54c26cd-6c77-4d1c-8e0e-1b3a4c5d6e7f";
export const resourceManager = "https://management.azure.com/";
/** 2026-01-21 12:00:00 UTC */
export const noon = 1_768_996_800_000;

export interface TestClock extends Clock {
  advance(ms: number): void;
}

export function createTestClock(start = noon): TestClock {
  let at = start;
  return {
    now: () => at,
    monotonicMs: () => at - noon + 1_000_000,
    advance(ms) {
      at += ms;
    },
  };
}

export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly fields: unknown;
}

export function createLogKeeper(): Logger & { readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: string) => (event: string, fields?: unknown) => void lines.push({ level, event, fields });
  return { lines, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

export const steadyRandom: Random = { bytes: (count) => new Uint8Array(count).fill(128) };

export interface SigningKey {
  readonly keyId: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

let madeKeys: SigningKey[] | undefined;

/** The same few keys for all tests of a run: making one takes a tenth of a second. */
export function signingKeys(): readonly SigningKey[] {
  madeKeys ??= ["key-a", "key-b", "key-c"].map((keyId) => ({ keyId, ...generateKeyPairSync("rsa", { modulusLength: 2048 }) }));
  return madeKeys;
}

export function signingKey(at = 0): SigningKey {
  const key = signingKeys()[at];
  if (key === undefined) throw new Error(`no key ${at}`);
  return key;
}

export function jwkOf(key: SigningKey, members: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { ...key.publicKey.export({ format: "jwk" }), use: "sig", kid: key.keyId, x5t: key.keyId, ...members };
}

export type Members = Readonly<Record<string, unknown>>;

export function part(content: Members | string): string {
  return Buffer.from(typeof content === "string" ? content : JSON.stringify(content)).toString("base64url");
}

/** Signs whatever it is given with RS256; the header says what `header` says. */
export function signToken(
  claims: Members | string,
  options: { readonly key?: SigningKey; readonly header?: Members | string } = {},
): string {
  const key = options.key ?? signingKey();
  const header = options.header ?? { typ: "JWT", alg: "RS256", x5t: key.keyId, kid: key.keyId };
  const signed = `${part(header)}.${part(claims)}`;
  return `${signed}.${sign("sha256", Buffer.from(signed), key.privateKey).toString("base64url")}`;
}

/** As `signToken`, with an HMAC keyed by some spelling of the public key. */
export function signWithHmac(claims: Members, secret: string | Buffer): string {
  const signed = `${part({ typ: "JWT", alg: "HS256", kid: signingKey().keyId })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

export const vmId = `/subscriptions/${subscription}/resourcegroups/rg-app/providers/Microsoft.Compute/virtualMachines/vm1`;
export const identityId = `/subscriptions/${subscription}/resourcegroups/rg-ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-app`;

/** The claims of a version 1 token of a virtual machine's own identity, as Entra writes them. An override of undefined takes a claim away. */
export function v1Claims(overrides: Members = {}, now = noon): Members {
  const seconds = now / 1000;
  const iss = `https://sts.windows.net/${tenant}/`;
  return {
    aud: resourceManager,
    iss,
    iat: seconds - 300,
    nbf: seconds - 300,
    exp: seconds + 86_400,
    aio: "k2RgYFgfA=",
    appid: "7e2c26cd-6c77-4d1c-8e0e-1b3a4c5d6e7f",
    appidacr: "2",
    idp: iss,
    idtyp: "app",
    oid: objectId,
    rh: "0.AXkA",
    sub: objectId,
    tid: tenant,
    uti: "dG9rZW4",
    ver: "1.0",
    xms_mirid: vmId,
    ...overrides,
  };
}

export function v2Claims(overrides: Members = {}, now = noon): Members {
  const { appid, appidacr, idp, ...rest } = v1Claims({}, now);
  return { ...rest, azp: appid, azpacr: appidacr, iss: `https://login.microsoftonline.com/${tenant}/v2.0`, ver: "2.0", ...overrides };
}

export function tokenOf(text: string): { readonly kind: "token"; readonly value: SecretBytes } {
  return { kind: "token", value: SecretBytes.ofText(text) };
}

/** No directory answers anywhere. */
export const noDirectory: Directory = {
  ask: ({ url }) => Promise.reject(new PosternError({ code: "upstream_unavailable", upstream: url, because: "connect" })),
};

export interface FakeWeb extends HttpClient {
  /** What is found where. A function is called at each request; what it throws is thrown. */
  readonly pages: Map<string, unknown>;
  readonly requests: string[];
  /** What `send` was given, and how each address answers that. */
  readonly sent: HttpRequest[];
  readonly answers: Map<string, (request: HttpRequest) => HttpAnswer>;
  requestsFor(url: string): number;
}

/** Answers from memory; an unknown address does not answer. */
export function createFakeWeb(): FakeWeb {
  const pages = new Map<string, unknown>();
  const requests: string[] = [];
  const sent: HttpRequest[] = [];
  const answers = new Map<string, (request: HttpRequest) => HttpAnswer>();
  const silent = (url: string) => new PosternError({ code: "upstream_unavailable", upstream: new URL(url).origin, because: "connect" });
  return {
    pages,
    requests,
    sent,
    answers,
    async send(request) {
      sent.push(request);
      const answer = answers.get(request.url);
      if (answer === undefined) throw silent(request.url);
      return answer(request);
    },
    requestsFor: (url) => requests.filter((requested) => requested === url).length,
    async getJson(url) {
      requests.push(url);
      const page = pages.get(url);
      if (page === undefined) throw silent(url);
      return typeof page === "function" ? await page() : structuredClone(page);
    },
  };
}

export const v1Document = `https://sts.windows.net/${tenant}/.well-known/openid-configuration`;
export const v1Keys = "https://login.windows.net/common/discovery/keys";
export const v2Document = `https://login.microsoftonline.com/${tenant}/v2.0/.well-known/openid-configuration`;
export const v2Keys = `https://login.microsoftonline.com/${tenant}/discovery/v2.0/keys`;

export interface FakeEntra {
  readonly web: FakeWeb;
  readonly clock: TestClock;
  readonly log: ReturnType<typeof createLogKeeper>;
  readonly issuers: Issuers;
  /** Serves exactly these keys from now on. */
  publish(...keys: readonly Members[]): void;
}

/** Entra for one tenant, versions 1 and 2, with a cache of issuers in front of it. */
export function createFakeEntra(options: { readonly maxWaiters?: number } = {}): FakeEntra {
  const web = createFakeWeb();
  const clock = createTestClock();
  const log = createLogKeeper();
  const publish = (...keys: readonly Members[]) => {
    web.pages.set(v1Keys, { keys });
    web.pages.set(v2Keys, { keys: keys.map((key) => ({ issuer: "https://login.microsoftonline.com/{tenantid}/v2.0", ...key })) });
  };
  web.pages.set(v1Document, { issuer: `https://sts.windows.net/${tenant}/`, jwks_uri: v1Keys });
  web.pages.set(v2Document, { issuer: `https://login.microsoftonline.com/${tenant}/v2.0`, jwks_uri: v2Keys });
  publish(jwkOf(signingKey(0)), jwkOf(signingKey(1)));
  return { web, clock, log, publish, issuers: createIssuers({ http: web, clock, random: steadyRandom, logger: log, ...options }) };
}
