/** What every scene ends with: the client connects, and asks who it is, for what it may have and for what it may not. */

import type { Deployment } from "./deployment";
import { startDriver } from "./driver";
import type { CloudFlow, CloudFlowReport } from "./namespace";

/** Plays the client's part and prints what came of it as JSON. */
export async function playClient(deployment: Deployment, flow: CloudFlow, tokenRequests: () => number): Promise<void> {
  const { url, account, caFile } = deployment;
  const fill = (text: string): string =>
    text.replace("SERVER_URL", url).replace("SERVER_ACCOUNT", account).replace("SERVER_CA_FILE", caFile);
  const env = Object.fromEntries(Object.entries(flow.env).map(([name, value]) => [name, fill(value)]));
  const driver = startDriver({ command: flow.command, cwd: deployment.folder("client"), env });
  const report: CloudFlowReport = {
    connected: await driver.call(...flow.connect),
    whoami: await driver.call("whoami"),
    secret: await driver.call("get", "secrets/test-variable"),
    ...(flow.isPersistent === true ? {} : { hidden: await driver.call("get", "secrets/somebody-elses") }),
    tokenRequests: tokenRequests(),
  };
  process.stdout.write(JSON.stringify(report));
  await driver.stop();
}
