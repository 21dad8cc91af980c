/** Gets one token with Azure's library, as the argument (JSON) says, and prints what came of it as JSON. The environment leads it to the simulator. */

import {
  ClientSecretCredential,
  DefaultAzureCredential,
  ManagedIdentityCredential,
  type TokenCredential,
  WorkloadIdentityCredential,
} from "@azure/identity";
import type { TokenCase } from "./token-case";

const request: TokenCase = JSON.parse(process.argv[2] ?? "null");

try {
  const token = await credentialOf(request).getToken(request.scope);
  print({ token: token?.token ?? "", expiresOn: token?.expiresOnTimestamp ?? 0 });
} catch (error) {
  print({ error: error instanceof Error ? `${error.name}: ${error.message}` : "unknown" });
}

function credentialOf(wanted: TokenCase): TokenCredential {
  switch (wanted.credential) {
    case "default":
      return new DefaultAzureCredential();
    case "managed":
      if (wanted.clientId !== undefined) return new ManagedIdentityCredential({ clientId: wanted.clientId });
      if (wanted.objectId !== undefined) return new ManagedIdentityCredential({ objectId: wanted.objectId });
      if (wanted.resourceId !== undefined) return new ManagedIdentityCredential({ resourceId: wanted.resourceId });
      return new ManagedIdentityCredential();
    case "workload":
      return new WorkloadIdentityCredential({
        tenantId: wanted.tenantId,
        clientId: wanted.clientId,
        tokenFilePath: wanted.tokenFilePath,
        authorityHost: wanted.authorityHost,
        disableInstanceDiscovery: true,
      });
    case "secret":
      return new ClientSecretCredential(wanted.tenantId, wanted.clientId, wanted.secret, {
        authorityHost: wanted.authorityHost,
        disableInstanceDiscovery: true,
      });
  }
}

function print(result: object): void {
  process.stdout.write(JSON.stringify(result));
}
