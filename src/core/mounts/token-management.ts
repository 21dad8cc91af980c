/** Tokens asked about, made, renewed and ended by those who may: one passage of the gate each. */

import { PosternError } from "../../model/failures";
import { accountOf, type RoleId } from "../../model/ids";
import type { Caller, Instant } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import type { Projection } from "../projection";
import { byText, type Order, sortedPage } from "../sorted-page";
import { leaseBounds, type Mount } from "./mount";
import type { Mounts } from "./mounts";
import type { PathPolicies } from "./path-policies";
import { creationOf, refused } from "./token-creation";
import { identityOf, type StoredToken, type TokenIdentity } from "./token-document";
import type { TokenLedger } from "./token-ledger";
import { explicitMaxOf, lifetimeOf } from "./token-lifetimes";
import { tokenNameOf } from "./token-names";
import type { IssuedToken, TokenOperations, TokenRef, TokenRequest, TokenView } from "./token-operations";
import { idOf, type TokenRole, type TokenRoles } from "./token-roles";
import { bareTokenRole, entityOf, isBatch, type Tokens } from "./tokens";

export interface TokenManagementDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly mounts: Mounts;
  readonly policies: PathPolicies;
  readonly ledger: TokenLedger;
  readonly tokens: Tokens;
  readonly roles: TokenRoles;
}

export function createTokenManagement({ projection, gate, mounts, policies, ledger, tokens, roles }: TokenManagementDeps): TokenOperations {
  /** Tokens that no login made are the token mount's. */
  function tokenMount(graph: Graph): Mount {
    const mount = mounts.find(graph, "auth/token");
    if (mount === undefined) throw new PosternError({ code: "internal", what: "the mount of tokens" });
    return mount;
  }

  /** The stored token that is meant; undefined for a batch token and for none. */
  function stored(caller: Caller, which: TokenRef): StoredToken | undefined {
    const { now } = caller.context;
    if (which.by === "self") return ledger.shown(caller.token?.digest ?? "", now);
    if (which.by === "accessor") {
      const found = ledger.byAccessor(which.accessor, now);
      return found !== undefined && tokens.isOurs(projection.graph(), found) ? found : undefined;
    }
    return tokens.find(which.token, now);
  }

  function view(caller: Caller, which: TokenRef): TokenView | undefined {
    const { now } = caller.context;
    const found = stored(caller, which);
    if (found !== undefined) return tokens.view(found, now);
    if (which.by === "accessor" || which.token === undefined || !isBatch(which.token)) return undefined;
    const batch = tokens.batch(which.token, now);
    return batch === undefined ? undefined : tokens.batchView(batch, now);
  }

  async function create(caller: Caller, path: string, request: TokenRequest): Promise<IssuedToken> {
    const { now } = caller.context;
    const graph = projection.graph();
    const parent = ledger.shown(caller.token?.digest ?? "", now);
    if (parent === undefined && caller.token?.kind !== "batch") throw refused("parent token lookup failed: no parent found");
    const role = request.roleName === undefined ? undefined : roles.find(graph, request.roleName);
    if (request.roleName !== undefined && role === undefined) throw refused(`unknown role ${request.roleName.slice(0, 128)}`);
    const isTrusted = caller.rights?.isRoot === true || caller.rights?.capabilities(path).includes("sudo") === true;
    const made = creationOf(
      request,
      {
        kind: caller.token?.kind ?? "service",
        policies: parent?.policies ?? [],
        uses: parent?.uses ?? 0,
        isTrusted,
        expiresAt: parent?.expiresAt ?? 0,
      },
      role,
    );
    const bounds = leaseBounds(tokenMount(graph));
    const asked = smallestSet(request.explicitMaxSeconds, role?.explicitMaxSeconds);
    const isEndless = made.policies.includes("root") && (request.ttlSeconds ?? 0) === 0 && asked === 0;
    const explicit = explicitMaxOf(asked, bounds);
    const periodSeconds = role !== undefined && role.periodSeconds > 0 ? role.periodSeconds : (request.periodSeconds ?? 0);
    const terms = {
      wantedSeconds: request.ttlSeconds ?? 0,
      ttlSeconds: 0,
      maxSeconds: 0,
      periodSeconds,
      explicitMaxSeconds: explicit.seconds,
    };
    const { seconds, warnings } = isEndless ? { seconds: 0, warnings: [] } : lifetimeOf(terms, bounds, { issuedAt: now, now });
    const displayName = request.displayName === undefined || request.displayName === "" ? "token" : tokenNameOf(request.displayName);
    const common = {
      role: graphRoleOf(caller, made.policies, request.roleName, parent),
      policies: [...made.policies],
      path: `auth/token/create${request.isOrphanPath === true ? "-orphan" : ""}${request.roleName === undefined ? "" : `/${request.roleName}${role?.pathSuffix === "" || role === undefined ? "" : `/${role.pathSuffix}`}`}`,
      meta: request.meta === undefined ? null : { ...request.meta },
      displayName,
      isOrphan: made.isOrphan,
      createdAt: now,
      creationTtlSeconds: seconds,
      expiresAt: isEndless ? 0 : now + seconds * 1000,
      boundCidrs: [...(role === undefined ? (parent?.boundCidrs ?? []) : role.boundCidrs)],
      ...(made.isOrphan || parent === undefined ? {} : { parent: parent.digest }),
      ...identityFor(tokenMount(graph), request, made.isOrphan ? undefined : parent),
    };
    const issued =
      made.kind === "batch"
        ? await tokens.keepBatch({ ...common, entityId: common.identity?.entityId ?? "" })
        : await keepService(request, role, { ...common, explicitMaxSeconds: explicit.seconds, periodSeconds, parent });
    const missing = made.policies.filter((name) => !policies.exists(graph, name)).map((name) => `Policy "${name}" does not exist`);
    return { ...issued, warnings: [...explicit.warnings, ...warnings, ...missing] };
  }

  function keepService(
    request: TokenRequest,
    role: TokenRole | undefined,
    {
      parent,
      ...common
    }: Omit<Parameters<Tokens["keep"]>[0], "parent" | "uses" | "isRenewable"> & { readonly parent: StoredToken | undefined },
  ): Promise<IssuedToken> {
    if (request.id !== undefined && tokens.find(request.id, common.createdAt) !== undefined)
      throw refused("cannot create a token with a duplicate ID");
    const uses = smallestSet(request.uses, role?.uses);
    const isRenewable = (request.isRenewable ?? true) && role?.isRenewable !== false && common.expiresAt !== 0;
    return tokens.keep(
      {
        ...common,
        uses,
        isRenewable,
        ...(common.isOrphan || parent === undefined ? {} : { parent: parent.digest }),
        ...(request.roleName === undefined ? {} : { tokenRole: request.roleName }),
      },
      request.id,
    );
  }

  function termsOf(graph: Graph, token: StoredToken, caller: Caller, wantedSeconds: number) {
    const { login, tokenRole } = token;
    if (login === undefined) {
      const role = tokenRole === undefined ? undefined : roles.find(graph, tokenRole);
      const periodSeconds = role !== undefined && role.periodSeconds > 0 ? role.periodSeconds : token.periodSeconds;
      return { bounds: leaseBounds(tokenMount(graph)), terms: { wantedSeconds, ttlSeconds: 0, maxSeconds: 0, periodSeconds } };
    }
    const mount = mounts.find(graph, login.mountPath);
    const judge = tokens.renewalTerms(login.mountType);
    if (mount === undefined || mount.accessor !== login.mountAccessor || judge === undefined)
      throw new PosternError({ code: "forbidden", because: "mount_gone", says: "the method that made the token is gone" });
    const { ttlSeconds, maxTtlSeconds: maxSeconds, periodSeconds } = judge(graph, login, caller.context);
    return { bounds: leaseBounds(mount), terms: { wantedSeconds, ttlSeconds, maxSeconds, periodSeconds } };
  }

  async function renew(caller: Caller, which: TokenRef, wantedSeconds: number): Promise<IssuedToken> {
    const { now } = caller.context;
    const isOwnBatch = which.by === "self" && caller.token?.kind === "batch";
    if (isOwnBatch || (which.by === "token" && isBatch(which.token))) throw refused("batch tokens cannot be renewed");
    const token = stored(caller, which);
    if (token === undefined) throw refused(which.by === "accessor" ? "invalid accessor" : "token not found");
    if (token.usesLeft < 0) throw refused("token not found");
    if (!token.isRenewable) throw refused("lease is not renewable");
    const { bounds, terms } = termsOf(projection.graph(), token, caller, wantedSeconds);
    const all = { ...terms, explicitMaxSeconds: token.explicitMaxSeconds };
    const { seconds, warnings } = lifetimeOf(all, bounds, { issuedAt: now - ledger.ageMs(token, now), now });
    const renewed = { ...token, periodSeconds: terms.periodSeconds, expiresAt: now + seconds * 1000, renewedAt: now };
    await ledger.change(renewed);
    const shown = which.by === "token" ? { token: which.token } : {};
    return { ...shown, view: tokens.view(renewed, now), warnings };
  }

  return {
    identify: tokens.identify,
    leave: tokens.leave,
    create: (caller, access, request) =>
      gate.change(caller, { operation: "token.create", access }, () => create(caller, access.path, request)),

    lookUp: (caller, access, which) =>
      gate.release(caller, { operation: "token.look_up", access }, () => {
        const found = view(caller, which);
        if (found !== undefined) return found;
        if (which.by === "accessor") throw refused("invalid accessor");
        throw new PosternError({ code: "forbidden", because: "token_unknown", says: "bad token" });
      }),

    renew: (caller, access, which, wantedSeconds) =>
      gate.change(caller, { operation: "token.renew", access }, () => renew(caller, which, wantedSeconds)),

    revoke: (caller, access, which, orphaning) =>
      gate.change(caller, { operation: "token.revoke", access }, async () => {
        const isBatchToken = which.by === "self" ? caller.token?.kind === "batch" : which.by === "token" && isBatch(which.token);
        if (isBatchToken) throw refused("batch tokens cannot be revoked");
        const token = stored(caller, which);
        if (token !== undefined) await ledger.end(token.digest, orphaning);
        return token !== undefined;
      }),

    accessors: (caller, access) =>
      gate.release(caller, { operation: "token.accessors", access }, (graph) => accessorsIn(graph, caller.context.now)),

    capabilities: (caller, access, which, paths) =>
      gate.release(caller, { operation: "token.capabilities", access }, (graph) => {
        const other = which.by === "self" ? undefined : rightsOfOther(graph, caller, which);
        const rights = which.by === "self" ? caller.rights : other;
        if (rights === undefined) throw refused(which.by === "accessor" ? "invalid accessor" : "invalid token");
        return paths.map((path) => rights.capabilities(path));
      }),

    revokePrefix: (caller, access, prefix) =>
      gate.change(caller, { operation: "token.revoke_prefix", access }, () =>
        ledger.endAll(({ path }) => path === prefix || path.startsWith(`${prefix.replace(/\/$/, "")}/`)),
      ),
  };

  async function accessorsIn(graph: Graph, now: Instant): Promise<readonly string[]> {
    const found = sortedPage(ledger.all(now), { order: byAccessor, isWanted: (token) => tokens.isOurs(graph, token) });
    return (await found).items.map(({ accessor }) => accessor);
  }

  function rightsOfOther(graph: Graph, caller: Caller, which: TokenRef): Caller["rights"] {
    const token = stored(caller, which);
    if (token !== undefined) return tokens.rights(graph, token);
    const batch = which.by === "token" && isBatch(which.token) ? tokens.batch(which.token, caller.context.now) : undefined;
    return batch === undefined ? undefined : tokens.rights(graph, batch);
  }
}

/**
 * Whom a new token is known as: what its role lets its maker say, or else its parent's. What the parent's login proved does not go with it: it is renewed as a
 * token and not as a login.
 */
function identityFor(
  mount: Mount,
  { entityAlias = "" }: TokenRequest,
  parent: StoredToken | undefined,
): { readonly identity?: TokenIdentity } {
  if (entityAlias !== "") {
    const name = entityAlias.toLowerCase();
    const { accessor: mountAccessor, path: mountPath, type: mountType } = mount;
    return { identity: { mountAccessor, mountPath, mountType, alias: { name, metadata: {} }, entityId: entityOf(mount, name) } };
  }
  const known = parent === undefined ? undefined : identityOf(parent);
  if (known === undefined) return {};
  const { mountAccessor, mountPath, mountType, alias, entityId } = known;
  return { identity: { mountAccessor, mountPath, mountType, alias, entityId } };
}

const byAccessor: Order<StoredToken> = (left, right) => byText(left.accessor, right.accessor);

/** The role of the graph that a new token is: its token role's, its parent's, and never the administrator's unless it is root. */
function graphRoleOf(caller: Caller, policies: readonly string[], roleName: string | undefined, parent: StoredToken | undefined): RoleId {
  const account = accountOf(caller.role);
  if (roleName !== undefined) return idOf(account, roleName);
  if (policies.includes("root")) return caller.role;
  return parent?.policies.includes("root") === true ? bareTokenRole(account) : caller.role;
}

/** The smaller of two numbers of which 0 and absent are none. */
function smallestSet(left: number | undefined, right: number | undefined): number {
  const set = [left ?? 0, right ?? 0].filter((value) => value > 0);
  return set.length === 0 ? 0 : Math.min(...set);
}
