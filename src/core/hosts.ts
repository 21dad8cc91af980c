/** API keys of users and hosts: shown once more to who can prove it, and rotated. */

import type { AuditedOperation } from "../model/audited-operations";
import { PosternError } from "../model/failures";
import { accountOf, kindOf, type RoleId } from "../model/ids";
import type { Store } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import type { Caller, Credential, Instant, RequestContext } from "../model/types";
import type { Credentials } from "./credentials";
import type { Gate } from "./gate";
import type { Graph } from "./graph";
import type { Login } from "./login";
import type { ApiKeyAge, BasicProof, LoginRequest } from "./operations";
import type { Projection } from "./projection";

export interface Hosts {
  exchangeForApiKey(proof: BasicProof, context: RequestContext): Promise<SecretBytes>;
  exchangePassword(request: LoginRequest, context: RequestContext): Promise<SecretBytes>;
  rotateOwnApiKey(proof: BasicProof, context: RequestContext): Promise<SecretBytes>;
  rotateApiKey(caller: Caller, role: RoleId): Promise<SecretBytes>;
  ownApiKeyAge(proof: BasicProof, context: RequestContext): Promise<ApiKeyAge>;
  apiKeyAge(caller: Caller, role: RoleId): Promise<ApiKeyAge>;
  changePassword(proof: BasicProof, password: SecretBytes, context: RequestContext): Promise<void>;
  /** The sealed copy of a key, opened. Throws `not_found` for a role that has none. */
  apiKeyOf(role: RoleId): Promise<SecretBytes>;
}

export interface HostsDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly login: Login;
  readonly credentials: Credentials;
  readonly store: Pick<Store, "record">;
}

export function createHosts({ projection, gate, login, credentials, store }: HostsDeps): Hosts {
  async function apiKeyOf(role: RoleId): Promise<SecretBytes> {
    credentialOf(projection.graph(), role);
    const key = await store.record("api_key", role);
    if (key === undefined) throw new PosternError({ code: "not_found", target: role, because: "no_credential" });
    return key;
  }

  function renew(role: RoleId, now: Instant): Promise<SecretBytes> {
    return projection.write(accountOf(role), now, (graph) => {
      // A role that went while this waited for its turn must not leave a key behind for a namesake.
      credentialOf(graph, role);
      const { apiKey, change } = credentials.renewKey(role, now);
      return { changes: [change], result: apiKey };
    });
  }

  /** A stolen session must not become a key, nor tell of one: that takes the key itself. */
  async function assertOther(caller: Caller, role: RoleId, operation: AuditedOperation): Promise<void> {
    if (role !== caller.role) return;
    const weak = new PosternError({ code: "unauthenticated", reason: "weak", because: "own_key_needs_own_key" });
    throw await gate.refuse(caller.context, about(operation, role), weak);
  }

  const about = (operation: AuditedOperation, role: RoleId) => ({
    operation,
    role,
    account: accountOf(role),
    authenticator: "authn",
    resource: role,
  });

  return {
    apiKeyOf,

    async exchangeForApiKey(proof, context) {
      const role = await login.prove(proof, context, "api_key.exchange");
      const key = await apiKeyOf(role);
      await gate.accept(context, about("api_key.exchange", role));
      return key;
    },

    async exchangePassword(request, context) {
      const operation = "api_key.exchange";
      const role = await login.proveTo(request, context, operation);
      const authenticator = request.service === undefined ? request.authenticator : `${request.authenticator}/${request.service}`;
      const key = await apiKeyOf(role);
      await gate.accept(context, { ...about(operation, role), authenticator });
      return key;
    },

    async rotateOwnApiKey(proof, context) {
      const role = await login.prove(proof, context, "api_key.rotate");
      await gate.accept(context, about("api_key.rotate", role));
      return renew(role, context.now);
    },

    async rotateApiKey(caller, role) {
      await assertOther(caller, role, "api_key.rotate");
      return gate.change(caller, { operation: "api_key.rotate", resource: role, privilege: "update" }, async (graph) => {
        assertHasKey(graph, role);
        return renew(role, caller.context.now);
      });
    },

    async ownApiKeyAge(proof, context) {
      const role = await login.prove(proof, context, "api_key.age");
      const { rotatedAt } = credentialOf(projection.graph(), role);
      await gate.accept(context, about("api_key.age", role));
      return { role, rotatedAt };
    },

    async apiKeyAge(caller, role) {
      await assertOther(caller, role, "api_key.age");
      return gate.release(caller, { operation: "api_key.age", resource: role, privilege: "update" }, (graph) => {
        assertHasKey(graph, role);
        return { role, rotatedAt: credentialOf(graph, role).rotatedAt };
      });
    },

    async changePassword(proof, password, context) {
      const role = await login.prove(proof, context, "password.change");
      try {
        // Hashed before the write begins: a slow hash must not hold up other writes.
        const passwordHash = await credentials.hashOfNewPassword(role, password);
        await gate.accept(context, about("password.change", role));
        await projection.write(accountOf(role), context.now, (graph) => {
          const credential = { ...credentialOf(graph, role), passwordHash };
          return { changes: [{ type: "put_credential", credential }], result: undefined };
        });
      } catch (error) {
        throw await gate.refuse(context, about("password.change", role), error);
      }
    },
  };
}

function credentialOf(graph: Graph, role: RoleId): Credential {
  const credential = graph.credential(role);
  if (credential === undefined) throw new PosternError({ code: "not_found", target: role, because: "no_credential" });
  return credential;
}

function assertHasKey(graph: Graph, role: RoleId): void {
  const isActor = kindOf(role) === "user" || kindOf(role) === "host";
  if (isActor && graph.credential(role) !== undefined) return;
  throw new PosternError({ code: "unsupported", what: `the API key of ${role}`, kind: "method" });
}
