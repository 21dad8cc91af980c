import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type ConfigSources, type LoadedConfig, loadConfig, settingFlags } from "../../../src/config/config";
import { PosternError } from "../../../src/model/failures";

function load(sources: Partial<ConfigSources> = {}): LoadedConfig {
  return loadConfig({
    flags: {},
    environment: {},
    folder: "/home/op",
    authenticatorForms: ["authn-azure/SERVICE", "authn-gcp"],
    ...sources,
  });
}

function inFile(text: string, more: Partial<ConfigSources> = {}): LoadedConfig {
  return load({ file: { path: "/etc/postern.toml", text }, ...more });
}

/** What loading complains about, line by line. */
function complaints(act: () => unknown): readonly string[] {
  try {
    act();
  } catch (error) {
    if (error instanceof PosternError && error.failure.code === "malformed") return error.failure.expected.split("\n");
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("the configuration", () => {
  test("stands without a word said", () => {
    const { config, notices } = load();
    expect(config).toMatchObject({
      dataFolder: "/var/lib/postern",
      seals: [],
      listeners: [{ name: "main", listen: "127.0.0.1:8443" }],
      tokenSignature: "EdDSA",
      userSessionSeconds: 480,
      checksAddressOnUse: true,
      audit: { mode: "required", sync: "grouped" },
      trustedProxies: [],
    });
    expect(notices).toEqual([]);
  });

  test("takes what Azure's own tools are told by the environment, its secret so that nothing prints it", () => {
    const environment = {
      AZURE_TENANT_ID: "11111111-2222-4333-8444-555555555555",
      AZURE_AD_RESOURCE: "https://management.azure.com/",
      AZURE_ENVIRONMENT: "",
      AZURE_CLIENT_ID: "app",
      AZURE_CLIENT_SECRET: "do not tell",
    };
    const loaded = load({ environment });
    const { clientSecret, ...rest } = loaded.config.azureDefaults;
    expect(rest).toEqual({ tenantId: environment.AZURE_TENANT_ID, resource: environment.AZURE_AD_RESOURCE, clientId: "app" });
    expect(Buffer.from(clientSecret?.reveal() ?? "").toString()).toBe("do not tell");
    expect(Bun.inspect(loaded) + JSON.stringify(loaded)).not.toContain("do not tell");
    expect(load({ environment: { AZURE_CLIENT_SECRET: "" } }).config.azureDefaults).toEqual({});
  });

  test("is frozen through and through", () => {
    const { config } = load();
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.limits.loginsPerAddress)).toBe(true);
    expect(Object.isFrozen(config.listeners[0])).toBe(true);
  });

  test("prefers a flag to a variable, and a variable to the file", () => {
    const text = 'node = "file"\nlog_level = "debug"\ntoken_signature = "rs256"';
    const { config, origins } = inFile(text, {
      environment: { POSTERN_NODE: "variable", POSTERN_LOG_LEVEL: "warn" },
      flags: { node: "flag" },
    });
    expect(config).toMatchObject({ node: "flag", log: { level: "warn" }, tokenSignature: "RS256" });
    expect([...origins]).toEqual([
      ["node", "--node"],
      ["log_level", "POSTERN_LOG_LEVEL"],
      ["token_signature", "token_signature in /etc/postern.toml"],
    ]);
  });

  test("means the same by every setting in all three places", () => {
    const fromFile = inFile('seal = ["file:/a", "systemd:b"]\nexit_if_sealed = true\n[limits]\nbody_bytes = 2048').config;
    const fromEnvironment = load({
      environment: { POSTERN_SEAL: "file:/a, systemd:b", POSTERN_EXIT_IF_SEALED: "true", POSTERN_LIMITS_BODY_BYTES: "2048" },
    }).config;
    const fromFlags = load({ flags: { seal: ["file:/a", "systemd:b"], exit_if_sealed: true, "limits.body_bytes": "2048" } }).config;
    expect(fromEnvironment).toEqual(fromFile);
    expect(fromFlags).toEqual(fromFile);
  });

  test("lets relative paths of the file start from its folder, and all others from the working directory", () => {
    const text = 'tls_cert = "tls/cert.pem"\ntls_key = "tls/key.pem"\nseal = ["file:seal.key"]';
    const { config } = inFile(text, { flags: { data: "data", ca: ["roots.pem"] } });
    expect(config.listeners[0].tls).toEqual({ certFile: "/etc/tls/cert.pem", keyFile: "/etc/tls/key.pem" });
    expect(config.seals).toEqual(["file:/etc/seal.key"]);
    expect(config.dataFolder).toBe("/home/op/data");
    expect(config.rootFiles).toEqual(["/home/op/roots.pem"]);
  });

  test("gives a dialect a listener of its own", () => {
    const text = '[listeners.vault]\nlisten = "/run/postern/vault.sock"\ndialect = "vault"\nsocket_mode = "0660"';
    expect(inFile(text).config.listeners).toEqual([
      { name: "main", listen: "127.0.0.1:8443" },
      { name: "vault", listen: "/run/postern/vault.sock", dialect: "vault", socketMode: 0o660 },
    ]);
  });

  test.each([
    ["127.0.0.1", "127.0.0.1:8200"],
    ["0.0.0.0:8201", "0.0.0.0:8201"],
    ["localhost", "localhost:8200"],
    ["::1", "[::1]:8200"],
    ["[::]", "[::]:8200"],
    ["[::1]:8201", "[::1]:8201"],
    ["/run/postern/vault.sock", "/run/postern/vault.sock"],
    ["unix:/run/postern/vault.sock", "unix:/run/postern/vault.sock"],
  ])("gives clients of Vault a listener of their own at %s, with the certificate of the first", (listen, address) => {
    const { config } = load({ flags: { "vault.listen": listen, tls_cert: "c.pem", tls_key: "k.pem" } });
    const tls = { certFile: "/home/op/c.pem", keyFile: "/home/op/k.pem" };
    expect(config.listeners).toEqual([
      { name: "main", listen: "127.0.0.1:8443", tls },
      { name: "vault", listen: address, dialect: "vault", tls },
    ]);
    expect(inFile(`[listeners.other]\ndialect = "vault"\nlisten = "${listen}"`).config.listeners[1]?.listen).toBe(address);
  });

  test("takes as the address of the server what is one, with or without a slash at its end", () => {
    const given = (address: string) => load({ flags: { "vault.api_address": address } });
    expect(given("https://postern.example.com:8200/").config.apiAddress).toBe("https://postern.example.com:8200");
    expect(load({}).config.apiAddress).toBeUndefined();
    for (const address of [
      "postern.example.com",
      "https://postern.example.com/v1",
      "ftp://postern.example.com",
      "https://op@postern.example.com",
      "",
    ])
      expect(complaints(() => given(address))).toEqual([
        "--vault-api-address: expected a URL with scheme, host and perhaps port, such as https://postern.example.com:8200",
      ]);
  });

  test("takes one listener of that name", () => {
    const text = '[vault]\nlisten = "127.0.0.1"\n[listeners.vault]\nlisten = "127.0.0.1:8201"\ndialect = "vault"';
    expect(complaints(() => inFile(text))).toEqual(["vault.listen in /etc/postern.toml: expected either this or [listeners.vault]"]);
  });

  test("names an unknown setting and the nearest right one, wherever it stands", () => {
    expect(complaints(() => inFile('tls_crt = "a"'))).toEqual(["tls_crt in /etc/postern.toml: unknown setting; did you mean tls_cert?"]);
    expect(complaints(() => inFile("[limits]\nbody_byte = 1"))).toEqual([
      "limits.body_byte in /etc/postern.toml: unknown setting; did you mean limits.body_bytes?",
    ]);
    expect(complaints(() => load({ environment: { POSTERN_LISTN: "x" } }))).toEqual([
      "POSTERN_LISTN: unknown setting; did you mean POSTERN_LISTEN?",
    ]);
    expect(complaints(() => inFile("zzzzzzzzzzzzz = 1"))).toEqual(["zzzzzzzzzzzzz in /etc/postern.toml: unknown setting"]);
    expect(complaints(() => inFile('[listeners.vault]\nlisten = "127.0.0.1:1"\ndialect = "vault"\nlisen = 1'))).toEqual([
      "listeners in /etc/postern.toml, vault.lisen: unknown setting",
    ]);
  });

  test("tells everything that is wrong at once", () => {
    const act = () =>
      load({ flags: { log_level: "loud", user_token_ttl: "PT10M" }, environment: { POSTERN_AUDIT_MODE: "never", CONJUR_DATA_KEY: "k" } });
    expect(complaints(act)).toEqual([
      expect.stringMatching(/^CONJUR_DATA_KEY: no key in the environment.*--seal file:PATH/u),
      "--log-level: expected one of debug, info, warn, error",
      expect.stringMatching(/^--user-token-ttl: expected whole seconds.*PT10M are not understood/u),
      "POSTERN_AUDIT_MODE: expected required or best_effort",
    ]);
  });

  test("says where a file is no TOML", () => {
    expect(complaints(() => inFile('node = "a"\nlisten = = 3'))).toEqual([expect.stringMatching(/^\/etc\/postern\.toml:2:\d+: /u)]);
  });

  test("never repeats a value that it refuses", () => {
    const told = complaints(() =>
      load({ environment: { CONJUR_DATA_KEY: "canary-1", POSTERN_LIMITS_BODY_BYTES: "canary-2", POSTERN_WHAT: "canary-3" } }),
    );
    expect(told.join("\n")).not.toContain("canary");
  });

  test("wants certificate and key together", () => {
    expect(complaints(() => load({ flags: { tls_cert: "/a" } }))).toEqual(["tls_cert and tls_key: expected both or neither"]);
  });

  test("takes a seal key from the environment only when that is allowed in so many words", () => {
    const environment = { POSTERN_SEAL: "env:POSTERN_SEAL_KEY", POSTERN_SEAL_KEY: "secret" };
    expect(complaints(() => load({ environment }))).toEqual([expect.stringContaining("--insecure-env-seal")]);
    const { config } = load({ environment, flags: { insecure_env_seal: true } });
    expect(config.sealEnvironment).toEqual({ POSTERN_SEAL_KEY: "secret" });
    expect(load({ environment: { OTHER: "x" } }).config.sealEnvironment).toBeUndefined();
  });
});

describe("settings of Conjur's own servers", () => {
  test("are understood", () => {
    const environment = {
      CONJUR_AUTHENTICATORS: "authn,authn-azure/AzureAE1",
      TRUSTED_PROXIES: "10.0.0.0/8, 192.0.2.1",
      CONJUR_USER_AUTHORIZATION_TOKEN_TTL: "600",
      CONJUR_HOST_AUTHORIZATION_TOKEN_TTL: "99999",
      CONJUR_API_RESOURCE_LIST_LIMIT_MAX: "50",
      SECRETS_VERSION_LIMIT: "5",
      CONJUR_ACCOUNT: "acme",
    };
    expect(load({ environment }).config).toMatchObject({
      enabledAuthenticators: ["authn-azure/AzureAE1"],
      trustedProxies: ["10.0.0.0/8", "192.0.2.1"],
      userSessionSeconds: 600,
      hostSessionSeconds: 18_000,
      resourceListMax: 50,
      secretVersionsKept: 5,
      account: "acme",
    });
  });

  test("yield to Postern's own names", () => {
    const environment = { POSTERN_TRUSTED_PROXIES: "10.0.0.0/8", TRUSTED_PROXIES: "192.0.2.1" };
    expect(load({ environment }).config.trustedProxies).toEqual(["10.0.0.0/8"]);
  });

  test("are refused for an authenticator of an unknown type, or without its service", () => {
    for (const name of ["authn-ldap/corp", "authn-azure", "authn-azure/", "azure/x", "authn-gcp/x", "authn-gcpx"]) {
      expect(complaints(() => load({ environment: { CONJUR_AUTHENTICATORS: name } }))).toEqual([
        `CONJUR_AUTHENTICATORS: '${name}' is no authenticator; there are authn, authn-azure/SERVICE, authn-gcp`,
      ]);
    }
  });

  test("may name each authenticator in its form", () => {
    const environment = { CONJUR_AUTHENTICATORS: "authn,authn-azure/SERVICE,authn-azure/a/b,authn-gcp" };
    expect(load({ environment }).config.enabledAuthenticators).toEqual(["authn-azure/SERVICE", "authn-azure/a/b", "authn-gcp"]);
  });

  test("are refused for a lifetime written as a duration", () => {
    expect(complaints(() => load({ environment: { CONJUR_USER_AUTHORIZATION_TOKEN_TTL: "PT10M" } }))[0]).toStartWith(
      "CONJUR_USER_AUTHORIZATION_TOKEN_TTL: expected whole seconds",
    );
  });

  test("are ignored with a notice where they mean nothing here", () => {
    expect(load({ environment: { DATABASE_URL: "postgres://u:canary@h/d" } }).notices).toEqual([
      "DATABASE_URL is ignored: Postern keeps its data in its own folder (--data)",
    ]);
  });
});

describe("the flags of settings", () => {
  test("are one for each, with the name of the setting", () => {
    const flags = settingFlags();
    expect(flags.find(({ name }) => name === "limits.body_bytes")).toMatchObject({
      flag: "--limits-body-bytes",
      variable: "POSTERN_LIMITS_BODY_BYTES",
    });
    expect(new Set(flags.map(({ flag }) => flag)).size).toBe(flags.length);
  });

  test("cover every setting but the tables of the file", () => {
    const declared = readFileSync("src/config/schema.ts", "utf8").match(/^export const settings = \{([\s\S]*?)^\}/mu)?.[1] ?? "";
    const names = [...declared.matchAll(/^ {2}"?([a-z_.]+)"?[:,]/gmu)].map(([, name]) => name);
    expect(names).toHaveLength(settingFlags().length + 1);
  });
});
