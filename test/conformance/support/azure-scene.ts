/** Runs inside the place that `namespace.ts` makes: a deployment, Azure's metadata service at its own address, the client. */

import { secretsPolicy } from "../../../scripts/walkthrough/policies";
import { startDeployment } from "./deployment";
import { administratorOf } from "./http";
import type { CloudFlow } from "./namespace";
import { appsPolicy, authenticatorPolicy, azureService, grantPolicy } from "./policies";
import { relay } from "./relay";
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
