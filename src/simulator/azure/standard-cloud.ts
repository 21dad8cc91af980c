/**
 * The cast that a simulator starts with unless it is given another: one machine of every kind and combination that Azure knows, so that every form of
 * `xms_mirid` and `xms_az_rid` has somebody who bears it.
 */

import type { AudienceDescription, CloudDescription } from "./cloud-description";

/** Audiences of Microsoft's own: their application ids are the real ones. Both issue version 1 tokens to managed identities. */
export const microsoftAudiences: readonly AudienceDescription[] = [
  {
    uris: ["https://management.azure.com/", "https://management.core.windows.net/"],
    appId: "797f4846-ba00-4fd7-ba43-dac1f8f63013",
    idtyp: true,
  },
  { uris: ["https://vault.azure.net"], appId: "cfa8b339-82a2-471a-a3c9-0fc0be7a4093" },
];

/** Microsoft Graph, for the principals (by name) that may change every application. */
export function graphAudience(...administrators: readonly string[]): AudienceDescription {
  const roles = Object.fromEntries(administrators.map((name) => [name, ["Application.ReadWrite.All"]]));
  return { uris: ["https://graph.microsoft.com"], appId: "00000003-0000-0000-c000-000000000000", roles };
}

/**
 * Tenants `acme` (the default) and `globex`; user-assigned identities `id-app`, `id-batch`, `id-web`, `id-pods`, `id-node`, `id-cluster`; the application
 * `ci` with the client secret `ci-secret`, which may read all resources and change all applications; `reporter`, which may nothing; audiences `https://postern.example` (version 1) and `https://v2.postern.example` (version 2, with groups).
 * Machines end in `-uami` when they have a user-assigned identity only, in `-both` when a system-assigned one too, in `-multi` with several and no other.
 */
export const standardCloud: CloudDescription = {
  tenants: [{ name: "acme" }, { name: "globex" }],
  audiences: [
    ...microsoftAudiences,
    graphAudience("ci"),
    { uris: ["https://postern.example"] },
    { uris: ["https://v2.postern.example"], tokenVersion: 2, groupClaims: true, roles: { "id-app": ["Postern.Login"] } },
    { uris: ["https://closed.example"], assignmentRequired: true, roles: { "id-app": ["Postern.Login"] } },
    { uris: ["https://bare.example"], resourceClaims: false },
  ],
  identities: [
    { name: "id-app", groups: 2 },
    // More groups than a token carries.
    { name: "id-batch", groups: 201 },
    { name: "id-web" },
    { name: "id-pods", federated: [{ subject: "system:serviceaccount:shop:web" }] },
    { name: "id-node" },
    { name: "id-cluster" },
    { name: "id-globex", tenant: "globex" },
  ],
  applications: [{ name: "ci", secret: "ci-secret" }, { name: "reporter" }],
  readers: [{ principal: "ci" }, { principal: "vm", resourceGroup: "rg-app" }],
  machines: [
    { name: "vm", kind: "vm" },
    { name: "vm-uami", kind: "vm", userAssigned: ["id-app"] },
    { name: "vm-both", kind: "vm", userAssigned: ["id-app"], systemAssigned: true },
    { name: "vm-multi", kind: "vm", userAssigned: ["id-app", "id-batch"] },
    { name: "vm-none", kind: "vm", systemAssigned: false },
    { name: "vm-globex", kind: "vm", tenant: "globex" },
    { name: "vmss", kind: "vmss-uniform" },
    { name: "vmss-uami", kind: "vmss-uniform", userAssigned: ["id-app"] },
    { name: "flex", kind: "vmss-flexible" },
    { name: "flex-uami", kind: "vmss-flexible", userAssigned: ["id-app"] },
    { name: "arc", kind: "arc", resourceGroup: "rg-onprem" },
    { name: "arc-both", kind: "arc", resourceGroup: "rg-onprem", userAssigned: ["id-app"], systemAssigned: true },
    { name: "web", kind: "app-service" },
    { name: "web-both", kind: "app-service", userAssigned: ["id-web"], systemAssigned: true },
    { name: "web-staging", kind: "app-service", resourceName: "web", slot: "staging" },
    { name: "function", kind: "function" },
    { name: "container-app-both", kind: "container-app", userAssigned: ["id-web"], systemAssigned: true },
    { name: "container-group", kind: "container-instance" },
    { name: "container-group-uami", kind: "container-instance", userAssigned: ["id-batch"] },
    {
      name: "aks-node",
      kind: "vmss-uniform",
      resourceName: "aks-pool1-vmss",
      resourceGroup: "MC_rg-app_aks_westeurope",
      userAssigned: ["id-node"],
    },
    { name: "aks", kind: "aks-cluster", userAssigned: ["id-cluster"] },
  ],
};
