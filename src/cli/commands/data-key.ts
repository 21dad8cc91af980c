/** `postern data-key generate`: 32 random bytes as base64, without a line break, as `conjurctl` prints them. */

import { Command } from "commander";
import { type Cli, createCommand, onRun } from "../command";
import { exitCodes } from "../exit-codes";

const keyBytes = 32;

export function dataKeyCommand(cli: Cli): Command {
  const command = createCommand(
    "generate",
    "print a new seal key, for a file that only the server's user can read",
    "(umask 077; postern data-key generate > /etc/postern/seal.key)",
  );
  const generate = onRun(command, cli, async ({ io, isJson }) => {
    const key = Buffer.from(cli.world.freshBytes(keyBytes)).toString("base64");
    io.out(isJson ? `${JSON.stringify({ key })}\n` : key);
    return exitCodes.done;
  });
  return new Command("data-key").description("seal keys").exitOverride().addCommand(generate);
}
