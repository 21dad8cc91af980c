/** Accounts and their first administrator, as the operator of the machine makes them. */

import { PosternError } from "../model/failures";
import { type AccountName, accountOf, parseAccount, type RoleId } from "../model/ids";
import type { Keyring } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import type { Caller, Change, RequestContext } from "../model/types";
import { administratorOf } from "./administrator";
import type { Credentials } from "./credentials";
import type { Gate } from "./gate";
import type { Hosts } from "./hosts";
import type { Projection } from "./projection";
import type { Signers } from "./signers";

export interface Accounts {
  create(
    name: string,
    context: RequestContext,
    password?: SecretBytes,
  ): Promise<{ readonly apiKey: SecretBytes; readonly signingKeyPem: string }>;
  /** Removes everything of the account: facts, values, keys. Throws `not_found`. */
  remove(name: string, context: RequestContext): Promise<void>;
  /** A new API key and password for a user, by the operator's word alone. Throws `not_found`, `malformed` for a weak password, `forbidden` for a host. */
  resetPassword(role: RoleId, password: SecretBytes, context: RequestContext): Promise<SecretBytes>;
  /** A caller that acts as the account's administrator. Throws `not_found`. */
  operatorOf(account: string, context: RequestContext): Caller;
  names(): readonly AccountName[];
  retrieveKey(role: RoleId, context: RequestContext): Promise<SecretBytes>;
}

export interface AccountsDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly keyring: Pick<Keyring, "ensureAccount" | "removeAccount">;
  readonly signers: Signers;
  readonly credentials: Credentials;
  readonly hosts: Hosts;
}

export function createAccounts(deps: AccountsDeps): Accounts {
  const { projection, gate, keyring, signers, credentials, hosts } = deps;

  return {
    async create(name, context, password) {
      try {
        const account = parseAccount(name);
        if (projection.graph().account(account) !== undefined) throw new PosternError({ code: "exists", target: account });
        const admin = administratorOf(account);
        const passwordHash = password === undefined ? undefined : await credentials.hashOfNewPassword(admin, password);
        await keyring.ensureAccount(account);
        const signer = await signers.ensure(account);
        await gate.accept(context, { operation: "account.create", account });
        const apiKey = await projection.write(account, context.now, (graph) => {
          if (graph.account(account) !== undefined) throw new PosternError({ code: "exists", target: account });
          const key = credentials.renewKey(admin, context.now);
          const changes: Change[] = [
            { type: "put_account", account: { name: account, createdAt: context.now } },
            { type: "put_resource", resource: { id: admin, owner: admin, createdAt: context.now } },
            passwordHash === undefined ? key.change : withPassword(key.change, passwordHash),
          ];
          return { changes, result: key.apiKey };
        });
        return { apiKey, signingKeyPem: signer.publicKeyPem };
      } catch (error) {
        throw await gate.refuse(context, { operation: "account.create", account: name.slice(0, 256) }, error);
      }
    },

    async remove(name, context) {
      const about = { operation: "account.delete" as const, account: name.slice(0, 256) };
      const account = projection.graph().account(name)?.name;
      if (account === undefined)
        throw await gate.refuse(context, about, new PosternError({ code: "not_found", target: `account ${name}` }));
      await gate.accept(context, about);
      await projection.write(account, context.now, () => ({ changes: [{ type: "remove_account", account }], result: undefined }));
      // The facts first: without keys they would be there and open nothing.
      signers.forget(account);
      await keyring.removeAccount(account);
    },

    async resetPassword(role, password, context) {
      const about = { operation: "password.reset" as const, resource: role, account: accountOf(role) };
      try {
        if (projection.graph().credential(role) === undefined)
          throw new PosternError({ code: "not_found", target: role, because: "no_credential" });
        const passwordHash = await credentials.hashOfNewPassword(role, password);
        await gate.accept(context, about);
        return await projection.write(accountOf(role), context.now, (graph) => {
          if (graph.credential(role) === undefined) throw new PosternError({ code: "not_found", target: role, because: "no_credential" });
          const { apiKey, change } = credentials.renewKey(role, context.now);
          return { changes: [withPassword(change, passwordHash)], result: apiKey };
        });
      } catch (error) {
        throw await gate.refuse(context, about, error);
      }
    },

    operatorOf(name, context) {
      const account = projection.graph().account(name);
      if (account === undefined) throw new PosternError({ code: "not_found", target: `account ${name}` });
      projection.assertSound(account.name);
      return {
        account: account.name,
        role: administratorOf(account.name),
        context,
        issuedAt: context.now,
        expiresAt: context.now,
        proof: "operator",
      };
    },

    names: () => [...projection.graph().accounts()].map((account) => account.name).sort(),

    async retrieveKey(role, context) {
      const about = { operation: "api_key.retrieve" as const, resource: role, account: accountOf(role) };
      try {
        const key = await hosts.apiKeyOf(role);
        await gate.accept(context, about);
        return key;
      } catch (error) {
        throw await gate.refuse(context, about, error);
      }
    },
  };
}

function withPassword(change: Change, passwordHash: string): Change {
  return change.type === "put_credential" ? { ...change, credential: { ...change.credential, passwordHash } } : change;
}
