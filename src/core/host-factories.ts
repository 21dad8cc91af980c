/**
 * Host factories: tokens that let machines make hosts for themselves, and the making.
 *
 * A token is random, kept as its digest alone, and good until it ends, from its networks, as often as it is shown. What it makes is owned by the
 * factory, holds the factory's layers and gets an API key. Shown again with the same host it rotates that key, so a machine that is born twice works.
 */

import { apiKeyDigest } from "../crypto/digest";
import type { AuditedOperation } from "../model/audited-operations";
import { PosternError } from "../model/failures";
import { type AccountName, accountOf, identifierOf, identifierProblem, kindOf, makeId, type ResourceId, type RoleId } from "../model/ids";
import type { SecretBytes } from "../model/secret-bytes";
import type { Caller, Change, Check, HostFactoryToken, Instant, RequestContext } from "../model/types";
import { annotationChanges } from "./annotations";
import type { Credentials } from "./credentials";
import type { Gate } from "./gate";
import type { Graph } from "./graph";
import { isWithin } from "./networks";
import type { CreatedHost, HostFactoryTokenRequest, HostRequest, IssuedHostFactoryToken } from "./operations";
import { parseNetwork } from "./policy/cidr";
import { reservedNameProblem } from "./policy/names";
import type { Projection } from "./projection";
import { rowEvents } from "./row-events";

export interface HostFactories {
  createTokens(caller: Caller, request: HostFactoryTokenRequest): Promise<readonly IssuedHostFactoryToken[]>;
  revokeToken(caller: Caller, token: SecretBytes): Promise<void>;
  createHost(request: HostRequest, context: RequestContext): Promise<CreatedHost>;
}

/**
 * Where a factory may make hosts. `own`: below its own policy. `related`: there, or where no policy but those above its own lies nearer. `none`: anywhere
 * in the account, as Conjur lets it.
 */
export type HostFactoryConfinement = "own" | "related" | "none";

export interface HostFactoriesDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly credentials: Credentials;
  readonly confinement: HostFactoryConfinement;
}

const mostTokens = 1000;

export function createHostFactories({ projection, gate, credentials, confinement }: HostFactoriesDeps): HostFactories {
  /** The token's fact, if it counts for whoever shows it now; throws `unauthenticated` with the checks made. */
  function proven(graph: Graph, presented: SecretBytes | undefined, context: RequestContext): HostFactoryToken {
    const checks: Check[] = [];
    const fail = (because: string): PosternError => new PosternError({ code: "unauthenticated", because, checks });
    const token = presented === undefined ? undefined : graph.hostFactoryToken(apiKeyDigest(presented));
    checks.push({ check: "host_factory_token", ok: token !== undefined, detail: token === undefined ? "no such token" : token.factory });
    if (token === undefined) throw fail("host_factory_token");
    projection.assertSound(accountOf(token.factory));
    const isAlive = context.now < token.expiresAt;
    checks.push({ check: "token_expired", ok: isAlive, detail: `until ${token.expiresAt}` });
    if (!isAlive) throw fail("token_expired");
    const isNear = token.networks.length === 0 || isWithin(context.clientAddress, token.networks);
    checks.push({ check: "cidr", ok: isNear, detail: `${context.clientAddress} against ${token.networks.join(", ") || "anywhere"}` });
    if (!isNear) throw fail("cidr");
    return token;
  }

  function changesFor(graph: Graph, factory: RoleId, host: RoleId, request: HostRequest, now: Instant) {
    const existing = graph.role(host);
    if (existing !== undefined && existing.owner !== factory)
      throw new PosternError({
        code: "forbidden",
        because: "host_of_another_owner",
        checks: [{ check: "host_of_another_owner", ok: false, detail: `${host} is owned by ${existing.owner}` }],
      });
    const { apiKey, change } = credentials.renewKey(host, now);
    if (existing !== undefined) {
      const annotations = new Map([...graph.annotations(host)].map(({ name, value }) => [name, value]));
      return { changes: [change], result: { apiKey, annotations, createdAt: existing.createdAt } };
    }
    const changes: Change[] = [
      { type: "put_resource", resource: { id: host, owner: factory, createdAt: now } },
      { type: "put_grant", grant: { role: host, member: factory, adminOption: true, ownership: true } },
      ...[...graph.layersOf(factory)].map(
        (role): Change => ({ type: "put_grant", grant: { role, member: host, adminOption: false, ownership: false } }),
      ),
      ...annotationChanges(host, request.annotations),
      change,
    ];
    return { changes, result: { apiKey, annotations: request.annotations, createdAt: now } };
  }

  return {
    createTokens(caller, { factory, expiresAt, count, networks }) {
      if (kindOf(factory) !== "host_factory") throw argument("host_factory", "the id of a host factory");
      const { now } = caller.context;
      return gate.change(caller, { operation: "host_factory.create_tokens", resource: factory, privilege: "execute", count }, () => {
        if (expiresAt <= now) throw argument("expiration", "a time that is still to come");
        if (!Number.isSafeInteger(count) || count < 1 || count > mostTokens) throw argument("count", `an integer from 1 to ${mostTokens}`);
        const canonical = networks.map(canonicalNetwork);
        return projection.write(accountOf(factory), now, (graph) => {
          if (graph.role(factory) === undefined) throw new PosternError({ code: "not_found", target: factory });
          const issued = Array.from({ length: count }, () => credentials.freshToken());
          const made = issued.map(({ digest }): Change => {
            const token = { factory, digest, createdAt: now, expiresAt, networks: canonical };
            return { type: "put_host_factory_token", token };
          });
          // Ended ones go with the next, so that they do not pile up.
          const ended = [...graph.hostFactoryTokens(factory)].filter((token) => token.expiresAt <= now);
          const dropped = ended.map(({ digest }): Change => ({ type: "remove_host_factory_token", factory, digest }));
          return { changes: [...dropped, ...made], result: issued.map(({ token }) => ({ token, expiresAt, networks: canonical })) };
        });
      });
    },

    async revokeToken(caller, presented) {
      const digest = apiKeyDigest(presented);
      const token = projection.graph().hostFactoryToken(digest);
      const operation = "host_factory.revoke_token";
      if (token === undefined) {
        const missing = new PosternError({ code: "not_found", target: "host_factory_token", because: "host_factory_token" });
        throw await gate.refuse(caller.context, { operation, role: caller.role, account: caller.account }, missing);
      }
      const { factory } = token;
      await gate.change(caller, { operation, resource: factory, privilege: "update" }, () =>
        projection.write(accountOf(factory), caller.context.now, () => ({
          changes: [{ type: "remove_host_factory_token", factory, digest }],
          result: undefined,
        })),
      );
    },

    async createHost(request, context) {
      const about: { operation: AuditedOperation; role?: RoleId; account?: AccountName; resource?: ResourceId; claimed: string } = {
        operation: "host_factory.create_host",
        // As a login: that is what it says it is.
        claimed: `host/${request.id}`,
      };
      try {
        const graph = projection.graph();
        const { factory } = proven(graph, request.token, context);
        const account = accountOf(factory);
        about.role = factory;
        about.account = account;
        assertMayBeMade(request.id);
        const host = makeId(account, "host", request.id);
        about.resource = host;
        assertPlace(graph, factory, host, confinement);
        // What can be refused is refused before the line that says it was allowed.
        changesFor(graph, factory, host, request, context.now);
        await gate.accept(context, about);
        const { made, changes, before } = await projection.write(account, context.now, (newest) => {
          // Revoked, or the name taken by a new branch, while this one waited for its turn.
          proven(newest, request.token, context);
          assertPlace(newest, factory, host, confinement);
          const planned = changesFor(newest, factory, host, request, context.now);
          return { changes: planned.changes, result: { made: planned.result, changes: planned.changes, before: newest } };
        });
        gate.tellRows({ context, role: factory }, () => rowEvents(changes, before));
        return { id: host, owner: factory, ...made };
      } catch (error) {
        throw await gate.refuse(context, about, error);
      }
    },
  };
}

/** Names that belong to the machinery, and the mistakes that a look-alike would be made of. */
function assertMayBeMade(id: string): void {
  if (id === "") throw new PosternError({ code: "malformed", where: "id", expected: "a value", kind: "missing", because: "id" });
  const problem = identifierProblem(id) ?? reservedNameProblem("host", id);
  if (problem !== undefined) throw argument("id", `an identifier, and this one ${problem}`);
  const [first = ""] = id.normalize("NFKC").toLowerCase().split("/");
  if (["conjur", "host"].includes(first) && id.includes("/")) throw argument("id", `an id that does not begin with ${first}/`);
}

/**
 * A factory's token must not make a host that another branch may one day mean: a policy that later declares that name would grant its rights to it.
 * So the nearest policy above the name must be the factory's own, one above that, or one below.
 */
function assertPlace(graph: Graph, factory: RoleId, host: RoleId, confinement: HostFactoryConfinement): void {
  if (confinement === "none") return;
  const own = nearestPolicy(graph, factory);
  const place = nearestPolicy(graph, host);
  const isOwn = own === "" || place === own || place.startsWith(`${own}/`);
  const isAbove = place === "" || own.startsWith(`${place}/`);
  if (isOwn || (isAbove && confinement === "related")) return;
  throw new PosternError({
    code: "forbidden",
    because: "host_outside_branch",
    checks: [{ check: "host_outside_branch", ok: false, detail: `${host} lies in policy '${place}', the factory in '${own}'` }],
  });
}

/** The identifier of the nearest policy above a record; empty for the root policy. */
function nearestPolicy(graph: Graph, id: RoleId): string {
  const identifier = identifierOf(id);
  for (let end = identifier.lastIndexOf("/"); end > 0; end = identifier.lastIndexOf("/", end - 1)) {
    const path = identifier.slice(0, end);
    if (graph.role(makeId(accountOf(id), "policy", path)) !== undefined) return path;
  }
  return "";
}

function canonicalNetwork(text: string): string {
  const parsed = parseNetwork(text);
  if ("network" in parsed) return parsed.network;
  throw new PosternError({ code: "malformed", where: "cidr", expected: parsed.message, kind: "argument", because: "cidr" });
}

function argument(where: string, expected: string): PosternError {
  return new PosternError({ code: "malformed", where, expected, kind: "argument", because: where });
}
