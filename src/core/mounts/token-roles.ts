/** Token roles: what tokens that are made by one of them are, in place of what whoever makes them may say. Documents of the account. */

import * as v from "valibot";
import { type AccountName, makeId, type ResourceId, type RoleId } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { Caller } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import type { Projection } from "../projection";
import { type Documents, namesIn } from "./documents";
import type { Mounts } from "./mounts";
import { refused } from "./token-creation";
import { networkOf } from "./token-parameters";

const names = v.pipe(v.array(v.string()), v.readonly());

const RoleDocument = v.object({
  allowedPolicies: names,
  allowedPoliciesGlob: names,
  disallowedPolicies: names,
  disallowedPoliciesGlob: names,
  isOrphan: v.boolean(),
  isRenewable: v.boolean(),
  pathSuffix: v.string(),
  /** `default-service` and `default-batch` may be chosen against, the others not. */
  kind: v.picklist(["default-service", "default-batch", "service", "batch"]),
  allowedEntityAliases: names,
  boundCidrs: names,
  explicitMaxSeconds: v.number(),
  noDefaultPolicy: v.boolean(),
  uses: v.number(),
  periodSeconds: v.number(),
});

export type TokenRole = Readonly<v.InferOutput<typeof RoleDocument>>;

export const newTokenRole: TokenRole = {
  allowedPolicies: [],
  allowedPoliciesGlob: [],
  disallowedPolicies: [],
  disallowedPoliciesGlob: [],
  isOrphan: false,
  isRenewable: true,
  pathSuffix: "",
  kind: "default-service",
  allowedEntityAliases: [],
  boundCidrs: [],
  explicitMaxSeconds: 0,
  noDefaultPolicy: false,
  uses: 0,
  periodSeconds: 0,
};

/** What a request changes. The kind as it was written. */
export type TokenRoleChange = Partial<Omit<TokenRole, "kind">> & { readonly kind?: string };

export interface TokenRoleOperations {
  list(caller: Caller, access: PathAccess): Promise<readonly string[]>;
  /** Undefined when there is none. */
  read(caller: Caller, access: PathAccess, name: string): Promise<TokenRole | undefined>;
  write(caller: Caller, access: PathAccess, name: string, change: TokenRoleChange): Promise<void>;
  remove(caller: Caller, access: PathAccess, name: string): Promise<void>;
}

export interface TokenRoles extends TokenRoleOperations {
  find(graph: Graph, name: string): TokenRole | undefined;
}

export interface TokenRolesDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly documents: Documents;
  readonly mounts: Mounts;
}

export function createTokenRoles({ projection, gate, documents, mounts }: TokenRolesDeps): TokenRoles {
  const kind = documents.kind(RoleDocument);
  const find = (graph: Graph, name: string): TokenRole | undefined => kind.find(graph, idOf(mounts.account(graph), name));
  const account = (): AccountName => mounts.account(projection.graph());

  return {
    find,
    list: (caller, access) =>
      gate.release(caller, { operation: "token_role.list", access }, (graph) => namesIn(graph, branchOf(mounts.account(graph)))),
    read: (caller, access, name) =>
      gate.release(caller, { operation: "token_role.read", access, about: { resource: idOf(account(), name) } }, (graph) =>
        find(graph, name),
      ),

    write(caller, access, name, change) {
      const { now } = caller.context;
      const demand = {
        operation: "token_role.write" as const,
        access,
        exists: (graph: Graph) => find(graph, name) !== undefined,
        about: { resource: idOf(account(), name) },
      };
      return gate.change(caller, demand, () => {
        if (!/^[\w][\w.-]{0,127}$/.test(name)) throw refused("a token role is named with letters, digits, dots, dashes and underscores");
        return projection.write(account(), now, (graph) => {
          const owner = mounts.account(graph);
          const role = changed(find(graph, name) ?? newTokenRole, change);
          return { changes: documents.put(graph, { id: idOf(owner, name), branch: branchOf(owner) }, role, now), result: undefined };
        });
      });
    },

    remove(caller, access, name) {
      const { now } = caller.context;
      return gate.change(caller, { operation: "token_role.remove", access, about: { resource: idOf(account(), name) } }, () =>
        projection.write(account(), now, (graph) => ({
          changes: documents.remove(graph, idOf(mounts.account(graph), name)),
          result: undefined,
        })),
      );
    },
  };
}

/** The role of the graph that tokens made by a token role are. */
export const idOf = (account: AccountName, name: string): ResourceId & RoleId => makeId(account, "host", `vault/role/token/${name}`);
const branchOf = (account: AccountName): RoleId => makeId(account, "policy", "vault/role/token");

function changed(before: TokenRole, { kind, ...plain }: TokenRoleChange): TokenRole {
  const after = {
    ...before,
    ...plain,
    kind: kindOf(kind, before.kind),
    boundCidrs: (plain.boundCidrs ?? before.boundCidrs).map(networkOf),
  };
  if (after.kind === "batch" && after.periodSeconds > 0)
    throw refused("'token_type' cannot be 'batch' or 'default_batch' when set to generate periodic tokens");
  if (after.kind === "batch" && after.uses > 0)
    throw refused("'token_type' cannot be 'batch' or 'default_batch' when set to generate tokens with limited use count");
  return after;
}

function kindOf(word: string | undefined, before: TokenRole["kind"]): TokenRole["kind"] {
  switch (word) {
    case undefined:
      return before;
    case "":
    case "default":
    case "default-service":
      return "default-service";
    case "default-batch":
    case "service":
    case "batch":
      return word;
    default:
      throw refused(`invalid 'token_type' value "${word.slice(0, 32)}"`);
  }
}
