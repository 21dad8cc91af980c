/**
 * What the methods keep in the graph: the roles (or users) that are logged in as at a mount, each a host with a document of its parameters, and the mount's own
 * configuration. With a mount all of it goes.
 *
 *   role `ci` of `auth/approle`  → `acme:host:vault/role/approle/ci`
 *   configuration of `auth/jwt`  → `acme:configuration:vault/config/jwt`
 */

import type * as v from "valibot";
import type { MethodVerb, MountMethod } from "../../model/audited-operations";
import { type AccountName, identifierOf, makeId, type ResourceId, type RoleId } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { Caller, Change, Instant } from "../../model/types";
import type { Demand, Gate } from "../gate";
import type { Graph } from "../graph";
import type { Projection } from "../projection";
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
  mountType: MountMethod,
  schema: v.GenericSchema<unknown, Value>,
): MethodRoles<Value> {
  const kind = documents.kind(schema);
  const idOf = (graph: Graph, mount: Mount, name: string): RoleId =>
    makeId(mounts.account(graph), "host", `${rolePrefix}${shortPath(mount.path)}/${name}`);
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
  mountType: MountMethod,
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

export interface RoleOperations<Value> {
  /** What the gate is asked for something about one role: `approle.write`. */
  demand(operation: MethodVerb, access: PathAccess, mount: Mount, name: string): Demand;
  /** Sorted. */
  list(caller: Caller, access: PathAccess, mount: Mount): Promise<readonly string[]>;
  /** Undefined when there is none. */
  read(caller: Caller, access: PathAccess, mount: Mount, name: string): Promise<Value | undefined>;
  /** Does nothing when there is none. */
  remove(caller: Caller, access: PathAccess, mount: Mount, name: string): Promise<void>;
}

/** What is done alike with the roles of every kind of method. */
export function createRoleOperations<Value extends object>(
  { projection, gate, mounts }: { readonly projection: Projection; readonly gate: Gate; readonly mounts: Mounts },
  mountType: MountMethod,
  roles: MethodRoles<Value>,
): RoleOperations<Value> {
  const demand = (operation: MethodVerb, access: PathAccess, mount: Mount, name: string): Demand => ({
    operation: `${mountType}.${operation}`,
    access,
    about: { resource: roles.idOf(projection.graph(), mount, name), authenticator: methodName(mount) },
  });
  return {
    demand,
    list: (caller, access, mount) =>
      gate.release(caller, { operation: `${mountType}.list`, access, about: { authenticator: methodName(mount) } }, (graph) =>
        roles.names(graph, mount),
      ),
    read: (caller, access, mount, name) =>
      gate.release(caller, demand("read", access, mount, name), (graph) => roles.find(graph, mount, name)),
    remove: (caller, access, mount, name) =>
      gate.change(caller, demand("remove", access, mount, name), () =>
        projection.write(mounts.account(projection.graph()), caller.context.now, (graph) => ({
          changes: roles.remove(graph, mount, name),
          result: undefined,
        })),
      ),
  };
}

const rolePrefix = "vault/role/";

/** Whether a resource is a role that methods keep, or is called like one. */
export const isMethodRole = (id: ResourceId): boolean => identifierOf(id).startsWith(rolePrefix);

/** As the audit names a method: `approle/approle`, `jwt/ci`. */
export const methodName = ({ type, path }: Mount): string => `${type}/${shortPath(path)}`;

const branchOf = (account: AccountName, mount: Mount): RoleId => makeId(account, "policy", `vault/role/${shortPath(mount.path)}`);
