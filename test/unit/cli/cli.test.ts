import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { PosternError } from "../../../src/model/failures";
import { readRecord } from "../../support/audit-bench";
import { type CliBench, createCliBench, createOperatedHouse, type OperatedHouse, recoveryKeyText } from "../../support/cli-bench";
import { textOf } from "../../support/house";

let operated: OperatedHouse;
let cli: CliBench;

beforeAll(async () => {
  operated = await createOperatedHouse();
  cli = createCliBench(() => operated.app);
});
afterAll(() => operated.close());

const secretsPolicy = "- !policy\n  id: secrets\n  body:\n    - !variable db\n    - !variable empty\n- !host app\n";

describe("postern vault token", () => {
  test("prints a root token alone, which lives for an hour unless it is told otherwise", async () => {
    const { code, out, err } = await cli.run("vault token");
    expect({ code, out, err }).toEqual({ code: 0, out: expect.stringMatching(/^hvs\.\w{43}\n$/), err: "A root token that lives for 1h\n" });
    expect(operated.house.lastAudit()).toMatchObject({ operation: "token.create_root", allowed: true, role: "acme:user:admin" });
    const brief = await cli.run("vault token --ttl 15m --json");
    expect(JSON.parse(brief.out)).toMatchObject({ token: expect.stringMatching(/^hvs\./), ttlSeconds: 900 });
    expect((await cli.run("vault token --ttl 0s")).err).toBe("A root token that lives until it is revoked\n");
  });

  test("takes no time that is none", async () => {
    expect(await cli.run("vault token --ttl soon")).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringContaining("--ttl: expected a time"),
    });
  });
});

describe("postern account create", () => {
  test("prints as conjurctl does", async () => {
    const { code, out, err } = await cli.run("account create myorg");
    expect(code).toBe(0);
    expect(err).toBe("Created new account 'myorg'\n");
    expect(out).toMatch(
      /^Token-Signing Public Key: -----BEGIN PUBLIC KEY-----\n[\s\S]+-----END PUBLIC KEY-----\nAPI key for admin: [0-9a-z]{40,}\n$/u,
    );
  });

  test("takes the name as an option, and a default one", async () => {
    expect((await cli.run("account create --name other")).err).toBe("Created new account 'other'\n");
    expect((await cli.run("account create")).err).toBe("Created new account 'default'\n");
  });

  test("refuses an account that exists, with conjurctl's words", async () => {
    expect(await cli.run("account create acme")).toEqual({ code: 1, out: "", err: "Account 'acme' already exists\n" });
  });

  test("prints no key when a password is set", async () => {
    const { code, out } = await cli.run("account create protected --password-from-stdin", { input: "Correct-Horse-9-Battery!\n" });
    expect(code).toBe(0);
    expect(out).toEndWith("-----END PUBLIC KEY-----\nPassword is set\n");
    expect(out).not.toContain("API key");
  });

  test("refuses a weak password", async () => {
    const { code, out, err } = await cli.run("account create weak --password-from-stdin", { input: "canary\n" });
    expect(code).toBe(1);
    expect(`${out}${err}`).not.toContain("canary");
  });
});

test.each(["vault token", "why --path secret/x --policy default"])(
  "postern %s asks which account is meant where there are several",
  async (line) => {
    const { code, err } = await cli.run(line);
    expect([code, err]).toEqual([1, expect.stringContaining("vault.account")]);
  },
);

describe("postern role retrieve-key", () => {
  test("prints keys alone, one on a line", async () => {
    const { code, out, err } = await cli.run("role retrieve-key acme:user:admin");
    expect({ code, out, err }).toEqual({ code: 0, out: `${textOf(operated.house.adminKey)}\n`, err: "" });
  });

  test("prints an empty line for a role that is not there", async () => {
    const { code, out, err } = await cli.run("role retrieve-key acme:user:nobody acme:user:admin");
    expect(code).toBe(1);
    expect(out).toBe(`\n${textOf(operated.house.adminKey)}\n`);
    expect(err).toBe("error: role does not exist: acme:user:nobody\n");
  });
});

describe("postern policy load", () => {
  test("adds to the branch, prints what was created, and says so", async () => {
    const { code, out, err } = await cli.run("policy load --account acme secrets.yml", {
      files: { "/home/op/secrets.yml": secretsPolicy },
    });
    expect(code).toBe(0);
    expect(err).toBe("Loaded secrets.yml into acme:policy:root (create)\n");
    expect(JSON.parse(out)).toMatchObject({
      version: 1,
      created_roles: { "acme:host:app": { id: "acme:host:app", api_key: expect.any(String) } },
    });
  });

  test("replaces the root policy in conjurctl's form", async () => {
    await cli.run("account create replaced");
    const { err } = await cli.run("policy load replaced p.yml", { files: { "/home/op/p.yml": "- !group a\n" } });
    expect(err).toBe("Loaded p.yml into replaced:policy:root (replace)\n");
  });

  test("refuses to replace by several files, each of which would undo the last", async () => {
    expect(await cli.run("policy load acme a.yml b.yml")).toMatchObject({
      code: 2,
      err: expect.stringContaining("one file in the mode replace"),
    });
  });

  test("prints every problem with its line, a mark and advice, and stores nothing", async () => {
    const text = "- !variable fine\n- !permit\n  role: !group x\n  privilegs: [ read ]\n  resource: !variable y\n";
    const { code, out, err } = await cli.run("policy load --account acme bad.yml", { files: { "/home/op/bad.yml": text } });
    expect(code).toBe(1);
    expect(out).toBe("");
    expect(err).toContain(
      "bad.yml:4:3: No such attribute 'privilegs' on type Permit\n  4 |   privilegs: [ read ]\n    |   ^ did you mean 'privileges'?\n",
    );
    expect(err).toEndWith(`why: postern why ${operated.house.lastAudit().decision}\n`);
    expect(await cli.run("variable get --account acme fine")).toMatchObject({ code: 1 });
  });
});

describe("postern policy check", () => {
  const offline = { reach: () => Promise.reject(new Error("the store was asked")) };

  test("needs no store", async () => {
    const checked = await cli.run("policy check a.yml", { files: { "/home/op/a.yml": secretsPolicy }, world: offline });
    expect(checked).toEqual({ code: 0, out: "a.yml: ok\n", err: "" });
  });

  test("tells all problems of all files at once", async () => {
    const files = { "/home/op/a.yml": "- !grop a\n- !host\n  idd: b\n", "/home/op/b.yml": "- !group b\n" };
    const { code, out, err } = await cli.run("policy check a.yml b.yml", { files, world: offline });
    expect(code).toBe(1);
    expect(out).toMatch(/^a\.yml: \d problems\nb\.yml: ok\n$/u);
    expect(err).toContain("a.yml:1:");
    expect(err).toContain("did you mean");
    expect(err).toContain("a.yml:3:3");
  });

  test("takes an unknown annotation of an authenticator for an error", async () => {
    const text = "- !host\n  id: a\n  annotations:\n    authn-azure/grop: x\n";
    const { code, err } = await cli.run("policy check a.yml", { files: { "/home/op/a.yml": text }, world: offline });
    expect(code).toBe(1);
    expect(err).toContain("a.yml:4:5");
    expect(err).toContain("did you mean 'group'?");
    expect(err).not.toContain("warning");
  });

  test("takes what another file may declare for given, and says so", async () => {
    const text = "- !grant\n  role: !group elsewhere\n  member: !host there\n";
    const { code, err } = await cli.run("policy check a.yml", { files: { "/home/op/a.yml": text }, world: offline });
    expect(code).toBe(0);
    expect(err).toContain("a.yml: warning: Line 2: Group 'elsewhere' not found");
  });

  test("asks the account as it is, with --live", async () => {
    const text = "- !grant\n  role: !group elsewhere\n  member: !host there\n";
    const { code, err } = await cli.run("policy check --live --account acme a.yml", { files: { "/home/op/a.yml": text } });
    expect(code).toBe(1);
    expect(err).toContain("a.yml:2:");
  });
});

describe("postern variable", () => {
  test("stores what stands on standard input, without its last line break, and prints it byte for byte", async () => {
    expect(await cli.run("variable set --account acme secrets/db", { input: "sesame\n" })).toEqual({
      code: 0,
      out: "Stored acme:variable:secrets/db\n",
      err: "",
    });
    expect(await cli.run("variable get --account acme secrets/db")).toEqual({ code: 0, out: "sesame", err: "" });
  });

  test("keeps a file as it is", async () => {
    await cli.run("variable set acme:variable:secrets/db --value-file v", { files: { "/home/op/v": "line\n\n" } });
    expect((await cli.run("variable get -i secrets/db", { environment: { CONJUR_ACCOUNT: "acme" } })).out).toBe("line\n\n");
    expect((await cli.run("variable get acme:variable:secrets/db --version 1")).out).toBe("sesame");
  });

  test("ends the line on a terminal", async () => {
    expect((await cli.run("variable get acme:variable:secrets/db --version 1", { isTerminal: true })).out).toBe("sesame\n");
  });

  test("takes no value from the command line, and does not repeat it", async () => {
    const { code, out, err } = await cli.run("variable set acme:variable:secrets/db -v canary-9");
    expect(code).toBe(2);
    expect(err).toContain("--value-file");
    expect(`${out}${err}`).not.toContain("canary-9");
  });

  test("says that a variable has no value, is not there, or is no variable", async () => {
    expect(await cli.run("variable get acme:variable:secrets/empty")).toMatchObject({
      code: 1,
      err: expect.stringContaining("has no value"),
    });
    expect(await cli.run("variable get acme:variable:secrets/none")).toMatchObject({ code: 1, err: expect.stringContaining("not found") });
    expect(await cli.run("variable get acme:host:app")).toMatchObject({ code: 2 });
    expect(await cli.run("variable get secrets/db")).toMatchObject({ code: 2, err: expect.stringContaining("--account") });
  });

  test("prints JSON when asked", async () => {
    const { out } = await cli.run("variable get acme:variable:secrets/db --version 1 --json");
    expect(JSON.parse(out)).toMatchObject({ id: "acme:variable:secrets/db", version: 1, value: "sesame" });
  });
});

describe("postern audit verify", () => {
  test("says that the trail is whole, and how far", async () => {
    const { code, out } = await cli.run("audit verify");
    expect(code).toBe(0);
    expect(out).toMatch(/^The audit trail is whole: \d+ lines in 1 file, up to \d+:[0-9a-f]{64}\n$/u);
  });

  test("finds what a head kept elsewhere tells", async () => {
    const { code, out } = await cli.run(`audit verify --head 99999:${"0".repeat(64)}`);
    expect(code).toBe(74);
    expect(out).toStartWith("The audit trail is NOT whole. The first bad line is ");
    expect(out).toContain("truncated: lines ");
  });

  test("refuses a head that is none", async () => {
    expect((await cli.run("audit verify --head 12")).code).toBe(2);
  });
});

describe("postern why", () => {
  const refusal = readRecord(7, {
    decision: "d-7k2m9x4p1qz0",
    allowed: false,
    failure: "not_found",
    because: "privilege_missing",
    checks: [
      { check: "resource_exists", ok: true },
      { check: "permit", ok: false, detail: "execute to acme:group:secrets/consumers, which acme:host:azure-apps/AD is not a member of" },
    ],
    remedy: "- !grant\n  role: !group secrets/consumers\n  member: !host azure-apps/AD",
  });
  beforeAll(() => operated.trail.append(refusal));

  test("explains a refusal in prose", async () => {
    const { code, out } = await cli.run("why d-7k2m9x4p1qz0");
    expect(code).toBe(0);
    expect(out).toBe(`d-7k2m9x4p1qz0  refused  secret.read  2025-11-10T09:12:13.130Z

Who         acme:host:azure-apps/AD
From        10.0.0.7, by the conjur dialect, request r7
Wanted      execute on version 3 of acme:variable:secrets/test-variable
Facts       of revision 12

Checks
  ✓ resource_exists
  ✗ permit: execute to acme:group:secrets/consumers, which acme:host:azure-apps/AD is not a member of

Refused     not_found, because privilege_missing

What would allow it, loaded into root:
  - !grant
    role: !group secrets/consumers
    member: !host azure-apps/AD
`);
  });

  test("tells of what was asked for by path which token asked, and into which policy what is missing belongs", async () => {
    const rule = 'path "secret/data/app" { capabilities = ["read"] }';
    await operated.trail.append(
      readRecord(9, {
        decision: "d-9p4thp4thp4t",
        allowed: false,
        path: "secret/data/app",
        accessor: "5ha8sEepFTQFkp4wSfdV7ymS",
        failure: "forbidden",
        because: "no_path_rule",
        checks: [{ check: "no_path_rule", ok: false, detail: "no rule of app, default is for secret/data/app" }],
        remedy: rule,
      }),
    );
    const { out } = await cli.run("why d-9p4thp4thp4t");
    expect(out).toContain("Token       of accessor 5ha8sEepFTQFkp4wSfdV7ymS\n");
    expect(out).toContain("Path        secret/data/app\n");
    expect(out).toContain(`What would allow it, in a policy that the token has:\n  ${rule}\n`);
  });

  test("has colour on a terminal alone, and not when NO_COLOR asks for none", async () => {
    expect((await cli.run("why d-7k2m9x4p1qz0", { isTerminal: true })).out).toContain("\u001b[31m  ✗ permit");
    expect((await cli.run("why d-7k2m9x4p1qz0", { isTerminal: true, environment: { NO_COLOR: "1" } })).out).not.toContain("\u001b");
  });

  test("knows nothing of another decision", async () => {
    expect(await cli.run("why d-000000000000")).toMatchObject({ code: 1, err: "postern: not found: decision d-000000000000\n" });
    expect(await cli.run("why nonsense")).toMatchObject({ code: 1 });
  });

  test("finds the newest refused login of a role by its name", async () => {
    const login = { operation: "login" as const, allowed: false, account: "acme", claimed: "host/apps/web", failure: "unauthenticated" };
    await operated.trail.append(readRecord(8, { ...login, because: "resource_group_mismatch" }));
    expect((await cli.run("why --account acme --login host/apps/web")).out).toContain("because resource_group_mismatch");
    expect(await cli.run("why --account other --login host/apps/web")).toMatchObject({ code: 1, out: "" });
    expect(await cli.run("why --login host/apps/web")).toMatchObject({ code: 2, err: expect.stringContaining("--account") });
    expect(await cli.run("why")).toMatchObject({ code: 2, err: expect.stringContaining("a decision, or --login") });
  });

  test("leaves a line of its own in the trail", async () => {
    await cli.run("why d-7k2m9x4p1qz0");
    const report = await operated.trail.verify();
    const { out } = await cli.run("audit verify --json");
    expect(JSON.parse(out).lastSequence).toBe(report.lastSequence + 1);
  });
});

describe("postern seal", () => {
  test("shows the state and the keys", async () => {
    const { code, out } = await cli.run("seal status");
    expect(code).toBe(0);
    expect(out).toBe("seal        unsealed\nopens by    file:/etc/seal.key (ok)\nroot key    epoch 2\n");
  });

  test("ends with 78 while sealed, as everything does that needs the store", async () => {
    operated.setSeal({ state: "sealed", reason: "seal_key_missing", detail: "file:/etc/seal.key" });
    expect(await cli.run("seal status")).toMatchObject({
      code: 78,
      out: expect.stringContaining("sealed (seal_key_missing: file:/etc/seal.key)"),
    });
    expect((await cli.run("status")).code).toBe(78);
    const sealed = () => Promise.reject(new PosternError({ code: "sealed", reason: "seal_key_missing" }));
    expect(await cli.run("status", { world: { reach: sealed } })).toMatchObject({ code: 78, err: "postern: sealed: seal_key_missing\n" });
  });

  test("unseals by the recovery key on standard input", async () => {
    expect(await cli.run("seal unseal --recovery-key-stdin", { input: "ABC-DEF\n" })).toMatchObject({ code: 0 });
    expect(operated.keyringCalls.at(-1)).toBe("unseal with key");
  });

  test("rotates the root key and prints the new recovery key", async () => {
    expect((await cli.run("seal rotate root")).out).toBe(
      `The root key is now of epoch 3.\nRecovery key, shown this once; keep it offline:\n${recoveryKeyText}\n`,
    );
  });

  test("rotates the keys of an account and has values re-wrapped", async () => {
    expect((await cli.run("seal rotate scope --account acme")).code).toBe(0);
    expect(operated.keyringCalls.slice(-2)).toEqual(["rotateScope acme", "rewrap"]);
    expect((await cli.run("seal rotate nothing")).code).toBe(2);
  });

  test("adds and removes keys that open the store", async () => {
    expect((await cli.run("seal add systemd:postern")).out).toBe("The store opens by systemd:postern as well.\n");
    expect(await cli.run("seal remove file:/none")).toMatchObject({ code: 1, err: "postern: not found: recipient file:/none\n" });
  });
});

describe("postern init", () => {
  test("prints the recovery key on a line of its own, once", async () => {
    const { code, out } = await cli.run("init --data d --seal file:k");
    expect(code).toBe(0);
    expect(out).toBe(
      `Initialised /home/op/d, sealed by file:/home/op/k.\nRecovery key, shown this once; keep it offline:\n${recoveryKeyText}\n`,
    );
  });

  test("writes it into a file instead", async () => {
    const { out } = await cli.run("init --data d --seal file:k --recovery-key-file r");
    expect(out).not.toContain(recoveryKeyText);
    expect([...cli.written.values()]).toEqual([`${recoveryKeyText}\n`]);
  });
});

describe("postern server", () => {
  test("starts with the settings of all three places and says where it listens", async () => {
    const files = { "/etc/p.toml": 'node = "n1"\nlisten = "127.0.0.1:1"' };
    const { code, out } = await cli.run("server --config /etc/p.toml --listen 127.0.0.1:2 --seal file:/a --seal systemd:b", {
      files,
      environment: { POSTERN_LOG_LEVEL: "debug" },
    });
    expect({ code, out }).toEqual({ code: 0, out: "Listening on http://127.0.0.1:8443\n" });
    expect(cli.started.at(-1)).toMatchObject({
      node: "n1",
      log: { level: "debug" },
      seals: ["file:/a", "systemd:b"],
      listeners: [{ listen: "127.0.0.1:2" }],
    });
  });

  test("ends with 78 for a wrong configuration, each complaint on a line", async () => {
    const { code, err } = await cli.run("server --log-level loud", { environment: { CONJUR_DATA_KEY: "canary" } });
    expect(code).toBe(78);
    expect(err).toMatch(/^postern: CONJUR_DATA_KEY: .*\npostern: --log-level: expected one of debug, info, warn, error\n$/u);
    expect(err).not.toContain("canary");
  });

  for (const [readiness, flags, code] of [
    [{ state: "failed", reason: "store_damaged" }, "", 74],
    [{ state: "sealed", reason: "seal_key_mismatch" }, " --exit-if-sealed", 78],
    [{ state: "sealed", reason: "seal_key_mismatch" }, "", 0],
  ] as const) {
    test(`ends with ${code} when ${readiness.reason} is found${flags === "" ? "" : " and --exit-if-sealed is set"}`, async () => {
      const startServer = async () => ({
        app: operated.app,
        urls: ["u"],
        readiness,
        reload: () => undefined,
        stop: async () => undefined,
      });
      const ended = await cli.run(`server${flags}`, { world: { startServer } });
      expect(ended).toMatchObject({ code, err: `postern: ${readiness.state}: ${readiness.reason}\n` });
    });
  }

  test("ends with 75 when another server has the folder", async () => {
    const startServer = () =>
      Promise.reject(new PosternError({ code: "conflict", what: "a server that is running", because: "already_running" }));
    expect((await cli.run("server", { world: { startServer } })).code).toBe(75);
  });
});

describe("the command line", () => {
  test("prints a key without a line break, as conjurctl does", async () => {
    expect((await cli.run("data-key generate")).out).toBe(Buffer.alloc(32, 7).toString("base64"));
  });

  test("names the nearest command and option, and ends with 2", async () => {
    expect(await cli.run("polcy check a")).toMatchObject({ code: 2, err: expect.stringContaining("Did you mean policy?") });
    expect(await cli.run("server --lisen x")).toMatchObject({ code: 2, err: expect.stringContaining("Did you mean --listen?") });
  });

  test("explains every command by an example", async () => {
    for (const line of ["init", "account create", "server", "status", "role retrieve-key", "policy load", "policy check", "variable set"]) {
      const { code, out } = await cli.run(`${line} --help`);
      expect(code).toBe(0);
      expect(out).toMatch(/Example:\n {2}\$ .*postern/u);
    }
  });

  test("tells its exit codes", async () => {
    expect((await cli.run("--help")).out).toContain("74  the store, the keyring or the audit trail is damaged");
  });

  test("shows what settings are and where they come from, and no password", async () => {
    const environment = { POSTERN_NODE: "here", HTTPS_PROXY: "http://user:canary@proxy.example:3128" };
    const { out } = await cli.run("configuration show --listen 127.0.0.1:1", { environment });
    expect(out).toContain("--listen");
    expect(out).toContain("POSTERN_NODE");
    expect(out).toContain("http://[redacted]@proxy.example:3128");
    expect(out).not.toContain("canary");
  });

  test("prints refusals as JSON on standard error when asked", async () => {
    const { out, err } = await cli.run("variable get acme:variable:secrets/none --json");
    expect(out).toBe("");
    expect(JSON.parse(err).error.code).toBe("not_found");
  });

  test("says which variables mean nothing here", async () => {
    const { err } = await cli.run("status", { environment: { DATABASE_URL: "postgres://canary" } });
    expect(err).toBe("postern: DATABASE_URL is ignored: Postern keeps its data in its own folder (--data)\n");
  });
});
