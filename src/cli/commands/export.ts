/** `postern export`: accounts with all their current values as one encrypted file, for a move or as a copy to keep. */

import { resolve } from "node:path";
import type { Command } from "commander";
import { adminOperations } from "../../client/admin-wire";
import type { AdminAnswer, AdminClient } from "../../client/client";
import type { SecretBytes } from "../../model/secret-bytes";
import { type Archive, newKeyText, sealArchive } from "../archive";
import { type Cli, createCommand, onRun, optionOf, usage } from "../command";
import { exitCodes } from "../exit-codes";

const notes = `
Writes FOLDER/LABEL.archive, and FOLDER/key where there is none yet; both with mode 0600. Keep them apart: together they are every secret.
In the archive: records, memberships, permissions, annotations, networks, the newest value of each variable, public keys, and which authenticators are on.
Not in it: API keys, passwords, older versions, policy texts, tokens of host factories, the audit trail. To keep a whole server, copy its data folder while it is stopped.

Take it in with:
  $ postern import archive FOLDER/LABEL.archive --key-file FOLDER/key --account myorg
`;

export function exportCommand(cli: Cli): Command {
  const command = createCommand("export", "write accounts with their values to an encrypted file", "postern export -o /root/move", [
    "account",
  ])
    .option("-o, --out-dir <folder>", "where to write (default: this folder)")
    .option("-l, --label <label>", "name of the file (default: one that nothing has)")
    .addHelpText("after", notes);
  return onRun(command, cli, ({ io, print, finish, withAdmin }) =>
    withAdmin(async (client, config) => {
      const folder = resolve(io.folder, optionOf(command, "outDir") ?? ".");
      const label = optionOf(command, "label") ?? `postern-${Buffer.from(cli.world.freshBytes(4)).toString("hex")}`;
      if (!/^[\w][\w.-]{0,99}$/u.test(label)) throw usage("--label", "letters, digits, dots and dashes");
      const file = resolve(folder, `${label}.archive`);
      if (io.exists(file)) throw usage("--label", `one that is not taken; ${file} is there`);
      return finish(await readAccounts(client, config.account), (accounts) => {
        if (accounts.length === 0) throw usage("--account", "an account: there is none to export");
        const keyFile = resolve(folder, "key");
        if (!io.exists(keyFile)) io.writeSecretFile(keyFile, Buffer.from(newKeyText(cli.world.freshBytes)));
        // A key that others may read, or have put there, would give them every secret.
        const [keyText = ""] = io.readLines(keyFile);
        io.writeSecretFile(file, sealArchive({ accounts: [...accounts] }, keyText, keyFile, cli.world.freshBytes));
        const names = accounts.map(({ name }) => name);
        const values = accounts.reduce((sum, each) => sum + Object.keys(each.values).length, 0);
        print(
          { file, key: keyFile, accounts: names, values },
          `${names.length} accounts with ${values} values in ${file}, key in ${keyFile}\n`,
        );
        return exitCodes.done;
      });
    }),
  );
}

type Account = Archive["accounts"][number];

/** The one that is named, or all there are. */
async function readAccounts(client: AdminClient, only: string | undefined): Promise<AdminAnswer<readonly Account[]>> {
  const status = await client.call(adminOperations.status, {});
  if (!status.ok) return status;
  const accounts: Account[] = [];
  for (const name of only === undefined ? status.output.accounts : [only]) {
    const read = await readAccount(client, name);
    if (!read.ok) return read;
    accounts.push(read.output);
  }
  return { ok: true, output: accounts };
}

async function readAccount(client: AdminClient, name: string): Promise<AdminAnswer<Account>> {
  const answer = await client.call(adminOperations.exportFacts, { account: name });
  if (!answer.ok) return answer;
  const { valued, authenticators, ...facts } = answer.output;
  const values: Record<string, SecretBytes> = {};
  for (const id of valued) {
    const read = await client.call(adminOperations.getVariable, { id });
    // A value that ended or was removed meanwhile is no part of the account any more.
    if (read.ok) values[id] = read.output.value;
    else if (read.error.code !== "not_found") return read;
  }
  return { ok: true, output: { name, facts, values, authenticators } };
}
