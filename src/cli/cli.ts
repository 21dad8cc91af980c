/** The command table. */

import { Command, CommanderError } from "commander";
import { version } from "../../package.json";
import type { Cli } from "./command";
import { accountCommand } from "./commands/account";
import { agentCommand } from "./commands/agent";
import { auditCommand } from "./commands/audit";
import { completionCommand } from "./commands/completion";
import { configurationCommand } from "./commands/configuration";
import { dataKeyCommand } from "./commands/data-key";
import { dbCommand } from "./commands/db";
import { devCommand } from "./commands/dev";
import { doctorCommand } from "./commands/doctor";
import { execCommand } from "./commands/exec";
import { exportCommand } from "./commands/export";
import { getCommand } from "./commands/get";
import { importCommand } from "./commands/import";
import { initCommand } from "./commands/init";
import { loginCommand, logoutCommand, whoamiCommand } from "./commands/login";
import { policyCommand } from "./commands/policy";
import { renderCommand } from "./commands/render";
import { roleCommand } from "./commands/role";
import { sealCommand } from "./commands/seal";
import { selfTest } from "./commands/self-test";
import { serverCommand } from "./commands/server";
import { statusCommand } from "./commands/status";
import { tokenCommand } from "./commands/token";
import { variableCommand } from "./commands/variable";
import { vaultCommand } from "./commands/vault";
import { waitCommand } from "./commands/wait";
import { whyCommand } from "./commands/why";
import { translateConjurctl } from "./conjurctl";
import { exitCodeHelp, exitCodes } from "./exit-codes";
import { type CliIo, processIo } from "./io";
import { type CliWorld, processWorld } from "./world";

/** In the order of `--help`. */
const table: readonly ((cli: Cli) => Command)[] = [
  initCommand,
  accountCommand,
  serverCommand,
  agentCommand,
  devCommand,
  loginCommand,
  logoutCommand,
  whoamiCommand,
  getCommand,
  execCommand,
  renderCommand,
  doctorCommand,
  statusCommand,
  roleCommand,
  vaultCommand,
  tokenCommand,
  policyCommand,
  variableCommand,
  exportCommand,
  importCommand,
  auditCommand,
  whyCommand,
  sealCommand,
  dataKeyCommand,
  configurationCommand,
  waitCommand,
  dbCommand,
  completionCommand,
  selfTestCommand,
];

/** Runs one command line and resolves to the exit code, one of `exitCodes`. Throws only for a defect. */
export async function run(argv: readonly string[], io: CliIo = processIo(), world: CliWorld = processWorld(version)): Promise<number> {
  let code: number = exitCodes.done;
  const cli: Cli = {
    io,
    world,
    exit(next) {
      code = next;
    },
  };
  const program = new Command("postern")
    .description("A secrets broker that speaks the Conjur, Vault and Azure Key Vault protocols.")
    .version(version)
    // `variable get --version 2` is not a question for the version of the program.
    .enablePositionalOptions()
    .exitOverride()
    .addHelpText(
      "after",
      `${exitCodeHelp}\nUnder the name conjurctl, and as 'postern conjurctl', it takes the command lines of that program.\n`,
    );
  for (const command of table) program.addCommand(command(cli));
  printThrough(program, io);
  try {
    await program.parseAsync(argv[0] === "conjurctl" ? translateConjurctl(argv.slice(1), io.environment) : argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  }
  return code;
}

/** Help and complaints about the command line go where results and complaints go. */
function printThrough(command: Command, io: CliIo): void {
  command.configureOutput({ writeOut: (text) => io.out(text), writeErr: (text) => io.err(text) });
  for (const each of command.commands) printThrough(each, io);
}

function selfTestCommand(cli: Cli): Command {
  return new Command("self-test")
    .exitOverride()
    .description("check that this binary can work on this machine")
    .option("--folder <path>", "where the throwaway database is made (default: the temporary folder)")
    .action(async (options: { readonly folder?: string }) => {
      const isFit = await selfTest({ folder: options.folder, print: (line) => cli.io.out(`${line}\n`) });
      cli.exit(isFit ? exitCodes.done : exitCodes.failed);
    });
}
