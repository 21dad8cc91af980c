/** `postern wait`: until a server on this machine answers, for scripts that start one. */

import { Command } from "commander";
import { type Cli, optionOf } from "../command";
import { exitCodes } from "../exit-codes";

const pauseMs = 1000;

export function waitCommand(cli: Cli): Command {
  const command = new Command("wait")
    .exitOverride()
    .description("wait until a server on this machine answers")
    .option("-p, --port <port>", "its port", "8443")
    .option("-r, --retries <times>", "how often to ask, a second apart", "90")
    .addHelpText("after", "\nExample:\n  $ postern wait --port 8443 && postern status\n");
  return command.action(async () => {
    const port = wholeNumber(command, "port", 65_535);
    const retries = wholeNumber(command, "retries", 86_400);
    if (port === undefined || retries === undefined) {
      cli.io.err("postern: --port and --retries: expected positive whole numbers\n");
      cli.exit(exitCodes.usage);
      return;
    }
    for (let attempt = 1; attempt <= retries; attempt += 1) {
      if (await cli.world.answers(port)) {
        cli.io.err(`A server answers on port ${port}\n`);
        cli.exit(exitCodes.done);
        return;
      }
      if (attempt < retries) await cli.world.pause(pauseMs);
    }
    cli.io.err(`No server answered on port ${port} in ${retries} attempts\n`);
    cli.exit(exitCodes.failed);
  });
}

function wholeNumber(command: Command, name: string, most: number): number | undefined {
  const text = optionOf(command, name) ?? "";
  const number = Number(text);
  return /^[1-9]\d*$/u.test(text) && number <= most ? number : undefined;
}
