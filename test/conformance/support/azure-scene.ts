/** Runs inside the place that `namespace.ts` makes: a deployment, Azure's metadata service at its own address, the client. */

import { secretsPolicy } from "../../../scripts/walkthrough/policies";
import { startDeployment } from "./deployment";
import { administratorOf } from "./http";
import type { CloudFlow } from "./namespace";
import { appsPolicy, authenticatorPolicy, azureService, grantPolicy } from "./policies";
import { playClient } from "./scene";

const flow: CloudFlow = JSON.parse(process.argv[2] ?? "");
const deployment = await startDeployment({ tls: "authority", env: { CONJUR_AUTHENTICATORS: `authn,authn-azure/${azureService}` } });
const machine = deployment.azure.machine("ad");
const metadata = relay("169.254.169.254", 80, Number(new URL(machine.url).port));

const http = await administratorOf(deployment);
for (const text of [authenticatorPolicy, appsPolicy(deployment.azure), grantPolicy, secretsPolicy]) await http.load("root", text);
await http.set(`conjur/authn-azure/${azureService}/provider-uri`, deployment.azure.tenant().providerUris.v1);
await http.set("secrets/test-variable", "test-secret");

await playClient(deployment, flow, () => machine.requests("token"));
metadata.stop(true);
process.exit(await deployment.stop());

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
