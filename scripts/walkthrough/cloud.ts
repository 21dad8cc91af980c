/** The simulated Azure of the walkthrough: who may log in, and who tries though they may not. */

import type { CloudDescription } from "../../src/simulator/azure/cloud-description";
import { microsoftAudiences } from "../../src/simulator/azure/standard-cloud";

export const account = "myorg";
export const service = "AzureAE1";
export const variable = "secrets/test-variable";
export const secretValue = "m575ec2rtTest888wqertgawe2sadsfg6dsasdfa";

/** Of the application as which Postern asks about machines, where Vault's method azure has to. */
export const applicationSecret = "q8~not.Azures.at.all";

/** `ad` is the machine of the story. `ad-2` is its neighbour, `stranger` stands in another group whose name the bound one begins with, `intruder` in another tenant. */
export const cloud: CloudDescription = {
  tenants: [{ name: "acme" }, { name: "globex" }],
  audiences: microsoftAudiences,
  applications: [{ name: "postern", secret: applicationSecret }],
  readers: [{ principal: "postern" }],
  identities: [{ name: "id-batch", resourceGroup: "rg-identities" }],
  machines: [
    { name: "ad", kind: "vm", resourceGroup: "rg-app", resourceName: "AD" },
    { name: "ad-2", kind: "vm", resourceGroup: "rg-app", resourceName: "AD-2" },
    { name: "batch", kind: "vm", resourceGroup: "rg-app", userAssigned: ["id-batch"] },
    { name: "onprem", kind: "arc", resourceGroup: "rg-onprem", resourceName: "warehouse-7" },
    { name: "member", kind: "vmss-flexible", resourceGroup: "rg-fleet" },
    { name: "elsewhere", kind: "vm", resourceGroup: "rg-other" },
    { name: "stranger", kind: "vm", resourceGroup: "rg-app-evil" },
    { name: "intruder", kind: "vm", tenant: "globex", resourceGroup: "rg-app" },
  ],
};
