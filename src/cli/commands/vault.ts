/** `postern vault token`: a token that may everything by path, made by the operator on the machine; nobody can make one from elsewhere. */

import { Command } from "commander";
import { adminOperations } from "../../client/admin-wire";
import { printDuration } from "../../config/duration";
import { durationOf } from "../client-command";
import { type Cli, createCommand, onRun, secretText } from "../command";
import { exitCodes } from "../exit-codes";

export function vaultCommand(cli: Cli): Command {
  return new Command("vault").description("for clients of HashiCorp Vault").exitOverride().addCommand(tokenCommand(cli));
}

const usualMs = 3_600_000;

function tokenCommand(cli: Cli): Command {
  const command = createCommand(
    "token",
    "print a root token, to set up mounts, methods and policies with",
    "VAULT_TOKEN=$(postern vault token --ttl 15m) vault auth enable azure",
  ).option("--ttl <time>", `how long it lives, such as 15m or 8h; 0s: until it is revoked (default: ${printDuration(usualMs)})`);
  return onRun(command, cli, ({ io, withAdmin, finish, print }) => {
    const ttlSeconds = Math.floor((durationOf(command, "ttl", "--ttl") ?? usualMs) / 1000);
    return withAdmin(async (client) => {
      return finish(await client.call(adminOperations.createRootToken, { ttlSeconds }), ({ token }) => {
        io.err(
          ttlSeconds === 0
            ? "A root token that lives until it is revoked\n"
            : `A root token that lives for ${printDuration(ttlSeconds * 1000)}\n`,
        );
        print({ token: secretText(token), ttlSeconds }, `${secretText(token)}\n`);
        return exitCodes.done;
      });
    });
  });
}
