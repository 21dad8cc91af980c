/** A Kubernetes cluster whose service accounts' tokens Entra ID may be told to trust: the other half of workload identity. */

import { generateP256, signJws, verifyJws } from "../../crypto/signing";
import type { Instant } from "../../model/types";

export interface ServiceAccountTokenRequest {
  /** `shop`, `web`: the token's `sub` is `system:serviceaccount:shop:web`. */
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Default `api://AzureADTokenExchange`. */
  readonly audience?: string;
  /** Default 3600; negative for one that has expired. */
  readonly lifetimeSeconds?: number;
}

export interface Cluster {
  readonly issuer: string;
  /** A projected service-account token, as a pod finds it in its `AZURE_FEDERATED_TOKEN_FILE`. */
  serviceAccountToken(request: ServiceAccountTokenRequest): string;
}

/** A cluster with a key of its own. `verifies` looks at the signature alone. */
export function createCluster(issuer: string, now: () => Instant): Cluster & { verifies(token: string): boolean } {
  const pair = generateP256();
  return {
    issuer,
    verifies: (token) => verifyJws(token, pair, "ES256"),
    serviceAccountToken: ({ namespace, serviceAccount, audience = "api://AzureADTokenExchange", lifetimeSeconds = 3600 }) => {
      const nowSeconds = Math.floor(now() / 1000);
      const claims = {
        aud: [audience],
        exp: nowSeconds + lifetimeSeconds,
        iat: nowSeconds,
        nbf: nowSeconds,
        iss: issuer,
        sub: `system:serviceaccount:${namespace}:${serviceAccount}`,
        "kubernetes.io": { namespace, serviceaccount: { name: serviceAccount } },
      };
      return signJws({ alg: "ES256", kid: "cluster" }, claims, { method: "ES256", pair });
    },
  };
}
