/** The policies of the walkthrough, and a small organisation for what the walkthrough does not touch. */

import type { AzureSimulator } from "../../../src/simulator/azure/simulator";

export const azureService = "AzureWS1";

/** The authenticator, as Conjur's documentation of authn-azure gives it. */
export const authenticatorPolicy = `- !policy
  id: conjur/authn-azure/${azureService}
  body:
    - !webservice

    - !webservice
      id: status

    - !variable
      id: provider-uri

    - !group
      id: apps
      annotations:
        description: Hosts that may authenticate

    - !permit
      role: !group apps
      privileges: [ read, authenticate ]
      resource: !webservice
`;

/** Two hosts bound to the same machine: `azureVM` is in the group, `azureVM-outside` in none. */
export function appsPolicy(azure: AzureSimulator): string {
  const machine = azure.machine("ad");
  const annotations = `annotations:
          authn-azure/subscription-id: ${machine.subscriptionId}
          authn-azure/resource-group: ${machine.resourceGroup}
          authn-azure/system-assigned-identity: ${machine.identity().oid}`;
  return `- !policy
  id: azure-apps
  body:
    - !group

    - &hosts
      - !host
        id: azureVM
        ${annotations}

    - !grant
      role: !group
      members: *hosts

    - !host
        id: azureVM-outside
        ${annotations}
`;
}

/** Lets the group authenticate: a load of its own, as the walkthrough has it. */
export const grantPolicy = `- !grant
  role: !group conjur/authn-azure/${azureService}/apps
  member: !group azure-apps
`;

/** A key of the kind that `ssh-keygen` writes; it opens nothing. */
export const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHh2Qk0wSk5sQ0p5V0s5b1Z3T3BzZ0Z1c2VkYnlu alice@laptop";

/** `host/web` may read what `group:db/readers` may; `bob` may see a password and not fetch it; `alice` may do nothing but be alice. */
export const organisationPolicy = `- !policy
  id: db
  annotations:
    description: Where the data is
  body:
    - !group readers
    - &readable
      - !variable password
      - !variable url
      - !variable user name
      - !variable binary
      - !variable empty
    - !permit
      role: !group readers
      privileges: [ read, execute ]
      resources: *readable
    - !variable hidden
- !user
  id: alice
  public_keys:
    - ${publicKey}
- !user bob
- !group ops
- !layer apps
- !host
  id: web
  annotations:
    description: The web tier
- !host-factory
  id: births
  layers: [ !layer apps ]
- !grant
  role: !group ops
  member: !user alice
- !grant
  role: !group db/readers
  members: [ !host web, !layer apps ]
- !permit
  role: !user bob
  privilege: read
  resource: !variable db/password
`;

export const jwtService = "ci";

/** An issuer of JWTs whose keys are put into a variable, and the host that its tokens for the project `pipeline` speak for. */
export const jwtPolicy = `- !policy
  id: conjur/authn-jwt/${jwtService}
  body:
    - !webservice
    - !variable public-keys
    - !variable issuer
    - !variable token-app-property
    - !group apps
    - !permit
      role: !group apps
      privileges: [ read, authenticate ]
      resource: !webservice
- !host
  id: pipeline
  annotations:
    authn-jwt/${jwtService}/ref: main
- !grant
  role: !group conjur/authn-jwt/${jwtService}/apps
  member: !host pipeline
`;

/** One host that may log in by an authenticator, `authn-gcp` or `authn-iam/prod`, and may read what the walkthrough's group may. */
export function cloudHostPolicy(authenticator: string, host: string, annotations: Readonly<Record<string, string>> = {}): string {
  const restrictions = Object.entries(annotations).map(([name, value]) => `\n    ${name}: ${value}`);
  return `- !policy
  id: conjur/${authenticator}
  body:
    - !webservice
    - !group apps
    - !permit
      role: !group apps
      privileges: [ read, authenticate ]
      resource: !webservice
- !policy
  id: azure-apps
  body:
    - !group
- !host
  id: ${host}${restrictions.length === 0 ? "" : `\n  annotations:${restrictions.join("")}`}
- !grant
  role: !group azure-apps
  member: !host ${host}
- !grant
  role: !group conjur/${authenticator}/apps
  member: !host ${host}
`;
}
