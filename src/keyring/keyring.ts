/**
 * The keyring: seals and opens for everybody else, and is the only place where keys exist.
 *
 * It starts `uninitialised` or `sealed` and becomes `unsealed` by a seal key that fits. Keys are made by `init` alone: a start that finds no key never makes
 * one, for a fresh key over old data is a loss that nobody notices until a restore. The file is replaced as a whole before any change takes effect, so a
 * crash at any point leaves one that opens everything that was ever sealed.
 */

import { dirname } from "node:path";
import type { SymmetricKey } from "../crypto/aead";
import { PosternError } from "../model/failures";
import type { Clock, Keyring, KeyringState, Random } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import { type Administration, createAdministration, type RecoveryKey } from "./administration";
import { enrolAll, shownOnce } from "./enrolment";
import { createHolder, type Holder, type Unsealed } from "./held";
import { keyCheck, keyFileMac, newKey, openKeys, wrapForRecipient } from "./hierarchy";
import { type KeyFile, readKeyFile, writeKeyFile } from "./key-file";
import { readNodeFile } from "./node-secrets";
import { parseRecoveryKey } from "./recovery-key";
import { createSealProvider } from "./registry";
import type { SealProvider, SealProviderDeps } from "./seal-provider";
import { createSealing, type SealLimits } from "./sealing";
import { deploymentOnDisk, type KeyringStatus, stateOf, statusOf } from "./status";
import { attemptUnseal, attemptWithKey, type RecipientStatus, reasonOf, recoveryProvider } from "./unsealing";

export interface KeyringOptions extends SealProviderDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** `/var/lib/postern/keyring.json`. */
  readonly path: string;
  /** `/var/lib/postern/node.json`. */
  readonly nodePath: string;
  /** Specifications of the configured seal providers: `file:/etc/postern/seal.key`. Only these are ever asked. */
  readonly providers: readonly string[];
  /** Whether the store has data: then a missing keyring file is a loss, and not an invitation to make a new one. */
  readonly dataExists: boolean;
  /** Default: a generation makes 2^31 seals, half of what is allowed, and sets 65,536 aside at once. */
  readonly limits?: SealLimits;
}

/** The keyring as its operator sees it. */
export interface KeyringControl extends Keyring, Administration {
  /** Names this installation, also while sealed; undefined before `init`, and while the keyring's file cannot be read. */
  deployment(): string | undefined;
  /**
   * Makes the keys, for the given recipients: provider specifications and `recovery`. Throws `exists` unless `uninitialised`, `malformed` for a recipient
   * without a usable key (a missing `file:` is made).
   */
  init(recipients: readonly string[]): Promise<RecoveryKey>;
  /**
   * Asks the configured providers, or tries the recovery key. Does nothing when unsealed. Call it again, with growing pauses, while the reason is
   * `provider_unavailable`. Throws `malformed` for a recovery key with a slip in it.
   */
  unseal(recoveryKey?: SecretBytes): Promise<KeyringState>;
  /** Forgets all keys: `sealed` with the reason `locked`. */
  lock(): void;
  status(): KeyringStatus;
}

/**
 * Opens the keyring and tries to unseal it. A wrong or missing key is a state, not a failure; throws `malformed` for a provider that is wrongly configured, or
 * whose key file others could have read.
 */
export async function openKeyring(options: KeyringOptions): Promise<KeyringControl> {
  const sealProviders = options.providers.map((specification) => createSealProvider(specification, options));
  const holder = createHolder(options);
  const deps = { ...options, holder, sealProviders, limits: options.limits ?? defaultLimits };
  const statusDeps = { files: options.files, path: options.path, providers: sealProviders };
  await tryUnseal(deps, undefined);
  return {
    ...createSealing(deps),
    ...createAdministration(deps),
    state: () => stateOf(holder.get(), statusDeps),
    status: () => statusOf(holder.get(), statusDeps),
    deployment() {
      const held = holder.get();
      return held.state === "unsealed" ? held.file.deployment : deploymentOnDisk(statusDeps);
    },
    init: (recipients) => initialise(deps, recipients),
    async unseal(recoveryKey) {
      await tryUnseal(deps, recoveryKey);
      return stateOf(holder.get(), statusDeps);
    },
    lock() {
      if (holder.get().state === "unsealed") holder.set({ state: "sealed", reason: "locked" });
    },
  };
}

const defaultLimits: SealLimits = { sealsPerGeneration: 2 ** 31, reservation: 2 ** 16 };

interface Deps extends KeyringOptions {
  readonly holder: Holder;
  readonly sealProviders: readonly SealProvider[];
}

async function tryUnseal(deps: Deps, recoveryKey: SecretBytes | undefined): Promise<void> {
  const { holder, files, path } = deps;
  if (holder.get().state === "unsealed") return;
  const sealKey = recoveryKey === undefined ? undefined : parseRecoveryKey(recoveryKey);
  try {
    const found = readKeyFile(files, path);
    if (found === undefined) {
      holder.set(
        deps.dataExists ? { state: "sealed", reason: "keyring_integrity", detail: "the file is missing" } : { state: "uninitialised" },
      );
      return;
    }
    const attempt = sealKey === undefined ? await attemptUnseal(found.file, deps.sealProviders) : attemptWithKey(found.file, sealKey);
    // Another attempt may have come first, and the file have changed since: what it holds is newer than what was read here.
    if (holder.get().state === "unsealed") return;
    if (attempt.root === undefined) holder.set({ state: "sealed", ...reasonOf(attempt.recipients) });
    else holder.set(opened(deps, found, attempt.root, attempt.recipients));
  } catch (cause) {
    if (!(cause instanceof PosternError) || cause.failure.code !== "integrity") throw cause;
    holder.set({ state: "sealed", reason: "keyring_integrity", detail: cause.failure.what });
  }
}

async function initialise(deps: Deps, specifications: readonly string[]): Promise<RecoveryKey> {
  const { holder, files, path, random } = deps;
  requireUninitialised(deps);
  const enrolled = await enrolAll(specifications, deps);
  // Asking the providers took time, and another `init` may have come first.
  requireUninitialised(deps);
  const root = newKey(random);
  const empty: KeyFile = {
    format: "postern-keyring/1",
    deployment: Buffer.from(random.bytes(16)).toString("hex"),
    serial: 1,
    root: { epoch: 1, check: keyCheck(root) },
    recipients: [],
    earlier: [],
    accounts: [],
    scopes: [],
  };
  const file = { ...empty, recipients: enrolled.map(({ provider, sealKey }) => wrapForRecipient(sealKey, provider, empty, root, random)) };
  const mac = keyFileMac(root, file);
  const recipients = enrolled.map(
    ({ provider }): RecipientStatus => ({ provider, state: provider === recoveryProvider ? "offline" : "ok" }),
  );
  const held = opened(deps, { file, mac }, root, recipients);
  files.ensureFolder(dirname(path));
  writeKeyFile(files, path, file, mac);
  holder.set(held);
  return shownOnce(enrolled);
}

function requireUninitialised({ holder, files, path }: Deps): void {
  if (holder.get().state === "uninitialised" && files.size(path) === undefined) return;
  throw new PosternError({ code: "exists", target: "keyring", because: "keyring_initialised" });
}

function opened(
  { files, nodePath }: Deps,
  found: { readonly file: KeyFile; readonly mac: Uint8Array },
  root: SymmetricKey,
  recipients: readonly RecipientStatus[],
): Unsealed {
  const keys = openKeys(root, found.file, found.mac);
  return {
    state: "unsealed",
    file: found.file,
    keys,
    recipients,
    node: readNodeFile(files, nodePath),
    macKeys: new Map(),
    contentKeys: new WeakMap(),
    reserved: new Map(),
  };
}
