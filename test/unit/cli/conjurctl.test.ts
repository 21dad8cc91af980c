import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { translateConjurctl } from "../../../src/cli/conjurctl";
import { parseId } from "../../../src/model/ids";
import { type CliBench, createCliBench, createOperatedHouse, type OperatedHouse } from "../../support/cli-bench";
import { secret, textOf } from "../../support/house";

let operated: OperatedHouse;
let cli: CliBench;

beforeEach(async () => {
  operated = await createOperatedHouse();
  cli = createCliBench(() => operated.app);
});
afterEach(() => operated.close());

describe("conjurctl", () => {
  test.each([
    ["server", {}, "server --listen 0.0.0.0:80"],
    ["server", { PORT: "3000" }, "server --listen 0.0.0.0:3000"],
    ["server -a myorg -p 8080 -b 127.0.0.1 --no-migrate", {}, "server --listen 127.0.0.1:8080 --create-account myorg"],
    [
      "server --account=myorg --port=81 --file policy.yml --password-from-stdin",
      {},
      "server --listen 0.0.0.0:81 --create-account myorg --load policy.yml --password-from-stdin",
    ],
    ["server -b ::1", {}, "server --listen [::1]:80"],
    ["server --listen 127.0.0.1:9 -p 1", {}, "server --listen 127.0.0.1:9"],
    ["wait", {}, "wait --port 80"],
    ["wait -r 3", { PORT: "3000" }, "wait --port 3000 -r 3"],
    ["wait -p 9", {}, "wait -p 9"],
    ["account create myorg", {}, "account create myorg"],
    ["role retrieve-key a:user:admin", {}, "role retrieve-key a:user:admin"],
  ])("%s with %j is %s", (line, environment, translated) => {
    expect(translateConjurctl(line.split(" "), environment).join(" ")).toBe(translated);
  });

  test("is this program under another name", async () => {
    const { code, err } = await cli.run("conjurctl account create myorg");
    expect({ code, err }).toEqual({ code: 0, err: "Created new account 'myorg'\n" });
  });
});

describe("account delete", () => {
  test("removes the account with all that is in it, and its keys with it", async () => {
    const { house } = operated;
    await cli.run("account create myorg");
    await house.load("- !variable v");
    const caller = await house.session("user:admin").catch(() => house.admin);
    await house.broker.writeSecret(house.admin, parseId("acme:variable:v"), secret("x"));
    expect(await cli.run("account delete acme")).toEqual({ code: 0, out: "", err: "Deleted account 'acme'\n" });
    expect(house.operator.accounts().map(String)).toEqual(["myorg"]);
    await expect(house.broker.read({ ...caller, context: house.context() }, { id: parseId("acme:variable:v") })).rejects.toMatchObject({
      failure: { code: "not_found" },
    });
    expect(house.audit.some(({ operation, allowed }) => operation === "account.delete" && allowed)).toBe(true);
    // Made again it is another account: no key of the first is good in it.
    await cli.run("account create acme");
    const again = await house.broker
      .login(
        { authenticator: "authn", account: "acme", role: house.id("user:admin"), claimed: "admin", credential: house.adminKey },
        house.context(),
      )
      .then(
        () => "in",
        (error) => error.failure.because,
      );
    expect(again).toBe("credential");
  });

  test("of one that is not there says so", async () => {
    expect(await cli.run("account delete nobody")).toEqual({ code: 1, out: "", err: "Account 'nobody' not found\n" });
  });
});

describe("role reset-password", () => {
  test("sets the password and gives a new key; the old key is dead", async () => {
    const { house } = operated;
    const { code, out, err } = await cli.run("role reset-password acme:user:admin", { input: "Correct-Horse-9-Battery!\n" });
    expect({ code, err }).toEqual({ code: 0, err: "Password of acme:user:admin is set\n" });
    const key = /^API key for acme:user:admin: (\S+)\n$/u.exec(out)?.[1] ?? "";
    const exchange = (presented: string) =>
      house.broker
        .exchangeForApiKey({ account: "acme", role: house.id("user:admin"), claimed: "admin", secret: secret(presented) }, house.context())
        .then(textOf, () => "refused");
    expect(await exchange("Correct-Horse-9-Battery!")).toBe(key);
    expect(await exchange(key)).toBe(key);
    expect(await exchange(textOf(house.adminKey))).toBe("refused");
    expect(`${out}${err}${JSON.stringify(house.audit)}`).not.toContain("Correct-Horse");
  });

  test("refuses a weak one, a host and nobody, and changes nothing", async () => {
    const { house } = operated;
    await house.load("- !host web");
    const before = house.store.commits.length;
    expect((await cli.run("role reset-password acme:user:admin", { input: "weak\n" })).code).toBe(1);
    expect((await cli.run("role reset-password acme:host:web", { input: "Correct-Horse-9-Battery!\n" })).code).toBe(1);
    expect(await cli.run("role reset-password acme:user:nobody", { input: "Correct-Horse-9-Battery!\n" })).toEqual({
      code: 1,
      out: "",
      err: "error: role does not exist: acme:user:nobody\n",
    });
    expect(house.store.commits).toHaveLength(before);
  });
});

describe("wait", () => {
  test("asks until somebody answers, and no longer than it was told", async () => {
    let asked = 0;
    const answers = async (port: number) => {
      asked += 1;
      return port === 9 && asked === 3;
    };
    expect(await cli.run("wait -p 9 -r 5", { world: { answers } })).toEqual({ code: 0, out: "", err: "A server answers on port 9\n" });
    expect(asked).toBe(3);
    asked = 10;
    expect(await cli.run("wait -p 9 -r 2", { world: { answers } })).toEqual({
      code: 1,
      out: "",
      err: "No server answered on port 9 in 2 attempts\n",
    });
    expect(asked).toBe(12);
  });

  test.each(["wait -p 0", "wait -p 70000", "wait -p x", "wait -r 0", "wait -r many"])("refuses %s", async (line) => {
    expect((await cli.run(line)).code).toBe(2);
  });
});

describe("server --create-account", () => {
  test("makes the account before it says that it listens, loads its policy, and says nothing of keys when it is there already", async () => {
    const files = { "/home/op/p.yml": "- !group ops\n" };
    const first = await cli.run("conjurctl server -a fresh -p 8443 -b 127.0.0.1 -f p.yml", { files });
    expect(first.code).toBe(0);
    expect(first.out).toMatch(/^Token-Signing Public Key: [\s\S]+\nAPI key for admin: \S+\nListening on /u);
    expect(first.err).toBe("Created new account 'fresh'\nLoaded p.yml into fresh:policy:root (replace)\n");
    const second = await cli.run("conjurctl server -a fresh -p 8443 -b 127.0.0.1");
    expect(second).toEqual({ code: 0, out: "Listening on http://127.0.0.1:8443\n", err: "" });
  });

  test("takes the password from standard input, and then shows no key", async () => {
    const { out } = await cli.run("server --create-account fresh --password-from-stdin", { input: "Correct-Horse-9-Battery!\n" });
    expect(out).toContain("Password is set\nListening");
    expect(out).not.toContain("API key");
  });

  test("ends when the account or the policy cannot be", async () => {
    expect((await cli.run("server --create-account a/b")).code).toBe(1);
    const { code, err } = await cli.run("server --create-account fresh --load p.yml", { files: { "/home/op/p.yml": "- !hots a\n" } });
    expect(code).toBe(1);
    expect(err).toContain("line 1: ");
    expect((await cli.run("server --load p.yml")).code).toBe(2);
    expect((await cli.run("server --password-from-stdin")).code).toBe(2);
  });
});

describe("configuration", () => {
  test("shows values with their origin, as text, JSON or YAML", async () => {
    const line = "configuration show --node here --authenticators authn-azure/x";
    expect((await cli.run(line)).out).toMatch(/^node +"here" +--node\n/mu);
    expect(JSON.parse((await cli.run(`${line} -o json`)).out).node).toEqual({ value: "here", source: "--node" });
    expect((await cli.run(`${line} -o yaml`)).out).toContain('"node": "here" # --node\n');
    expect((await cli.run(`${line} -o xml`)).code).toBe(2);
  });

  test("is checked without a server, and applied to one by reading its certificates again", async () => {
    expect(await cli.run("configuration apply --test --node here")).toEqual({ code: 0, out: "The settings are right\n", err: "" });
    expect((await cli.run("configuration apply --test --log-level loud")).code).toBe(78);
    expect((await cli.run("configuration apply")).code).toBe(0);
    expect(operated.keyringCalls).toEqual(["reload"]);
  });

  test("reads the settings file of a Conjur server, behind everything else", async () => {
    const text = "authenticators: [authn, authn-azure/AzureAE1]\nuser_authorization_token_ttl: 600\nextensions: []\n";
    const files = { "/etc/conjur/config/conjur.yml": text, "/home/op/other.yml": "user_authorization_token_ttl: 700\n" };
    await cli.run("server", { files, environment: { CONJUR_HOST_AUTHORIZATION_TOKEN_TTL: "300" } });
    expect(cli.started.at(-1)).toMatchObject({
      enabledAuthenticators: ["authn-azure/AzureAE1"],
      userSessionSeconds: 600,
      hostSessionSeconds: 300,
    });
    await cli.run("server", { files, environment: { CONJUR_USER_AUTHORIZATION_TOKEN_TTL: "900" } });
    expect(cli.started.at(-1)?.userSessionSeconds).toBe(900);
    const named = await cli.run("server", { files, environment: { CONJUR_CONFIG: "other.yml" } });
    expect(named.code).toBe(0);
    expect(cli.started.at(-1)).toMatchObject({ enabledAuthenticators: [], userSessionSeconds: 700 });
    expect((await cli.run("server", { files, environment: { CONJUR_CONFIG: "absent.yml" } })).code).not.toBe(0);
    expect((await cli.run("server", { files })).err).toContain("extensions in /etc/conjur/config/conjur.yml is ignored");
    for (const broken of ["- a\n", "a: [", "text"])
      expect((await cli.run("server", { files: { "/etc/conjur/config/conjur.yml": broken } })).code).toBe(78);
  });
});
