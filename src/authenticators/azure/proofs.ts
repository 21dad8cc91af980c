/** What the method `azure` of Vault's protocol stands on: tokens of a tenant, verified, and Azure's Resource Manager. */

import { parseJwt } from "../../crypto/jwt";
import { type CheckList, createCheckList, PosternError } from "../../model/failures";
import type { AzureCloudName, AzureProofs, Clock, HttpClient, MachineToken } from "../../model/ports";
import { type Issuers, trustedIssuer } from "../issuer";
import { assertSigned } from "../signed-token";
import { createApplications } from "./applications";
import { readProvider } from "./provider";
import { createResourceManager } from "./resource-manager";
import { createServiceTokens } from "./service-tokens";

/** Addresses of one cloud. Source: Microsoft, "National clouds"; go-autorest, environments.go. */
export interface CloudAddresses {
  /** `https://login.microsoftonline.com/` */
  readonly authority: string;
  /** `https://management.azure.com` */
  readonly resourceManager: string;
  /** What a token for it is asked for. */
  readonly resourceManagerAudience: string;
  /** `https://graph.microsoft.com`, of the directory; and what a token for it is asked for. */
  readonly graph: string;
  readonly graphAudience: string;
}

const clouds: Readonly<Record<AzureCloudName, CloudAddresses>> = {
  AzurePublicCloud: {
    authority: "https://login.microsoftonline.com/",
    resourceManager: "https://management.azure.com",
    resourceManagerAudience: "https://management.core.windows.net/",
    graph: "https://graph.microsoft.com",
    graphAudience: "https://graph.microsoft.com",
  },
  AzureUSGovernmentCloud: {
    authority: "https://login.microsoftonline.us/",
    resourceManager: "https://management.usgovcloudapi.net",
    resourceManagerAudience: "https://management.core.usgovcloudapi.net",
    graph: "https://graph.microsoft.us",
    graphAudience: "https://graph.microsoft.us",
  },
  AzureChinaCloud: {
    authority: "https://login.chinacloudapi.cn/",
    resourceManager: "https://management.chinacloudapi.cn",
    resourceManagerAudience: "https://management.core.chinacloudapi.cn",
    graph: "https://microsoftgraph.chinacloudapi.cn",
    graphAudience: "https://microsoftgraph.chinacloudapi.cn",
  },
};

const loginLimitMs = 30_000;

export interface AzureProofsDeps {
  readonly issuers: Issuers;
  readonly http: HttpClient;
  readonly clock: Clock;
  /** Resolves after so many milliseconds. */
  readonly pause: (ms: number) => Promise<void>;
  /** What the work gives, or what `late` throws after so many milliseconds. */
  readonly within: <Result>(ms: number, work: Promise<Result>, late: () => never) => Promise<Result>;
  /** A token of the machine that this runs on. */
  readonly machineToken: (audience: string) => Promise<MachineToken>;
  /** Of a private cloud or a simulator, in place of the public one's. */
  readonly addresses?: Partial<CloudAddresses>;
}

export function createAzureProofs(deps: AzureProofsDeps): AzureProofs {
  const { issuers, addresses = {} } = deps;
  const addressesOf = (cloud: AzureCloudName): CloudAddresses => ({ ...clouds[cloud], ...addresses });
  const tokens = createServiceTokens({ ...deps, addressesOf });
  const manager = createResourceManager({ ...deps, tokens, addressesOf });
  const directory = createApplications({ http: deps.http, tokens, addressesOf });
  const tooLate = (): never => {
    throw new PosternError({ code: "upstream_unavailable", upstream: "azure", because: "deadline", says: "Azure took too long to answer" });
  };

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
    inTime: (work) => deps.within(loginLimitMs, work(), tooLate),
    resources: (access) => manager.resources(access),
    applications: directory,
    forget(credentialName) {
      tokens.forget(credentialName);
      manager.forget(credentialName);
    },
  };
}

/** Azure, where nothing asks it. */
export const noMachineToken = (): Promise<never> =>
  Promise.reject(new PosternError({ code: "upstream_unavailable", upstream: "azure", because: "no_credential" }));
