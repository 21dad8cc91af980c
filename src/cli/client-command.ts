/** What the commands that ask a server as one of its users or hosts have in common: whom they ask, and how they say what was wrong. */

import { isAbsolute, resolve } from "node:path";
import { Command } from "commander";
import { type Connection, socketUrl } from "../config/connection";
import { parseDuration } from "../config/duration";
import { type Cli, optionOf, usage } from "./command";
import type { CliIo } from "./io";
import type { OfflineChoice } from "./secret-reading";
import { type LoggedIn, openConnection, openLogin, stateFolderOf } from "./session";
import type { CliWorld } from "./world";

/** A command with the options that say whom to ask. */
export function createClientCommand(name: string, description: string, example: string): Command {
  return new Command(name)
    .exitOverride()
    .description(description)
    .option("--state <folder>", "where the login is kept (default: $XDG_STATE_HOME/postern, ~/.local/state/postern)")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `\nExample:\n${example
        .split("\n")
        .map((line) => `  $ ${line}\n`)
        .join("")}`,
    );
}

/** Options to ask this machine's agent by an app's socket, without any login. */
export function withSocketOptions(command: Command): Command {
  return command
    .option("--socket <path>", "ask this machine's agent at the socket of an app")
    .option("--account <name>", "with --socket: the account")
    .option("--login <name>", "with --socket: the role of the app, such as host/apps/billing");
}

/** Options to go on with what was read before while the server cannot be reached. */
export function withOfflineOptions(command: Command): Command {
  return command
    .option("--offline", "keep a sealed copy of what is read, and use it while the server cannot be reached; needs --max-age")
    .option("--max-age <time>", "how old a value of the copy may be: 30s, 15m, 24h, 7d")
    .option("--seal <provider>", "where the key of the copy is (default: file:offline.key in the state folder)");
}

/** The agent's socket where one was named, else the environment's server, else the one that was logged in at. */
export function loginOf(command: Command, io: CliIo, world: CliWorld): LoggedIn {
  const socket = optionOf(command, "socket");
  if (socket !== undefined) return openConnection(socketConnection(command, io, socket), world);
  return openLogin(io, world, choiceOf(command));
}

export function choiceOf(command: Command): { readonly state?: string } {
  const state = optionOf(command, "state");
  return state === undefined ? {} : { state };
}

export function socketConnection(command: Command, io: CliIo, socket: string): Connection {
  const account = optionOf(command, "account") ?? io.environment.CONJUR_ACCOUNT;
  const login = optionOf(command, "login") ?? io.environment.CONJUR_AUTHN_LOGIN;
  if (account === undefined || login === undefined) throw usage("--socket", "--account and --login beside it");
  const path = isAbsolute(socket) ? socket : resolve(io.folder, socket);
  return { url: socketUrl, account, login, proof: { kind: "socket", path } };
}

/** What was said of going on without the server; undefined for nothing. Opens the copy. */
export async function offlineOf(command: Command, { io, world }: Cli, login: LoggedIn): Promise<OfflineChoice | undefined> {
  const maxAgeMs = durationOf(command, "maxAge", "--max-age");
  const isOffline = command.getOptionValue("offline") === true;
  if (isOffline !== (maxAgeMs !== undefined)) throw usage("--offline", "--max-age beside it: how old may a value be?");
  if (maxAgeMs === undefined) return undefined;
  const { connection } = login;
  if (connection.proof.kind === "socket") throw usage("--offline", "no --socket: the agent keeps a copy of its own, by its own settings");
  const seal = optionOf(command, "seal");
  const credentialsFolder = io.environment.CREDENTIALS_DIRECTORY;
  const options = {
    connection,
    folder: stateFolderOf(io, choiceOf(command)),
    ...(seal === undefined ? {} : { seal }),
    ...(credentialsFolder === undefined ? {} : { credentialsFolder }),
  };
  const copy = await world.openCopy(options, (event) => io.err(`postern: the sealed copy: ${event}\n`));
  return { maxAgeMs, copy };
}

/** In milliseconds. Throws `malformed` for what is no time. */
export function durationOf(command: Command, name: string, flag: string): number | undefined {
  const text = optionOf(command, name);
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined) throw usage(flag, "a time such as 30s, 15m, 24h or 7d");
  return ms;
}
