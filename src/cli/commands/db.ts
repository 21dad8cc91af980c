/** `postern db migrate`, which runbooks of other servers call: a store is brought up to date when it is opened, so there is nothing to do. */

import { Command } from "commander";
import type { Cli } from "../command";
import { exitCodes } from "../exit-codes";

export function dbCommand(cli: Cli): Command {
  const migrate = new Command("migrate")
    .exitOverride()
    .description("nothing to do: the store brings itself up to date when it is opened")
    .action(() => {
      cli.io.err("Nothing to do: the store brings itself up to date when it is opened\n");
      cli.exit(exitCodes.done);
    });
  return new Command("db").description("the store").exitOverride().addCommand(migrate);
}
