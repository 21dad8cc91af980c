/**
 * Issuers outside the simulation, as Entra ID meets them: it fetches their discovery document and their keys, keeps them for as long as they say, and asks again
 * before that for nobody's sake. An issuer that signs with a key before it has published it is refused.
 *
 * Source: "Workload identity federation", important considerations; the codes are those that the service answers.
 */

import { verifyWithJwk } from "../../crypto/signing";
import type { HttpClient } from "../../model/ports";
import type { Instant } from "../../model/types";

export type ExternalVerdict = "good" | "unreachable" | "signature";

export interface ExternalIssuers {
  /** Looks at the signature alone, by the keys that the issuer publishes. */
  judge(token: string, keyId: unknown, issuer: string): Promise<ExternalVerdict>;
}

interface KeptKeys {
  readonly keys: readonly unknown[];
  readonly until: Instant;
}

const limits = { maxBytes: 262_144, timeoutMs: 5000, connectTimeoutMs: 2000 };
const longestKeptSeconds = 86_400;

/** Without `http` nobody outside is asked, and no issuer can be reached. */
export function createExternalIssuers({ http, now }: { readonly http?: HttpClient; now(): Instant }): ExternalIssuers {
  const kept = new Map<string, KeptKeys>();

  async function keysOf(issuer: string): Promise<readonly unknown[] | undefined> {
    const known = kept.get(issuer);
    if (known !== undefined && now() < known.until) return known.keys;
    const document = await documentAt(`${issuer}/.well-known/openid-configuration`);
    const keysAt = document?.body.get("jwks_uri");
    if (document?.body.get("issuer") !== issuer || typeof keysAt !== "string") return undefined;
    const set = await documentAt(keysAt);
    const keys: unknown = set?.body.get("keys");
    if (set === undefined || !Array.isArray(keys)) return undefined;
    kept.set(issuer, { keys, until: now() + set.seconds * 1000 });
    return keys;
  }

  async function documentAt(url: string) {
    if (http === undefined || !url.startsWith("https://")) return undefined;
    try {
      const { status, headers, body } = await http.send({ url }, limits);
      const parsed: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
      if (status !== 200 || typeof parsed !== "object" || parsed === null) return undefined;
      const seconds = Number(/(?:^|[\s,])max-age=(\d{1,8})/.exec(headers["cache-control"] ?? "")?.[1] ?? 0);
      return { body: new Map<string, unknown>(Object.entries(parsed)), seconds: Math.min(seconds, longestKeptSeconds) };
    } catch {
      // Whatever is wrong there, the caller refuses by one name.
      return undefined;
    }
  }

  return {
    async judge(token, keyId, issuer) {
      const keys = await keysOf(issuer);
      if (keys === undefined) return "unreachable";
      const key = keys.find((each) => typeof each === "object" && each !== null && "kid" in each && each.kid === keyId);
      return typeof key === "object" && key !== null && verifyWithJwk(token, key) ? "good" : "signature";
    },
  };
}
