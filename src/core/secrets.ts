/** Secrets and their versions: read and written by the gate's leave. The newest twenty versions are kept. */

import { constantTimeEqual } from "../crypto/digest";
import { PosternError } from "../model/failures";
import { accountOf, isRoleId, kindOf, type ResourceId } from "../model/ids";
import type { Store } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import type { Caller, Change, Instant } from "../model/types";
import type { Gate } from "./gate";
import type { Graph } from "./graph";
import type { SecretRef, SecretVersion } from "./operations";
import { parsePublicKeyLine } from "./policy/public-keys";
import type { Projection } from "./projection";

export interface Secrets {
  read(caller: Caller, secret: SecretRef): Promise<SecretVersion>;
  readMany(caller: Caller, ids: readonly ResourceId[]): Promise<ReadonlyMap<ResourceId, SecretVersion>>;
  write(caller: Caller, id: ResourceId, value: SecretBytes): Promise<void>;
  expire(caller: Caller, id: ResourceId): Promise<void>;
  publicKeys(id: ResourceId): readonly string[];
  /** The changes that make `value` the newest version and drop the oldest beyond those kept; none when it already is. */
  successor(graph: Graph, id: ResourceId, value: SecretBytes, now: Instant): readonly Change[];
}

export interface SecretsDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly store: Pick<Store, "secretValue">;
  readonly versionsKept: number;
}

export function createSecrets({ projection, gate, store, versionsKept }: SecretsDeps): Secrets {
  function open(graph: Graph, { id, version }: SecretRef): SecretVersion {
    const versions = graph.secretVersions(id);
    const info = version === undefined ? versions.at(-1) : versions.find((each) => each.version === version);
    const value = info === undefined ? undefined : store.secretValue(id, info.version);
    if (info === undefined || value === undefined)
      throw new PosternError({ code: "not_found", target: id, empty: true, because: "no_value" });
    const mimeType = graph.annotation(id, "conjur/mime_type")?.value;
    const opened = { id, version: info.version, createdAt: info.createdAt, value };
    return mimeType === undefined ? opened : { ...opened, mimeType };
  }

  function successor(graph: Graph, id: ResourceId, value: SecretBytes, now: Instant): readonly Change[] {
    const versions = graph.secretVersions(id);
    const newest = versions.at(-1);
    const present = newest === undefined ? undefined : store.secretValue(id, newest.version);
    if (present !== undefined && constantTimeEqual(present.reveal(), value.reveal())) return [];
    const dropped = versions.slice(0, Math.max(0, versions.length + 1 - versionsKept));
    return [
      { type: "put_secret_version", resource: id, version: (newest?.version ?? 0) + 1, createdAt: now, value },
      ...dropped.map(({ version }): Change => ({ type: "remove_secret_version", resource: id, version })),
    ];
  }

  return {
    successor,

    read(caller, secret) {
      const demand = { operation: "secret.read", resource: secret.id, privilege: "execute" };
      return gate.release(caller, secret.version === undefined ? demand : { ...demand, version: secret.version }, (graph) =>
        open(graph, secret),
      );
    },

    async readMany(caller, ids) {
      const graph = projection.graph();
      const distinct = [...new Set(ids)];
      // Refusals first, and among them those that say less: a batch must tell no more than single reads would.
      const refused = distinct.find((id) => graph.sees(caller.role, id) && !gate.allows(graph, caller.role, "execute", id));
      const ordered = refused === undefined ? distinct : [refused];
      const found = new Map<ResourceId, SecretVersion>();
      for (const id of ordered) {
        const version = await gate.release(caller, { operation: "secret.read", resource: id, privilege: "execute", graph }, () =>
          open(graph, { id }),
        );
        found.set(id, version);
      }
      return found;
    },

    expire(caller, id) {
      const { now } = caller.context;
      return gate.change(caller, { operation: "secret.expire", resource: id, privilege: "update" }, () =>
        projection.write(accountOf(id), now, (graph) => {
          const newest = graph.secretVersions(id).at(-1);
          if (newest === undefined) throw new PosternError({ code: "not_found", target: id, empty: true, because: "no_value" });
          const expiry = { resource: id, version: newest.version, expiresAt: now };
          return { changes: [{ type: "put_secret_expiry", expiry }], result: undefined };
        }),
      );
    },

    publicKeys(id) {
      const graph = projection.graph();
      projection.assertSound(accountOf(id));
      const keys = isRoleId(id) ? [...graph.publicKeysOf(id)].sort() : kindOf(id) === "public_key" ? [id] : [];
      return keys.flatMap((key) => {
        const newest = graph.secretVersions(key).at(-1);
        const line = newest === undefined ? undefined : store.secretValue(key, newest.version);
        return line === undefined ? [] : [Buffer.from(line.reveal()).toString("utf8").trim()];
      });
    },

    write(caller, id, value) {
      const now = caller.context.now;
      return gate.change(caller, { operation: "secret.write", resource: id, privilege: "update" }, async () => {
        if (isBlank(value))
          throw new PosternError({ code: "malformed", where: "value", expected: "a value that is not empty", kind: "argument" });
        if (kindOf(id) === "public_key") assertPublicKey(value);
        await projection.write(accountOf(id), now, (graph) => {
          // Removed between the decision and this write's turn.
          if (graph.resource(id) === undefined) throw new PosternError({ code: "not_found", target: id, because: "resource_missing" });
          return { changes: successor(graph, id, value, now), result: undefined };
        });
      });
    },
  };
}

/** The line of a public key is what it is in a policy: type, key and name. */
function assertPublicKey(value: SecretBytes): void {
  const parsed = parsePublicKeyLine(Buffer.from(value.reveal()).toString("utf8"));
  if ("message" in parsed) throw new PosternError({ code: "malformed", where: "public_key", expected: parsed.message, kind: "argument" });
}

const blankBytes = new Set([0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20]);

function isBlank(value: SecretBytes): boolean {
  return value.reveal().every((byte) => blankBytes.has(byte));
}
