/**
 * Tokens that are kept: made by logins and by other tokens, shown with every request by path, renewed, and ended with all that they made.
 *
 * A token carries names of policies, and a role of the graph that may hold more of them. What it may do is found anew at each use: a policy that changes
 * changes what its tokens may.
 */

import { sha256Hex } from "../../crypto/digest";
import { PosternError } from "../../model/failures";
import { type AccountName, accountOf, makeId, type RoleId } from "../../model/ids";
import type { Clock, Keyring, Random, TokenStore } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import type { Caller, Instant, RequestContext } from "../../model/types";
import { administratorOf } from "../administrator";
import type { Graph } from "../graph";
import { isWithin } from "../networks";
import type { Projection } from "../projection";
import { byText } from "../sorted-page";
import { type BatchToken, createBatchTokens } from "./batch-tokens";
import { leaseBounds, type Mount, uuidOf } from "./mount";
import type { Mounts } from "./mounts";
import type { PathPolicies } from "./path-policies";
import type { TemplateValues } from "./policy-templates";
import { identityOf, type StoredToken, type TokenLogin } from "./token-document";
import type { TokenLedger } from "./token-ledger";
import { explicitMaxOf, lifetimeOf } from "./token-lifetimes";
import { batchPrefix, canonicalPolicies, displayNameOf, newAccessor, newTokenText } from "./token-names";
import type { IssuedToken, TokenView } from "./token-operations";
import type { TokenParameters } from "./token-parameters";

/** What a login gets a token for. */
export interface TokenGrant {
  readonly mount: Mount;
  /** `auth/azure/login`. */
  readonly path: string;
  /** The role of the graph that was logged in as. */
  readonly role: RoleId;
  readonly roleName: string;
  readonly parameters: TokenParameters;
  /** Without what the mount is called: the name of whom it knows. */
  readonly displayName: string;
  readonly meta: Readonly<Record<string, string>>;
  /** As whom the mount knows the caller, the same at every login. */
  readonly alias: { readonly name: string; readonly metadata: Readonly<Record<string, string>> };
  /** What was proven, compared again at each renewal. */
  readonly evidence?: Readonly<Record<string, readonly string[]>>;
}

/** What a method says of a token's role when the token is renewed. Throws what forbids it. */
export type RenewalTerms = (graph: Graph, login: TokenLogin, context: RequestContext) => TokenParameters;

export interface Tokens {
  /** Throws `forbidden` (reason `address`) from outside the role's networks, `malformed` for a role with the policy `root`. */
  issue(grant: TokenGrant, context: RequestContext): Promise<IssuedToken>;
  identify(token: SecretBytes | undefined, context: RequestContext): Caller | Promise<Caller>;
  /** How a kind of method judges renewals; called once by each. */
  onRenewal(mountType: string, terms: RenewalTerms): void;
  renewalTerms(mountType: string): RenewalTerms | undefined;
  /** A new token that no login made, as it is to be kept but for its name. */
  keep(token: NewToken, text?: SecretBytes): Promise<IssuedToken>;
  keepBatch(token: BatchToken): Promise<IssuedToken>;
  /** Undefined for a token that is none, or no longer, or that is another account's. */
  find(token: SecretBytes, now: Instant): StoredToken | undefined;
  /** Whether it is one of the account behind the paths, as that account now is, and of a login whose method is still there. */
  isOurs(graph: Graph, token: StoredToken): boolean;
  /** To be told when what a caller came for is done: nothing is left then of a token whose last use it was. */
  leave(caller: Caller): Promise<void>;
  batch(token: SecretBytes, now: Instant): (BatchToken & { readonly digest: string }) | undefined;
  view(token: StoredToken, now: Instant): TokenView;
  batchView(token: BatchToken & { readonly digest: string }, now: Instant): TokenView;
  /** The rights of a kept token, as at a use. */
  rights(graph: Graph, token: StoredToken | BatchToken): NonNullable<Caller["rights"]>;
}

export type NewToken = Omit<StoredToken, "digest" | "accessor" | "usesLeft" | "createdAt"> & { readonly createdAt: Instant };

export interface TokensDeps {
  readonly projection: Projection;
  readonly mounts: Mounts;
  readonly policies: PathPolicies;
  readonly ledger: TokenLedger;
  readonly store: Pick<TokenStore, "digest">;
  readonly keyring: Keyring;
  readonly random: Random;
  readonly clock: Pick<Clock, "monotonicMs">;
}

const maxTokenBytes = 4096;
const maxRemembered = 4096;

/** What tokens that no login made are in the graph, but for root's: nobody, unless a policy of the graph says otherwise. */
export const bareTokenRole = (account: AccountName): RoleId => makeId(account, "host", "vault/token");

export function createTokens(deps: TokensDeps): Tokens {
  const { projection, mounts, policies, ledger, store, random } = deps;
  const batches = createBatchTokens(deps);
  const renewals = new Map<string, RenewalTerms>();
  /** Of tokens that were shown, as they and the facts beside variables then were: whatever changes of either, the rights are found anew. */
  const remembered = new Map<object, { readonly frame: object; readonly rights: NonNullable<Caller["rights"]> }>();
  mounts.onEnd({ afterwards: (mount) => ledger.endAll(({ login }) => login?.mountAccessor === mount.accessor) });

  function identityPolicies(graph: Graph, role: RoleId, own: readonly string[]): readonly string[] {
    return own.includes("root") ? [] : policies.heldBy(graph, role).filter((name) => !own.includes(name));
  }

  function rightsOf(graph: Graph, token: Identified): NonNullable<Caller["rights"]> {
    const known = remembered.get(token);
    if (known?.frame === graph.frame) return known.rights;
    const names = [...token.policies, ...identityPolicies(graph, token.role, token.policies)];
    const rights = policies.rightsOf(graph, names, templateValues(token));
    if (remembered.size >= maxRemembered) remembered.clear();
    remembered.set(token, { frame: graph.frame, rights });
    return rights;
  }

  /** An account that was made again under the same name is another one. */
  const isOfAccount = (graph: Graph, role: RoleId, createdAt: Instant): boolean =>
    mounts.account(graph) === accountOf(role) && (graph.account(accountOf(role))?.createdAt ?? 0) <= createdAt;

  /** A login that was on its way when its method was taken away counts no more than those before it. */
  const isOfMount = (graph: Graph, { mountPath, mountAccessor }: Pick<TokenLogin, "mountPath" | "mountAccessor">): boolean =>
    mounts.find(graph, mountPath)?.accessor === mountAccessor;

  const isOurs = (graph: Graph, { role, createdAt, login }: StoredToken): boolean =>
    isOfAccount(graph, role, createdAt) && (login === undefined || isOfMount(graph, login));

  /** What holds of every token at every use, whoever keeps it. */
  function assertUsable(
    graph: Graph,
    { role, createdAt, boundCidrs, policies: own, expiresAt, login }: Identified,
    context: RequestContext,
  ): void {
    const account = accountOf(role);
    projection.assertSound(account);
    if (!isOfAccount(graph, role, createdAt)) throw unknown();
    if (login !== undefined && !isOfMount(graph, login)) throw unknown("token_mount_gone");
    const present = graph.role(role);
    // A role made again under the same name is another one.
    if (present !== undefined && present.createdAt > createdAt) throw unknown("token_older_than_role");
    const isExempt = own.includes("root") && expiresAt === 0;
    if (boundCidrs.length > 0 && !isExempt && !isWithin(context.clientAddress, boundCidrs)) throw address(context, boundCidrs);
  }

  function callerOf(graph: Graph, token: Identified, context: RequestContext, held: NonNullable<Caller["token"]>): Caller {
    const isOfLogin = token.login !== undefined || token.mountAccessor !== undefined;
    return {
      account: accountOf(token.role),
      role: token.role,
      context,
      issuedAt: token.createdAt,
      expiresAt: token.expiresAt === 0 ? Number.MAX_SAFE_INTEGER : token.expiresAt,
      proof: "token",
      rights: rightsOf(graph, token),
      token: isOfLogin ? { ...held, actsAsRole: true } : held,
    };
  }

  function batch(token: SecretBytes, now: Instant): (BatchToken & { readonly digest: string }) | undefined {
    const graph = projection.graph();
    const found = batches.open(mounts.account(graph), token);
    if (found === undefined || now >= found.expiresAt) return undefined;
    if (found.parent !== undefined && ledger.live(found.parent, now) === undefined) return undefined;
    if (found.mountPath !== undefined && mounts.find(graph, found.mountPath)?.accessor !== found.mountAccessor) return undefined;
    return found;
  }

  function find(token: SecretBytes, now: Instant): StoredToken | undefined {
    const found = token.byteLength > maxTokenBytes ? undefined : ledger.live(store.digest(token), now);
    return found !== undefined && isOurs(projection.graph(), found) ? found : undefined;
  }

  function view(token: StoredToken, now: Instant): TokenView {
    const graph = projection.graph();
    const { login: _, identity: __, ...plain } = token;
    return {
      ...plain,
      kind: "service",
      identityPolicies: identityPolicies(graph, token.role, token.policies),
      usesLeft: Math.max(0, token.usesLeft),
      ttlSeconds: token.expiresAt === 0 ? 0 : Math.floor(ledger.leftMs(token, now) / 1000),
      entityId: identityOf(token)?.entityId ?? "",
    };
  }

  function batchView(token: BatchToken & { readonly digest: string }, now: Instant): TokenView {
    return {
      ...token,
      accessor: "",
      kind: "batch",
      identityPolicies: identityPolicies(projection.graph(), token.role, token.policies),
      uses: 0,
      usesLeft: 0,
      ttlSeconds: Math.max(0, Math.floor((token.expiresAt - now) / 1000)),
      explicitMaxSeconds: 0,
      periodSeconds: 0,
      isRenewable: false,
    };
  }

  async function keep(token: NewToken, text = SecretBytes.ofText(newTokenText(random))): Promise<IssuedToken> {
    const kept: StoredToken = { ...token, digest: store.digest(text), accessor: newAccessor(random), usesLeft: token.uses };
    await ledger.put(kept);
    return { token: text, view: view(kept, token.createdAt), warnings: [] };
  }

  async function keepBatch(token: BatchToken): Promise<IssuedToken> {
    const account = accountOf(token.role);
    const text = await batches.seal(account, token);
    if (text.byteLength > maxTokenBytes)
      throw argument(`the token would be longer than ${maxTokenBytes} bytes: give it fewer policies or less metadata`);
    return { token: text, view: batchView({ ...token, digest: sha256Hex(text.reveal()) }, token.createdAt), warnings: [] };
  }

  return {
    find,
    isOurs,
    async leave({ token }) {
      if (token?.isLastUse !== true) return;
      // It was counted before anything was done with it, and nobody finds it any more: its row goes now or when the store is opened again.
      await ledger.finish(token.digest).catch(() => undefined);
    },
    batch,
    view,
    batchView,
    keep,
    keepBatch,
    rights: rightsOf,
    onRenewal: (mountType, terms) => renewals.set(mountType, terms),
    renewalTerms: (mountType) => renewals.get(mountType),

    identify(token, context) {
      if (token === undefined) throw new PosternError({ code: "unauthenticated", because: "token_missing" });
      const graph = projection.graph();
      if (isBatch(token)) {
        const found = batch(token, context.now);
        if (found === undefined) throw unknown();
        assertUsable(graph, found, context);
        return callerOf(graph, found, context, { digest: found.digest, accessor: "", kind: "batch" });
      }
      const found = token.byteLength > maxTokenBytes ? undefined : ledger.live(store.digest(token), context.now);
      if (found === undefined) throw unknown();
      assertUsable(graph, found, context);
      const caller = callerOf(graph, found, context, { digest: found.digest, accessor: found.accessor, kind: "service" });
      if (found.uses === 0) return caller;
      return ledger.use(found).then((isLast) => (isLast && caller.token !== undefined ? lastUse(caller, caller.token) : caller));
    },

    async issue(grant, context) {
      const { mount, role, parameters, alias, path, meta } = grant;
      const { now } = context;
      if (parameters.boundCidrs.length > 0 && !isWithin(context.clientAddress, parameters.boundCidrs))
        throw address(context, parameters.boundCidrs);
      const names = canonicalPolicies([...parameters.policies, ...(parameters.noDefaultPolicy ? [] : ["default"])]);
      if (names.includes("root")) throw argument("auth methods cannot create root tokens");
      // A token that has this policy alone is taken for one around an answer.
      if (names.includes("response-wrapping")) throw argument('cannot assign policy "response-wrapping"');
      const bounds = leaseBounds(mount);
      const explicit = explicitMaxOf(parameters.explicitMaxTtlSeconds, bounds);
      const terms = {
        wantedSeconds: 0,
        ttlSeconds: parameters.ttlSeconds,
        maxSeconds: parameters.maxTtlSeconds,
        periodSeconds: parameters.periodSeconds,
        explicitMaxSeconds: explicit.seconds,
      };
      const { seconds, warnings } = lifetimeOf(terms, bounds, { issuedAt: now, now });
      const entityId = entityOf(mount, alias.name);
      const common = {
        role,
        policies: [...names],
        path,
        meta: { ...meta },
        displayName: [displayNameOf(mount.path.slice("auth/".length)), grant.displayName].filter((part) => part !== "").join("-"),
        isOrphan: true,
        createdAt: now,
        creationTtlSeconds: seconds,
        expiresAt: now + seconds * 1000,
        boundCidrs: [...parameters.boundCidrs],
      };
      const known = { name: alias.name, metadata: { ...alias.metadata } };
      const issued =
        parameters.kind === "batch"
          ? await keepBatch({ ...common, entityId, mountAccessor: mount.accessor, mountPath: mount.path, alias: known })
          : await keep({
              ...common,
              uses: parameters.uses,
              explicitMaxSeconds: explicit.seconds,
              periodSeconds: parameters.periodSeconds,
              isRenewable: true,
              login: {
                mountAccessor: mount.accessor,
                mountPath: mount.path,
                mountType: mount.type,
                roleName: grant.roleName,
                alias: known,
                entityId,
                evidence: Object.fromEntries(Object.entries(grant.evidence ?? {}).map(([name, values]) => [name, [...values]])),
              },
            });
      return { ...issued, warnings: [...explicit.warnings, ...warnings] };
    },
  };
}

/** What both kinds have, for what is asked at every use. */
type Identified = Pick<StoredToken, "role" | "policies" | "createdAt" | "expiresAt" | "boundCidrs"> & KnownCaller;

/** How a mount knows whoever logged in; of a batch token what that token bears. */
type KnownCaller = Partial<Pick<StoredToken, "login" | "identity">> & Partial<Pick<BatchToken, "entityId" | "alias" | "mountAccessor">>;

/** What is known of a caller, for placeholders. */
export function templateValues({ login, identity, entityId, alias, mountAccessor }: KnownCaller): TemplateValues {
  const given = login ?? identity;
  const id = given?.entityId ?? entityId ?? "";
  const known = given?.alias ?? alias;
  const accessor = given?.mountAccessor ?? mountAccessor;
  const aliases = known === undefined || accessor === undefined ? {} : { [accessor]: { id, ...known } };
  // Metadata differ from login to login of the same entity.
  return {
    key: `${id}\n${JSON.stringify(aliases)}`,
    entityId: id,
    entityName: id === "" ? "" : entityNameOf(id),
    entityMetadata: {},
    aliases,
  };
}

/** Whoever a mount knows by a name is the same entity at every login there, and at no other mount. */
export const entityOf = ({ uuid }: Pick<Mount, "uuid">, name: string): string => uuidOf(sha256Hex(`postern entity ${uuid} ${name}`));
export const entityNameOf = (id: string): string => `entity_${id.slice(0, 8)}`;

export const isBatch = (token: SecretBytes): boolean =>
  Buffer.from(token.reveal().subarray(0, batchPrefix.length)).toString() === batchPrefix;

/** A token for the account's administrator, as the operator makes it on the machine. */
export function rootToken(account: AccountName, now: Instant, ttlSeconds: number): NewToken {
  return {
    role: administratorOf(account),
    policies: ["root"],
    path: "auth/token/root",
    meta: null,
    displayName: "root",
    uses: 0,
    isOrphan: true,
    createdAt: now,
    creationTtlSeconds: ttlSeconds,
    expiresAt: ttlSeconds === 0 ? 0 : now + ttlSeconds * 1000,
    explicitMaxSeconds: 0,
    periodSeconds: 0,
    isRenewable: false,
    boundCidrs: [],
  };
}

const lastUse = (caller: Caller, token: NonNullable<Caller["token"]>): Caller => ({ ...caller, token: { ...token, isLastUse: true } });

function unknown(because = "token_unknown"): PosternError {
  return new PosternError({ code: "unauthenticated", because });
}

function address({ clientAddress }: RequestContext, networks: readonly string[]): PosternError {
  const check = { check: "token_bound_cidrs", ok: false, detail: `${clientAddress} against ${[...networks].sort(byText).join(", ")}` };
  return new PosternError({ code: "forbidden", reason: "address", because: "token_bound_cidrs", checks: [check] });
}

function argument(says: string): PosternError {
  return new PosternError({ code: "malformed", where: "token", expected: says, kind: "argument", because: "token_request", says });
}
