/** `postern init`: makes the keys and the empty store. */

import type { Command } from "commander";
import { adminOperations } from "../../client/admin-wire";
import { adminSocketPath, createAdminClient } from "../../client/client";
import { type Cli, createCommand, onRun, optionOf, quietly, secretText } from "../command";
import { exitCodes } from "../exit-codes";

export function initCommand(cli: Cli): Command {
  const command = createCommand(
    "init",
    "make the keys and the empty store; prints the recovery key, once",
    "postern init --data /var/lib/postern --seal file:/etc/postern/seal.key",
  ).option("--recovery-key-file <file>", "write the recovery key into a new file instead of printing it");
  return onRun(command, cli, async ({ io, load, print }) => {
    const config = quietly(load());
    const path = optionOf(command, "recoveryKeyFile");
    const { recoveryKey } = await cli.world.initialise(config);
    await openServed(cli, config.dataFolder);
    const made = { data: config.dataFolder, seals: config.seals };
    const head = `Initialised ${config.dataFolder}, sealed by ${config.seals.join(", ")}.\n`;
    if (path !== undefined) {
      io.writeSecretFile(path, Buffer.from(`${secretText(recoveryKey)}\n`));
      print({ ...made, recoveryKeyFile: path }, `${head}The recovery key is in ${path}. Keep it offline.\n`);
    } else {
      const text = secretText(recoveryKey);
      print({ ...made, recoveryKey: text }, `${head}Recovery key, shown this once; keep it offline:\n${text}\n`);
    }
    return exitCodes.done;
  });
}

/** A server that waits in the folder for its keys need not be started again. One that does not open says itself why: in its log, and by `postern status`. */
async function openServed(cli: Cli, dataFolder: string): Promise<void> {
  const transport = await cli.world.servedAdmin(adminSocketPath(dataFolder));
  if (transport !== undefined) await createAdminClient(transport).call(adminOperations.unseal, {});
}
