/**
 * AppRole: a machine shows the name of its role and a secret-id that somebody it trusts made for it.
 *
 * Whatever is wrong with a login is told in one sentence: which of the two was not known, had ended, was used up or came from elsewhere is for the audit.
 * Source: Vault 1.19, builtin/credential/approle.
 */

import { PosternError } from "../../model/failures";
import type { RoleId } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { Random } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import type { Caller, Change, Instant, RequestContext } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import { isWithin } from "../networks";
import type { Projection } from "../projection";
import {
  type AppRole,
  type AppRoleChange,
  AppRoleDocument,
  changedAppRole,
  newAppRole,
  type SecretIdRequest,
  secretIdTerms,
} from "./approle-role";
import { expectLogin, type MethodLogins, refusedLogin } from "./method-logins";
import { createMethodRoles, createRoleOperations, isMethodRole, type MethodDeps } from "./method-roles";
import { leaseBounds, type Mount, uuidOf } from "./mount";
import type { SecretId, SecretIds } from "./secret-ids";
import type { IssuedToken } from "./token-operations";
import { parameterWarnings } from "./token-parameters";
import type { Tokens } from "./tokens";

export type { AppRole, AppRoleChange, SecretIdRequest } from "./approle-role";
export type { SecretId } from "./secret-ids";

export interface AppRoleLogin {
  readonly mount: Mount;
  readonly path: string;
  readonly roleId: string;
  readonly secretId: SecretBytes | undefined;
}

/** A secret-id that was just made: the one time that it is shown. */
export interface NewSecretId {
  readonly value: SecretBytes;
  readonly accessor: string;
  readonly ttlSeconds: number;
  readonly uses: number;
}

export type SecretIdRef = { readonly by: "value"; readonly value: SecretBytes } | { readonly by: "accessor"; readonly accessor: string };

/** Names of roles are in lower case. Operations on what belongs to a role throw `not_found` when there is no such role. */
export interface AppRoleOperations {
  login(login: AppRoleLogin, context: RequestContext): Promise<IssuedToken>;
  list(caller: Caller, access: PathAccess, mount: Mount): Promise<readonly string[]>;
  /** Undefined when there is none. */
  read(caller: Caller, access: PathAccess, mount: Mount, name: string): Promise<AppRole | undefined>;
  /** Makes the role where there is none. Gives what the writer should hear. */
  write(caller: Caller, access: PathAccess, mount: Mount, name: string, change: AppRoleChange): Promise<readonly string[]>;
  /** Changes a role that is there. */
  change(caller: Caller, access: PathAccess, mount: Mount, name: string, change: AppRoleChange): Promise<void>;
  /** Ends its secret-ids too. Does nothing when there is none. */
  remove(caller: Caller, access: PathAccess, mount: Mount, name: string): Promise<void>;
  /** `value`: chosen by the caller instead of made here. */
  createSecretId(
    caller: Caller,
    access: PathAccess,
    mount: Mount,
    name: string,
    request: SecretIdRequest,
    value?: SecretBytes,
  ): Promise<NewSecretId>;
  secretIdAccessors(caller: Caller, access: PathAccess, mount: Mount, name: string): Promise<readonly string[]>;
  /** Undefined when there is none. */
  lookUpSecretId(caller: Caller, access: PathAccess, mount: Mount, name: string, which: SecretIdRef): Promise<SecretId | undefined>;
  /** False when there is none. */
  destroySecretId(caller: Caller, access: PathAccess, mount: Mount, name: string, which: SecretIdRef): Promise<boolean>;
  tidy(caller: Caller, access: PathAccess): Promise<void>;
}

export interface AppRoleDeps extends MethodDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly tokens: Tokens;
  readonly logins: MethodLogins;
  readonly secretIds: SecretIds;
  readonly random: Random;
}

/** Names of the roles of a mount by their `role_id`, as they were before the changes of a later generation. */
interface RoleIdIndex {
  readonly generation: number;
  readonly names: Map<string, string>;
}

const mountType = "approle";
const wrong = "invalid role or secret ID";
const longestSecretId = 4096;

export function createAppRoleMethod(deps: AppRoleDeps): AppRoleOperations {
  const { projection, gate, mounts, tokens, logins, secretIds, random } = deps;
  const roles = createMethodRoles(deps, mountType, AppRoleDocument);
  const shared = createRoleOperations(deps, mountType, roles);
  const { demand } = shared;
  const indexes = new Map<string, RoleIdIndex>();
  let generation = 0;
  projection.watch((changes) => {
    if (changes.some(touchesRoles)) generation += 1;
  });

  mounts.onEnd({
    async afterwards(mount) {
      indexes.delete(mount.accessor);
      await secretIds.endAll(({ mountAccessor }) => mountAccessor === mount.accessor);
    },
  });
  tokens.onRenewal(mountType, (graph, { mountPath, roleName }) => {
    const mount = mounts.find(graph, mountPath);
    const role = mount === undefined ? undefined : roles.find(graph, mount, roleName);
    if (role !== undefined) return role.token;
    const says = `role ${roleName} does not exist during renewal`;
    throw new PosternError({ code: "forbidden", because: "role_missing", says });
  });

  /**
   * The role of a mount that has this `role_id`. What was found once is looked at again and not believed; only for one that is not found there are all roles
   * gone through, and that once for as long as no role changes.
   */
  function byRoleId(graph: Graph, mount: Mount, roleId: string): AppRole | undefined {
    const known = indexes.get(mount.accessor);
    const remembered = known?.names.get(roleId);
    const role = remembered === undefined ? undefined : roles.find(graph, mount, remembered);
    if (role?.roleId === roleId) return role;
    if (known?.generation === generation) return undefined;
    const names = new Map<string, string>();
    for (const name of roles.names(graph, mount)) {
      const each = roles.find(graph, mount, name);
      if (each !== undefined) names.set(each.roleId, name);
    }
    indexes.set(mount.accessor, { generation, names });
    const name = names.get(roleId);
    return name === undefined ? undefined : roles.find(graph, mount, name);
  }

  /** One that is made here is nobody else's: only what somebody chose is looked for among the others. */
  function assertFree(
    graph: Graph,
    mount: Mount,
    { name, roleId }: AppRole,
    before: AppRole | undefined,
    chosen: string | undefined,
  ): void {
    if (chosen === undefined || chosen === before?.roleId) return;
    const holder = byRoleId(graph, mount, roleId);
    if (holder !== undefined && holder.name !== name) throw refused("role_id", "role_id is already in use");
  }

  function existing(graph: Graph, mount: Mount, name: string): { readonly id: RoleId; readonly role: AppRole } {
    const id = roles.idOf(graph, mount, name);
    const role = roles.find(graph, mount, name);
    if (role !== undefined) return { id, role };
    throw new PosternError({ code: "not_found", target: id, says: `role "${name}" does not exist` });
  }

  async function store(mount: Mount, name: string, now: Instant, change: AppRoleChange, before: (graph: Graph) => AppRole | undefined) {
    const { roleId, warnings } = await projection.write(mounts.account(projection.graph()), now, (graph) => {
      const known = before(graph);
      const role = changedAppRole(
        known ?? newAppRole(name, uuidOf(Buffer.from(random.bytes(16)).toString("hex"))),
        change,
        known === undefined,
      );
      assertFree(graph, mount, role, known, change.roleId);
      const warnings = parameterWarnings(role.token, leaseBounds(mount));
      return { changes: roles.put(graph, mount, name, role, now), result: { roleId: role.roleId, warnings } };
    });
    // Its first login need not look through all the others.
    indexes.get(mount.accessor)?.names.set(roleId, name);
    return warnings;
  }

  /** Of this very role: not of one that was under its name before. */
  function found(graph: Graph, id: RoleId, which: SecretIdRef, now: Instant): SecretId | undefined {
    const secretId = which.by === "value" ? secretIds.find(id, which.value, now) : secretIds.byAccessor(id, which.accessor, now);
    const madeAt = graph.resource(id)?.createdAt;
    return secretId !== undefined && madeAt !== undefined && secretId.createdAt >= madeAt ? secretId : undefined;
  }

  const accessorsOf = (graph: Graph, id: RoleId, now: Instant): readonly string[] =>
    secretIds.accessors(id, graph.resource(id)?.createdAt ?? 0, now);

  return {
    login({ mount, path, roleId, secretId }, context) {
      const { now, clientAddress } = context;
      return logins.run({ mount, path, claimed: roleId }, context, async (graph, progress) => {
        if (roleId === "") throw refusedLogin("role_id_missing", "missing role_id");
        const role = byRoleId(graph, mount, roleId);
        // One sentence for roles that are known and for those that are not.
        if (role?.bindsSecretId !== false && (secretId === undefined || secretId.byteLength === 0))
          throw refusedLogin("secret_id_missing", "missing secret_id");
        const id = roles.idOf(graph, mount, role?.name ?? "nobody");
        const shown = secretId !== undefined && secretId.byteLength <= longestSecretId ? secretId : SecretBytes.ofText("");
        // Looked for whether or not there is a role, so that neither answer nor time tells.
        const proof = found(graph, id, { by: "value", value: shown }, now);
        expectLogin(progress, { check: "role", ok: role !== undefined, detail: role === undefined ? "no such role_id" : id }, wrong);
        if (role === undefined) throw refusedLogin("role", wrong);
        const { secretIdNetworks, bindsSecretId, token } = role;
        const isInside = (networks: readonly string[]): boolean => networks.length === 0 || isWithin(clientAddress, networks);
        if (bindsSecretId) {
          const detail = proof?.accessor ?? "none of the role's, or one that has ended";
          expectLogin(progress, { check: "secret_id", ok: proof !== undefined && proof.mountAccessor === mount.accessor, detail }, wrong);
          const own = proof?.networks ?? [];
          expectLogin(progress, { check: "secret_id_networks", ok: isInside(own), detail: `${clientAddress} against ${own}` }, wrong);
        }
        const ofRole = { check: "role_networks", ok: isInside(secretIdNetworks), detail: `${clientAddress} against ${secretIdNetworks}` };
        expectLogin(progress, ofRole, wrong);
        const boundCidrs = bindsSecretId && proof !== undefined && proof.tokenNetworks.length > 0 ? proof.tokenNetworks : token.boundCidrs;
        // Of the role too: it may have become narrower since the secret-id was made.
        const isOfToken = isInside(boundCidrs) && isInside(token.boundCidrs);
        const ofToken = {
          check: "token_bound_cidrs",
          ok: isOfToken,
          detail: `${clientAddress} against ${boundCidrs}, ${token.boundCidrs}`,
        };
        expectLogin(progress, ofToken, wrong);
        // From here on nobody else gets the same use of it, whatever becomes of this login.
        if (bindsSecretId && proof !== undefined) await secretIds.use(proof, now);
        const metadata = bindsSecretId ? (proof?.metadata ?? {}) : {};
        progress.attributes = { role_name: role.name, ...(proof === undefined ? {} : { secret_id_accessor: proof.accessor }) };
        return {
          role: id,
          roleName: role.name,
          parameters: { ...token, boundCidrs: [...boundCidrs] },
          displayName: "",
          meta: { ...metadata, role_name: role.name },
          alias: { name: role.roleId, metadata: { role_name: role.name } },
        };
      });
    },

    list: shared.list,
    read: shared.read,

    write: (caller, access, mount, name, change) =>
      gate.change(
        caller,
        { ...demand("write", access, mount, name), exists: (graph) => roles.find(graph, mount, name) !== undefined },
        () => store(mount, name, caller.context.now, change, (graph) => roles.find(graph, mount, name)),
      ),

    async change(caller, access, mount, name, change) {
      await gate.change(caller, demand("write", access, mount, name), () =>
        store(mount, name, caller.context.now, change, (graph) => existing(graph, mount, name).role),
      );
    },

    async remove(caller, access, mount, name) {
      await shared.remove(caller, access, mount, name);
      const id = roles.idOf(projection.graph(), mount, name);
      await secretIds.endAll(({ role }) => role === id);
    },

    createSecretId: (caller, access, mount, name, request, value) =>
      gate.change(caller, demand("create_secret_id", access, mount, name), async (graph) => {
        const { id, role } = existing(graph, mount, name);
        const { now } = caller.context;
        const { uses, ttlSeconds, ...terms } = secretIdTerms(role, request, leaseBounds(mount).maxSeconds);
        const text = value ?? SecretBytes.ofText(uuidOf(Buffer.from(random.bytes(16)).toString("hex")));
        if (text.byteLength === 0 || text.byteLength > longestSecretId)
          throw refused("secret_id", `a secret_id has 1 to ${longestSecretId} bytes`);
        const accessor = uuidOf(Buffer.from(random.bytes(16)).toString("hex"));
        await secretIds.put(
          {
            mountAccessor: mount.accessor,
            role: id,
            accessor,
            createdAt: now,
            updatedAt: now,
            expiresAt: ttlSeconds === 0 ? 0 : now + ttlSeconds * 1000,
            ttlSeconds,
            usesLeft: uses,
            networks: [...terms.networks],
            tokenNetworks: [...terms.tokenNetworks],
            metadata: { ...request.metadata },
          },
          text,
          graph.resource(id)?.createdAt,
        );
        return { value: text, accessor, ttlSeconds, uses };
      }),

    secretIdAccessors: (caller, access, mount, name) =>
      gate.release(caller, demand("list_secret_ids", access, mount, name), (graph) =>
        accessorsOf(graph, existing(graph, mount, name).id, caller.context.now),
      ),

    lookUpSecretId: (caller, access, mount, name, which) =>
      gate.release(caller, demand("look_up_secret_id", access, mount, name), (graph) =>
        found(graph, existing(graph, mount, name).id, which, caller.context.now),
      ),

    destroySecretId: (caller, access, mount, name, which) =>
      gate.change(caller, demand("destroy_secret_id", access, mount, name), async (graph) => {
        const secretId = found(graph, existing(graph, mount, name).id, which, caller.context.now);
        if (secretId !== undefined) await secretIds.end(secretId);
        return secretId !== undefined;
      }),

    tidy: (caller, access) => gate.change(caller, { operation: "approle.tidy", access }, () => secretIds.tidy(caller.context.now)),
  };
}

/** Whether roles of methods, of whichever mount, could be others after it. */
function touchesRoles(change: Change): boolean {
  if (change.type === "remove_account" || change.type === "put_account") return true;
  if (change.type === "put_secret_version" || change.type === "remove_secret_version") return isMethodRole(change.resource);
  return change.type === "remove_resource" && isMethodRole(change.id);
}

function refused(where: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where, expected: says, kind: "argument", because: "approle_parameters", says });
}
