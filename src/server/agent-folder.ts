/** The data folder of an agent, as commands find it: keys, sealed copies and a trail, and no store. Nothing is made in it. */

import { join } from "node:path";
import { type AuditReport, type VerifyOptions, verifyFolder } from "../audit/audit-log";
import type { Config } from "../config/config";
import { openKeyring } from "../keyring/keyring";
import { PosternError } from "../model/failures";
import type { Clock, Logger, PrivateFiles, Random } from "../model/ports";
import { isAnswered } from "./admin-socket";
import { placesOf } from "./compose";

export interface AgentFolderDeps {
  readonly files: PrivateFiles;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export function isAgentFolder(files: PrivateFiles, dataFolder: string): boolean {
  const { keyring, database } = placesOf(dataFolder);
  return files.size(keyring) !== undefined && files.size(database) === undefined && files.device(join(dataFolder, "copies")) !== undefined;
}

/** Throws for whatever wants a store of such a folder. */
export function assertNoAgentFolder(files: PrivateFiles, dataFolder: string): void {
  if (!isAgentFolder(files, dataFolder)) return;
  const target = `a store in ${dataFolder}: it is the data folder of an agent, of which 'postern audit verify' can be asked, and nothing else`;
  throw new PosternError({ code: "not_found", target });
}

/** Reads the whole trail. Throws `conflict` while the agent runs, for it writes there, and `sealed` without the key. */
export async function verifyAgentTrail(config: Config, options: VerifyOptions, deps: AgentFolderDeps): Promise<AuditReport> {
  const { dataFolder } = config;
  if (await isAnswered(join(dataFolder, "agent.sock")))
    throw new PosternError({
      code: "conflict",
      what: `an agent that is running; stop it first: ${dataFolder}`,
      because: "already_running",
    });
  const places = placesOf(dataFolder);
  const keyring = await openKeyring({
    ...deps,
    path: places.keyring,
    nodePath: places.node,
    providers: config.seals,
    dataExists: true,
    ...(config.credentialsFolder === undefined ? {} : { credentialsFolder: config.credentialsFolder }),
  });
  const state = keyring.state();
  if (state.state === "sealed") throw new PosternError({ code: "sealed", reason: state.reason, because: state.detail ?? state.reason });
  return await verifyFolder(places.audit, keyring, options);
}
