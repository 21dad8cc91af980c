/** Runs inside the namespace of `azure-flow.ts`: a deployment, the metadata service at its own address, the client. Prints what came of it as JSON. */

import { secretsPolicy } from "../../../scripts/walkthrough/policies";
import type { AzureFlow, AzureFlowReport } from "./azure-flow";
import { startDeployment } from "./deployment";
import { startDriver } from "./driver";
import { administratorOf } from "./http";
import { appsPolicy, authenticatorPolicy, azureService, grantPolicy } from "./policies";

const flow: AzureFlow = JSON.parse(process.argv[2] ?? "");
const deployment = await startDeployment({ tls: "authority", env: { CONJUR_AUTHENTICATORS: `authn,authn-azure/${azureService}` } });
const machine = deployment.azure.machine("ad");
const metadata = relay("169.254.169.254", 80, Number(new URL(machine.url).port));

const http = await administratorOf(deployment);
for (const text of [authenticatorPolicy, appsPolicy(deployment.azure), grantPolicy, secretsPolicy]) await http.load("root", text);
await http.set(`conjur/authn-azure/${azureService}/provider-uri`, deployment.azure.tenant().providerUris.v1);
await http.set("secrets/test-variable", "test-secret");

const filled = Object.entries(flow.env).map(([name, value]) => [name, fill(value)]);
const driver = startDriver({ command: flow.command, cwd: deployment.folder("client"), env: Object.fromEntries(filled) });
const connected = await driver.call(...flow.connect);
const report: AzureFlowReport = {
  connected,
  whoami: await driver.call("whoami"),
  secret: await driver.call("get", "secrets/test-variable"),
  ...(flow.isPersistent === true ? {} : { hidden: await driver.call("get", "secrets/somebody-elses") }),
  tokenRequests: machine.requests("token"),
};
process.stdout.write(JSON.stringify(report));
await driver.stop();
metadata.stop(true);
process.exit(await deployment.stop());

function fill(value: string): string {
  const { url, account, caFile } = deployment;
  return value.replace("SERVER_URL", url).replace("SERVER_ACCOUNT", account).replace("SERVER_CA_FILE", caFile);
}

/** Hands the bytes of each connection on to a port of loopback, and those of the answer back. */
function relay(hostname: string, port: number, to: number) {
  interface Ends {
    other?: Bun.Socket<undefined>;
    early: Uint8Array[];
  }
  return Bun.listen<Ends>({
    hostname,
    port,
    socket: {
      async open(near) {
        near.data = { early: [] };
        const other = await Bun.connect({
          hostname: "127.0.0.1",
          port: to,
          socket: { data: (_far, bytes) => void near.write(bytes), close: () => void near.end() },
        });
        near.data.other = other;
        for (const bytes of near.data.early) other.write(bytes);
      },
      data(near, bytes) {
        if (near.data.other === undefined) near.data.early.push(Uint8Array.from(bytes));
        else near.data.other.write(bytes);
      },
      close: (near) => void near.data.other?.end(),
    },
  });
}
