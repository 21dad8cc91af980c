/** API keys of users and hosts: shown once more to who can prove it, and rotated. */

import { PosternError } from "../model/failures";
import { accountOf, kindOf, type RoleId } from "../model/ids";
import type { Store } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import type { Caller, Instant, RequestContext } from "../model/types";
import type { Credentials } from "./credentials";
import type { Gate } from "./gate";
import type { Login } from "./login";
import type { BasicProof } from "./operations";
import type { Projection } from "./projection";

export interface Hosts {
  exchangeForApiKey(proof: BasicProof, context: RequestContext): Promise<SecretBytes>;
  rotateOwnApiKey(proof: BasicProof, context: RequestContext): Promise<SecretBytes>;
  rotateApiKey(caller: Caller, role: RoleId): Promise<SecretBytes>;
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
    const key = projection.graph().credential(role) === undefined ? undefined : await store.record("api_key", role);
    if (key === undefined) throw new PosternError({ code: "not_found", target: role, because: "no_credential" });
    return key;
  }

  function renew(role: RoleId, now: Instant): Promise<SecretBytes> {
    return projection.write(accountOf(role), now, () => {
      const { apiKey, change } = credentials.renewKey(role, now);
      return { changes: [change], result: apiKey };
    });
  }

  const about = (operation: string, role: RoleId) => ({
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

    async rotateOwnApiKey(proof, context) {
      const role = await login.prove(proof, context, "api_key.rotate");
      await gate.accept(context, about("api_key.rotate", role));
      return renew(role, context.now);
    },

    async rotateApiKey(caller, role) {
      if (role === caller.role) {
        // A stolen session must not become a key: that takes the key itself.
        const weak = new PosternError({ code: "unauthenticated", reason: "weak", because: "own_key_needs_own_key" });
        throw await gate.refuse(caller.context, about("api_key.rotate", role), weak);
      }
      return gate.change(caller, { operation: "api_key.rotate", resource: role, privilege: "update" }, async (graph) => {
        const isActor = kindOf(role) === "user" || kindOf(role) === "host";
        if (!isActor || graph.credential(role) === undefined)
          throw new PosternError({ code: "unsupported", what: `rotation of ${role}`, kind: "method" });
        return renew(role, caller.context.now);
      });
    },

    async changePassword(proof, password, context) {
      const role = await login.prove(proof, context, "password.change");
      try {
        // Hashed before the write begins: a slow hash must not hold up other writes.
        const passwordHash = await credentials.hashOfNewPassword(role, password);
        await gate.accept(context, about("password.change", role));
        await projection.write(accountOf(role), context.now, (graph) => {
          const credential = graph.credential(role);
          if (credential === undefined) throw new PosternError({ code: "not_found", target: role, because: "no_credential" });
          return { changes: [{ type: "put_credential", credential: { ...credential, passwordHash } }], result: undefined };
        });
      } catch (error) {
        throw await gate.refuse(context, about("password.change", role), error);
      }
    },
  };
}
