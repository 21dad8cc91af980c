/** The command table. */

import { Command } from "commander";
import { version } from "../../package.json";
import { selfTest } from "./commands/self-test";

/** Runs one command line and resolves to the exit code: 0 done, 1 failed, 2 not understood. */
export async function run(argv: readonly string[]): Promise<number> {
  let code = 0;
  const program = new Command("postern").version(version).exitOverride();
  program
    .command("self-test")
    .description("check that this binary can work on this machine")
    .option("--folder <path>", "where the throwaway database is made (default: the temporary folder)")
    .action(async (options: { readonly folder?: string }) => {
      code = (await selfTest({ folder: options.folder, print: console.log })) ? 0 : 1;
    });
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (error instanceof Error && "exitCode" in error && typeof error.exitCode === "number") return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
  return code;
}
