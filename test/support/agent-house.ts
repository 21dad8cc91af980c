/** A primary with the Azure authenticator, a simulated Arc server, and an agent on it, all in this process and at one time. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningAgent, startAgent } from "../../src/agent/agent";
import { type AgentConfig, loadAgentConfig } from "../../src/config/agent";
import { createPrivateFiles } from "../../src/runtime/files";
import { createAzureHouse, service, startCloud, whereabouts } from "./azure-house";
import { createLogKeeper } from "./fake-issuer";
import { createTestClock, seededRandom } from "./house";

export const machineName = "arc";

/** Sends a request by a socket or to a port. */
export type Ask = (path: string, options?: RequestInit) => Promise<Response>;

export async function createAgentHouse() {
  const clock = createTestClock();
  const simulator = await startCloud(clock);
  const primary = await createAzureHouse(simulator, { clock });
  const folder = mkdtempSync(join(tmpdir(), "postern-agent-"));
  const annotations = whereabouts(simulator, machineName);
  for (const name of ["billing", "shop"]) {
    await primary.addLogins([{ login: `host/apps/${name}`, annotations }]);
    await primary.house.load(
      `- !variable apps/${name}/password\n- !permit\n  role: !host apps/${name}\n  privileges: [ read, execute ]\n  resource: !variable apps/${name}/password\n`,
    );
    await primary.setVariable(`apps/${name}/password`, `the ${name} password`);
  }

  let starts = 8;
  let machine = "machine-1";
  let pause: ((ms: number) => Promise<void>) | undefined;
  const identity = `[identity]
source = "arc"
endpoint = "${simulator.machine(machineName).url}/metadata/identity/oauth2/token"
tokens_folder = "${simulator.tokensFolder}"
`;
  const primaryTable = `[primary]\nurl = "${primary.listener.url}"\naccount = "acme"\nservice = "${service}"\n`;
  /** Whom an agent here asks, and who it is. */
  const settings = `${primaryTable}${identity}`;

  /** `more` is text of the file after the common part; `$folder` is the folder. `table` is the primary's, when it is not this house's own. */
  function configured(more: string, table = primaryTable, data = "data", who = identity): AgentConfig {
    const text = `data = "${folder}/${data}"\n${table}${who}${more.replaceAll("$folder", folder)}`;
    // Tables come after plain keys.
    const plain = /^(?:seal|https_proxy) = .*$/mu.exec(text)?.[0];
    const ordered = plain === undefined ? text : `${plain}\n${text.replace(plain, "")}`;
    return loadAgentConfig({ path: join(folder, "agent.toml"), text: ordered });
  }

  async function start(more: string, log = createLogKeeper(), table = primaryTable, data = "data", who = identity): Promise<RunningAgent> {
    return await startAgent(configured(more, table, data, who), {
      environment: {},
      clock,
      random: seededRandom(++starts),
      logger: log,
      machine,
      files: createPrivateFiles(),
      ...(pause === undefined ? {} : { pause }),
    });
  }

  return {
    clock,
    simulator,
    primary,
    folder,
    settings,
    primaryTable,
    configured,
    /** The disk is in another machine from the next start on. */
    moveTo(other: string): void {
      machine = other;
    },
    /** How an agent waits from the next start on. */
    waitBy(other: typeof pause): void {
      pause = other;
    },
    start,
    bySocket:
      (app: string): Ask =>
      (path, options = {}) =>
        fetch(`http://localhost${path}`, { ...options, unix: join(folder, `${app}.sock`) }),
    async close() {
      await primary.close();
      await simulator.close();
      rmSync(folder, { recursive: true });
    },
  };
}

export const apps = ["billing", "shop"]
  .map((name) => `[apps.${name}]\nrole = "host/apps/${name}"\nsocket = "$folder/${name}.sock"\n`)
  .join("");

export const secretPath = (name: string): string => `/secrets/acme/variable/apps%2F${name}%2Fpassword`;

/** Logs in as the app and gives the header that clients send with its token. */
export async function logIn(ask: Ask, app: string, credential = "x"): Promise<Record<string, string>> {
  const answer = await ask(`/authn/acme/host%2Fapps%2F${app}/authenticate`, { method: "POST", body: credential });
  if (answer.status !== 200) throw new Error(`login: ${answer.status}`);
  return { authorization: `Token token="${Buffer.from(await answer.text()).toString("base64")}"` };
}
