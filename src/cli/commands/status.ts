/** `postern status`: how a Postern does. */

import type { Command } from "commander";
import { type AdminStatus, adminOperations } from "../../client/admin-wire";
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
