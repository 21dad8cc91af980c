/** The machine's own part: versions, the disk, and the keys of what is kept on it. */

import { join } from "node:path";
import { adminOperations } from "../../client/admin-wire";
import { createAdminClient } from "../../client/client";
import type { AgentConfig } from "../../config/agent";
import { type Failure, failureOf } from "../../model/failures";
import type { CliWorld } from "../world";
import type { Finding } from "./finding";

const mebi = 2 ** 20;
const littleBytes = 64 * mebi;
const leastBytes = 4 * mebi;

export interface MachineOptions {
  readonly world: CliWorld;
  readonly version: string;
  readonly platform: string;
  /** Undefined where no folder can be meant. */
  readonly state: string | undefined;
  readonly agent: AgentConfig | undefined;
  readonly adminSocket: string;
  /** Of the copy that commands keep; default its own file. */
  readonly seal: string | undefined;
}

export async function machineFindings(options: MachineOptions): Promise<readonly Finding[]> {
  const { world, version, platform, state, agent, seal } = options;
  const folders = [...(state === undefined ? [] : [state]), ...(agent === undefined ? [] : [agent.dataFolder])];
  return [
    { check: "version", state: "ok", found: `postern ${version} on ${platform}` },
    ...folders.map((folder) => diskFinding(folder, world)),
    ...(state === undefined
      ? []
      : await sealFindings(
          "offline copy",
          { folder: join(state, "offline"), seals: [seal ?? `file:${join(state, "offline.key")}`] },
          world,
        )),
    ...(agent === undefined ? [] : await sealFindings("agent", { folder: agent.dataFolder, seals: agent.seals }, world)),
    ...(await serverFindings(options)),
  ];
}

function diskFinding(folder: string, world: CliWorld): Finding {
  const check = `disk ${folder}`;
  const space = world.freeSpace(folder);
  if (space === undefined) return { check, state: "unknown", found: "the file system cannot be asked" };
  const found = `${Math.floor(space.bytes / mebi)} MiB free`;
  if (space.bytes >= littleBytes && space.files > 0) return { check, state: "ok", found };
  const cause =
    space.files === 0 ? "no more files can be made" : "copies and audit lines are written there, and nothing is answered without them";
  const remedy = space.files === 0 ? `df -i ${folder}` : `df -h ${folder}`;
  return { check, state: space.bytes < leastBytes || space.files === 0 ? "fail" : "warn", found, cause, remedy };
}

interface SealedPlace {
  readonly folder: string;
  readonly seals: readonly string[];
}

/** None where nothing was ever sealed. */
async function sealFindings(whose: string, { folder, seals }: SealedPlace, world: CliWorld): Promise<readonly Finding[]> {
  const check = `seal of the ${whose}`;
  if (seals.length === 0) return [];
  try {
    const state = await world.sealState({ folder, seals });
    if (state.state === "uninitialised") return [{ check, state: "ok", found: "nothing is sealed yet" }];
    if (state.state === "unsealed") return [{ check, state: "ok", found: `opens by ${seals.join(", ")}` }];
    return [{ check, state: "fail", found: `does not open (${state.reason})`, ...sealAdvice(state.reason, seals, folder) }];
  } catch (error) {
    return [unreadable(check, failureOf(error))];
  }
}

function sealAdvice(reason: string, seals: readonly string[], folder: string): Pick<Finding, "cause" | "remedy"> {
  const said = seals.join(", ");
  if (reason === "seal_key_missing")
    return { cause: `no key at ${said}`, remedy: `put the key back there; or remove ${folder}, and the copies are made anew` };
  if (reason === "seal_key_mismatch")
    return {
      cause: `the key at ${said} is not the one that sealed this`,
      remedy: `put the right key there; or remove ${folder}, and the copies are made anew`,
    };
  return { cause: reason, remedy: `ls -l ${folder}` };
}

function unreadable(check: string, failure: Failure): Finding {
  if (failure.because === "file_not_permitted")
    return { check, state: "unknown", found: "this user may not look", remedy: "postern doctor      # as its user, or as root" };
  if (failure.code !== "malformed") return { check, state: "unknown", found: failure.because ?? failure.code };
  return {
    check,
    state: "fail",
    found: `${failure.where}: expected ${failure.expected}`,
    cause: "others could have read or changed it",
    remedy: `chmod 0600 ${failure.where}`,
  };
}

/** A Postern that serves on this machine, where this user is its operator. */
async function serverFindings({ world, adminSocket, version }: MachineOptions): Promise<readonly Finding[]> {
  const check = "server on this machine";
  try {
    const transport = await world.servedAdmin(adminSocket);
    if (transport === undefined) return [];
    const answer = await createAdminClient(transport).call(adminOperations.status, {});
    if (!answer.ok) return [{ check, state: "unknown", found: answer.error.message }];
    const { version: theirs, readiness, seal } = answer.output;
    const ready: Finding = readiness.ready
      ? { check, state: "ok", found: `ready, ${seal.state}` }
      : { check, state: "fail", found: `not ready, ${seal.state}`, cause: readiness.reasons.join(", "), remedy: "postern status" };
    if (theirs === version) return [ready];
    return [
      ready,
      { check: "server's version", state: "warn", found: `${theirs}, and this program is ${version}`, remedy: "systemctl restart postern" },
    ];
  } catch (error) {
    return [{ check, state: "unknown", found: failureOf(error).because ?? failureOf(error).code }];
  }
}
