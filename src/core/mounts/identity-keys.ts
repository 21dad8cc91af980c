/**
 * The named keys that Postern signs tokens about itself with: how long each signs, and how long it then verifies. Each node has private keys of its own for every
 * one of them, made when they are first needed, and changes them when their time has come.
 *
 * Source: Vault 1.19, vault/identity_store_oidc.go (keys), for names, defaults and refusals.
 */

import * as v from "valibot";
import { generateRsa } from "../../crypto/signing";
import { PosternError } from "../../model/failures";
import { makeId, type ResourceId, type RoleId } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { Keyring } from "../../model/ports";
import type { Caller, Instant } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import type { Projection } from "../projection";
import { type Documents, namesIn } from "./documents";
import { type KeyRing, newRing, publicKeysOf, readRing, ringBytes, rotatedRing, secondsUntilReady } from "./key-ring";
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
   * Has the next key sign at once. The old one verifies for `verificationSeconds` (default: its own); 0 is for one that somebody else may have. Throws `malformed`
   * while the next key is not published for long enough, `not_found` when there is no such key.
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

export interface IdentityKeysDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly mounts: Mounts;
  readonly documents: Documents;
  readonly keyring: Pick<Keyring, "nodeSecret" | "putNodeSecret">;
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
  const rings = createRings(deps);
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

interface Rings {
  /** As it is, without making or rotating any. */
  held(name: string, createdAt: Instant): KeyRing | undefined;
  current(name: string, key: KeyDocument, now: Instant): Promise<KeyRing>;
  rotate(name: string, terms: { readonly createdAt: Instant; readonly now: Instant; readonly keptSeconds: number }): Promise<void>;
  forget(name: string): Promise<void>;
}

/** The private keys of this node. One change of a ring is under way at a time. */
function createRings({ projection, mounts, keyring }: IdentityKeysDeps): Rings {
  const open = new Map<string, KeyRing>();
  let last: Promise<unknown> = Promise.resolve();
  const secretName = (name: string): string => `identity-key/${name}`;

  /** Of another account's key, or of one that is gone, none. */
  function placeOf(name: string): string {
    const graph = projection.graph();
    const account = mounts.account(graph);
    return `${account} ${graph.account(account)?.createdAt} ${name}`;
  }

  function held(name: string, createdAt: Instant): KeyRing | undefined {
    const place = placeOf(name);
    const known = open.get(place);
    if (known !== undefined) return known.madeFor === createdAt ? known : undefined;
    const bytes = keyring.nodeSecret(mounts.account(projection.graph()), secretName(name));
    const ring = bytes === undefined ? undefined : readRing(bytes);
    bytes?.fill(0);
    if (ring?.madeFor !== createdAt) return undefined;
    open.set(place, ring);
    return ring;
  }

  async function keep(name: string, ring: KeyRing): Promise<KeyRing> {
    const bytes = ringBytes(ring);
    await keyring.putNodeSecret(mounts.account(projection.graph()), secretName(name), bytes);
    bytes.fill(0);
    open.set(placeOf(name), ring);
    return ring;
  }

  function inTurn<Result>(change: () => Promise<Result>): Promise<Result> {
    const mine = last.then(change);
    last = mine.catch(() => undefined);
    return mine;
  }

  const isDue = (ring: KeyRing, { rotationSeconds }: KeyDocument, now: Instant): boolean =>
    now >= ring.current.since + rotationSeconds * 1000 && secondsUntilReady(ring, now) === 0;

  return {
    held,

    async current(name, key, now) {
      const known = held(name, key.createdAt);
      if (known !== undefined && !isDue(known, key, now)) return known;
      return inTurn(async () => {
        const ring = held(name, key.createdAt);
        if (ring === undefined) return keep(name, newRing(key.createdAt, await Promise.all([generateRsa(), generateRsa()]), now));
        if (!isDue(ring, key, now)) return ring;
        return keep(name, rotatedRing(ring, await generateRsa(), { now, keptSeconds: key.keptSeconds }));
      });
    },

    rotate: (name, { createdAt, now, keptSeconds }) =>
      inTurn(async () => {
        const ring = held(name, createdAt);
        // One that never signed has nothing to give up.
        if (ring === undefined) return;
        const missing = secondsUntilReady(ring, now);
        if (missing > 0)
          throw refused("name", `the next key is published too shortly for it to be known everywhere: rotate again in ${missing} seconds`);
        await keep(name, rotatedRing(ring, await generateRsa(), { now, keptSeconds }));
      }),

    forget: (name) =>
      inTurn(async () => {
        open.delete(placeOf(name));
        const account = mounts.account(projection.graph());
        if (keyring.nodeSecret(account, secretName(name)) !== undefined)
          await keyring.putNodeSecret(account, secretName(name), new Uint8Array());
      }),
  };
}

function refused(where: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where, expected: says, kind: "argument", because: "identity_key", says });
}
