/** Changes to the keyring: accounts, node secrets, recipients, rotations. Each is one durable replacement of one file. */

import { PosternError } from "../model/failures";
import type { AccountName } from "../model/ids";
import type { Clock, Keyring, PrivateFiles } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import { type EnrolmentDeps, enrol, keysOfRecipients, shownOnce } from "./enrolment";
import type { Holder } from "./held";
import { wrapForRecipient } from "./hierarchy";
import { openNodeSecret, withNodeSecret, writeNodeFile } from "./node-secrets";
import { type Rotating, withAccount, withGeneration, withNewRoot, withoutGenerations } from "./rotation";
import type { SealProvider } from "./seal-provider";
import { type RecipientStatus, recoveryProvider } from "./unsealing";

export interface RecoveryKey {
  /** Shown once; Postern keeps only what it wraps. */
  readonly recoveryKey?: SecretBytes;
}

/** What an operator may change. Everything here throws `sealed` while the keyring is. */
export interface Administration extends Pick<Keyring, "ensureAccount" | "removeAccount" | "nodeSecret" | "putNodeSecret"> {
  /** Also for one that is there already, whose key is then wrapped for anew; a second recovery key replaces the first. Throws `malformed`. */
  addRecipient(provider: string): Promise<RecoveryKey>;
  /** Throws `not_found`, and `conflict` for the last one. */
  removeRecipient(provider: string): Promise<void>;
  /**
   * A new root key. Every recipient's key must be at hand (`conflict` names the one that is not: remove it first); a recovery key that is not given is
   * replaced by a new one, which is returned. No value is touched.
   */
  rotateRoot(recoveryKey?: SecretBytes): Promise<RecoveryKey & { readonly epoch: number }>;
  /** A new generation of the account's scope key. What was sealed before still opens; the store re-wraps it in the background. */
  rotateScope(account: AccountName): Promise<{ readonly scopeKey: string; readonly generation: number }>;
  /** Drops the old generations of a scope key but those in use. What is wrapped under a dropped one is lost: ask the store first. */
  retireGenerations(scopeKey: string, inUse: ReadonlySet<number>): Promise<void>;
}

export interface AdministrationDeps extends EnrolmentDeps {
  readonly holder: Holder;
  readonly files: PrivateFiles;
  readonly clock: Clock;
  readonly nodePath: string;
  readonly sealProviders: readonly SealProvider[];
}

export function createAdministration(deps: AdministrationDeps): Administration {
  const { holder, files, random, clock, nodePath } = deps;

  function rotating(): Rotating {
    const { file, keys } = holder.unsealed();
    return { file, keys, random, now: clock.now() };
  }

  function nameOf(account: AccountName, name: string) {
    return { deployment: holder.unsealed().file.deployment, account, name };
  }

  function setRecipients(change: (before: readonly RecipientStatus[]) => readonly RecipientStatus[]): void {
    const current = holder.unsealed();
    holder.set({ ...current, recipients: change(current.recipients) });
  }

  return {
    async ensureAccount(account) {
      if (!holder.unsealed().keys.accounts.has(account)) holder.replace(withAccount(account, rotating()));
    },
    async removeAccount(account) {
      const current = holder.unsealed();
      const isOthers = (record: { readonly account: string }): boolean => record.account !== account;
      const node = { ...current.node, secrets: current.node.secrets.filter(isOthers) };
      writeNodeFile(files, nodePath, node);
      holder.set({ ...current, node });
      const { file } = current;
      if (!current.keys.accounts.has(account)) return;
      holder.replace({ ...file, accounts: file.accounts.filter(isOthers), scopes: file.scopes.filter(isOthers) });
    },
    nodeSecret(account, name) {
      const { keys, node } = holder.unsealed();
      const by = keys.accounts.get(account);
      return by === undefined ? undefined : openNodeSecret(node, by, nameOf(account, name));
    },
    async putNodeSecret(account, name, plain) {
      const current = holder.unsealed();
      const by = current.keys.accounts.get(account);
      if (by === undefined) throw new PosternError({ code: "internal", what: "a node secret of an account without keys" });
      const node = withNodeSecret(current.node, by, nameOf(account, name), { plain, random });
      writeNodeFile(files, nodePath, node);
      holder.set({ ...current, node });
    },

    async addRecipient(provider) {
      holder.unsealed();
      const enrolled = await enrol(provider, deps);
      const { file, keys } = holder.unsealed();
      const record = wrapForRecipient(enrolled.sealKey, provider, file, keys.root, random);
      holder.replace({ ...file, recipients: [...file.recipients.filter((each) => each.provider !== provider), record] });
      const state = provider === recoveryProvider ? "offline" : "ok";
      setRecipients((before) => [...before.filter((each) => each.provider !== provider), { provider, state }]);
      return shownOnce([enrolled]);
    },
    async removeRecipient(provider) {
      const { file } = holder.unsealed();
      const recipients = file.recipients.filter((each) => each.provider !== provider);
      if (recipients.length === file.recipients.length) throw new PosternError({ code: "not_found", target: `recipient ${provider}` });
      if (recipients.length === 0) throw new PosternError({ code: "conflict", what: "the last recipient", because: "last_recipient" });
      holder.replace({ ...file, recipients });
      setRecipients((before) => before.filter((each) => each.provider !== provider));
    },

    async rotateRoot(recoveryKey) {
      const before = holder.unsealed().file.recipients;
      const enrolled = await keysOfRecipients(holder.unsealed().file, { providers: deps.sealProviders, recoveryKey }, deps);
      if (holder.unsealed().file.recipients !== before)
        throw new PosternError({ code: "conflict", what: "the recipients changed meanwhile" });
      const { file, root } = withNewRoot(enrolled, rotating());
      holder.replace(file, root);
      return { epoch: file.root.epoch, ...shownOnce(enrolled) };
    },
    async rotateScope(account) {
      const scope = holder.unsealed().keys.defaultScopes.get(account);
      if (scope === undefined) throw new PosternError({ code: "not_found", target: `keys of account ${account}` });
      const { keys, reserved } = holder.replace(withGeneration(scope.key, rotating()));
      // What was set aside was set aside for the old generation.
      reserved.delete(scope.key);
      return { scopeKey: scope.key, generation: keys.scopes.get(scope.key)?.newest ?? scope.newest };
    },
    async retireGenerations(scopeKey, inUse) {
      const { file, keys } = holder.unsealed();
      if (!keys.scopes.has(scopeKey)) throw new PosternError({ code: "not_found", target: `scope key ${scopeKey}` });
      holder.replace(withoutGenerations(scopeKey, inUse, file));
    },
  };
}
