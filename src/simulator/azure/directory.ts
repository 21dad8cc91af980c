/**
 * What a tenant's directory keeps of its identities and applications beyond what they are: the passwords (client secrets) of applications, and whose tokens an
 * identity trusts instead of one. Both change while everything runs.
 */

import { PosternError } from "../../model/failures";
import type { Random } from "../../model/ports";
import type { Instant } from "../../model/types";
import type { Principal } from "./cloud";
import type { FederatedCredential } from "./cloud-description";
import { guid, opaque } from "./ids";

export interface Password {
  readonly keyId: string;
  readonly displayName: string;
  readonly secret: string;
  readonly startsAt: Instant;
  readonly endsAt: Instant;
}

export interface Directory {
  /** Of an application's own object, which is not its service principal. The same for as long as this runs. */
  objectIdOf(application: Principal): string;
  passwordsOf(application: Principal): readonly Password[];
  addPassword(application: Principal, wanted: { readonly displayName: string; readonly endsAt: Instant }): Password;
  /** Whether there was one of that name. */
  removePassword(application: Principal, keyId: string): boolean;
  /** Whether it is one of the application's passwords, and in its time. */
  accepts(principal: Principal, secret: string): boolean;
  federatedOf(principal: Principal): readonly FederatedCredential[];
  federate(principal: Principal, credential: FederatedCredential): void;
}

const yearMs = 365 * 86_400_000;

export function createDirectory({ random, now }: { readonly random: Random; now(): Instant }): Directory {
  const objectIds = new Map<string, string>();
  const passwords = new Map<string, readonly Password[]>();
  const federated = new Map<string, readonly FederatedCredential[]>();

  function passwordsOf({ clientId, secret }: Principal): readonly Password[] {
    const known = passwords.get(clientId);
    if (known !== undefined) return known;
    const startsAt = now();
    const first = secret === undefined ? [] : [{ keyId: guid(random), displayName: "first", secret, startsAt, endsAt: startsAt + yearMs }];
    passwords.set(clientId, first);
    return first;
  }

  return {
    passwordsOf,

    objectIdOf({ clientId }) {
      const id = objectIds.get(clientId) ?? guid(random);
      objectIds.set(clientId, id);
      return id;
    },

    addPassword(application, { displayName, endsAt }) {
      const added = { keyId: guid(random), displayName, secret: opaque(random, 30), startsAt: now(), endsAt };
      passwords.set(application.clientId, [...passwordsOf(application), added]);
      return added;
    },

    removePassword(application, keyId) {
      const before = passwordsOf(application);
      const after = before.filter((each) => each.keyId !== keyId);
      passwords.set(application.clientId, after);
      return after.length < before.length;
    },

    accepts: (principal, secret) =>
      passwordsOf(principal).some((each) => each.secret === secret && each.startsAt <= now() && now() < each.endsAt),

    federatedOf: (principal) => [...principal.federated, ...(federated.get(principal.clientId) ?? [])],

    federate(principal, credential) {
      if (principal.kind === "system-assigned")
        throw new PosternError({ code: "unsupported", what: "a federated credential of a system-assigned identity", kind: "feature" });
      federated.set(principal.clientId, [...(federated.get(principal.clientId) ?? []), credential]);
    },
  };
}
