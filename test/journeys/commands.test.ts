/** The shipped program as people and scripts use it: logged in by a machine's identity at a server of its own, which then goes away. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "../../src/cli/doctor/finding";
import { selfSigned } from "../../src/crypto/certificate";
import { execute, type Installation, inOwnMounts, installBinary } from "../support/binary";

setDefaultTimeout(60_000);

const secretText = "the-value-of-the-sample-secret";
const secret = "secrets/test-variable";

let installation: Installation;
let home: string;
let dev: Bun.Subprocess<"ignore", "pipe", "pipe">;
let url = "";
let login: readonly string[] = [];
let data = "";
/** As the sample's administrator. */
const conjur: Record<string, string> = {};

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const environment = (): Record<string, string> => ({ PATH: "/usr/bin:/bin:/usr/sbin:/sbin", HOME: home });

const started: Bun.Subprocess[] = [];

function start(words: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const child = Bun.spawn([installation.binary, ...words], {
    cwd: home,
    env: { ...environment(), ...more },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  started.push(child);
  return child;
}

async function run(words: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const child = start(words, more);
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, out, err };
}

/** All of `postern dev`'s text. */
async function startDev(): Promise<string> {
  dev = Bun.spawn([installation.binary, "dev", "--listen", "127.0.0.1:0"], {
    cwd: home,
    env: environment(),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const reader = dev.stdout.getReader();
  let text = "";
  while (!text.includes("# Then: the same machine")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`dev ended: ${text}`);
    text += Buffer.from(value).toString();
  }
  reader.releaseLock();
  return text;
}

const found = (text: string, pattern: RegExp): string => pattern.exec(text)?.[1] ?? "";

beforeAll(async () => {
  installation = installBinary();
  home = installation.folder("home");
  chmodSync(home, 0o700);
  const text = await startDev();
  url = found(text, /^# Postern +(\S+)/mu);
  data = found(text, /^# Files +(\S+)/mu);
  const arc = found(text, /^# arc +(\S+)/mu);
  for (const name of ["CONJUR_ACCOUNT", "CONJUR_CERT_FILE", "CONJUR_AUTHN_LOGIN", "CONJUR_AUTHN_API_KEY"])
    conjur[name] = found(text, new RegExp(`^export ${name}=(\\S+)`, "mu"));
  const roots = found(text, /^export CONJUR_CERT_FILE=(\S+)/mu);
  const identity = [
    "--identity-source",
    "arc",
    "--identity-endpoint",
    `${arc}/metadata/identity/oauth2/token`,
    "--identity-tokens",
    join(data, "tokens"),
  ];
  const where = ["--url", url, "--account", "dev", "--login", "host/azure-apps/arc", "--service", "AzureAE1", "--ca-cert", roots];
  login = ["login", ...where, ...identity];
});

afterAll(async () => {
  // A test that failed has not ended its program; it cleans up after itself.
  for (const child of started) {
    child.kill("SIGTERM");
    await child.exited;
  }
  dev.kill("SIGKILL");
  installation.remove();
});

/** The first line that it prints, and a way to the rest. */
async function firstLine(child: ReturnType<typeof start>): Promise<{ readonly line: string; readonly rest: () => Promise<string> }> {
  const reader = child.stdout.getReader();
  let text = "";
  const more = async (): Promise<boolean> => {
    const { value, done } = await reader.read();
    text += Buffer.from(value ?? []).toString();
    return !done;
  };
  while (!text.includes("\n") && (await more()));
  const [line = ""] = text.split("\n", 1);
  return {
    line,
    async rest() {
      while (await more());
      return text.slice(line.length + 1);
    },
  };
}

describe("with the server at hand", () => {
  test("a machine logs in by its challenge file, is told who it is, and reads", async () => {
    expect(await run(login)).toEqual({ code: 0, out: `Logged in at ${url} as host/azure-apps/arc\n`, err: "" });
    expect(JSON.parse((await run(["whoami", "--json"])).out)).toMatchObject({ account: "dev", username: "host/azure-apps/arc" });
    expect(await run(["get", secret])).toEqual({ code: 0, out: secretText, err: "" });
  });

  test("a program gets secrets, and nobody else: not the list of processes, and no file after its end", async () => {
    const script =
      'printf "%s %s %s " "$A" "$(cat "$F")" "$F"; stat -c %a "$F" "$(dirname "$F")" | tr "\\n" " "; cat /proc/$PPID/cmdline | tr "\\0" " "; exit 7';
    const yaml = `A: !var ${secret}\nF: !var:file ${secret}\n`;
    const { code, out, err } = await run(["exec", "--yaml", yaml, "--", "sh", "-c", script]);
    const [value, content, path = "", fileMode, folderMode, ...words] = out.split(" ");
    expect([code, err, value, content, fileMode, folderMode]).toEqual([7, "", secretText, secretText, "600", "700"]);
    expect(existsSync(path)).toBe(false);
    expect(words.join(" ")).not.toContain(secretText);
  });

  test.each([["SIGTERM"], ["SIGHUP"], ["SIGUSR1"], ["SIGINT"]] as const)(
    "a program hears of %s, and its files are gone after it",
    async (signal) => {
      const script = `trap 'echo heard; exit 3' ${signal.slice(3)}; echo "$F"; while :; do sleep 0.05; done`;
      const child = start(["exec", "--yaml", `F: !var:file ${secret}`, "--", "sh", "-c", script]);
      const { line: path, rest } = await firstLine(child);
      expect(readFileSync(path, "utf8")).toBe(secretText);
      child.kill(signal);
      const [out, code] = await Promise.all([rest(), child.exited]);
      expect([out, code]).toEqual(["heard\n", 3]);
      expect(existsSync(path)).toBe(false);
    },
  );

  const script = 'mount -t tmpfs -o size=8k tmpfs /dev/shm; code=0; "$@" || code=$?; ls /dev/shm >&2; exit $code';
  const inSmallMemory = (words: readonly string[]) => inOwnMounts(script, words);
  test.skipIf(inSmallMemory([]) === undefined)("a program is not started without its files, and half of one is not left behind", () => {
    const words = [installation.binary, "exec", "--yaml", `A: !file ${"x".repeat(20_000)}`, "--", "echo", "ran"];
    const { code, stdout, stderr } = execute(inSmallMemory(words) ?? [], { cwd: home, env: environment() });
    expect([code, stdout, stderr]).toEqual([1, "", "postern: the disk is full\n"]);
  });

  test("a program that a signal ends is told as a shell tells it, and leaves no file", async () => {
    const { code, out } = await run(["exec", "--yaml", `F: !var:file ${secret}`, "--", "sh", "-c", 'echo "$F"; kill -KILL $$']);
    expect(code).toBe(137);
    expect(existsSync(out.trim())).toBe(false);
  });
});

/** Runs at a terminal, and types `keys` when `cue` was shown. What was shown, and how it ended. */
async function atTerminal(words: readonly string[], cue: string, keys: string): Promise<{ readonly shown: string; readonly code: number }> {
  let shown = "";
  let isTyped = false;
  const child = Bun.spawn([installation.binary, ...words], {
    cwd: home,
    env: environment(),
    terminal: {
      cols: 80,
      rows: 24,
      data(terminal, bytes) {
        shown += Buffer.from(bytes).toString();
        if (isTyped || !shown.includes(cue)) return;
        isTyped = true;
        terminal.write(keys);
      },
    },
  });
  return { code: await child.exited, shown };
}

describe("at a terminal", () => {
  const alice = (): readonly string[] => {
    const [, ...words] = login.slice(0, login.indexOf("--service"));
    const roots = ["--ca-cert", login[login.indexOf("--ca-cert") + 1] ?? ""];
    return ["login", "--state", join(home, "alice"), ...words.map((word) => (word.startsWith("host/") ? "alice" : word)), ...roots];
  };

  test("a key that is typed is not shown, not even by the first keys", async () => {
    const { shown, code } = await atTerminal(alice(), "alice: ", "canary-key\r");
    expect([code, shown]).toEqual([1, "API key or password of alice: \r\npostern: the proof was not accepted (primary_refused)\r\n"]);
  });

  test("Ctrl-C ends the question", async () => {
    expect(await atTerminal(alice(), "alice: ", "canary\u0003")).toMatchObject({ code: 2, shown: expect.not.stringContaining("canary") });
  });

  test("a program hears of Ctrl-C once, and reads from the terminal as if it were alone", async () => {
    const script = `trap 'echo heard' INT; echo "$F ready"; read x; read x; echo "got $x"; exit 5`;
    const yaml = `F: !var:file ${secret}`;
    const { shown, code } = await atTerminal(["exec", "--yaml", yaml, "--", "bash", "-c", script], "ready", "\u0003one\rtwo\r");
    expect([code, shown.match(/heard/gu)?.length]).toEqual([5, 1]);
    expect(existsSync(found(shown, /^(\S+) ready/mu))).toBe(false);
  });
});

describe("postern doctor", () => {
  const findingsOf = async (words: readonly string[], more: Readonly<Record<string, string>> = {}) => {
    const { code, out, err } = await run(["doctor", "--json", ...words], more);
    expect(err).toBe("");
    expect(out).not.toContain(secretText);
    expect(out).not.toMatch(/eyJ[\w-]{8,}\.[\w-]{8,}/u);
    const { findings }: { readonly findings: readonly Finding[] } = JSON.parse(out);
    return { code, of: (check: string) => findings.find((each) => each.check === check) };
  };

  test("finds identity, line, login and operator well", async () => {
    const { code, of } = await findingsOf(["--data", data]);
    expect(code).toBe(0);
    for (const check of ["identity endpoint", "identity", "dns", "tls", "clock", "login host/azure-apps/arc", "server on this machine"])
      expect([check, of(check)?.state]).toEqual([check, "ok"]);
    // The sample's certificate is made for thirty days.
    expect(of("tls")?.found).toEndWith("good for 29d");
  });

  test("compares the token with the policy by the word of the server's operator", async () => {
    const state = installation.folder("state-of-another");
    chmodSync(state, 0o700);
    const kept = readFileSync(join(home, ".local/state/postern/connection.json"), "utf8");
    writeFileSync(join(state, "connection.json"), kept.replace("host/azure-apps/arc", "host/azure-apps/vm"), { mode: 0o600 });
    const { code, of } = await findingsOf(["--state", state, "--data", data]);
    const refused = of("login host/azure-apps/vm");
    expect([code, refused?.state]).toEqual([1, "fail"]);
    expect(refused?.details?.filter((line) => line.startsWith("✗"))).toEqual([
      expect.stringMatching(/(resource-group|identity).*policy wants/u),
    ]);
    expect(refused?.details?.filter((line) => line.startsWith("✓")).join("\n")).toContain("subscription-id: policy wants");
    expect(refused?.remedy).toMatch(/^postern why d-/u);
  });

  test("tells a certificate that nobody vouches for from a server that is away", async () => {
    const other = join(home, "other.pem");
    writeFileSync(other, selfSigned({ dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"], now: Date.now(), days: 2 }).certificatePem);
    const login = { CONJUR_APPLIANCE_URL: url, CONJUR_ACCOUNT: "dev", CONJUR_AUTHN_LOGIN: "admin", CONJUR_AUTHN_API_KEY: "none" };
    const { code, of } = await findingsOf([], { ...login, CONJUR_CERT_FILE: other });
    expect([code, of("tls")?.state]).toEqual([1, "fail"]);
    expect(of("tls")?.remedy).toContain("openssl s_client");
  });
});

describe.skipIf(process.getuid?.() !== 0)("a user without rights", () => {
  const user = 3001;
  let own: string;

  beforeAll(() => {
    own = installation.folder("user");
    mkdirSync(join(own, ".local/state/postern"), { recursive: true });
    writeFileSync(join(own, "secrets.yml"), "A: text\n");
    const kept = readFileSync(join(home, ".local/state/postern/connection.json"));
    writeFileSync(join(own, ".local/state/postern/connection.json"), kept, { mode: 0o600 });
    expect(Bun.spawnSync(["chown", "-R", `${user}:${user}`, own]).exitCode).toBe(0);
  });

  function as(words: readonly string[], group = user): Ended {
    const drop = ["setpriv", "--reuid", String(user), "--regid", String(group), "--clear-groups"];
    const { code, stdout, stderr } = execute([...drop, installation.binary, ...words], { cwd: own, env: { HOME: own } });
    return { code: code ?? -1, out: stdout, err: stderr };
  }

  test("is told that the agent's challenges are not for them, and the command that mends it", () => {
    const { code, out } = as(["doctor", "--json"]);
    const { findings }: { readonly findings: readonly Finding[] } = JSON.parse(out);
    expect([code, findings.find(({ check }) => check === "identity")]).toMatchObject([
      1,
      {
        state: "fail",
        found: expect.stringContaining("challenge_file_not_permitted"),
        remedy: expect.stringContaining("usermod -aG himds"),
      },
    ]);
    expect(findings.find(({ check }) => check === "login host/azure-apps/arc")).toMatchObject({ state: "unknown" });
  });

  test("may have a secrets.yml that their own group writes, where that group is nobody else's", () => {
    const file = join(own, "secrets.yml");
    chmodSync(file, 0o664);
    expect(as(["exec", "--", "printenv", "A"])).toEqual({ code: 0, out: "text\n", err: "" });
    chownSync(file, user, user + 1);
    expect(as(["exec", "--", "printenv", "A"])).toMatchObject({ code: 1, out: "", err: expect.stringContaining("cannot write") });
    chownSync(file, user, user);
    expect(as(["exec", "--", "printenv", "A"], user + 1)).toMatchObject({ code: 1, out: "" });
    chmodSync(file, 0o666);
    expect(as(["exec", "--", "printenv", "A"])).toMatchObject({ code: 1, out: "" });
  });

  test("writes nowhere but in folders of their own", () => {
    writeFileSync(join(own, "t.tmpl"), "x\n", { mode: 0o644 });
    chownSync(join(own, "t.tmpl"), user, user);
    expect(as(["render", "--template", `t.tmpl:${join(own, "out")}`])).toMatchObject({ code: 0, out: `wrote ${join(own, "out")}\n` });
    expect(as(["render", "--template", `t.tmpl:${join(own, "out")}`, "--owner", "0"])).toMatchObject({ code: 1, out: "" });
    const theirs = installation.folder("of-others");
    expect(as(["render", "--template", `t.tmpl:${join(theirs, "out")}`])).toMatchObject({ code: 1, out: "" });
    expect(readdirSync(own).filter((name) => name.includes(".postern-"))).toEqual([]);
  });
});

describe("in the place of summon", () => {
  const asAdministrator = (): Record<string, string> => ({ ...conjur, CONJUR_APPLIANCE_URL: url });
  const project = (): string => join(home, "project");

  test("a program gets what secrets.yml says, by the variables of Conjur's clients, without any login", async () => {
    mkdirSync(join(project(), "below"), { recursive: true });
    const text = `common:\n  PASSWORD: !var $path/test-variable\n  KEY_FILE: !var:file $path/test-variable\nprod:\n  LEVEL: warn\n  NONE: !var:default='nothing' no/such\n`;
    writeFileSync(join(project(), "secrets.yml"), text);
    const script = 'echo "$PASSWORD $(cat "$KEY_FILE") $LEVEL $NONE $SUMMON_ENV"';
    const child = Bun.spawn([installation.binary, "exec", "--up", "-e", "prod", "-D", "path=secrets", "sh", "-c", script], {
      cwd: join(project(), "below"),
      env: { ...environment(), HOME: project(), ...asAdministrator() },
      stdin: "ignore",
    });
    expect([await child.stdout.text(), await child.exited]).toEqual([`${secretText} ${secretText} warn nothing prod\n`, 0]);
    expect(existsSync(join(project(), ".local"))).toBe(false);
  });

  test("a file with the environment has a line for each name, and is gone after it", async () => {
    const words = ["exec", "--yaml", `B: "x y"\nA: !var ${secret}`, "--", "sh", "-c", 'echo "$1"; cat "$1"', "sh", "@SUMMONENVFILE"];
    const { out, code } = await run(words, asAdministrator());
    const [path = "", ...lines] = out.split("\n");
    expect([code, lines]).toEqual([0, [`A=${secretText}`, 'B="x y"', ""]]);
    expect(existsSync(path)).toBe(false);
  });
});

describe("files for programs that read files", () => {
  const isRoot = process.getuid?.() === 0;
  const spec = (): string => join(home, "render.toml");
  const conf = (): string => join(home, "app.conf");
  const told = (): string => join(home, "told");

  test("are written with owner and mode, and their program is told when they changed", async () => {
    writeFileSync(join(home, "app.tmpl"), `password = {{ json "${secret}" }}\n`);
    const owner = isRoot ? "owner = 3001\ngroup = 2001\n" : "";
    const reload = `reload = ["sh", "-c", "env > told; echo done"]`;
    writeFileSync(
      spec(),
      `[[file]]\ntemplate = "app.tmpl"\ndestination = "${conf()}"\nmode = "0640"\n${owner}${reload}\n[[file]]\nsecret = "${secret}"\ndestination = "${join(home, "key")}"\n`,
    );
    const first = await run(["render", "-f", spec(), "--json"]);
    expect([first.code, first.err]).toEqual([0, "done\n"]);
    expect(JSON.parse(first.out)).toMatchObject({ files: [{ path: conf(), change: "content" }, { change: "content" }] });
    const { uid, gid, mode } = statSync(conf());
    expect(mode & 0o777).toBe(0o640);
    if (isRoot) expect([uid, gid]).toEqual([3001, 2001]);
    expect(readFileSync(conf(), "utf8")).toBe(`password = "${secretText}"\n`);
    expect(readFileSync(told(), "utf8")).not.toContain(secretText);
    rmSync(told());
    expect((await run(["render", "-f", spec()])).code).toBe(0);
    expect(existsSync(told())).toBe(false);
  });

  test("are none of them written when one cannot be", async () => {
    const third = join(home, "third");
    writeFileSync(spec(), `${readFileSync(spec(), "utf8")}[[file]]\nsecret = "no/such"\ndestination = "${third}"\n`);
    writeFileSync(join(home, "app.tmpl"), "changed\n");
    expect(await run(["render", "-f", spec()])).toMatchObject({ code: 1, out: "", err: expect.stringContaining("no/such") });
    expect([existsSync(third), readFileSync(conf(), "utf8")]).toEqual([false, `password = "${secretText}"\n`]);
  });

  test("are rendered again by SIGHUP with --watch, until SIGTERM", async () => {
    const child = start(["render", "--template", `${join(home, "app.tmpl")}:${conf()}`, "--watch", "1h"]);
    const { line, rest } = await firstLine(child);
    expect(line).toBe(`wrote ${conf()}`);
    writeFileSync(join(home, "app.tmpl"), "again\n");
    const again = rest();
    child.kill("SIGHUP");
    for (let tries = 0; readFileSync(conf(), "utf8") !== "again\n" && tries < 400; tries += 1) await Bun.sleep(10);
    expect(readFileSync(conf(), "utf8")).toBe("again\n");
    child.kill("SIGTERM");
    expect([await child.exited, await again]).toEqual([0, `wrote ${conf()}\n`]);
    expect(readdirSync(home).filter((name) => name.includes(".postern-"))).toEqual([]);
  });
});

describe("with the server gone", () => {
  const yaml = ["--yaml", `A: !var ${secret}`];
  const program = ["--", "sh", "-c", 'printf %s "$A"'];

  test("a program runs with the sealed copy, no older than allowed, and else not at all", async () => {
    expect(await run(["exec", "--offline", "--max-age", "1h", ...yaml, ...program])).toEqual({ code: 0, out: secretText, err: "" });
    dev.kill("SIGTERM");
    expect(await dev.exited).toBe(0);
    const late = await run(["exec", "--offline", "--max-age", "1h", ...yaml, ...program]);
    expect([late.code, late.out]).toEqual([0, secretText]);
    expect(late.err).toContain("using the sealed copy");
    const stale = await run(["exec", "--offline", "--max-age", "0s", ...yaml, ...program]);
    expect([stale.code, stale.out]).toEqual([1, ""]);
    expect(stale.err).toContain("is too old to be served");
    expect(await run(["exec", ...yaml, ...program])).toMatchObject({ code: 75, out: "" });
  });

  test("nothing on the disk has a value or a key in it, and all of it is this user's alone", async () => {
    const folder = join(home, ".local/state/postern");
    const { out } = await run(["exec", "--yaml", "A: b", "--", "find", folder, "-type", "f"]);
    const files = out.trim().split("\n");
    expect(files.length).toBeGreaterThanOrEqual(4);
    for (const file of files) {
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(readFileSync(file, "latin1")).not.toContain(secretText);
      expect(readFileSync(file, "latin1")).not.toContain(Buffer.from(secretText).toString("base64"));
    }
  });

  test("a copy does not open under another key", async () => {
    writeFileSync(join(home, ".local/state/postern/offline.key"), `${Buffer.alloc(32, 7).toString("base64")}\n`, { mode: 0o600 });
    const outcome = await run(["exec", "--offline", "--max-age", "1h", ...yaml, ...program]);
    expect([outcome.code, outcome.out]).toEqual([78, ""]);
    expect(outcome.err).not.toContain(secretText);
  });
});
