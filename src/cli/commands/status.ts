/** `postern status` and `postern configuration show`. */

import { Command } from "commander";
import { type AdminStatus, adminOperations } from "../../client/admin-wire";
import { settingFlags } from "../../config/config";
import { type Cli, createCommand, onRun } from "../command";
import { exitCodes } from "../exit-codes";
import { sealText } from "./seal";

export function statusCommand(cli: Cli): Command {
  const command = createCommand("status", "how the Postern of a data folder does", "postern status --data /var/lib/postern");
  return onRun(command, cli, ({ withAdmin, finish, print }) =>
    withAdmin(async (client) =>
      finish(await client.call(adminOperations.status, {}), (status) => {
        print(status, statusText(status));
        return status.seal.state === "unsealed" ? exitCodes.done : exitCodes.sealed;
      }),
    ),
  );
}

function statusText({ version, readiness, seal, accounts, store, rewrap, certificate, listeners }: AdminStatus): string {
  const ready = readiness.ready ? "ready" : `not ready: ${readiness.reasons.join(", ")}`;
  const lines = [
    `postern     ${version}, ${ready}`,
    `listening   ${listeners.length === 0 ? "no server is running" : listeners.join(", ")}`,
    ...(store === undefined ? [] : [`store       revision ${store.revision}`]),
    ...(rewrap === undefined || rewrap.total === 0 ? [] : [`re-wrapped  ${rewrap.done} of ${rewrap.total}`]),
    ...(accounts.length === 0 ? [] : [`accounts    ${accounts.join(", ")}`]),
    ...(certificate === undefined ? [] : [`certificate ${certificate.daysLeft} days left`]),
  ];
  return `${lines.map((line) => `${line}\n`).join("")}${sealText(seal)}`;
}

export function configurationCommand(cli: Cli): Command {
  const command = createCommand(
    "show",
    "print every setting that was made and where it was made",
    "postern configuration show --config /etc/postern.toml",
    settingFlags().map(({ name }) => name),
  );
  const show = onRun(command, cli, async ({ load, print }) => {
    const { origins } = load();
    const lines = [...origins].map(([name, source]) => `${name.padEnd(40)}${source}\n`);
    print(Object.fromEntries(origins), lines.length === 0 ? "nothing is set: every setting has its default\n" : lines.join(""));
    return exitCodes.done;
  });
  return new Command("configuration").description("settings").exitOverride().addCommand(show);
}
