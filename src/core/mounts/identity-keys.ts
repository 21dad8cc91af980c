/**
 * The named keys that Postern signs tokens about itself with: how long each signs, and how long it then verifies. Each node has private keys of its own for every
 * one of them, made when they are first needed, and changes them when their time has come.
 *
 * Source: Vault 1.19, vault/identity_store_oidc.go (keys), for names, defaults and refusals.
 */

import * as v from "valibot";
import { PosternError } from "../../model/failures";
import { makeId, type ResourceId, type RoleId } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { Caller, Instant } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import { type Documents, namesIn } from "./documents";
import { createKeyRings, type KeyRingsDeps } from "./identity-key-rings";
import { type KeyRing, publicKeysOf } from "./key-ring";
import { type Mounts, shortPath } from "./mounts";

export interface IdentityKey {
  readonly rotationSeconds: number;
  /** How long a token of it may live, and for how long the key verifies after it has ceased to sign. */
  readonly verificationSeconds: number;
  /** Roles of whose clients it signs tokens for callers; `*`: of any. */
  readonly allowedClients: readonly string[];
}

export interface IdentityKeyChange extends Partial<IdentityKey> {
  readonly algorithm?: string;
}

export interface IdentityKeyOperations {
  /** Sorted; `default` is always there. */
  list(caller: Caller, access: PathAccess): Promise<readonly string[]>;
  /** Undefined when there is none. */
  read(caller: Caller, access: PathAccess, name: string): Promise<IdentityKey | undefined>;
  /** Makes the key where there is none. Throws `malformed`. */
  write(caller: Caller, access: PathAccess, name: string, change: IdentityKeyChange): Promise<void>;
  /** Throws `malformed` for `default` and for one that a mount signs with. Does nothing when there is none. */
  remove(caller: Caller, access: PathAccess, name: string): Promise<void>;
  /**
   * Has the next key sign at once. The old one verifies for `verificationSeconds` (default: its own). Throws `malformed` while the next key is not published for long
   * enough, `not_found` when there is no such key. 0 is for a key that somebody else may have: it goes in any case, and until verifiers ask again they may refuse the next.
   */
  rotate(caller: Caller, access: PathAccess, name: string, verificationSeconds: number | undefined): Promise<void>;
}

export interface IdentityKeys {
  readonly operations: IdentityKeyOperations;
  find(graph: Graph, name: string): IdentityKey | undefined;
  /** What signs at this time. Made where there is none, rotated when that is due. Throws `not_found`. */
  ring(name: string, now: Instant): Promise<KeyRing>;
  /** Registers who must not lose a key; it throws when it would. */
  onRemoval(check: (graph: Graph, name: string) => void): void;
  /** Of all keys, as members of a key set. */
  publicKeys(now: Instant): readonly object[];
}

export interface IdentityKeysDeps extends KeyRingsDeps {
  readonly gate: Gate;
  readonly mounts: Mounts;
  readonly documents: Documents;
}

const KeyDocument = v.object({
  createdAt: v.number(),
  rotationSeconds: v.number(),
  verificationSeconds: v.number(),
  /** The longest `verificationSeconds` there ever was: tokens of then may still live. */
  keptSeconds: v.number(),
  allowedClients: v.optional(v.array(v.string()), []),
});
type KeyDocument = v.InferOutput<typeof KeyDocument>;

export const defaultKeyName = "default";
const daySeconds = 86_400;
const usual: Omit<KeyDocument, "createdAt" | "allowedClients"> = {
  rotationSeconds: daySeconds,
  verificationSeconds: daySeconds,
  keptSeconds: daySeconds,
};
const defaultKey: KeyDocument = { ...usual, createdAt: 0, allowedClients: ["*"] };
const leastRotationSeconds = 600;
const mostVerifications = 10;
const nameForm = /^\w(?:[\w.-]{0,126}\w)?$/;

export function createIdentityKeys(deps: IdentityKeysDeps): IdentityKeys {
  const { projection, gate, mounts, documents } = deps;
  const kind = documents.kind(KeyDocument);
  const rings = createKeyRings(deps);
  const removalChecks: ((graph: Graph, name: string) => void)[] = [];

  const branchOf = (graph: Graph): RoleId => makeId(mounts.account(graph), "policy", "vault/identity/key");
  const idOf = (graph: Graph, name: string): ResourceId => makeId(mounts.account(graph), "configuration", `vault/identity/key/${name}`);
  const find = (graph: Graph, name: string): KeyDocument | undefined =>
    nameForm.test(name) ? (kind.find(graph, idOf(graph, name)) ?? (name === defaultKeyName ? defaultKey : undefined)) : undefined;
  const namesOf = (graph: Graph): readonly string[] => [...new Set([defaultKeyName, ...namesIn(graph, branchOf(graph))])].sort();
  const demand = (operation: "list" | "read" | "write" | "remove" | "rotate", access: PathAccess, name: string) => ({
    operation: `identity_key.${operation}` as const,
    access,
    about: { resource: idOf(projection.graph(), nameForm.test(name) ? name : "unnamed") },
  });

  mounts.onSettings((graph, { identityTokenKey }) => {
    if (identityTokenKey !== "" && find(graph, identityTokenKey) === undefined)
      throw refused("identity_token_key", `key ${JSON.stringify(identityTokenKey.slice(0, 128))} does not exist`);
  });

  function known(name: string): KeyDocument {
    const key = find(projection.graph(), name);
    if (key === undefined) throw new PosternError({ code: "not_found", target: "the key", because: "identity_key" });
    return key;
  }

  const operations: IdentityKeyOperations = {
    list: (caller, access) => gate.release(caller, { operation: "identity_key.list", access }, namesOf),
    read: (caller, access, name) => gate.release(caller, demand("read", access, name), (graph) => find(graph, name)),

    write(caller, access, name, change) {
      const { now } = caller.context;
      const exists = (graph: Graph): boolean => find(graph, name) !== undefined;
      return gate.change(caller, { ...demand("write", access, name), exists }, async () => {
        if (!nameForm.test(name)) throw refused("name", "a name is of letters, digits and -_. between them");
        const isNew = !exists(projection.graph());
        const key = await projection.write(mounts.account(projection.graph()), now, (graph) => {
          const next = changedKey(find(graph, name) ?? { ...usual, createdAt: now, allowedClients: [] }, change);
          return { changes: documents.put(graph, { id: idOf(graph, name), branch: branchOf(graph) }, next, now), result: next };
        });
        // Published from now on, for whoever verifies to know it when something is first signed.
        if (isNew) await rings.current(name, key, now);
      });
    },

    async remove(caller, access, name) {
      const { now } = caller.context;
      await gate.change(caller, demand("remove", access, name), async () => {
        if (name === defaultKeyName) throw refused("name", 'deletion of key "default" not allowed');
        if (find(projection.graph(), name) === undefined) return;
        await projection.write(mounts.account(projection.graph()), now, (graph) => {
          const users = mounts.every(graph).filter(({ identityTokenKey }) => identityTokenKey === name);
          const listed = users.map(({ path }) => shortPath(path)).join(", ");
          if (users.length > 0)
            throw refused("name", `unable to delete key "${name}" because it is currently referenced by these mounts: ${listed}`);
          for (const check of removalChecks) check(graph, name);
          return { changes: documents.remove(graph, idOf(graph, name)), result: undefined };
        });
        await rings.forget(name);
      });
    },

    rotate: (caller, access, name, verificationSeconds) =>
      gate.change(caller, demand("rotate", access, name), async () => {
        const { keptSeconds, createdAt } = known(name);
        await rings.rotate(name, { createdAt, now: caller.context.now, keptSeconds: verificationSeconds ?? keptSeconds });
      }),
  };

  return {
    operations,
    find,
    onRemoval: (check) => removalChecks.push(check),
    ring: async (name, now) => rings.current(name, known(name), now),
    publicKeys(now) {
      const graph = projection.graph();
      return namesOf(graph).flatMap((name) => {
        const ring = rings.held(name, find(graph, name)?.createdAt ?? 0);
        return ring === undefined ? [] : publicKeysOf(ring, now);
      });
    },
  };
}

function changedKey(key: KeyDocument, { algorithm = "RS256", ...change }: IdentityKeyChange): KeyDocument {
  // Azure takes no others, and nobody else is shown these tokens.
  if (algorithm !== "RS256") throw refused("algorithm", `unknown signing algorithm ${JSON.stringify(algorithm.slice(0, 32))}`);
  const { rotationSeconds, verificationSeconds, allowedClients } = { ...key, ...change };
  if (rotationSeconds < leastRotationSeconds) throw refused("rotation_period", "rotation_period must be at least ten minutes");
  if (verificationSeconds < 1) throw refused("verification_ttl", "verification_ttl must be at least one second");
  if (verificationSeconds > mostVerifications * rotationSeconds)
    throw refused("verification_ttl", "verification_ttl cannot be longer than 10x rotation_period");
  return {
    ...key,
    rotationSeconds,
    verificationSeconds,
    allowedClients: [...allowedClients],
    keptSeconds: Math.max(key.keptSeconds, verificationSeconds),
  };
}

function refused(where: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where, expected: says, kind: "argument", because: "identity_key", says });
}
