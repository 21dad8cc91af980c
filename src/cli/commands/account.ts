/** `postern account create` and `account delete`, which print as `conjurctl`'s do: scripts look for `API key for admin`. */

import { Command } from "commander";
import { adminOperations } from "../../client/admin-wire";
import { SecretBytes } from "../../model/secret-bytes";
import { type Cli, createCommand, onRun, optionOf, secretText, usage } from "../command";
import { exitCodes } from "../exit-codes";
import { withoutLineEnd } from "../input";

const defaultName = "default";

export function accountCommand(cli: Cli): Command {
  return new Command("account")
    .description("accounts")
    .exitOverride()
    .addCommand(createAccountCommand(cli))
    .addCommand(deleteAccountCommand(cli));
}

function createAccountCommand(cli: Cli): Command {
  const command = createCommand(
    "create",
    "make an account with its administrator, user admin",
    "postern account create myorg --data /var/lib/postern",
  )
    .argument("[name]", "name of the account", undefined)
    .option("--name <name>", "the same")
    .option("--password-from-stdin", "set the administrator's password to what stands on standard input");
  return onRun(command, cli, ({ io, withAdmin, finish, print }, [operand]) =>
    withAdmin(async (client) => {
      const option = optionOf(command, "name");
      if (operand !== undefined && option !== undefined) throw usage("name", "it once");
      const name = operand ?? option ?? defaultName;
      const withPassword = command.getOptionValue("passwordFromStdin") === true;
      const password = withPassword ? { password: new SecretBytes(withoutLineEnd(await io.readInput())) } : {};
      const answer = await client.call(adminOperations.createAccount, { name, ...password });
      if (!answer.ok && answer.error.code === "exists") {
        io.err(`Account '${name}' already exists\n`);
        return exitCodes.failed;
      }
      return finish(answer, ({ apiKey, signingKeyPem }) => {
        io.err(`Created new account '${name}'\n`);
        const last = withPassword ? "Password is set" : `API key for admin: ${secretText(apiKey)}`;
        const secret = withPassword ? {} : { apiKey: secretText(apiKey) };
        print({ account: name, signingKey: signingKeyPem, ...secret }, `Token-Signing Public Key: ${signingKeyPem.trimEnd()}\n${last}\n`);
        return exitCodes.done;
      });
    }),
  );
}

function deleteAccountCommand(cli: Cli): Command {
  const command = createCommand(
    "delete",
    "remove an account with everything in it: policies, values, keys; nothing brings it back",
    "postern account delete myorg --data /var/lib/postern",
  ).argument("<name>", "name of the account");
  return onRun(command, cli, ({ io, isJson, withAdmin, finish, print }, [name = ""]) =>
    withAdmin(async (client) => {
      const answer = await client.call(adminOperations.deleteAccount, { name });
      if (!answer.ok && answer.error.code === "not_found") {
        io.err(`Account '${name}' not found\n`);
        return exitCodes.failed;
      }
      return finish(answer, () => {
        io.err(`Deleted account '${name}'\n`);
        if (isJson) print({ deleted: name }, "");
        return exitCodes.done;
      });
    }),
  );
}
