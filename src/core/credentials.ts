/**
 * API keys and passwords: what users and hosts prove themselves with, made, compared, changed.
 *
 * A key is 256 random bits; its SHA-256 decides and is kept among the facts, the key itself only sealed. A password is kept as an Argon2id hash.
 * Comparing costs the same for a role that does not exist.
 */

import { apiKeyDigest, hashPassword, matchesApiKey, verifyPassword } from "../crypto/digest";
import { PosternError } from "../model/failures";
import { kindOf, type RoleId } from "../model/ids";
import type { Random } from "../model/ports";
import { SecretBytes } from "../model/secret-bytes";
import type { Change, Credential, Instant } from "../model/types";
import type { Projection } from "./projection";

export interface Credentials {
  provesApiKey(role: RoleId | undefined, presented: SecretBytes | undefined): Promise<boolean>;
  /** Password or API key: wherever the one is taken, the other is too. */
  provesEither(role: RoleId | undefined, presented: SecretBytes | undefined): Promise<boolean>;
  /** 260 random bits in the alphabet of API keys, and the digest by which they are known again. */
  freshToken(): { readonly token: SecretBytes; readonly digest: string };
  /** A new API key and the change that makes it the role's; a password stays as it is. */
  renewKey(role: RoleId, now: Instant): { readonly apiKey: SecretBytes; readonly change: Change };
  /** The hash of a password a user may have. Throws `malformed` (kind `validation`) for a weak one, `forbidden` for a role that has no password. */
  hashOfNewPassword(role: RoleId, password: SecretBytes): Promise<string>;
}

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
/** 52 letters of five bits carry 260 bits; the last is cut to one. */
const keyLetters = 52;

export function createCredentials({ projection, random }: { readonly projection: Projection; readonly random: Random }): Credentials {
  const credentialOf = (role: RoleId | undefined): Credential | undefined =>
    role === undefined ? undefined : projection.graph().credential(role);

  const keyMatches = (credential: Credential | undefined, presented: SecretBytes | undefined): boolean =>
    matchesApiKey(presented ?? nothing, credential?.apiKeyDigest) && presented !== undefined;

  return {
    provesApiKey: async (role, presented) => keyMatches(credentialOf(role), presented),
    async provesEither(role, presented) {
      const credential = credentialOf(role);
      if (keyMatches(credential, presented)) return true;
      return verifyPassword(presented ?? nothing, credential?.passwordHash);
    },

    freshToken() {
      const token = makeApiKey(random);
      return { token, digest: apiKeyDigest(token) };
    },

    renewKey(role, now) {
      const apiKey = makeApiKey(random);
      const before = credentialOf(role);
      const credential = {
        role,
        apiKeyDigest: apiKeyDigest(apiKey),
        rotatedAt: now,
        ...(before?.passwordHash === undefined ? {} : { passwordHash: before.passwordHash }),
      };
      return { apiKey, change: { type: "put_credential", credential, apiKey } };
    },

    async hashOfNewPassword(role, password) {
      if (kindOf(role) !== "user") throw new PosternError({ code: "forbidden", because: "password_of_a_host" });
      assertStrong(password);
      return hashPassword(password);
    },
  };
}

/** Shown in place of what was not presented, so that the same work is done. It proves nothing. */
const nothing = new SecretBytes(new Uint8Array(0));

function makeApiKey(random: Random): SecretBytes {
  const bytes = random.bytes(33);
  const letters = new Uint8Array(keyLetters);
  let bits = 0;
  let held = 0;
  let next = 0;
  for (let index = 0; index < keyLetters; index += 1) {
    while (bits < 5) {
      held = ((held << 8) | (bytes[next] ?? 0)) & 0xffff;
      next += 1;
      bits += 8;
    }
    bits -= 5;
    letters[index] = alphabet.charCodeAt((held >> bits) & 31);
  }
  bytes.fill(0);
  return new SecretBytes(letters);
}

/** Conjur's rule (5.3.1, CONJ00046E): 12 to 128 characters, two of each case, a digit, another character, no line break. */
function assertStrong(password: SecretBytes): void {
  const text = Buffer.from(password.reveal()).toString("utf8");
  const count = (pattern: RegExp): number => text.match(pattern)?.length ?? 0;
  const isStrong =
    text.length >= 12 &&
    text.length <= 128 &&
    count(/[A-Z]/g) >= 2 &&
    count(/[a-z]/g) >= 2 &&
    count(/[0-9]/g) >= 1 &&
    count(/[^A-Za-z0-9]/g) >= 1 &&
    count(/[\r\n]/g) === 0;
  if (isStrong) return;
  throw new PosternError({
    code: "malformed",
    where: "password",
    kind: "validation",
    expected: "12-128 characters, 2 uppercase letters, 2 lowercase letters, 1 digit and 1 special character",
    because: "password_weak",
  });
}
