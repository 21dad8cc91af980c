/**
 * `postern role retrieve-key`, as `conjurctl` prints it: a key on a line, in the order asked, an empty line for a role that is not there. And
 * `role reset-password`.
 */

import { Command } from "commander";
import { adminOperations } from "../../client/admin-wire";
import { SecretBytes } from "../../model/secret-bytes";
import { type Cli, createCommand, onRun, secretText } from "../command";
import { exitCodeOf, exitCodes } from "../exit-codes";
import { withoutLineEnd } from "../input";

export function roleCommand(cli: Cli): Command {
  return new Command("role").description("roles").exitOverride().addCommand(retrieveKeyCommand(cli)).addCommand(resetPasswordCommand(cli));
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

function resetPasswordCommand(cli: Cli): Command {
  const command = createCommand(
    "reset-password",
    "set a user's password to what stands on standard input, and give them a new API key; the old one dies at once",
    "postern role reset-password myorg:user:alice < new-password",
  ).argument("<id>", "full id of a user");
  return onRun(command, cli, ({ io, withAdmin, finish, print }, [role = ""]) =>
    withAdmin(async (client) => {
      if (io.inputIsTerminal) io.err("The new password, ended by Ctrl-D on a line of its own: ");
      const password = new SecretBytes(withoutLineEnd(await io.readInput()));
      const answer = await client.call(adminOperations.resetPassword, { role, password });
      if (!answer.ok && answer.error.code === "not_found") {
        io.err(`error: role does not exist: ${role}\n`);
        return exitCodes.failed;
      }
      return finish(answer, ({ apiKey }) => {
        io.err(`Password of ${role} is set\n`);
        print({ role, apiKey: secretText(apiKey) }, `API key for ${role}: ${secretText(apiKey)}\n`);
        return exitCodes.done;
      });
    }),
  );
}
