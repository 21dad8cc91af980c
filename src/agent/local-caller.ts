/**
 * Who asks on this machine: the role of the app whose socket or port it is. On a socket the kernel has judged who may connect; on a port, which every
 * program reaches, the content of the app's token file is the proof, or that of a challenge.
 *
 * Clients of Conjur log in before they read, so an app's own role gets a short token here. It is made with a key of this process and of this app, and is
 * worth nothing anywhere else: not on another app's socket, not at the primary, not after a restart.
 */

import { constantTimeEqual, hmacOfParts, sha256Hex } from "../crypto/digest";
import { type JsonObject, readJsonObject } from "../crypto/strict-json";
import type { LocalLogin, LocalPaths, Reader } from "../fronts/front";
import { PosternError } from "../model/failures";
import type { AccountName, RoleId } from "../model/ids";
import type { Clock, Random } from "../model/ports";
import { SecretBytes } from "../model/secret-bytes";
import type { Caller, Instant, RequestContext } from "../model/types";

export interface LocalCallerOptions {
  readonly app: string;
  readonly account: AccountName;
  readonly role: RoleId;
  /** `host/apps/billing`, as clients write it. */
  readonly login: string;
  readonly random: Random;
  readonly clock: Clock;
  /** On a port: whether this is what only the app can have. Absent on a socket. */
  readonly proves?: (secret: SecretBytes) => boolean;
}

export interface LocalCallers extends LocalLogin {
  readonly identify: Reader["identify"];
  /** Who asks without a login: on a socket the app, on a port whoever shows the proof. Throws `unauthenticated`. */
  readonly identifyByPlace: (...asked: Parameters<LocalPaths["identify"]>) => Caller;
}

const lifetimeSeconds = 300;
const keyBytes = 32;

export function createLocalCallers(options: LocalCallerOptions): LocalCallers {
  const { app, account, role, login, random, clock, proves } = options;
  const key = random.bytes(keyBytes);
  const keyId = sha256Hex(key);
  const header = encode(JSON.stringify({ alg: "conjur.org/slosilo/v2", kid: keyId }));
  const sign = (payload: string): Buffer =>
    hmacOfParts(
      key,
      [app, role, header, payload].map((part) => Buffer.from(part)),
    );

  return {
    async login(request, context) {
      // Whatever it is that was refused, it is told alike.
      if (request.account !== account || request.role !== role) throw refused("login_of_another_app");
      if (proves !== undefined && (request.credential === undefined || !proves(request.credential))) throw refused("local_proof");
      return issue(context.now);
    },
    identify: (presented, context) => verify(presented.token, context),
    identifyByPlace(proof, context) {
      // On a socket a token is not looked at: clients that keep one of another server's send it here too.
      if (proves !== undefined && (proof === undefined || !proves(proof))) throw refused("local_proof");
      const { now } = context;
      return { account, role, context, issuedAt: now, expiresAt: now + lifetimeSeconds * 1000, proof: "session" };
    },
  };

  function issue(now: Instant): Awaited<ReturnType<LocalLogin["login"]>> {
    const iat = Math.floor(now / 1000);
    const exp = iat + lifetimeSeconds;
    // What counts here is the clock that never jumps; the other two are for the client.
    const payload = printable({ sub: login, iat, exp, until: Math.floor(clock.monotonicMs()) + lifetimeSeconds * 1000 });
    const text = JSON.stringify({ protected: header, payload, signature: sign(payload).toString("base64") });
    return { role, token: SecretBytes.ofText(text), expiresAt: exp * 1000 };
  }

  function verify(token: SecretBytes, context: RequestContext): Caller {
    const parts = objectIn(token.reveal());
    const { payload, signature } = parts;
    if (typeof payload !== "string" || typeof signature !== "string") throw refused("token_malformed");
    const isOurs = parts.protected === header && constantTimeEqual(sign(payload), Buffer.from(signature, "base64"));
    if (!isOurs) throw refused("token_signature");
    const { iat, exp, until } = objectIn(Buffer.from(payload, "base64"));
    if (typeof iat !== "number" || typeof exp !== "number" || typeof until !== "number") throw refused("token_malformed");
    if (clock.monotonicMs() >= until) throw new PosternError({ code: "unauthenticated", because: "token_expired", reason: "expired" });
    return { account, role, context, issuedAt: iat * 1000, expiresAt: exp * 1000, proof: "session" };
  }
}

/** In base64 of either alphabet: one client decodes it by the standard one, others by that of URLs, and spaces move the bits until both agree. */
function printable(claims: object): string {
  const text = JSON.stringify(claims);
  const spaced = ["", " ", "  "].map((spaces) => encode(`${spaces}${text}`));
  return spaced.find((each) => !/[+/]/u.test(each)) ?? encode(text);
}

function objectIn(bytes: Uint8Array): JsonObject {
  const read = readJsonObject(bytes);
  return "object" in read ? read.object : {};
}

function encode(text: string): string {
  return Buffer.from(text).toString("base64");
}

function refused(because: string): PosternError {
  return new PosternError({ code: "unauthenticated", because });
}
