/** `postern agent`: serves the apps of this machine until it is asked to end; SIGHUP reads its file again. */

import { resolve } from "node:path";
import { Command } from "commander";
import { adminFailure } from "../../client/admin-wire";
import { type AgentConfig, loadAgentConfig } from "../../config/agent";
import { failureOf } from "../../model/failures";
import { type Cli, onRun, optionOf } from "../command";
import { exitCodes } from "../exit-codes";
import { serveUntilStopped } from "../serving";

const usualFile = "/etc/postern/agent.toml";

const help = `
The file, by example (durations: 30s, 15m, 24h, 7d):

  data = "/var/lib/postern-agent"          where the sealed copy is
  seal = ["file:/etc/postern/agent.key"]   made at the first start; without a seal nothing is kept on the disk
  audit = "required"                       a line of the trail in the data folder before every answer; best_effort, or off
  https_proxy = "http://proxy:3128"        for the primary and Entra ID, never for the machine's own endpoints
  [primary]
  url = "https://postern.example:8443"     a Postern or a Conjur
  account = "acme"
  service = "AzureAE1"                     of its authn-azure
  # protocol = "vault"                     or a Vault, an OpenBao, or a Postern by their protocol: then no account and service, but
  # mount = "azure"                        where its Azure method is,
  # namespace = "admin/team"               of a Vault that has some, and
  # scale_set = "web"                      of a machine of a flexible scale set, whose tokens do not name it
  audience = "https://management.azure.com/"
  ca = "postern-ca.pem"
  [identity]                               all of it is found out when absent
  source = "arc"                           imds, arc, app-service or workload
  # endpoint = "http://127.0.0.1:40342/metadata/identity/oauth2/token"   when not at the usual place; tokens_folder for Arc's challenges
  client_id = "…"                          or object_id, or resource_id
  [offline]
  fresh = "10s"                            a value serves so long without asking again
  refresh = "5m"                           what is kept is asked for again as often
  max_stale = "24h"                        and serves so long without the primary (default: not at all)
  secrets = { "apps/db" = "1h" }           another bound for one secret, or for a branch
  [apps.billing]
  role = "host/apps/billing"               the machine logs in as this host; with protocol = "vault" the name of a role, "billing"
  socket = "/run/postern/billing.sock"
  owner = "billing"                        with group and mode: who may connect (default mode 0600)
  keep = ["apps/db/password"]              fetched before anybody asks; with protocol = "vault" paths without data/, "secret/app/db"
  [apps.legacy]
  role = "host/apps/legacy"
  listen = "127.0.0.1:8301"                a port, for what cannot use a socket;
  token_file = "/etc/legacy/postern.token" its content is the API key there; or
  # challenge = { folder = "/run/postern/challenges", group = "legacy" }
  [apps.legacy.identity_endpoint]          this machine's tokens in App Service's shape; off unless configured
  listen = "127.0.0.1:8302"
  secret_file = "/etc/legacy/postern.identity"
  audiences = ["https://vault.azure.net"]  tokens for no other audience are handed out

Example:
  $ postern agent --config /etc/postern/agent.toml
  $ curl --unix-socket /run/postern/billing.sock http://localhost/v1/secret/data/app/db
  $ curl --unix-socket /run/postern/billing.sock -d x http://localhost/authn/acme/host%2Fapps%2Fbilling/authenticate
`;

export function agentCommand(cli: Cli): Command {
  const command = new Command("agent")
    .exitOverride()
    .description("serve this machine's apps: each by a socket of its own, with the secrets of its own role, also while the primary is away")
    .option("--config <file>", `TOML file (default: ${usualFile})`)
    .option("--check", "read the file, say what is wrong with it, and end")
    .option("--json", "print JSON")
    .addHelpText("after", help);
  return onRun(command, cli, async ({ io, print }) => {
    const path = resolve(io.folder, optionOf(command, "config") ?? usualFile);
    const credentialsFolder = io.environment.CREDENTIALS_DIRECTORY;
    const read = (): AgentConfig =>
      loadAgentConfig({
        path,
        text: Buffer.from(io.readFile(path)).toString("utf8"),
        ...(credentialsFolder === undefined ? {} : { credentialsFolder }),
      });
    let config = read();
    if (command.getOptionValue("check") === true) {
      print({ apps: config.apps.map(({ name }) => name) }, `${path} is fit: ${config.apps.map(({ name }) => name).join(", ")}\n`);
      return exitCodes.done;
    }
    const agent = await cli.world.startAgent(config);
    const urls = agent.urls();
    print({ listening: urls, identity: agent.identitySource }, urls.map((url) => `Listening on ${url}\n`).join(""));
    await serveUntilStopped(cli.world, {
      status: () => `serving ${config.apps.length} apps, identity from ${agent.identitySource}`,
      async reload() {
        try {
          const wanted = read();
          await agent.reload(wanted);
          config = wanted;
          io.err(`postern: ${path} was read again: ${config.apps.map(({ name }) => name).join(", ")}\n`);
        } catch (error) {
          io.err(`postern: ${path} was not taken over: ${adminFailure(failureOf(error)).message}\n`);
        }
      },
      stop: () => agent.stop(),
    });
    return exitCodes.done;
  });
}
