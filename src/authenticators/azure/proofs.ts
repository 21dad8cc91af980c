/** What the method `azure` of Vault's protocol stands on: tokens of a tenant, verified, and Azure's Resource Manager. */

import { parseJwt } from "../../crypto/jwt";
import { type CheckList, createCheckList, PosternError } from "../../model/failures";
import type { AzureCloudName, AzureProofs, Clock, HttpClient, MachineToken } from "../../model/ports";
import { type Issuers, trustedIssuer } from "../issuer";
import { assertSigned } from "../signed-token";
import { readProvider } from "./provider";
import { createResourceManager } from "./resource-manager";

/** Addresses of one cloud. Source: Microsoft, "National clouds"; go-autorest, environments.go. */
export interface CloudAddresses {
  /** `https://login.microsoftonline.com/` */
  readonly authority: string;
  /** `https://management.azure.com` */
  readonly resourceManager: string;
  /** What a token for it is asked for. */
  readonly resourceManagerAudience: string;
}

const clouds: Readonly<Record<AzureCloudName, CloudAddresses>> = {
  AzurePublicCloud: {
    authority: "https://login.microsoftonline.com/",
    resourceManager: "https://management.azure.com",
    resourceManagerAudience: "https://management.core.windows.net/",
  },
  AzureUSGovernmentCloud: {
    authority: "https://login.microsoftonline.us/",
    resourceManager: "https://management.usgovcloudapi.net",
    resourceManagerAudience: "https://management.core.usgovcloudapi.net",
  },
  AzureChinaCloud: {
    authority: "https://login.chinacloudapi.cn/",
    resourceManager: "https://management.chinacloudapi.cn",
    resourceManagerAudience: "https://management.core.chinacloudapi.cn",
  },
};

export interface AzureProofsDeps {
  readonly issuers: Issuers;
  readonly http: HttpClient;
  readonly clock: Clock;
  /** Resolves after so many milliseconds. */
  readonly pause: (ms: number) => Promise<void>;
  /** A token of the machine that this runs on. */
  readonly machineToken: (audience: string) => Promise<MachineToken>;
  /** Of a private cloud or a simulator, in place of the public one's. */
  readonly addresses?: Partial<CloudAddresses>;
}

export function createAzureProofs(deps: AzureProofsDeps): AzureProofs {
  const { issuers, addresses = {} } = deps;
  const addressesOf = (cloud: AzureCloudName): CloudAddresses => ({ ...clouds[cloud], ...addresses });
  const manager = createResourceManager({ ...deps, addressesOf });

  return {
    async verify(value, { cloud, tenant }) {
      const checks: CheckList = createCheckList();
      const address = `${addressesOf(cloud).authority.replace(/\/*$/u, "")}/${tenant}/`;
      const { source } = readProvider({ "provider-uri": address }, checks);
      const token = parseJwt(value, ["RS256"], checks);
      const trusted = await trustedIssuer(issuers, source, token.keyId, checks);
      const { issuer } = trusted.keys.get(token.keyId) ?? {};
      // A key set may serve many tenants; a key that says whom it signs for signs for nobody else.
      if (issuer !== undefined && issuer.replaceAll("{tenantid}", tenant.toLowerCase()) !== trusted.issuer)
        checks.fail("signing_key", `key ${token.keyId} of ${issuer}`);
      assertSigned(token, trusted.keys, checks);
      return { claims: token.claims, issuer: trusted.issuer, checks: checks.made };
    },
    resources: (access) => manager.resources(access),
    forget: (credentialName) => manager.forget(credentialName),
  };
}

/** Azure, where nothing asks it. */
export const noMachineToken = (): Promise<never> =>
  Promise.reject(new PosternError({ code: "upstream_unavailable", upstream: "azure", because: "no_credential" }));
