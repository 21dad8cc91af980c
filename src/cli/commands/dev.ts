/**
 * `postern dev`: a whole Postern in one process, with a store that is thrown away and an Azure that is none. For trying things out and for tests of clients;
 * it listens on loopback alone, and every answer says what it is.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { version } from "../../../package.json";
import { adminOperations } from "../../client/admin-wire";
import { type AdminAnswer, createAdminClient } from "../../client/client";
import { type Config, loadConfig } from "../../config/config";
import { PosternError } from "../../model/failures";
import { SecretBytes } from "../../model/secret-bytes";
import { createClock } from "../../runtime/clock";
import { createRandom } from "../../runtime/random";
import { initialiseFolder, type RunningServer, startServer } from "../../server/server";
import { type AzureSimulator, createAzureSimulator } from "../../simulator/azure/simulator";
import { type Cli, createCommand, onRun, optionOf, secretText, usage } from "../command";
import { account, cloud, samplePolicy, secretValue, service, variable } from "../dev/sample";
import { welcomeText } from "../dev/welcome";
import { exitCodes } from "../exit-codes";

const marker = "not for production";
const warning = `
***************************************************************************
***  postern dev: NOT FOR PRODUCTION. Whoever reaches this machine's    ***
***  loopback gets tokens and secrets here. Nothing outlives this run.  ***
***************************************************************************

`;

export function devCommand(cli: Cli): Command {
  const command = createCommand(
    "dev",
    "a Postern to try things out: a throw-away store, a simulated Azure, a sample policy; loopback only",
    "postern dev --port 8443",
  ).option("--port <port>", "port of the server on 127.0.0.1 (default: a free one)", "0");
  return onRun(command, cli, async ({ io, isJson, print }) => {
    const port = optionOf(command, "port") ?? "0";
    if (!/^\d{1,5}$/u.test(port)) throw usage("--port", "a number");
    io.err(warning);
    const folder = mkdtempSync(join(tmpdir(), "postern-dev-"));
    try {
      return await live(folder, port, async (home) => {
        print(
          { url: home.url, dataFolder: home.dataFolder, account, adminKey: home.adminKey, entra: home.azure.entra.url },
          isJson ? "" : welcomeText(home),
        );
        await cli.world.untilStopped(() => undefined);
        return exitCodes.done;
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

interface Home {
  readonly url: string;
  readonly dataFolder: string;
  readonly adminKey: string;
  readonly azure: AzureSimulator;
}

/** Sets everything up for as long as `stay` takes, and clears it away however that ends. */
async function live(folder: string, port: string, stay: (home: Home) => Promise<number>): Promise<number> {
  const azure = await createAzureSimulator({ clock: createClock(), random: createRandom(), cloud });
  try {
    const config = devConfig(folder, port, azure);
    await initialiseFolder(config);
    const server = await startServer(config, version, { devMarker: marker });
    try {
      const adminKey = await furnish(server, azure);
      return await stay({ url: server.urls[0] ?? "", dataFolder: config.dataFolder, adminKey, azure });
    } finally {
      await server.stop();
    }
  } finally {
    await azure.close();
  }
}

function devConfig(folder: string, port: string, azure: AzureSimulator): Config {
  const roots = join(folder, "azure-ca.pem");
  writeFileSync(roots, azure.caPem, { mode: 0o600 });
  const { config } = loadConfig({
    flags: {
      data: join(folder, "data"),
      seal: [`file:${join(folder, "seal.key")}`],
      listen: `127.0.0.1:${port}`,
      ca: [roots],
      allow_outbound: [`${new URL(azure.entra.url).origin}/`],
      authenticators: [`authn-azure/${service}`],
      log_level: "warn",
    },
    environment: {},
    folder,
    authenticatorTypes: ["authn-azure"],
  });
  return config;
}

/** Makes the account, the policy and the values; gives the administrator's API key. */
async function furnish(server: RunningServer, azure: AzureSimulator): Promise<string> {
  const client = createAdminClient((request) => server.app.fetch(request, { isLocal: true }));
  const { apiKey } = outputOf(await client.call(adminOperations.createAccount, { name: account }));
  const text = Buffer.from(samplePolicy(azure));
  outputOf(await client.call(adminOperations.loadPolicy, { account, branch: "root", mode: "create", text, file: "sample.yml" }));
  const values = { [`conjur/authn-azure/${service}/provider-uri`]: azure.tenant().providerUris.v1, [variable]: secretValue };
  for (const [name, value] of Object.entries(values)) {
    outputOf(await client.call(adminOperations.setVariable, { id: `${account}:variable:${name}`, value: SecretBytes.ofText(value) }));
  }
  return secretText(apiKey);
}

function outputOf<Output>(answer: AdminAnswer<Output>): Output {
  if (answer.ok) return answer.output;
  throw new PosternError({ code: "internal", what: `the sample was refused: ${answer.error.message}`, because: "dev_sample" });
}
