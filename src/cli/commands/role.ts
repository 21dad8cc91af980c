/** `postern role retrieve-key`, as `conjurctl` prints it: a key on a line, in the order asked, an empty line for a role that is not there. */

import { Command } from "commander";
import { adminOperations } from "../../client/admin-wire";
import { type Cli, createCommand, onRun, secretText } from "../command";
import { exitCodeOf, exitCodes } from "../exit-codes";

export function roleCommand(cli: Cli): Command {
  return new Command("role").description("roles").exitOverride().addCommand(retrieveKeyCommand(cli));
}

function retrieveKeyCommand(cli: Cli): Command {
  const command = createCommand(
    "retrieve-key",
    "print the API keys of users and hosts",
    "postern role retrieve-key myorg:user:admin myorg:host:azure-apps/AD",
  ).argument("<id...>", "full ids");
  return onRun(command, cli, ({ io, isJson, withAdmin, print }, ids) =>
    withAdmin(async (client) => {
      let code: number = exitCodes.done;
      const keys: Record<string, string> = {};
      for (const role of ids) {
        const answer = await client.call(adminOperations.retrieveKey, { role });
        if (answer.ok) {
          keys[role] = secretText(answer.output.apiKey);
          if (!isJson) io.out(`${keys[role]}\n`);
          continue;
        }
        const { code: failure, message } = answer.error;
        code = failure === "not_found" ? exitCodes.failed : exitCodeOf(failure);
        io.err(failure === "not_found" ? `error: role does not exist: ${role}\n` : `error: ${role}: ${message}\n`);
        if (!isJson && !io.outputIsTerminal) io.out("\n");
      }
      if (isJson) print(keys, "");
      return code;
    }),
  );
}
