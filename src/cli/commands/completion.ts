/** `postern completion`: what a shell needs to complete command lines. */

import { Command } from "commander";
import type { Cli } from "../command";
import { completionScript, shells } from "../completion";
import { exitCodes } from "../exit-codes";

export function completionCommand(cli: Cli): Command {
  const command = new Command("completion")
    .exitOverride()
    .description(`print the completion of commands and options for a shell: ${shells.join(", ")}`)
    .argument("<shell>", shells.join(" or "))
    .addHelpText("after", '\nExample:\n  $ eval "$(postern completion bash)"\n');
  return command.action((name: string) => {
    const shell = shells.find((each) => each === name);
    const program = command.parent;
    if (shell === undefined || program === null) {
      cli.io.err(`postern: shell: expected one of ${shells.join(", ")}\n`);
      cli.exit(exitCodes.usage);
      return;
    }
    cli.io.out(completionScript(program, shell));
  });
}
