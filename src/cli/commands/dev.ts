/** `postern dev`: a throw-away Postern with a simulated Azure, until it is asked to end. For trying things out and for tests of clients. */

import { basename } from "node:path";
import { Command } from "commander";
import { startDev } from "../../server/dev";
import { type Cli, onRun, optionOf } from "../command";
import { exitCodes } from "../exit-codes";

export function devCommand(cli: Cli): Command {
  const command = new Command("dev")
    .exitOverride()
    .description("a Postern to try things out: keys and store in memory, a simulated Azure, a sample policy; loopback only")
    .option("--listen <address>", "loopback address and port, 0 for a free one (default: 127.0.0.1:8443)")
    .option("--plain-http", "no TLS; Conjur's command line then needs --insecure")
    .option("--arc-tokens <folder>", "where the Arc server leaves its challenges; Azure's SDKs look in /var/opt/azcmagent/tokens alone")
    .option("--json", "print the address alone, as JSON")
    .addHelpText("after", "\nExample:\n  $ postern dev --listen 127.0.0.1:0\n");
  return onRun(command, cli, async ({ io }) => {
    const listen = optionOf(command, "listen");
    const isJson = command.getOptionValue("json") === true;
    const arcTokensFolder = optionOf(command, "arcTokens");
    const dev = await startDev({
      ...(listen === undefined ? {} : { listen }),
      ...(arcTokensFolder === undefined ? {} : { arcTokensFolder }),
      isPlainHttp: command.getOptionValue("plainHttp") === true,
      command: ownCommand(),
      print: (text) => (isJson ? undefined : io.out(text)),
    });
    if (isJson) io.out(`${JSON.stringify({ url: dev.url })}\n`);
    await cli.world.untilStopped(() => undefined);
    await dev.stop();
    return exitCodes.done;
  });
}

/** The binary itself where it is one; the runtime would not know Postern's commands. */
function ownCommand(): readonly string[] {
  return /^bun(?:\.exe)?$/u.test(basename(process.execPath)) ? ["postern"] : [process.execPath];
}
