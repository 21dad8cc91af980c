/**
 * Secrets by path: each key of a mount holds a JSON object, in versions. Read, written and laid over by version number, deleted, put back and destroyed.
 *
 * A key exists as long as it has versions or rules, also when all its versions are deleted. Where versions stand is compared and moved on in one turn of the
 * account's writes, so of many who name the same version one succeeds.
 */

import type { AuditedOperation } from "../../model/audited-operations";
import { PosternError } from "../../model/failures";
import type { ResourceId } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { Store } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import type { Caller, Change, Instant, SecretVersionInfo } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import type { Projection, Write } from "../projection";
import { deletionOf, isReadable, type Keeping, newestNumber, nextVersion, stateOf } from "../secret-versions";
import { branchChanges, newResource } from "./documents";
import { mergePatched, namesAlone } from "./json-merge";
import { type KeyedPlaces, type KeyRef, mistakenFor } from "./keyed-places";
import { objectOf, objectText } from "./keyed-values";

export type { KeyRef } from "./keyed-places";

/** A version as it is told, without its value. */
export interface KeyedVersion {
  readonly version: number;
  readonly createdAt: Instant;
  /** May lie in the future. */
  readonly deletesAt?: Instant;
  readonly isDestroyed: boolean;
  readonly customMetadata?: Readonly<Record<string, string>>;
}

export interface KeyedReading extends KeyedVersion {
  /** The text of a JSON object. Absent: the version is deleted or destroyed. */
  readonly value?: SecretBytes;
}

export interface KeyedPatching extends KeyedVersion {
  readonly isWritten: boolean;
}

export interface KeyedWrite extends KeyRef {
  /** The text of a JSON object. */
  readonly value: SecretBytes;
  /** The version that must be the newest, whatever became of it; 0: there must be none. */
  readonly cas?: number;
}

export type KeyedState = "deleted" | "readable" | "destroyed";

export interface KeyedSecretOperations {
  /** Throws `not_found` for a key or version that never was or is no longer kept. */
  read(caller: Caller, access: PathAccess, ref: KeyRef & { readonly version?: number }): Promise<KeyedReading>;
  /** The names in the object without its values, to a depth; 0: to any. */
  subkeys(caller: Caller, access: PathAccess, ref: KeyRef & { readonly version?: number; readonly depth: number }): Promise<KeyedReading>;
  /** Throws `malformed` because `cas_mismatch` or `cas_required`. */
  write(caller: Caller, access: PathAccess, write: KeyedWrite): Promise<KeyedVersion>;
  /** Lays `value` over the newest version: `null` removes. Nothing is written, and the version told, when that is deleted or destroyed; undefined where there is none. Throws as `write`. */
  patch(caller: Caller, access: PathAccess, write: KeyedWrite): Promise<KeyedPatching | undefined>;
  /** Deletes the newest version, if there is one that is not deleted yet. */
  deleteNewest(caller: Caller, access: PathAccess, ref: KeyRef): Promise<void>;
  /** Leaves out numbers of versions that there are not, or that are destroyed. */
  setStates(
    caller: Caller,
    access: PathAccess,
    ref: KeyRef & { readonly versions: readonly number[]; readonly state: KeyedState },
  ): Promise<void>;
}

export interface KeyedSecretsDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly store: Pick<Store, "secretValue">;
  readonly places: KeyedPlaces;
}

const mostPatchedBytes = 1 << 20;
const operations = { deleted: "secret.delete", readable: "secret.undelete", destroyed: "secret.destroy" } as const;

export function createKeyedSecrets({ projection, gate, store, places }: KeyedSecretsDeps): KeyedSecretOperations {
  /** Versions that were found to hold the text of an object. A version that is written anew is told by another value. */
  const objects = new WeakSet<SecretVersionInfo>();

  function objectIn(info: SecretVersionInfo, value: SecretBytes): SecretBytes {
    if (objects.has(info)) return value;
    const object = objectOf(value);
    if (object === value) objects.add(info);
    return object;
  }

  function opened(graph: Graph, id: ResourceId, ref: KeyRef & { readonly version?: number }, now: Instant): KeyedReading {
    places.assertMount(graph, ref.mount);
    const versions = graph.secretVersions(id);
    const info = ref.version === undefined ? versions.at(-1) : versions.find(({ version }) => version === ref.version);
    if (info === undefined) throw new PosternError({ code: "not_found", target: id, because: "no_value" });
    const shown = shownVersion(graph, info);
    const value = isReadable(info, now) ? store.secretValue(id, info.version) : undefined;
    return value === undefined ? shown : { ...shown, value: objectIn(info, value) };
  }

  function demandFor(operation: AuditedOperation, access: PathAccess, ref: KeyRef & { readonly version?: number }) {
    const demand = { operation, access, resource: places.idOf(projection.graph(), ref), ...mistakenFor(access, ref) };
    return ref.version === undefined ? demand : { ...demand, version: ref.version };
  }

  /** The key as it will be written to; whoever was decided on as one who creates must not come to update meanwhile, nor the other way round. */
  function assertStillMay(graph: Graph, id: ResourceId, caller: Caller, access: PathAccess): void {
    if (access.action !== "write" || gate.allowsPath(caller, access, existsIn(graph, id))) return;
    throw new PosternError({ code: "forbidden", because: "changed_meanwhile" });
  }

  function keepingOf(graph: Graph, id: ResourceId): Keeping {
    const keeping = places.keeping(graph, id);
    if (keeping === undefined) throw new PosternError({ code: "not_found", target: id, because: "no_mount" });
    return keeping;
  }

  function written(graph: Graph, { mount, value, cas }: KeyedWrite, id: ResourceId, now: Instant) {
    const keeping = keepingOf(graph, id);
    assertFollows(newestNumber(graph, id), keeping, cas);
    const branch = places.branchOf(graph, mount);
    const made = graph.resource(id) === undefined ? [...branchChanges(graph, branch, now), ...newResource(id, branch, now)] : [];
    const changes = nextVersion(graph, id, value, { now, keeping });
    return { changes: [...made, ...changes], result: writtenVersion(graph, id, changes, now) };
  }

  return {
    read(caller, access, ref) {
      const demand = demandFor("secret.read", access, ref);
      return gate.release(caller, demand, (graph) => opened(graph, demand.resource, ref, caller.context.now));
    },

    subkeys(caller, access, ref) {
      const demand = demandFor("secret.subkeys", access, ref);
      return gate.release(caller, demand, (graph) => {
        const { value, ...shown } = opened(graph, demand.resource, ref, caller.context.now);
        return value === undefined ? shown : { ...shown, value: SecretBytes.ofText(namesAlone(objectText(value), ref.depth)) };
      });
    },

    write(caller, access, write) {
      const { now } = caller.context;
      const demand = demandFor("secret.write", access, write);
      const id = demand.resource;
      return gate.change(caller, { ...demand, exists: (graph) => existsIn(graph, id) }, () =>
        projection.write(places.account(projection.graph()), now, (graph) => {
          places.assertMount(graph, write.mount);
          assertStillMay(graph, id, caller, access);
          return written(graph, write, id, now);
        }),
      );
    },

    patch(caller, access, write) {
      const { now } = caller.context;
      const demand = demandFor("secret.write", access, write);
      return gate.change(caller, demand, () =>
        projection.write(places.account(projection.graph()), now, (graph): Write<KeyedPatching | undefined> => {
          if (newestNumber(graph, demand.resource) === 0) return { changes: [], result: undefined };
          const { value, ...shown } = opened(graph, demand.resource, { mount: write.mount, key: write.key }, now);
          if (value === undefined) return { changes: [], result: { ...shown, isWritten: false } };
          const next = SecretBytes.ofText(mergePatched(objectText(value), objectText(write.value)));
          assertNotGrown(next, value);
          const { changes, result } = written(graph, { ...write, value: next }, demand.resource, now);
          return { changes, result: { ...result, isWritten: true } };
        }),
      );
    },

    deleteNewest(caller, access, ref) {
      const { now } = caller.context;
      const demand = demandFor("secret.delete", access, ref);
      return gate.change(caller, demand, () =>
        projection.write(places.account(projection.graph()), now, (graph) => {
          places.assertMount(graph, ref.mount);
          const newest = graph.secretVersions(demand.resource).at(-1);
          return { changes: newest === undefined ? [] : stateChanges(newest, "deleted", now, undefined), result: undefined };
        }),
      );
    },

    setStates(caller, access, ref) {
      const { now } = caller.context;
      const demand = demandFor(operations[ref.state], access, ref);
      const id = demand.resource;
      const wanted = new Set(ref.versions);
      return gate.change(caller, { ...demand, count: wanted.size }, () =>
        projection.write(places.account(projection.graph()), now, (graph) => {
          places.assertMount(graph, ref.mount);
          const { deleteAfterSeconds } = keepingOf(graph, id);
          const infos = graph.secretVersions(id).filter(({ version }) => wanted.has(version));
          return { changes: infos.flatMap((info) => stateChanges(info, ref.state, now, deleteAfterSeconds)), result: undefined };
        }),
      );
    },
  };
}

/** Whether there is anything of a key: versions in whatever state, or rules. */
export function existsIn(graph: Graph, id: ResourceId): boolean {
  return graph.secretVersions(id).length > 0 || graph.secretRules(id) !== undefined;
}

export function shownVersion(graph: Graph, { resource, version, createdAt, deletesAt, destroyed }: SecretVersionInfo): KeyedVersion {
  const customMetadata = graph.secretRules(resource)?.customMetadata;
  return {
    version,
    createdAt,
    isDestroyed: destroyed === true,
    ...(deletesAt === undefined ? {} : { deletesAt }),
    ...(customMetadata === undefined ? {} : { customMetadata }),
  };
}

function writtenVersion(graph: Graph, id: ResourceId, changes: readonly Change[], now: Instant): KeyedVersion {
  const put = changes.find((change) => change.type === "put_secret_version");
  const state = changes.find((change) => change.type === "put_version_state");
  const deletesAt = state?.deletesAt === undefined ? {} : { deletesAt: state.deletesAt };
  return shownVersion(graph, { resource: id, version: put?.version ?? 0, createdAt: now, revision: graph.revision, ...deletesAt });
}

/** Any write is bounded by what a request may hold; patches, each of them small, are not to pile up to more than that. */
function assertNotGrown(next: SecretBytes, before: SecretBytes): void {
  const limitBytes = Math.max(mostPatchedBytes, before.byteLength);
  if (next.byteLength > limitBytes) throw new PosternError({ code: "too_large", what: "a secret that was patched", limitBytes });
}

function assertFollows(newest: number, { casRequired }: Keeping, cas: number | undefined): void {
  if (cas !== undefined && cas !== newest) throw refused("cas_mismatch", "check-and-set parameter did not match the current version");
  if (cas === undefined && casRequired) throw refused("cas_required", "check-and-set parameter required for this call");
}

function refused(because: string, says: string): PosternError {
  return new PosternError({
    code: "malformed",
    where: "cas",
    expected: "the number of the newest version",
    kind: "argument",
    because,
    says,
  });
}

function stateChanges(info: SecretVersionInfo, state: KeyedState, now: Instant, deleteAfterSeconds: number | undefined): readonly Change[] {
  const { resource, version, deletesAt } = info;
  const present = stateOf(info, now);
  if (present === "destroyed" || (state === "deleted" && present === "deleted")) return [];
  if (state === "deleted") return [deletionOf(resource, version, now)];
  if (state === "destroyed")
    return [{ type: "put_version_state", resource, version, ...(deletesAt === undefined ? {} : { deletesAt }), destroyed: true }];
  if (deleteAfterSeconds !== undefined) return [deletionOf(resource, version, now + deleteAfterSeconds * 1000)];
  return deletesAt === undefined ? [] : [{ type: "put_version_state", resource, version }];
}
