/** The policies of the walkthrough: the ones published for Conjur's Azure authenticator, well-formed, with hosts of every kind of identity. */

import type { AzureSimulator } from "../../src/simulator/azure/simulator";
import { service } from "./cloud";

export const authenticatorPolicy = `- !policy
  id: conjur/authn-azure/${service}
  body:
    - !webservice

    - !variable
      id: provider-uri

    - !group
      id: apps
      annotations:
        description: Group of hosts that can authenticate using the authn-azure/${service} authenticator

    - !permit
      role: !group apps
      privilege: [ read, authenticate ]
      resource: !webservice
`;

/** Hosts bound to what the simulated cloud says of its machines, as an operator would copy it from the portal. */
export function hostsPolicy(azure: AzureSimulator): string {
  const ad = azure.machine("ad");
  const onprem = azure.machine("onprem");
  const member = azure.machine("member");
  const identity = azure.identity("id-batch");
  const bound = (resourceGroup: string): string =>
    `          authn-azure/subscription-id: ${ad.subscriptionId}\n          authn-azure/resource-group: ${resourceGroup}`;
  return `- !policy
  id: azure-apps
  body:
    - !group

    - &hosts
      - !host
        id: AD # the name of the Azure VM
        annotations:
${bound(ad.resourceGroup)}
          authn-azure/system-assigned-identity: ${ad.identity().oid}

      - !host
        id: batch
        annotations:
${bound("rg-identities")}
          authn-azure/user-assigned-identity: ${identity.name}

      - !host
        id: warehouse-7 # an Azure Arc-enabled server
        annotations:
          authn-azure/subscription-id: ${onprem.subscriptionId}
          authn-azure/resource-group: ${onprem.resourceGroup}
          authn-azure/system-assigned-identity: ${onprem.identity().oid}

      - !host
        id: fleet # any machine of the group
        annotations:
          authn-azure/subscription-id: ${member.subscriptionId}
          authn-azure/resource-group: ${member.resourceGroup}

      - !host
        id: AD-far-away
        restricted_to: [ 192.0.2.0/24 ]
        annotations:
${bound(ad.resourceGroup)}

    - !host
      id: AD-outside # in no group: nothing is granted to it
      annotations:
${bound(ad.resourceGroup)}

    - !grant
      role: !group
      members: *hosts

- !grant
  role: !group conjur/authn-azure/${service}/apps
  member: !group azure-apps
`;
}

export const secretsPolicy = `- !policy
  id: secrets
  body:
    - !group consumers

    - !variable test-variable

    - !permit
      role: !group consumers
      privilege: [ read, execute ]
      resource: !variable test-variable

    - !variable somebody-elses

- !grant
  role: !group secrets/consumers
  member: !group azure-apps
`;
