/** The small world of `postern dev`: an Azure with a machine of each common kind, and the policies that let them in. */

import type { AzureSimulator, CloudDescription } from "../../simulator/azure/simulator";

export const account = "myorg";
export const service = "AzureAE1";
export const variable = "secrets/test-variable";
export const secretValue = "the-value-of-the-sample-secret";

export const cloud: CloudDescription = {
  tenants: [{ name: "acme" }],
  audiences: [{ uris: ["https://management.azure.com/", "https://management.core.windows.net/"], idtyp: true }],
  machines: [
    { name: "vm", kind: "vm", resourceGroup: "rg-app", resourceName: "AD" },
    { name: "member", kind: "vmss-flexible", resourceGroup: "rg-fleet" },
    { name: "arc", kind: "arc", resourceGroup: "rg-onprem", resourceName: "warehouse-7" },
  ],
};

/** Host of the policy, and the machine that may be it. */
export const hosts = [
  { host: "AD", machine: "vm", about: "a virtual machine" },
  { host: "fleet", machine: "member", about: "any machine of a resource group, such as this one of a scale set" },
  { host: "warehouse-7", machine: "arc", about: "an Arc-enabled server" },
] as const;

/** Everything in one load into root. */
export function samplePolicy(azure: AzureSimulator): string {
  const [vm, member, arc] = [azure.machine("vm"), azure.machine("member"), azure.machine("arc")];
  return `- !policy
  id: conjur/authn-azure/${service}
  body:
    - !webservice
    - !variable provider-uri
    - !group apps
    - !permit
      role: !group apps
      privilege: [ read, authenticate ]
      resource: !webservice

- !policy
  id: azure-apps
  body:
    - !group
    - &hosts
      - !host
        id: AD
        annotations:
          authn-azure/subscription-id: ${vm.subscriptionId}
          authn-azure/resource-group: ${vm.resourceGroup}
          authn-azure/system-assigned-identity: ${vm.identity().oid}
      - !host
        id: fleet
        annotations:
          authn-azure/subscription-id: ${member.subscriptionId}
          authn-azure/resource-group: ${member.resourceGroup}
      - !host
        id: warehouse-7
        annotations:
          authn-azure/subscription-id: ${arc.subscriptionId}
          authn-azure/resource-group: ${arc.resourceGroup}
          authn-azure/system-assigned-identity: ${arc.identity().oid}
    - !grant
      role: !group
      members: *hosts

- !policy
  id: secrets
  body:
    - !group consumers
    - !variable test-variable
    - !permit
      role: !group consumers
      privilege: [ read, execute ]
      resource: !variable test-variable

- !grant
  role: !group conjur/authn-azure/${service}/apps
  member: !group azure-apps
- !grant
  role: !group secrets/consumers
  member: !group azure-apps
`;
}
