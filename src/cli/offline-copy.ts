/**
 * The sealed copy of what a user's commands read, for times without the line: the agent's kind of copy, in a folder and under a key of the user's own.
 *
 * It is bound to the server, the login and the machine: a home folder that is copied or mounted elsewhere opens nothing there by itself. Who holds the key
 * as well can say that they are this machine; `--seal` puts the key where the disk alone does not give it away.
 */

import { join } from "node:path";
import { createLocalCopy, type LocalCopy } from "../agent/local-copy";
import type { Connection } from "../config/connection";
import { sha256Hex } from "../crypto/digest";
import { openKeyring } from "../keyring/keyring";
import { PosternError } from "../model/failures";
import { parseAccount } from "../model/ids";
import type { Clock, Logger, PrivateFiles, Random } from "../model/ports";

export interface OfflineCopyOptions {
  readonly connection: Connection;
  /** The state folder. */
  readonly folder: string;
  /** A provider of the seal key; default a file in the state folder. */
  readonly seal?: string;
  readonly credentialsFolder?: string;
}

export interface OfflineCopyDeps {
  readonly files: PrivateFiles;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What names this machine; empty where nothing does. */
  readonly machine: string;
}

/** Commands seal once each and end, so few seals are set aside at a time. */
const limits = { sealsPerGeneration: 2 ** 31, reservation: 16 };

/** Opens the keys, made at the first use. Throws `sealed` when the seal key is not at hand: without it nothing is kept either. */
export async function openOfflineCopy(options: OfflineCopyOptions, deps: OfflineCopyDeps): Promise<LocalCopy> {
  const { connection, seal, credentialsFolder } = options;
  const { files, clock, random, logger, machine } = deps;
  const folder = join(options.folder, "offline");
  const providers = [seal ?? `file:${join(options.folder, "offline.key")}`];
  files.ensureFolder(folder);
  const keyring = await openKeyring({
    clock,
    random,
    files,
    path: join(folder, "keyring.json"),
    nodePath: join(folder, "node.json"),
    providers,
    dataExists: false,
    limits,
    ...(credentialsFolder === undefined ? {} : { credentialsFolder }),
  });
  if (keyring.state().state === "uninitialised") await keyring.init(providers);
  const state = keyring.state();
  if (state.state === "sealed") throw new PosternError({ code: "sealed", reason: state.reason, because: state.detail ?? state.reason });
  const account = parseAccount(connection.account);
  await keyring.ensureAccount(account);
  const boundTo = { login: connection.login, primary: connection.url, machine };
  return createLocalCopy({ files, keyring, clock, logger, folder, account, app: nameOf(connection), boundTo });
}

/** A file for each login at each server, so that none takes the place of another. */
function nameOf({ url, login }: Connection): string {
  return sha256Hex(JSON.stringify([url, login])).slice(0, 16);
}
