import { describe, expect, test } from "bun:test";
import { loadAgentConfig } from "../../../src/config/agent";
import { PosternError } from "../../../src/model/failures";

const primary = `[primary]\nurl = "https://postern.example"\naccount = "acme"\nservice = "AzureAE1"\n`;
const app = `[apps.billing]\nrole = "host/apps/billing"\nsocket = "/run/postern/billing.sock"\n`;
const load = (text: string) => loadAgentConfig({ path: "/etc/postern/agent.toml", text });

function problems(text: string): string {
  try {
    load(text);
    return "none";
  } catch (error) {
    if (error instanceof PosternError && error.failure.code === "malformed") return error.failure.expected;
    throw error;
  }
}

describe("the agent's file", () => {
  test("names what a primary by Vault's protocol needs", () => {
    const config = load(
      '[primary]\nurl = "https://vault.example/"\nprotocol = "vault"\nnamespace = "admin"\nscale_set = "web"\n[apps.a]\nrole = "billing"\nsocket = "/a"\n',
    );
    expect(config.primary).toEqual({
      url: "https://vault.example",
      account: "vault",
      service: "",
      vault: { mount: "azure", namespace: "admin", scaleSet: "web" },
      audience: "https://management.azure.com/",
    });
    expect(config.apps[0]).toMatchObject({ role: "billing", login: "host/vault/role/azure/billing" });
    expect(load(primary + app).apps[0].login).toBe("host/apps/billing");
  });

  test("has safe defaults: no seal, nothing served without the primary, sockets of their owner alone", () => {
    const config = load(primary + app);
    expect(config).toMatchObject({ seals: [], maxStaleMs: 0, freshMs: 10_000, refreshMs: 300_000, dataFolder: "/var/lib/postern-agent" });
    expect(config.apps[0]).toMatchObject({ name: "billing", socket: { path: "/run/postern/billing.sock", mode: 0o600 } });
    expect(config.apps[0].identityEndpoint).toBeUndefined();
  });

  test("reads times, modes, users by number or name, and paths from its own folder", () => {
    const text = `https_proxy = "http://proxy:3128"\nproxy_exceptions = ".corp"\n${primary}ca = "ca.pem"\n[offline]\nmax_stale = "2d"\nfresh = "30s"\n[offline.secrets]\n"apps/db" = "1h"\n${app}owner = 1001\ngroup = "web"\nmode = "0660"\n`;
    expect(load(text)).toMatchObject({
      primary: { caFile: "/etc/postern/ca.pem" },
      proxy: { https: "http://proxy:3128", noProxy: ".corp" },
      maxStaleMs: 172_800_000,
      freshMs: 30_000,
      maxStaleByName: [{ name: "apps/db", ms: 3_600_000 }],
      apps: [{ socket: { owner: "1001", group: "web", mode: 0o660 } }],
    });
  });

  test.each([
    ["nothing", "", "primary: missing"],
    ["no app", primary, "apps: missing"],
    ["an unknown key", `colour = 1\n${primary}${app}`, "colour: unknown setting"],
    ["an unknown key below", `${primary}${app}colour = 1\n`, "apps.billing.colour: unknown setting"],
    ["no TOML", "[primary", "/etc/postern/agent.toml:1:"],
    ["a socket that others may use", `${primary}${app}mode = "0666"\n`, "closed to others"],
    ["a port without a token", `${primary}[apps.a]\nrole = "host/a"\nlisten = "127.0.0.1:1"\n`, "either token_file or challenge"],
    ["a port for the world", `${primary}[apps.a]\nrole = "host/a"\nlisten = "0.0.0.0:1"\ntoken_file = "/t"\n`, "127.0.0.1:PORT"],
    ["neither socket nor port", `${primary}[apps.a]\nrole = "host/a"\n`, "either socket or listen"],
    ["both", `${primary}${app}listen = "127.0.0.1:1"\ntoken_file = "/t"\n`, "either socket or listen"],
    ["no account", `[primary]\nurl = "https://p"\nservice = "s"\n${app}`, "primary.account: missing"],
    ["what is another protocol's", `${primary}mount = "azure"\n${app}`, "primary.mount: unknown setting"],
    [
      "what is another protocol's too",
      `${primary}protocol = "vault"\n[apps.a]\nrole = "a"\nsocket = "/a"\n`,
      "primary.service: unknown setting",
    ],
    ["a host as role of Vault's", `[primary]\nurl = "https://p"\nprotocol = "vault"\n${app}`, "the name of a role of the Azure method"],
    [
      "a mount that is none",
      `[primary]\nurl = "https://p"\nprotocol = "vault"\nmount = "/x/"\n[apps.a]\nrole = "a"\nsocket = "/a"\n`,
      "the path of a mount",
    ],
    ["a user as role", `${primary}[apps.a]\nrole = "admin"\nsocket = "/a"\n`, "the login of a host"],
    ["two apps on one socket", `${primary}${app}[apps.b]\nrole = "host/b"\nsocket = "/run/postern/billing.sock"\n`, "used twice"],
    ["two names of an identity", `${primary}[identity]\nclient_id = "a"\nobject_id = "b"\n${app}`, "one of client_id"],
    ["a trail without keys", `audit = "required"\n${primary}${app}`, "expected a seal"],
    ["a time without unit", `${primary}[offline]\nmax_stale = "60"\n${app}`, "a time such as"],
    [
      "an identity endpoint for everybody",
      `${primary}${app}[apps.billing.identity_endpoint]\nlisten = "127.0.0.1:1"\nsecret_file = "/s"\naudiences = []\n`,
      "at least one audience",
    ],
  ])("with %s is refused by name", (_what, text, expected) => {
    expect(problems(text)).toContain(expected);
  });
});
