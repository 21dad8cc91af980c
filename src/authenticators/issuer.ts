/**
 * OpenID Connect issuers: their discovery document and key set, fetched when first needed and kept.
 *
 * A key set is renewed about hourly, by whoever asks then and without making them wait; when that fails the last good one serves for a day. A token
 * with a key id that is not in the set makes one fetch at once, so that the first token after a rotation is accepted. What strangers can cause that way
 * is bounded: such fetches are 30 seconds apart, all fetches together two a minute, and an id that was just looked for in vain is not looked for again.
 * Nothing else about a token ever causes a fetch.
 */

import * as v from "valibot";
import { type KeySet, maxKeys, readKeySet } from "../crypto/jwt";
import { type CheckList, failureOf, PosternError } from "../model/failures";
import type { Clock, HttpClient, HttpLimits, Logger, Random } from "../model/ports";
import type { IssuerMemory } from "./issuer-memory";

/** Where an issuer is found, and what may be believed about it. */
export interface IssuerSource {
  /** The discovery document, or the key set itself. Also names the issuer in the cache: another address is another issuer, from the next request on. */
  readonly documentUrl: string;
  /** The document is the key set, and says nothing of an issuer. */
  readonly isKeySet?: boolean;
  /** Hosts that may be asked although the operator did not list them; absent: every public one. */
  readonly publicHosts?: readonly string[];
  /** Hosts that the document may say its keys are on; absent: wherever requests may go. */
  readonly keyHosts?: readonly string[];
  /** Whether the document may name this issuer. */
  readonly accepts: (issuer: string) => boolean;
  /** Certificates (PEM) that alone vouch for these addresses. */
  readonly roots?: string;
}

/** What the issuer's tokens carry as `iss` (empty for a bare key set), and its keys as last fetched. */
export interface TrustedIssuer {
  readonly issuer: string;
  readonly keys: KeySet;
  /** Where people sign in, and where codes are exchanged, when the document says so. */
  readonly endpoints?: IssuerEndpoints;
}

export interface IssuerEndpoints {
  readonly authorization?: string;
  readonly token?: string;
  /** How clients prove themselves at the token endpoint; absent: by `client_secret_basic`. */
  readonly tokenMethods?: readonly string[];
}

export interface Issuers {
  /**
   * The issuer's keys, after a fetch when there are none yet, or when `keyId` is not among them and a fetch for that may be made; it may still be
   * missing in the result. Throws `upstream_unavailable` when there is no set to answer with: `because` as of the HTTP client, or `issuer_document`,
   * `key_document`, `key_host`, `no_usable_keys`, `overloaded` (too many wait for the fetch already); `keys_too_old` when there were keys, whose day is over,
   * with any of those as its cause.
   */
  trusted(source: IssuerSource, keyId?: string): Promise<TrustedIssuer>;
}

export interface IssuersDeps {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** For a start without the line. Absent: nothing outlives the process. */
  readonly memory?: IssuerMemory;
  /** Logins that may wait for one fetch. Default 256. */
  readonly maxWaiters?: number;
}

/** What is known of one issuer. `attemptsMs` are the fetches of the last minute, `missing` the key ids lately looked for in vain. */
interface Entry {
  current?: TrustedIssuer;
  fetchedAtMs: number;
  /** There was a set, here or in an earlier process, that is too old by now. */
  isPast: boolean;
  refreshDueAtMs: number;
  flight?: Promise<TrustedIssuer>;
  /** Settles when it is known whether an earlier process left something. */
  recall?: Promise<void>;
  waiters: number;
  attemptsMs: readonly number[];
  lookedUpAtMs: number;
  lastFailure?: PosternError;
  readonly missing: Map<string, number>;
}

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const keepMs = 24 * hourMs;
const maxAttemptsPerMinute = 2;
const betweenLookUpsMs = 30 * secondMs;
const maxMissing = 1000;
const maxIssuers = 256;
const defaultMaxWaiters = 256;
const timing = { timeoutMs: 5 * secondMs, connectTimeoutMs: 2 * secondMs };
const documentLimits = { ...timing, maxBytes: 262_144 };
// A thousand keys without their certificates fit.
const keyLimits = { ...timing, maxBytes: 1_048_576 };

const Discovery = v.object({
  issuer: v.string(),
  jwks_uri: v.string(),
  authorization_endpoint: v.optional(v.string()),
  token_endpoint: v.optional(v.string()),
  token_endpoint_auth_methods_supported: v.optional(v.array(v.string())),
});

export function createIssuers(deps: IssuersDeps): Issuers {
  const { clock, logger } = deps;
  const maxWaiters = deps.maxWaiters ?? defaultMaxWaiters;
  const entries = new Map<string, Entry>();

  function entryOf(source: IssuerSource): Entry {
    const name = nameOf(source);
    const known = entries.get(name);
    if (known !== undefined) return known;
    const oldest = entries.keys().next();
    if (entries.size >= maxIssuers && oldest.done !== true) entries.delete(oldest.value);
    const entry: Entry = {
      fetchedAtMs: 0,
      isPast: false,
      refreshDueAtMs: 0,
      waiters: 0,
      attemptsMs: [],
      lookedUpAtMs: Number.NEGATIVE_INFINITY,
      missing: new Map(),
    };
    entries.set(name, entry);
    return entry;
  }

  /** The one fetch under way, begun now unless there is one already or this minute had its share. */
  function flightOf(source: IssuerSource, entry: Entry): Promise<TrustedIssuer> | undefined {
    if (entry.flight !== undefined) return entry.flight;
    const nowMs = clock.monotonicMs();
    entry.attemptsMs = entry.attemptsMs.filter((at) => at > nowMs - minuteMs);
    if (entry.attemptsMs.length >= maxAttemptsPerMinute) return undefined;
    entry.attemptsMs = [...entry.attemptsMs, nowMs];
    entry.flight = refresh(source, entry).finally(() => {
      delete entry.flight;
    });
    // Where nobody waits for it, a failure is in the log already and must not end the process.
    entry.flight.catch(() => undefined);
    return entry.flight;
  }

  async function refresh(source: IssuerSource, entry: Entry): Promise<TrustedIssuer> {
    try {
      const documents: Record<string, unknown> = {};
      const fetched = await fetchIssuer(noting(deps.http, documents), source);
      deps.memory?.save(nameOf(source), { fetchedAt: clock.now(), documents });
      entry.current = fetched;
      entry.fetchedAtMs = clock.monotonicMs();
      entry.refreshDueAtMs = entry.fetchedAtMs + jitteredHourMs(deps.random);
      delete entry.lastFailure;
      return fetched;
    } catch (cause) {
      const failure = failureOf(cause);
      logger.warn("issuer_refresh_failed", { document: source.documentUrl, because: failure.because ?? failure.code });
      if (cause instanceof PosternError) entry.lastFailure = cause;
      throw cause;
    }
  }

  async function join(flight: Promise<TrustedIssuer>, entry: Entry, source: IssuerSource): Promise<TrustedIssuer> {
    if (entry.waiters >= maxWaiters) throw unavailable(source, "overloaded");
    entry.waiters += 1;
    try {
      return await flight;
    } finally {
      entry.waiters -= 1;
    }
  }

  /** What an earlier process was told counts as in that process: at once, until a day after it came, with a fetch begun meanwhile. */
  async function recall(source: IssuerSource, entry: Entry): Promise<void> {
    const kept = deps.memory?.load(nameOf(source));
    if (kept === undefined) return;
    const ageMs = clock.now() - kept.fetchedAt;
    // Of documents from the future nobody knows how old they are.
    entry.isPast = ageMs > keepMs;
    if (ageMs < -minuteMs || entry.isPast) return;
    try {
      entry.current = await fetchIssuer(replaying(kept.documents), source);
      entry.fetchedAtMs = clock.monotonicMs() - Math.max(ageMs, 0);
      entry.refreshDueAtMs = clock.monotonicMs();
      logger.info("issuer_recalled", { document: source.documentUrl, ageSeconds: Math.round(ageMs / secondMs) });
    } catch (cause) {
      // The settings may have changed since, and with them what is believed of this issuer.
      logger.warn("issuer_not_recalled", { document: source.documentUrl, because: failureOf(cause).because ?? "internal" });
    }
  }

  async function first(source: IssuerSource, entry: Entry): Promise<TrustedIssuer> {
    try {
      const flight = flightOf(source, entry);
      if (flight === undefined) throw entry.lastFailure ?? unavailable(source, "too_many_attempts");
      return await join(flight, entry, source);
    } catch (cause) {
      const isOfNow = !(cause instanceof PosternError) || failureOf(cause).because === "overloaded";
      throw entry.isPast && !isOfNow ? unavailable(source, "keys_too_old", cause) : cause;
    }
  }

  /** The set after a look for a key id it does not have, or as it is when none may be made, too many wait for it, or it fails. */
  async function lookUp(source: IssuerSource, entry: Entry, current: TrustedIssuer, keyId: string): Promise<TrustedIssuer> {
    const nowMs = clock.monotonicMs();
    if (nowMs - (entry.missing.get(keyId) ?? Number.NEGATIVE_INFINITY) < minuteMs) return current;
    const mayBegin = nowMs - entry.lookedUpAtMs >= betweenLookUpsMs;
    const flight = entry.flight ?? (mayBegin ? flightOf(source, entry) : undefined);
    if (flight === undefined) return current;
    entry.lookedUpAtMs = nowMs;
    try {
      const renewed = await join(flight, entry, source);
      if (!renewed.keys.has(keyId)) remember(entry, keyId, clock.monotonicMs());
      return renewed;
    } catch (cause) {
      if (cause instanceof PosternError) return current;
      throw cause;
    }
  }

  return {
    async trusted(source, keyId) {
      const entry = entryOf(source);
      if (entry.current === undefined && deps.memory !== undefined) {
        entry.recall ??= recall(source, entry);
        await entry.recall;
      }
      const nowMs = clock.monotonicMs();
      const { current } = entry;
      if (current !== undefined) entry.isPast = nowMs - entry.fetchedAtMs > keepMs;
      if (current === undefined || entry.isPast) return await first(source, entry);
      if (keyId !== undefined && !current.keys.has(keyId)) return await lookUp(source, entry, current, keyId);
      if (nowMs >= entry.refreshDueAtMs) void flightOf(source, entry);
      return current;
    },
  };
}

/** Keys that other roots vouched for, or that might be elsewhere, are other keys; and an address that is a key set to one is a document to another. */
function nameOf({ documentUrl, isKeySet = false, keyHosts, roots = "" }: IssuerSource): string {
  return `${isKeySet ? "keys" : "document"} ${documentUrl}\n${keyHosts?.join(" ") ?? "*"}\n${roots}`;
}

/** `issuers.trusted`, as a check of a proof: `issuer_keys`. Throws what it throws, with the checks made so far. */
export async function trustedIssuer(
  issuers: Issuers,
  source: IssuerSource,
  keyId: string | undefined,
  checks: CheckList,
): Promise<TrustedIssuer> {
  const { documentUrl } = source;
  try {
    const trusted = await issuers.trusted(source, keyId);
    checks.pass("issuer_keys", documentUrl);
    return trusted;
  } catch (cause) {
    const failure = failureOf(cause);
    const { because = failure.code } = failure;
    const under = cause instanceof Error && cause.cause instanceof PosternError ? `, ${failureOf(cause.cause).because ?? ""}` : "";
    const failed = { check: "issuer_keys", ok: false, detail: `${documentUrl}: ${because}${because === "keys_too_old" ? under : ""}` };
    throw new PosternError({ ...failure, checks: [...checks.made, failed] }, { cause });
  }
}

type DocumentReader = Pick<HttpClient, "getJson">;

/** Reads through, and notes what came. */
function noting(http: DocumentReader, documents: Record<string, unknown>): DocumentReader {
  return {
    async getJson(url, limits) {
      const document = await http.getJson(url, limits);
      documents[url] = document;
      return document;
    },
  };
}

function replaying(documents: Readonly<Record<string, unknown>>): DocumentReader {
  return {
    async getJson(url) {
      if (Object.hasOwn(documents, url)) return documents[url];
      throw new PosternError({ code: "upstream_unavailable", upstream: url, because: "not_kept" });
    },
  };
}

async function fetchIssuer(http: DocumentReader, source: IssuerSource): Promise<TrustedIssuer> {
  const { publicHosts, roots } = source;
  const common = { ...(publicHosts === undefined ? {} : { allowedHosts: publicHosts }), ...(roots === undefined ? {} : { roots }) };
  if (source.isKeySet === true) return { issuer: "", keys: await fetchKeys(http, source, source.documentUrl, common) };
  const document = v.safeParse(Discovery, await http.getJson(source.documentUrl, { ...documentLimits, ...common }));
  if (!document.success || !source.accepts(document.output.issuer)) throw unavailable(source, "issuer_document");
  const { issuer, jwks_uri: keysUrl } = document.output;
  const host = URL.parse(keysUrl)?.hostname;
  if (host === undefined || source.keyHosts?.includes(host) === false) throw unavailable(source, "key_host");
  return { issuer, keys: await fetchKeys(http, source, keysUrl, common), endpoints: endpointsIn(document.output) };
}

function endpointsIn(document: v.InferOutput<typeof Discovery>): IssuerEndpoints {
  const { authorization_endpoint: authorization, token_endpoint: token, token_endpoint_auth_methods_supported: tokenMethods } = document;
  return {
    ...(authorization === undefined ? {} : { authorization }),
    ...(token === undefined ? {} : { token }),
    ...(tokenMethods === undefined ? {} : { tokenMethods }),
  };
}

/** A provider by its own address; its document must name that very provider (OpenID Connect Discovery 1.0, 4.3). A slash at the end makes no difference. */
export function providerSource(address: string, roots?: string): IssuerSource {
  const base = address.replace(/\/+$/u, "");
  return {
    documentUrl: `${base}/.well-known/openid-configuration`,
    accepts: (issuer) => issuer === base || issuer === `${base}/`,
    ...(roots === undefined ? {} : { roots }),
  };
}

const pemCertificate = /-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----/u;

/** The setting `ca-cert`, which alone vouches for the issuer. Fails the check `ca_cert`. */
export function readRoots(text: string | undefined, checks: CheckList): string | undefined {
  if (text !== undefined) checks.expect(pemCertificate.test(text), "ca_cert", "certificates in PEM");
  return text;
}

/** Whether a setting is the web address of an issuer or of its keys: without a user, and without a fragment. */
export function isIssuerAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/u.test(url.protocol) && url.username === "" && url.password === "" && url.hash === "";
}

async function fetchKeys(http: DocumentReader, source: IssuerSource, keysUrl: string, common: Partial<HttpLimits>): Promise<KeySet> {
  const keys = readKeySet(await http.getJson(keysUrl, { ...keyLimits, ...common }));
  if (keys === undefined || keys.size > maxKeys) throw unavailable(source, "key_document");
  // An issuer without keys signs nothing: such an answer is a fault on the way, and the last good set goes on.
  if (keys.size === 0) throw unavailable(source, "no_usable_keys");
  return keys;
}

function remember(entry: Entry, keyId: string, nowMs: number): void {
  const oldest = entry.missing.keys().next();
  if (entry.missing.size >= maxMissing && oldest.done !== true) entry.missing.delete(oldest.value);
  entry.missing.delete(keyId);
  entry.missing.set(keyId, nowMs);
}

/** 54 to 66 minutes: a fleet that started together does not go on asking together. */
function jitteredHourMs(random: Random): number {
  const [byte = 0] = random.bytes(1);
  return hourMs * (0.9 + (0.2 * byte) / 255);
}

function unavailable(source: IssuerSource, because: string, cause?: PosternError): PosternError {
  const upstream = URL.parse(source.documentUrl)?.origin ?? "unknown";
  const overloaded = because === "overloaded" ? { overloaded: true } : {};
  return new PosternError({ code: "upstream_unavailable", upstream, because, ...overloaded }, { cause });
}
