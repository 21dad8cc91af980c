/**
 * The Azure clouds: which hosts speak for them and which issuers they have.
 *
 * The table bounds which hosts may be asked and which issuer a document may name; what a token must carry is what the document says.
 * Source: Microsoft identity platform, "National clouds" and the discovery documents themselves.
 */

export interface Cloud {
  /** Hosts that serve discovery documents and keys. */
  readonly hosts: readonly string[];
  readonly v1IssuerHost: string;
  readonly v2IssuerHost: string;
  /** What stock clients ask a token for: Azure Resource Manager. */
  readonly resourceManager: string;
}

const publicCloud: Cloud = {
  hosts: ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
  v1IssuerHost: "sts.windows.net",
  v2IssuerHost: "login.microsoftonline.com",
  resourceManager: "https://management.azure.com",
};

const usGovernment: Cloud = {
  // Its version 1 issuer is the public cloud's.
  hosts: ["login.microsoftonline.us", "sts.windows.net"],
  v1IssuerHost: "sts.windows.net",
  v2IssuerHost: "login.microsoftonline.us",
  resourceManager: "https://management.usgovcloudapi.net",
};

const china: Cloud = {
  hosts: ["login.partner.microsoftonline.cn", "login.chinacloudapi.cn", "sts.chinacloudapi.cn"],
  v1IssuerHost: "sts.chinacloudapi.cn",
  v2IssuerHost: "login.partner.microsoftonline.cn",
  resourceManager: "https://management.chinacloudapi.cn",
};

const clouds: readonly Cloud[] = [publicCloud, usGovernment, china];

/** The clouds a host speaks for, the likeliest first; none for a host of somebody else, such as a private cloud's. */
export function cloudsOf(host: string): readonly Cloud[] {
  return clouds.filter((cloud) => cloud.hosts.includes(host));
}

/** The audience of the cloud's Resource Manager as it occurs in tokens, which echo what was asked for. A private cloud counts as the public one. */
export function resourceManagerAudiences(host: string): readonly string[] {
  const [cloud = publicCloud] = cloudsOf(host);
  return [cloud.resourceManager, `${cloud.resourceManager}/`];
}

export function isResourceManagerAudience(audience: string): boolean {
  return clouds.some((cloud) => audience === cloud.resourceManager || audience === `${cloud.resourceManager}/`);
}
