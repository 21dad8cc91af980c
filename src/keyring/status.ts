/** What the keyring tells its operator: never a key, and nothing that helps to find one. */

import { PosternError } from "../model/failures";
import type { KeyringState, PrivateFiles } from "../model/ports";
import type { Held, Unsealed } from "./held";
import { readKeyFile } from "./key-file";
import type { SealProvider } from "./seal-provider";
import { type RecipientStatus, recoveryProvider } from "./unsealing";

export interface KeyringStatus {
  readonly state: KeyringState;
  readonly deployment?: string;
  /** Of the root key. */
  readonly epoch?: number;
  readonly recipients: readonly RecipientStatus[];
  /** `kept`: how many generations still open. `seals`: how many seals were set aside for the newest one. */
  readonly scopes: readonly {
    readonly account: string;
    readonly scope: string;
    readonly generation: number;
    readonly kept: number;
    readonly seals: number;
  }[];
}

export interface StatusDeps {
  readonly files: PrivateFiles;
  readonly path: string;
  readonly providers: readonly SealProvider[];
}

export function stateOf(held: Held, deps: StatusDeps): KeyringState {
  return held.state === "unsealed" ? { state: "unsealed", warnings: warningsOf(held, deps) } : held;
}

export function statusOf(held: Held, deps: StatusDeps): KeyringStatus {
  const state = stateOf(held, deps);
  if (held.state !== "unsealed") {
    const deployment = deploymentOnDisk(deps);
    return { state, recipients: [], scopes: [], ...(deployment === undefined ? {} : { deployment }) };
  }
  const scopes = held.file.scopes.map(({ account, scope, generations }) => {
    const newest = generations.reduce((last, each) => (each.generation > last.generation ? each : last));
    return { account, scope, generation: newest.generation, kept: generations.length, seals: newest.seals };
  });
  return { state, deployment: held.file.deployment, epoch: held.file.root.epoch, recipients: held.recipients, scopes };
}

/** The installation's name, which is no secret and shown while sealed; undefined when the file is absent or cannot be read. */
export function deploymentOnDisk({ files, path }: StatusDeps): string | undefined {
  try {
    return readKeyFile(files, path)?.file.deployment;
  } catch (cause) {
    if (cause instanceof PosternError && cause.failure.code === "integrity") return undefined;
    throw cause;
  }
}

/** A word, a colon, and whom it concerns: `recipient_mismatch: systemd:postern-seal`. */
function warningsOf(held: Unsealed, { files, path, providers }: StatusDeps): readonly string[] {
  const broken = held.recipients
    .filter(({ state }) => state !== "ok" && state !== "offline")
    .map(({ provider, state }) => `recipient_${state}: ${provider}`);
  const device = files.device(path);
  const beside = providers.flatMap((provider) =>
    provider.path !== undefined && device !== undefined && files.device(provider.path) === device
      ? [`key_file_beside_data: ${provider.path}`]
      : [],
  );
  const hasRecovery = held.file.recipients.some(({ provider }) => provider === recoveryProvider);
  return [...broken, ...beside, ...(hasRecovery ? [] : ["no_recovery_recipient"])];
}
