/**
 * What the methods keep in the graph: the roles (or users) that are logged in as at a mount, each a host with a document of its parameters, and the mount's own
 * configuration. With a mount all of it goes.
 *
 *   role `ci` of `auth/approle`  → `acme:host:vault/role/approle/ci`
 *   configuration of `auth/jwt`  → `acme:configuration:vault/config/jwt`
 */

import type * as v from "valibot";
import { type AccountName, makeId, type ResourceId, type RoleId } from "../../model/ids";
import type { Change, Instant } from "../../model/types";
import type { Graph } from "../graph";
import { type Documents, namesIn } from "./documents";
import type { Mount } from "./mount";
import { type Mounts, shortPath } from "./mounts";

export interface MethodRoles<Value extends object> {
  idOf(graph: Graph, mount: Mount, name: string): RoleId;
  find(graph: Graph, mount: Mount, name: string): Value | undefined;
  /** Sorted. */
  names(graph: Graph, mount: Mount): readonly string[];
  put(graph: Graph, mount: Mount, name: string, value: Value, now: Instant): readonly Change[];
  remove(graph: Graph, mount: Mount, name: string): readonly Change[];
}

export interface MethodConfiguration<Value extends object> {
  idOf(graph: Graph, mount: Mount): ResourceId;
  find(graph: Graph, mount: Mount): Value | undefined;
  put(graph: Graph, mount: Mount, value: Value, now: Instant): readonly Change[];
  remove(graph: Graph, mount: Mount): readonly Change[];
}

export interface MethodDeps {
  readonly documents: Documents;
  readonly mounts: Mounts;
}

/** The roles of one kind of method. Called once for each, for they go with their mount. */
export function createMethodRoles<Value extends object>(
  { documents, mounts }: MethodDeps,
  mountType: string,
  schema: v.GenericSchema<unknown, Value>,
): MethodRoles<Value> {
  const kind = documents.kind(schema);
  const idOf = (graph: Graph, mount: Mount, name: string): RoleId =>
    makeId(mounts.account(graph), "host", `vault/role/${shortPath(mount.path)}/${name}`);
  const names = (graph: Graph, mount: Mount): readonly string[] => namesIn(graph, branchOf(mounts.account(graph), mount));
  const remove = (graph: Graph, mount: Mount, name: string): readonly Change[] => documents.remove(graph, idOf(graph, mount, name));

  mounts.onEnd({
    changes: (graph, mount) => (mount.type === mountType ? names(graph, mount).flatMap((name) => remove(graph, mount, name)) : []),
  });

  return {
    idOf,
    names,
    remove,
    find: (graph, mount, name) => kind.find(graph, idOf(graph, mount, name)),
    put: (graph, mount, name, value, now) =>
      documents.put(graph, { id: idOf(graph, mount, name), branch: branchOf(mounts.account(graph), mount) }, value, now),
  };
}

/** The configuration of one kind of method. Called once for each. */
export function createMethodConfiguration<Value extends object>(
  { documents, mounts }: MethodDeps,
  mountType: string,
  schema: v.GenericSchema<unknown, Value>,
): MethodConfiguration<Value> {
  const kind = documents.kind(schema);
  const idOf = (graph: Graph, mount: Mount): ResourceId =>
    makeId(mounts.account(graph), "configuration", `vault/config/${shortPath(mount.path)}`);
  const remove = (graph: Graph, mount: Mount): readonly Change[] => documents.remove(graph, idOf(graph, mount));

  mounts.onEnd({ changes: (graph, mount) => (mount.type === mountType ? remove(graph, mount) : []) });

  return {
    idOf,
    remove,
    find: (graph, mount) => kind.find(graph, idOf(graph, mount)),
    put: (graph, mount, value, now) =>
      documents.put(graph, { id: idOf(graph, mount), branch: makeId(mounts.account(graph), "policy", "vault/config") }, value, now),
  };
}

/** As the audit names a method: `approle/approle`, `jwt/ci`. */
export const methodName = ({ type, path }: Mount): string => `${type}/${shortPath(path)}`;

const branchOf = (account: AccountName, mount: Mount): RoleId => makeId(account, "policy", `vault/role/${shortPath(mount.path)}`);
