import { describe, expect, test } from "bun:test";
import { readProvider } from "../../../../src/authenticators/azure/provider";
import { createCheckList, failureOf } from "../../../../src/model/failures";
import type { AuthenticatorSettings } from "../../../../src/model/ports";
import { otherTenant, tenant } from "../../../support/fake-issuer";

const read = (uri: string, audience?: string) => readProvider({ "provider-uri": uri, audience }, createCheckList());
const refusal = (settings: AuthenticatorSettings) => {
  try {
    readProvider(settings, createCheckList());
  } catch (error) {
    return failureOf(error).because;
  }
  return undefined;
};

describe("provider-uri", () => {
  test("names tenant, version and discovery document, with a slash at the end or without", () => {
    const rows = [
      [`https://sts.windows.net/${tenant}`, "1.0", `https://sts.windows.net/${tenant}`],
      [`https://sts.chinacloudapi.cn/${tenant}`, "1.0", `https://sts.chinacloudapi.cn/${tenant}`],
      [`https://login.microsoftonline.com/${tenant}`, "1.0", `https://login.microsoftonline.com/${tenant}`],
      [`https://login.microsoftonline.com/${tenant}/v2.0`, "2.0", `https://login.microsoftonline.com/${tenant}/v2.0`],
      [`https://login.microsoftonline.us/${tenant}/v2.0`, "2.0", `https://login.microsoftonline.us/${tenant}/v2.0`],
      [`https://login.partner.microsoftonline.cn/${tenant}/v2.0`, "2.0", `https://login.partner.microsoftonline.cn/${tenant}/v2.0`],
      [`https://127.0.0.1:8443/${tenant}`, "1.0", `https://127.0.0.1:8443/${tenant}`],
      [`https://127.0.0.1:8443/${tenant}/v2.0`, "2.0", `https://127.0.0.1:8443/${tenant}/v2.0`],
      [`https://azure.corp.example/entra/${tenant}/v2.0`, "2.0", `https://azure.corp.example/entra/${tenant}/v2.0`],
    ] as const;
    for (const [uri, version, base] of rows) {
      for (const spelled of [uri, `${uri}/`, ` ${uri}\n`]) {
        const provider = read(spelled);
        const found = [provider.tenant, provider.version, provider.source.documentUrl];
        expect(found).toEqual([tenant, version, `${base}/.well-known/openid-configuration`]);
      }
    }
    expect(read(`https://sts.windows.net/${tenant.toUpperCase()}/`).tenant).toBe(tenant);
  });

  test("names one tenant by its id, in an address without anything else", () => {
    for (const uri of [
      "",
      "sts.windows.net",
      `sts.windows.net/${tenant}`,
      "https://sts.windows.net/",
      "https://sts.windows.net/contoso.onmicrosoft.com/",
      "https://login.microsoftonline.com/common/v2.0",
      "https://login.microsoftonline.com/organizations",
      `https://login.microsoftonline.com/${tenant}/v1.0`,
      `https://login.microsoftonline.com/${tenant}/V2.0`,
      `https://login.microsoftonline.com/${tenant}/v2.0/v2.0`,
      `https://login.microsoftonline.com/${tenant}/oauth2/v2.0`,
      `https://login.microsoftonline.com/evil/${tenant}`,
      `https://sts.windows.net//${tenant}/`,
      `https://127.0.0.1:8443//${tenant}/`,
      `https://sts.windows.net/${tenant}//`,
      `https://sts.windows.net/${tenant}/?x=1`,
      `https://sts.windows.net/${tenant}/#x`,
      `https://user:pass@sts.windows.net/${tenant}/`,
      `ftp://sts.windows.net/${tenant}/`,
      `https://sts.windows.net/${tenant}x/`,
    ]) {
      expect([uri, refusal({ "provider-uri": uri })]).toEqual([uri, "provider_uri"]);
    }
    expect(refusal({})).toBe("provider_uri");
  });

  test("lets the document name the issuer of its cloud, tenant and version alone", () => {
    const v1 = read(`https://sts.windows.net/${tenant}/`).source;
    expect(v1.accepts(`https://sts.windows.net/${tenant}/`)).toBe(true);
    for (const issuer of [
      `https://sts.windows.net/${tenant}`,
      `https://sts.windows.net/${otherTenant}/`,
      `https://sts.windows.net/${tenant}/v2.0`,
      `https://login.microsoftonline.com/${tenant}/v2.0`,
      `https://sts.chinacloudapi.cn/${tenant}/`,
      `http://sts.windows.net/${tenant}/`,
      `https://evil.example/${tenant}/`,
      "https://sts.windows.net/{tenantid}/",
    ]) {
      expect([issuer, v1.accepts(issuer)]).toEqual([issuer, false]);
    }
    const government = read(`https://login.microsoftonline.us/${tenant}/v2.0`).source;
    expect(government.accepts(`https://login.microsoftonline.us/${tenant}/v2.0`)).toBe(true);
    expect(government.accepts(`https://login.microsoftonline.com/${tenant}/v2.0`)).toBe(false);
    expect(read(`https://login.microsoftonline.us/${tenant}`).source.accepts(`https://sts.windows.net/${tenant}/`)).toBe(true);
    expect(read(`https://login.chinacloudapi.cn/${tenant}`).source.accepts(`https://sts.chinacloudapi.cn/${tenant}/`)).toBe(true);
  });

  test("of a private cloud leaves the issuer's host free, its tenant and version not", () => {
    const { accepts } = read(`https://127.0.0.1:8443/${tenant}/`).source;
    for (const issuer of [
      `https://sts.windows.net/${tenant}/`,
      `https://127.0.0.1:8443/${tenant}/`,
      `https://sts.simulator.example/${tenant}/`,
    ]) {
      expect([issuer, accepts(issuer)]).toEqual([issuer, true]);
    }
    for (const issuer of [
      `https://127.0.0.1:8443/${otherTenant}/`,
      `https://x.example/${tenant}`,
      `https://x.example/${tenant}/v2.0`,
      `https://x.example/?/${tenant}/`,
      `urn:x/${tenant}/`,
      `/${tenant}/`,
    ]) {
      expect([issuer, accepts(issuer)]).toEqual([issuer, false]);
    }
  });

  test("bounds which hosts may be asked", () => {
    const known = read(`https://sts.windows.net/${tenant}/`).source;
    expect(known.keyHosts).toContain("login.windows.net");
    expect(known.keyHosts).toContain("login.microsoftonline.us");
    expect(known.publicHosts).toEqual(known.keyHosts);
    expect((known.keyHosts ?? []).filter((host) => host.endsWith(".cn"))).toEqual([]);
    const unknown = read(`https://evil.example/${tenant}/`).source;
    expect([unknown.publicHosts, unknown.keyHosts]).toEqual([[], ["evil.example"]]);
  });
});

describe("audience", () => {
  test("is the Resource Manager of the cloud when nobody set it", () => {
    const rows = [
      [`https://sts.windows.net/${tenant}/`, "https://management.azure.com"],
      [`https://login.microsoftonline.us/${tenant}/v2.0`, "https://management.usgovcloudapi.net"],
      [`https://sts.chinacloudapi.cn/${tenant}/`, "https://management.chinacloudapi.cn"],
      [`https://127.0.0.1:1/${tenant}/`, "https://management.azure.com"],
    ] as const;
    for (const [uri, audience] of rows) {
      expect(read(uri)).toMatchObject({ audiences: [audience, `${audience}/`], isDefaultAudience: true });
    }
  });

  test("replaces that with a list of exact values, separated by commas or lines", () => {
    const provider = read(`https://sts.windows.net/${tenant}/`, " api://postern ,https://a.example\r\n\nurn:x y\n,");
    expect(provider).toMatchObject({ audiences: ["api://postern", "https://a.example", "urn:x y"], isDefaultAudience: false });
  });

  test("that lists nobody never means everybody", () => {
    for (const audience of [",", " ", "\n", " , \n ,"]) {
      expect(refusal({ "provider-uri": `https://sts.windows.net/${tenant}/`, audience })).toBe("audience_setting");
    }
  });
});
