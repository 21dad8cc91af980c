/** `postern seal`: the keyring's state and its keys. */

import { Command } from "commander";
import { type AdminSealStatus, adminOperations } from "../../client/admin-wire";
import { SecretBytes } from "../../model/secret-bytes";
import { type Cli, createCommand, onRun, secretText, usage } from "../command";
import { exitCodes } from "../exit-codes";
import { withoutLineEnd } from "../input";

export function sealCommand(cli: Cli): Command {
  const command = new Command("seal").description("the seal and its keys").exitOverride();
  for (const each of [statusCommand, unsealCommand, rotateCommand, addCommand, removeCommand]) command.addCommand(each(cli));
  return command;
}

function statusCommand(cli: Cli): Command {
  const command = createCommand("status", "whether the store is sealed, and by which keys it opens", "postern seal status");
  return onRun(command, cli, ({ withAdmin, finish, print }) =>
    withAdmin(async (client) =>
      finish(await client.call(adminOperations.status, {}), ({ seal }) => {
        print(seal, sealText(seal));
        return seal.state === "unsealed" ? exitCodes.done : exitCodes.sealed;
      }),
    ),
  );
}

function unsealCommand(cli: Cli): Command {
  const command = createCommand(
    "unseal",
    "unseal by the recovery key on standard input, or ask the configured seals again",
    "postern seal unseal --recovery-key-stdin < recovery.key",
  ).option("--recovery-key-stdin", "read the recovery key from standard input");
  return onRun(command, cli, ({ io, withAdmin, finish, print }) =>
    withAdmin(async (client) => {
      const hasKey = command.getOptionValue("recoveryKeyStdin") === true;
      const input = hasKey ? { recoveryKey: new SecretBytes(withoutLineEnd(await io.readInput())) } : {};
      return finish(await client.call(adminOperations.unseal, input), (seal) => {
        print(seal, sealText(seal));
        return seal.state === "unsealed" ? exitCodes.done : exitCodes.sealed;
      });
    }),
  );
}

function rotateCommand(cli: Cli): Command {
  const command = createCommand(
    "rotate",
    "make a new root key, or a new key for the values of an account; values stay readable at every moment",
    "postern seal rotate scope --account myorg",
    ["account"],
  )
    .argument("<key>", "root or scope")
    .option("--recovery-key-stdin", "root: keep this recovery key instead of making a new one");
  return onRun(command, cli, ({ io, withAdmin, finish, print }, [key]) =>
    withAdmin(async (client, { account }) => {
      if (key === "scope") {
        if (account === undefined) throw usage("--account", "the account whose values get a new key");
        return finish(await client.call(adminOperations.rotateScope, { account }), ({ scopeKey, generation }) => {
          print(
            { scopeKey, generation },
            `Scope key ${scopeKey} is now of generation ${generation}; values are re-wrapped in the background.\n`,
          );
          return exitCodes.done;
        });
      }
      if (key !== "root") throw usage("key", "root or scope");
      const hasKey = command.getOptionValue("recoveryKeyStdin") === true;
      const input = hasKey ? { recoveryKey: new SecretBytes(withoutLineEnd(await io.readInput())) } : {};
      return finish(await client.call(adminOperations.rotateRoot, input), ({ epoch, recoveryKey }) => {
        const shown = recoveryKey === undefined ? {} : { recoveryKey: secretText(recoveryKey) };
        print({ epoch, ...shown }, `The root key is now of epoch ${epoch}.\n${recoveryText(recoveryKey)}`);
        return exitCodes.done;
      });
    }),
  );
}

function addCommand(cli: Cli): Command {
  const command = createCommand("add", "let another key open the store as well", "postern seal add systemd:postern-seal").argument(
    "<place>",
    "file:PATH, systemd:NAME, or recovery for a new recovery key",
  );
  return onRun(command, cli, ({ withAdmin, finish, print }, [provider = ""]) =>
    withAdmin(async (client) =>
      finish(await client.call(adminOperations.addRecipient, { provider }), ({ recoveryKey }) => {
        const shown = recoveryKey === undefined ? {} : { recoveryKey: secretText(recoveryKey) };
        print({ provider, ...shown }, `The store opens by ${provider} as well.\n${recoveryText(recoveryKey)}`);
        return exitCodes.done;
      }),
    ),
  );
}

function removeCommand(cli: Cli): Command {
  const command = createCommand("remove", "let a key open the store no more", "postern seal remove file:/etc/postern/old.key").argument(
    "<place>",
    "as seal status names it",
  );
  return onRun(command, cli, ({ withAdmin, finish, print }, [provider = ""]) =>
    withAdmin(async (client) =>
      finish(await client.call(adminOperations.removeRecipient, { provider }), () => {
        print({ provider }, `The store opens by ${provider} no more.\n`);
        return exitCodes.done;
      }),
    ),
  );
}

function recoveryText(key: SecretBytes | undefined): string {
  return key === undefined ? "" : `Recovery key, shown this once; keep it offline:\n${secretText(key)}\n`;
}

/** The seal as lines of text. */
export function sealText(seal: AdminSealStatus): string {
  const why = [seal.reason, seal.detail].filter((each) => each !== undefined).join(": ");
  const lines = [
    `seal        ${seal.state}${why === "" ? "" : ` (${why})`}`,
    ...seal.recipients.map(({ provider, state }, index) => `${index === 0 ? "opens by    " : "            "}${provider} (${state})`),
    ...(seal.epoch === undefined ? [] : [`root key    epoch ${seal.epoch}`]),
    ...seal.scopes.map(
      ({ account, generation, seals, kept }) => `scope key   ${account}: generation ${generation}, ${kept} kept, ${seals} seals set aside`,
    ),
    ...seal.warnings.map((warning) => `warning     ${warning}`),
  ];
  return lines.map((line) => `${line}\n`).join("");
}
