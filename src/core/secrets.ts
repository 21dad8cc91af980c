/** Secrets and their versions: read and written by the gate's leave. How many versions are kept is said by the place where a secret lives. */

import { constantTimeEqual } from "../crypto/digest";
import { PosternError } from "../model/failures";
import { accountOf, isRoleId, kindOf, type ResourceId } from "../model/ids";
import type { PathAccess } from "../model/paths";
import type { Store } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import type { Caller, Change, Instant } from "../model/types";
import type { Gate } from "./gate";
import type { Graph } from "./graph";
import type { SecretRef, SecretVersion } from "./operations";
import { parsePublicKeyLine } from "./policy/public-keys";
import type { Projection } from "./projection";
import { isReadable, type Keeping, nextVersion, readableVersion } from "./secret-versions";

export interface Secrets {
  /** `unless`: where a path was asked for, whose rules may deny what the graph allows. */
  read(caller: Caller, secret: SecretRef, unless?: PathAccess): Promise<SecretVersion>;
  readMany(caller: Caller, ids: readonly ResourceId[]): Promise<ReadonlyMap<ResourceId, SecretVersion>>;
  write(caller: Caller, id: ResourceId, value: SecretBytes, unless?: PathAccess): Promise<void>;
  expire(caller: Caller, id: ResourceId): Promise<void>;
  publicKeys(id: ResourceId): readonly string[];
  /** The changes that make `value` the newest version and drop the oldest beyond those kept; none when it already is. Throws `malformed` (because `cas_required`). */
  successor(graph: Graph, id: ResourceId, value: SecretBytes, now: Instant): readonly Change[];
}

export interface SecretsDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly store: Pick<Store, "secretValue">;
  readonly keeping: (graph: Graph, id: ResourceId) => Keeping;
}

export function createSecrets({ projection, gate, store, keeping }: SecretsDeps): Secrets {
  function open(graph: Graph, { id, version }: SecretRef, now: Instant): SecretVersion {
    const info = readableVersion(graph, id, version, now);
    const value = store.secretValue(id, info.version);
    if (value === undefined) throw new PosternError({ code: "not_found", target: id, empty: true, because: "no_value" });
    const mimeType = graph.annotation(id, "conjur/mime_type")?.value;
    const opened = { id, version: info.version, createdAt: info.createdAt, value };
    return mimeType === undefined ? opened : { ...opened, mimeType };
  }

  function successor(graph: Graph, id: ResourceId, value: SecretBytes, now: Instant): readonly Change[] {
    const newest = graph.secretVersions(id).at(-1);
    // One that is not given out is not there to be equal to: the value is wanted back.
    const present = newest === undefined || !isReadable(newest, now) ? undefined : store.secretValue(id, newest.version);
    if (present !== undefined && constantTimeEqual(present.reveal(), value.reveal())) return [];
    const kept = keeping(graph, id);
    if (kept.casRequired) {
      const expected = "a write that names the version it follows, which this secret demands";
      throw new PosternError({ code: "malformed", where: "value", expected, kind: "argument", because: "cas_required" });
    }
    return nextVersion(graph, id, value, { now, keeping: kept });
  }

  return {
    successor,

    read(caller, secret, unless) {
      const plain = { operation: "secret.read" as const, resource: secret.id, privilege: "execute" };
      const demand = secret.version === undefined ? plain : { ...plain, version: secret.version };
      return gate.release(caller, unless === undefined ? demand : { ...demand, unless }, (graph) =>
        open(graph, secret, caller.context.now),
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
          open(graph, { id }, caller.context.now),
        );
        found.set(id, version);
      }
      return found;
    },

    expire(caller, id) {
      const { now } = caller.context;
      return gate.change(caller, { operation: "secret.expire", resource: id, privilege: "update" }, () =>
        projection.write(accountOf(id), now, (graph) => {
          const { version } = readableVersion(graph, id, undefined, now);
          const expiry = { resource: id, version, expiresAt: now };
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

    write(caller, id, value, unless) {
      const now = caller.context.now;
      const demand = { operation: "secret.write" as const, resource: id, privilege: "update", ...(unless === undefined ? {} : { unless }) };
      return gate.change(caller, demand, async () => {
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
