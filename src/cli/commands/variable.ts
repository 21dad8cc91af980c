/** `postern variable set` and `variable get`. A value never stands on the command line, where every user of the machine can read it. */

import { resolve } from "node:path";
import { Command } from "commander";
import { adminOperations } from "../../client/admin-wire";
import { SecretBytes } from "../../model/secret-bytes";
import { type Cli, createCommand, onRun, optionOf, secretText, usage } from "../command";
import { exitCodes } from "../exit-codes";
import { readSecret, variableId } from "../input";

export function variableCommand(cli: Cli): Command {
  return new Command("variable").description("secrets").exitOverride().addCommand(setCommand(cli)).addCommand(getCommand(cli));
}

function setCommand(cli: Cli): Command {
  const command = createCommand(
    "set",
    "store a new version of a secret, from standard input (without its last line break) or a file (as it is)",
    'printf %s "$value" | postern variable set --account myorg db/password',
    ["account"],
  )
    .argument("[id]", "full id, or the name of a variable in --account")
    .option("-i, --id <id>", "the same")
    .option("--value-file <file>", "read the value from a file, byte for byte")
    .option("--value-stdin", "read it from standard input; so it is also without this option")
    .option("-v, --value <value>", "not taken: the list of processes would show it");
  return onRun(command, cli, ({ io, withAdmin, finish, print }, [operand]) => {
    if (optionOf(command, "value") !== undefined) {
      throw usage(
        "--value",
        "the value on standard input or in a file (--value-file): every user of this machine can read the command line",
      );
    }
    return withAdmin(async (client, config) => {
      const id = idOf(operand, optionOf(command, "id"), config.account);
      const file = optionOf(command, "valueFile");
      const value = new SecretBytes(await readSecret(io, file === undefined ? undefined : resolve(io.folder, file)));
      return finish(await client.call(adminOperations.setVariable, { id, value }), () => {
        print({ id, bytes: value.byteLength }, `Stored ${id}\n`);
        return exitCodes.done;
      });
    });
  });
}

function getCommand(cli: Cli): Command {
  const command = createCommand("get", "print a secret, byte for byte", "postern variable get --account myorg db/password", ["account"])
    .argument("[id]", "full id, or the name of a variable in --account")
    .option("-i, --id <id>", "the same")
    .option("--version <number>", "an earlier version");
  return onRun(command, cli, ({ io, isJson, withAdmin, finish, print }, [operand]) =>
    withAdmin(async (client, config) => {
      const id = idOf(operand, optionOf(command, "id"), config.account);
      const version = optionOf(command, "version");
      if (version !== undefined && !/^[1-9]\d{0,8}$/u.test(version)) throw usage("--version", "a number from 1");
      const answer = await client.call(adminOperations.getVariable, { id, ...(version === undefined ? {} : { version: Number(version) }) });
      return finish(answer, (read) => {
        if (isJson) print({ id, version: read.version, createdAt: read.createdAt, value: secretText(read.value) }, "");
        else {
          io.out(read.value.reveal());
          if (io.outputIsTerminal) io.out("\n");
        }
        return exitCodes.done;
      });
    }),
  );
}

function idOf(operand: string | undefined, option: string | undefined, account: string | undefined): string {
  const text = operand ?? option;
  if (text === undefined || (operand !== undefined && option !== undefined)) throw usage("id", "one id");
  return variableId(text, account);
}
