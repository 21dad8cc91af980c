/** What all commands have in common: their settings, the way to the Postern they act on, and how they print. */

import { resolve } from "node:path";
import { Command } from "commander";
import { type AdminFailure, adminFailure } from "../client/admin-wire";
import { type AdminAnswer, type AdminClient, adminSocketPath, createAdminClient } from "../client/client";
import { type Config, type LoadedConfig, loadConfig, type SettingName, settingFlags } from "../config/config";
import { describeProblem } from "../core/policy/report";
import { type Failure, type PolicyProblem, PosternError } from "../model/failures";
import type { Authenticator } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import { exitCodeOf, exitCodes } from "./exit-codes";
import type { CliIo } from "./io";
import type { CliWorld } from "./world";

export interface Cli {
  readonly io: CliIo;
  readonly world: CliWorld;
  /** Sets how the command line ends; the last word counts. */
  exit(code: number): void;
}

/** A policy text and what its loader calls it. */
export interface PolicySource {
  readonly file: string;
  readonly text: string;
}

/** What a command knows when it runs. */
export interface Run {
  readonly io: CliIo;
  readonly isJson: boolean;
  /** Loads the configuration; throws `malformed` for what is wrong with it. */
  load(): LoadedConfig;
  /** Opens the way to the Postern of the data folder for as long as `use` takes. */
  withAdmin(use: (client: AdminClient, config: Config) => Promise<number>): Promise<number>;
  /** Goes on with the output of an answer, or prints its refusal, with the lines of `source` that are wrong. */
  finish<Output>(answer: AdminAnswer<Output>, use: (output: Output) => number, source?: PolicySource): number;
  /** The result: JSON, or text. */
  print(value: object, text: string): void;
}

/** The settings that every command takes. */
const common: readonly SettingName[] = ["data", "seal", "insecure_env_seal"];
const allSettings = settingFlags();

/** A command with the common options. `settings` are further ones. */
export function createCommand(name: string, description: string, example: string, settings: readonly SettingName[] = []): Command {
  const command = new Command(name).description(description).exitOverride();
  command.option("--config <file>", "TOML file with settings");
  for (const { name: setting, flag, kind, help } of allSettings) {
    if (!common.includes(setting) && !settings.includes(setting)) continue;
    if (kind === "switch") command.option(flag, help);
    else if (kind === "value") command.option(`${flag} <value>`, help);
    else command.option(`${flag} <value>`, `${help} (may be repeated)`, (value: string, before: string[] = []) => [...before, value]);
  }
  return command.option("--json", "print JSON").addHelpText("after", `\nExample:\n  $ ${example}\n`);
}

/** Makes `act` what the command does. Failures are printed without a stack and end in their exit code. */
export function onRun(command: Command, cli: Cli, act: (run: Run, operands: readonly string[]) => Promise<number>): Command {
  return command.action(async () => {
    const isJson = command.getOptionValue("json") === true;
    const run: Run = {
      io: cli.io,
      isJson,
      load: () => loadFor(command, cli),
      withAdmin: (use) => withAdmin(command, cli, use),
      finish: (answer, use, source) => finish(cli, isJson, answer, use, source),
      print: (value, text) => cli.io.out(isJson ? `${JSON.stringify(value)}\n` : text),
    };
    try {
      cli.exit(await act(run, command.args));
    } catch (error) {
      if (!(error instanceof PosternError)) throw error;
      cli.exit(printFailure(cli.io, isJson, adminFailure(error.failure), codeOf(error.failure)));
    }
  });
}

/** The value of an option that takes one; undefined when it was not given. */
export function optionOf(command: Command, name: string): string | undefined {
  const value: unknown = command.getOptionValue(name);
  return typeof value === "string" ? value : undefined;
}

/** The configuration for a single command, around which what a server logs at its start is noise. */
export function quietly({ config, origins }: LoadedConfig): Config {
  return origins.has("log_level") ? config : { ...config, log: { ...config.log, level: "warn" } };
}

/** An error in how the command was called. */
export function usage(where: string, expected: string): PosternError {
  return new PosternError({ code: "malformed", where, expected, kind: "argument", because: "usage" });
}

export function secretText(secret: SecretBytes): string {
  return Buffer.from(secret.reveal()).toString("utf8");
}

/** Problems of a policy as an operator reads them, with the line and a mark below it. */
export function problemText(problems: readonly PolicyProblem[], source: PolicySource): string {
  return problems.map((problem) => `${describeProblem(source.text, problem, source.file)}\n`).join("");
}

function finish<Output>(
  cli: Cli,
  isJson: boolean,
  answer: AdminAnswer<Output>,
  use: (output: Output) => number,
  source?: PolicySource,
): number {
  if (answer.ok) return use(answer.output);
  return printFailure(cli.io, isJson, answer.error, exitCodeOf(answer.error.code), source);
}

function printFailure(io: CliIo, isJson: boolean, error: AdminFailure, code: number, source?: PolicySource): number {
  if (isJson) {
    io.err(`${JSON.stringify({ error })}\n`);
    return code;
  }
  if (error.problems !== undefined && source !== undefined) io.err(problemText(error.problems, source));
  const decision = error.decision === undefined ? "" : `\nwhy: postern why ${error.decision}`;
  for (const line of `${error.message}${decision}`.split("\n")) io.err(`postern: ${line}\n`);
  return code;
}

function codeOf(failure: Failure): number {
  if (failure.because === "configuration") return exitCodes.sealed;
  return failure.because === "usage" ? exitCodes.usage : exitCodeOf(failure.code);
}

function loadFor(command: Command, { io, world }: Cli): LoadedConfig {
  const flags: Partial<Record<SettingName, unknown>> = {};
  for (const { name, flag } of allSettings) {
    const option = command.options.find((each) => each.long === flag);
    if (option !== undefined) flags[name] = command.getOptionValue(option.attributeName());
  }
  const path = optionOf(command, "config") ?? io.environment.POSTERN_CONFIG;
  const file =
    path === undefined || path === "" ? undefined : { path, text: Buffer.from(io.readFile(resolve(io.folder, path))).toString("utf8") };
  const conjurFile = readConjurFile(io);
  const loaded = loadConfig({
    flags,
    environment: io.environment,
    folder: io.folder,
    authenticatorForms: world.authenticators().flatMap(formsOf),
    ...(file === undefined ? {} : { file }),
    ...(conjurFile === undefined ? {} : { conjurFile }),
  });
  for (const notice of loaded.notices) io.err(`postern: ${notice}\n`);
  return loaded;
}

/** What an authenticator may be called in the settings: with a service, without one, or either. */
function formsOf({ type, service }: Pick<Authenticator, "type" | "service">): readonly string[] {
  const withService = `${type}/SERVICE`;
  if (service === undefined) return [withService];
  return service === "none" ? [type] : [type, withService];
}

const defaultConjurFile = "/etc/conjur/config/conjur.yml";

/** The one that CONJUR_CONFIG names, which must be there, or the one in its usual place, which need not. */
function readConjurFile(io: CliIo): { readonly path: string; readonly text: string } | undefined {
  const named = io.environment.CONJUR_CONFIG ?? "";
  const path = named === "" ? defaultConjurFile : resolve(io.folder, named);
  try {
    return { path, text: Buffer.from(io.readFile(path)).toString("utf8") };
  } catch (error) {
    const isMissing = error instanceof PosternError && error.failure.code === "malformed" && error.failure.kind === "missing";
    if (named === "" && isMissing) return undefined;
    throw error;
  }
}

async function withAdmin(command: Command, cli: Cli, use: (client: AdminClient, config: Config) => Promise<number>): Promise<number> {
  const loaded = loadFor(command, cli);
  const { config } = loaded;
  const reached = await cli.world.reach(quietly(loaded), adminSocketPath(config.dataFolder));
  try {
    return await use(createAdminClient(reached.transport), config);
  } finally {
    await reached.close();
  }
}
