/** The small world of `postern dev`: an Azure with a machine of each common kind, and a policy that lets them in. */

export const account = "dev";
export const service = "AzureAE1";
export const variable = "secrets/test-variable";
export const secretValue = "the-value-of-the-sample-secret";

/** The application as which Postern asks the simulated Resource Manager. */
export const application = "postern";

/** What is simulated, but for that application. The audience s are Azure Resource Manager, which Conjur's clients ask for, and Microsoft Graph. */
export const cloud = {
  tenants: [{ name: "dev" }],
  identities: [{ name: "id-fleet", resourceGroup: "rg-fleet" }],
  readers: [{ principal: application }],
  audiences: [
    {
      uris: ["https://management.azure.com/", "https://management.core.windows.net/"],
      appId: "797f4846-ba00-4fd7-ba43-dac1f8f63013",
      idtyp: true,
    },
    {
      uris: ["https://graph.microsoft.com"],
      appId: "00000003-0000-0000-c000-000000000000",
      roles: { [application]: ["Application.ReadWrite.OwnedBy"] },
    },
  ],
  machines: [
    { name: "vm", kind: "vm", resourceGroup: "rg-app" },
    // Of a scale set that makes machines by itself, each has the identity that the set was given.
    { name: "fleet", kind: "vmss-flexible", resourceGroup: "rg-fleet", userAssigned: ["id-fleet"] },
    { name: "arc", kind: "arc", resourceGroup: "rg-onprem" },
  ],
} as const;

export type MachineName = (typeof cloud.machines)[number]["name"];

/** The login of a machine's host. */
export function hostOf(machine: MachineName): string {
  return `host/azure-apps/${machine}`;
}

/** What the policy binds hosts to: where a machine is, and the object id of its own identity. */
export interface Binding {
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly oid: string;
}

/** The policy, in one load into `root`. Hosts have the names of their machines; `fleet` admits every machine of its resource group. */
export function samplePolicy(bindings: Readonly<Record<MachineName, Binding>>): string {
  const { vm, fleet, arc } = bindings;
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
        id: vm
        annotations:
          authn-azure/subscription-id: ${vm.subscriptionId}
          authn-azure/resource-group: ${vm.resourceGroup}
          authn-azure/system-assigned-identity: ${vm.oid}
      - !host
        id: fleet
        annotations:
          authn-azure/subscription-id: ${fleet.subscriptionId}
          authn-azure/resource-group: ${fleet.resourceGroup}
      - !host
        id: arc
        annotations:
          authn-azure/subscription-id: ${arc.subscriptionId}
          authn-azure/resource-group: ${arc.resourceGroup}
          authn-azure/system-assigned-identity: ${arc.oid}
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
