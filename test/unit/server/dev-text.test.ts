import { describe, expect, test } from "bun:test";
import { type DevFacts, devText } from "../../../src/server/dev-text";

const imds = (name: string, port: number) => ({
  name,
  about: `the machine ${name}`,
  url: `http://127.0.0.1:${port}`,
  environment: { AZURE_POD_IDENTITY_AUTHORITY_HOST: `http://127.0.0.1:${port}` },
});

const facts: DevFacts = {
  url: "https://127.0.0.1:8443",
  adminKey: "thekey",
  folder: "/tmp/postern-dev-1",
  certFile: "/tmp/postern-dev-1/cert.pem",
  entraUrl: "https://127.0.0.1:9443",
  tenantId: "t-1",
  subscriptionId: "s-1",
  clientId: "c-1",
  clientSecret: "not-so-secret",
  vm: imds("vm", 1001),
  fleet: imds("fleet", 1002),
  arc: {
    ...imds("arc", 1003),
    environment: {
      IDENTITY_ENDPOINT: "http://127.0.0.1:1003/metadata/identity/oauth2/token",
      IMDS_ENDPOINT: "http://127.0.0.1:1003",
    },
  },
  arcTokensFolder: "/tmp/postern-dev-1/tokens",
  agentFile: "/tmp/postern-dev-1/agent.toml",
  command: ["postern"],
};

const runnable = (text: string) => text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

/** What a shell that has read the export lines, and nothing else, knows by a name. */
function shellValue(text: string, name: string): string {
  const exports = runnable(text).filter((line) => /^export (?!CONJUR_SSL|NO_PROXY|admin_token|VAULT_TOKEN)/u.test(line));
  const script = `${exports.join("\n")}\nprintf %s "$${name}"`;
  return Bun.spawnSync(["bash", "-euc", script], { env: {} }).stdout.toString();
}

describe("the text of postern dev", () => {
  test("begins by saying, as a comment, that it is not for production", () => {
    const [, title] = devText(facts).split("\n");
    expect(title).toBe("#   POSTERN DEV: NOT FOR PRODUCTION");
  });

  test("is a shell script as a whole", () => {
    const check = Bun.spawnSync(["bash", "-n", "-c", devText(facts)]);
    expect([check.exitCode, check.stderr.toString()]).toEqual([0, ""]);
  });

  test("exports what Vault's command line and libraries read, and makes their token when it is pasted", () => {
    const text = devText(facts);
    expect(shellValue(text, "VAULT_ADDR")).toBe(facts.url);
    expect(text).toContain(' vault token 2>/dev/null)"\n');
    expect(text).not.toContain("hvs.");
  });

  test("exports what Conjur's command line and libraries read", () => {
    const values = ["APPLIANCE_URL", "ACCOUNT", "CERT_FILE", "AUTHN_LOGIN", "AUTHN_API_KEY"].map((name) =>
      shellValue(devText(facts), `CONJUR_${name}`),
    );
    expect(values).toEqual(["https://127.0.0.1:8443", "dev", "/tmp/postern-dev-1/cert.pem", "admin", "thekey"]);
  });

  test("leads SDKs to the virtual machine, and tells in comments how to be another machine", () => {
    const text = devText(facts);
    expect(shellValue(text, "AZURE_POD_IDENTITY_AUTHORITY_HOST")).toBe("http://127.0.0.1:1001");
    expect(text).toContain("#   export AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:1002\n");
    expect(text).toContain("#   unset AZURE_POD_IDENTITY_AUTHORITY_HOST\n");
    expect(text).toContain("#   export IMDS_ENDPOINT=http://127.0.0.1:1003\n");
  });

  test.each([
    ["/tmp/postern-dev-1/tokens", true],
    ["/var/opt/azcmagent/tokens", false],
  ])("says where SDKs look for an Arc server's challenges when they are in %s: %p", (arcTokensFolder, isSaid) => {
    expect(devText({ ...facts, arcTokensFolder }).includes("in /var/opt/azcmagent/tokens alone")).toBe(isSaid);
  });

  test("names no certificate where there is none", () => {
    const { certFile: _, ...plain } = facts;
    const text = devText({ ...plain, url: "http://127.0.0.1:8443" });
    expect(text).not.toMatch(/cacert|CERT_FILE|SSL_CERTIFICATE/u);
    expect(shellValue(text, "CONJUR_APPLIANCE_URL")).toBe("http://127.0.0.1:8443");
  });

  test("keeps every path one word, whatever is in it", () => {
    const folder = '/tmp/it\'s $(touch x); `y` "z"';
    const text = devText({ ...facts, folder, command: [`${folder}/postern`] });
    expect(shellValue(text, "POSTERN_DATA")).toBe(folder);
    expect(runnable(text).at(-1)).toStartWith(`'/tmp/it'\\''s $(touch x); \`y\` "z"/postern' why `);
  });

  test("shows no credential in an argument", () => {
    const commands = runnable(devText(facts)).filter((line) => !line.startsWith("export CONJUR_AUTHN_API_KEY="));
    expect(commands.filter((line) => line.includes("thekey"))).toEqual([]);
    expect(commands.filter((line) => /curl.*(\$jwt|\$CONJUR_AUTHN_API_KEY)/u.test(line))).toEqual([]);
  });
});
