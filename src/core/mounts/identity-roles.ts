/**
 * Tokens that say who a caller is, for others to verify: a role says for which client, by which key and with what beside it. Whoever may read `oidc/token/<role>`
 * gets one about themselves and about nobody else.
 *
 * Source: Vault 1.19, vault/identity_store_oidc.go (roles, token, introspect), sdk/helper/identitytpl (templates of JSON).
 */

import * as v from "valibot";
import { PosternError } from "../../model/failures";
import { makeId, type ResourceId, type RoleId } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { Random } from "../../model/ports";
import type { SecretBytes } from "../../model/secret-bytes";
import type { Caller, Instant } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import type { Projection } from "../projection";
import { type Documents, namesIn } from "./documents";
import type { IdentityKeys } from "./identity-keys";
import { filledTemplate, templateProblem } from "./identity-template";
import { isSignedByOneOf, signedBy } from "./key-ring";
import type { Mounts } from "./mounts";
import { identityOf } from "./token-document";
import type { TokenLedger } from "./token-ledger";
import { templateValues } from "./tokens";

const RoleDocument = v.object({
  key: v.string(),
  clientId: v.string(),
  ttlSeconds: v.number(),
  /** JSON with placeholders; empty: nothing beside the usual claims. */
  template: v.string(),
});
export type IdentityRole = Readonly<v.InferOutput<typeof RoleDocument>>;
export type IdentityRoleChange = Partial<IdentityRole>;

export interface CallerToken {
  readonly clientId: string;
  readonly token: SecretBytes;
  readonly ttlSeconds: number;
}

export interface IdentityRoleOperations {
  /** Sorted. */
  list(caller: Caller, access: PathAccess): Promise<readonly string[]>;
  /** Undefined when there is none. */
  read(caller: Caller, access: PathAccess, name: string): Promise<IdentityRole | undefined>;
  /** Makes the role where there is none, with a client id of its own. Throws `malformed`. */
  write(caller: Caller, access: PathAccess, name: string, change: IdentityRoleChange): Promise<void>;
  /** Does nothing when there is none. */
  remove(caller: Caller, access: PathAccess, name: string): Promise<void>;
  /** A token about the caller. Throws `malformed` where there is no such role, no issuer, or where nobody is known behind the caller's own token. */
  token(caller: Caller, access: PathAccess, name: string): Promise<CallerToken>;
  /** Whether a token is one of these, in its time and, where that is said, for this client. */
  isActive(caller: Caller, access: PathAccess, token: string, clientId: string | undefined): Promise<boolean>;
}

export interface IdentityRolesDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly mounts: Mounts;
  readonly documents: Documents;
  readonly ledger: Pick<TokenLedger, "shown">;
  readonly random: Random;
  readonly keys: IdentityKeys;
  /** Of tokens for callers. */
  readonly issuer: () => string | undefined;
}

const daySeconds = 86_400;
const nameForm = /^\w(?:[\w.-]{0,126}\w)?$/;

export function createIdentityRoles(deps: IdentityRolesDeps): IdentityRoleOperations {
  const { projection, gate, mounts, documents, ledger, random, keys, issuer } = deps;
  const kind = documents.kind(RoleDocument);
  const branchOf = (graph: Graph): RoleId => makeId(mounts.account(graph), "policy", "vault/identity/role");
  const idOf = (graph: Graph, name: string): ResourceId => makeId(mounts.account(graph), "configuration", `vault/identity/role/${name}`);
  const find = (graph: Graph, name: string) => (nameForm.test(name) ? kind.find(graph, idOf(graph, name)) : undefined);
  const namesOf = (graph: Graph): readonly string[] => namesIn(graph, branchOf(graph));
  const demand = (operation: "read" | "write" | "remove" | "token", access: PathAccess, name: string) => ({
    operation: `identity_role.${operation}` as const,
    access,
    about: { resource: idOf(projection.graph(), nameForm.test(name) ? name : "unnamed") },
  });

  keys.onRemoval((graph, key) => {
    const users = namesOf(graph).filter((name) => find(graph, name)?.key === key);
    if (users.length > 0)
      throw refused("name", `unable to delete key "${key}" because it is currently referenced by these roles: ${users.join(", ")}`);
  });

  function assertSound(graph: Graph, { key, ttlSeconds, template }: IdentityRole): void {
    if (key === "") throw refused("key", "the key parameter is required");
    const found = keys.find(graph, key);
    if (found === undefined) throw refused("key", `cannot find key ${JSON.stringify(key.slice(0, 128))}`);
    if (ttlSeconds > found.verificationSeconds)
      throw refused("ttl", "a role's token ttl cannot be longer than the verification_ttl of the key it references");
    const problem = templateProblem(template);
    if (problem !== undefined) throw refused("template", problem);
  }

  async function made(graph: Graph, caller: Caller, name: string): Promise<CallerToken> {
    const { now } = caller.context;
    const role = find(graph, name);
    if (role === undefined) throw refused("name", `role ${JSON.stringify(name.slice(0, 128))} not found`);
    const { key, clientId, template } = role;
    const { allowedClients = [], verificationSeconds = 0 } = keys.find(graph, key) ?? {};
    if (!allowedClients.includes("*") && !allowedClients.includes(clientId))
      throw refused("key", `the key "${key}" does not list the client ID of the role "${name}" as an allowed client ID`);
    const iss = issuer();
    if (iss === undefined) throw refused("issuer", "there is no issuer yet, write identity/oidc/config");
    const shown = ledger.shown(caller.token?.digest ?? "", now);
    const identity = shown === undefined ? undefined : identityOf(shown);
    if (identity === undefined) throw refused("token", "no entity associated with the request's token");
    const seconds = Math.floor(now / 1000);
    const ttlSeconds = Math.min(role.ttlSeconds, verificationSeconds);
    const own = { iss, sub: identity.entityId, aud: clientId, iat: seconds, exp: seconds + ttlSeconds, namespace: "root" };
    const token = await signedBy(await keys.ring(key, now), { ...filledTemplate(template, templateValues({ identity }), now), ...own });
    return { clientId, token, ttlSeconds };
  }

  return {
    list: (caller, access) => gate.release(caller, { operation: "identity_role.list", access }, namesOf),
    read: (caller, access, name) => gate.release(caller, demand("read", access, name), (graph) => find(graph, name)),

    write(caller, access, name, change) {
      const { now } = caller.context;
      const exists = (graph: Graph): boolean => find(graph, name) !== undefined;
      return gate.change(caller, { ...demand("write", access, name), exists }, () => {
        if (!nameForm.test(name)) throw refused("name", "a name is of letters, digits and -_. between them");
        const clientId = Buffer.from(random.bytes(18)).toString("base64url");
        return projection.write(mounts.account(projection.graph()), now, (graph) => {
          const role = { ...(find(graph, name) ?? { key: "", clientId, ttlSeconds: daySeconds, template: "" }), ...change };
          assertSound(graph, role);
          return { changes: documents.put(graph, { id: idOf(graph, name), branch: branchOf(graph) }, role, now), result: undefined };
        });
      });
    },

    remove(caller, access, name) {
      const { now } = caller.context;
      return gate.change(caller, demand("remove", access, name), () =>
        projection.write(mounts.account(projection.graph()), now, (graph) => ({
          changes: nameForm.test(name) ? documents.remove(graph, idOf(graph, name)) : [],
          result: undefined,
        })),
      );
    },

    token: (caller, access, name) => gate.release(caller, demand("token", access, name), (graph) => made(graph, caller, name)),

    isActive: (caller, access, token, clientId) =>
      gate.release(caller, { operation: "identity_role.introspect", access }, () => {
        const { now } = caller.context;
        const claims = claimsOf(token);
        return (
          claims !== undefined &&
          claims.iss === issuer() &&
          isInTime(claims.exp, now) &&
          (clientId === undefined || claims.aud === clientId) &&
          isSignedByOneOf(keys.publicKeys(now), token)
        );
      }),
  };
}

const isInTime = (end: unknown, now: Instant): boolean => typeof end === "number" && now < end * 1000;
const Claims = v.object({ iss: v.string(), aud: v.string(), exp: v.number() });

function claimsOf(token: string): v.InferOutput<typeof Claims> | undefined {
  const text = Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8");
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Claims), text);
  return parsed.success ? parsed.output : undefined;
}

function refused(where: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where, expected: says, kind: "argument", because: "identity_role", says });
}
