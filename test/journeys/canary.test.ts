/** Looks for secrets where none may be: in every file a server leaves behind, in its log, in its answers to strangers, in its command line. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "postern-canary-"));
const data = join(folder, "data");
const binary = resolve("dist/postern");
// Characters that other encodings write differently.
const value = 'canary-VALUE>"7f3a\\9c ü+/=';
const malformedPart = "canary-MALFORMED-51bd";
const password = "CAnary-Pass9-77!";
const leftovers: string[] = [];
const canaries = new Map<string, string>();

beforeAll(async () => {
  mkdirSync(join(folder, "elsewhere"));
  await postern(["init", "--data", data, "--seal", `file:${join(folder, "seal.key")}`]);
  const seal = readFileSync(join(folder, "seal.key"), "utf8").trim();
  const created = await postern(["account", "create", "myorg", "--data", data, "--seal", `file:${join(folder, "seal.key")}`]);
  const apiKey = /API key for admin: (\S+)/.exec(created)?.[1] ?? "";
  const log = join(folder, "server.log");
  const server = Bun.spawn(
    [
      binary,
      "server",
      "--data",
      data,
      "--seal",
      `file:${join(folder, "seal.key")}`,
      "--listen",
      "127.0.0.1:0",
      "--log",
      log,
      "--log-level",
      "debug",
    ],
    {
      cwd: join(folder, "elsewhere"),
      env: { PATH: "/usr/bin:/bin" },
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const url = await listeningAt(log);
  try {
    leftovers.push(readFileSync(`/proc/${server.pid}/cmdline`, "latin1"), readFileSync(`/proc/${server.pid}/environ`, "latin1"));
    const login = await fetch(`${url}/authn/myorg/admin/authenticate`, {
      method: "POST",
      body: apiKey,
      headers: { "accept-encoding": "base64" },
    });
    const token = await login.text();
    const authorization = `Token token="${token}"`;
    const asAdmin = (path: string, init: RequestInit = {}) => fetch(`${url}${path}`, { ...init, headers: { authorization } });
    const loaded = await asAdmin("/policies/myorg/policy/root", { method: "POST", body: "- !variable v\n- !host h\n- !user bob" });
    const hostKey = /"api_key":"([^"]+)"/.exec(await loaded.text())?.[1] ?? "";
    await asAdmin("/secrets/myorg/variable/v", { method: "POST", body: value });
    expect(await (await asAdmin("/secrets/myorg/variable/v")).text()).toBe(value);
    const basic = `Basic ${Buffer.from(`admin:${apiKey}`).toString("base64")}`;
    await fetch(`${url}/authn/myorg/password`, { method: "PUT", headers: { authorization: basic }, body: password });

    // Wrong ones, with something of value in them each.
    const jwt = `eyJhbGciOiJSUzI1NiJ9.${Buffer.from(`{"x":"${malformedPart}"`).toString("base64url")}.c2ln`;
    const broken = [
      fetch(`${url}/authn-azure/prod/myorg/host%2Fh/authenticate`, { method: "POST", body: `jwt=${jwt}` }),
      fetch(`${url}/authn/myorg/host%2Fh/authenticate`, { method: "POST", body: malformedPart }),
      fetch(`${url}/authn/myorg/login`, {
        headers: { authorization: `Basic ${Buffer.from(`admin:${malformedPart}`).toString("base64")}` },
      }),
      fetch(`${url}/whoami`, {
        headers: { authorization: `Token token="${Buffer.from(`{"protected":"${malformedPart}`).toString("base64")}"` },
      }),
      fetch(`${url}/secrets/myorg/variable/absent`, { headers: { authorization } }),
      asAdmin("/policies/myorg/policy/root", { method: "POST", body: "- !variable { id: v, colour: red" }),
      fetch(`${url}/`, { headers: { "x-request-id": malformedPart.repeat(100) } }),
    ];
    for (const answer of await Promise.all(broken)) leftovers.push(await answer.text());
    await useAtShell(url, apiKey);
    for (const [name, text] of Object.entries({ value, apiKey, hostKey, password, malformedPart, seal, token })) canaries.set(name, text);
  } finally {
    server.kill("SIGTERM");
    await server.exited;
  }
  leftovers.push(await server.stdout.text(), await server.stderr.text());
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function postern(args: readonly string[]): Promise<string> {
  const child = Bun.spawn([binary, ...args], {
    cwd: join(folder, "elsewhere"),
    env: { PATH: "/usr/bin:/bin" },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (exitCode !== 0) throw new Error(`exit ${exitCode}: ${stderr}`);
  return stdout;
}

/** A person logs in by hand, runs a program with the secret while the copy is kept, is refused, and asks the doctor. */
async function useAtShell(url: string, apiKey: string): Promise<void> {
  const env = { PATH: "/usr/bin:/bin", HOME: join(folder, "elsewhere") };
  const common = { cwd: join(folder, "elsewhere"), env, stdout: "pipe", stderr: "pipe" } as const;
  const where = ["--url", url, "--account", "myorg"];
  for (const [words, input] of [
    [["login", ...where, "--login", "admin"], apiKey],
    [["login", ...where, "--login", "admin", "--state", join(folder, "refused")], malformedPart],
    [["whoami", "--json"], ""],
    [["doctor", "--data", data], ""],
    [["get", "absent"], ""],
  ] as const) {
    const child = Bun.spawn([binary, ...words], { ...common, stdin: Buffer.from(input) });
    leftovers.push(await child.stdout.text(), await child.stderr.text());
  }
  const script = 'test -n "$V" && test -s "$F" && echo ready; read x';
  const words = ["exec", "--offline", "--max-age", "1h", "--yaml", "V: !var v\nF: !var:file v", "--", "sh", "-c", script];
  const exec = Bun.spawn([binary, ...words], { ...common, stdin: "pipe" });
  const { value: shown } = await exec.stdout.getReader().read();
  expect(Buffer.from(shown ?? []).toString()).toBe("ready\n");
  // Of the program that has the secret, its environment tells; of the one that started it, nothing does.
  leftovers.push(readFileSync(`/proc/${exec.pid}/cmdline`, "latin1"), readFileSync(`/proc/${exec.pid}/environ`, "latin1"));
  exec.stdin.end();
  await exec.exited;
  leftovers.push(await exec.stderr.text());
}

async function listeningAt(log: string): Promise<string> {
  const deadline = performance.now() + 15_000;
  while (performance.now() < deadline) {
    const url = /"event":"listening","url":"([^"]+)"/.exec(tryRead(log))?.[1];
    if (url !== undefined) return url;
    await Bun.sleep(10);
  }
  throw new Error(`no listener: ${tryRead(log)}`);
}

function tryRead(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** A secret as it may stand somewhere: as it is, and in the usual encodings. Base64 also from the two other places in a longer text. */
function spellings(text: string): readonly string[] {
  const bytes = Buffer.from(text);
  const shifted = [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift, "x"), bytes])
      .toString("base64")
      .slice(shift === 0 ? 0 : 4, -4),
  );
  return [
    text,
    ...shifted,
    ...shifted.map((each) => each.replaceAll("+", "-").replaceAll("/", "_")),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    encodeURIComponent(text),
    JSON.stringify(text).slice(1, -1),
  ];
}

function everyFile(below: string): readonly string[] {
  return readdirSync(below, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe("after a life with secrets", () => {
  test("no file of the server or of its users holds one, in any spelling", () => {
    const files = everyFile(folder).filter((path) => !path.endsWith("seal.key"));
    expect(files.map((path) => path.slice(folder.length))).toContain("/data/postern.db");
    const found: string[] = [];
    for (const path of files) {
      const content = readFileSync(path).toString("latin1");
      for (const [name, text] of canaries) {
        // Who is logged in keeps a session, and that alone; of the same second it is the same one.
        if (name === "token" && path.endsWith("/session.json")) continue;
        for (const spelling of spellings(text))
          if (content.includes(Buffer.from(spelling).toString("latin1"))) found.push(`${name} in ${path}`);
      }
    }
    expect(found).toEqual([]);
  });

  test("no refusal, output, command line or environment shows one", () => {
    const found: string[] = [];
    for (const text of leftovers)
      for (const [name, canary] of canaries)
        for (const spelling of spellings(canary)) if (text.includes(spelling)) found.push(`${name} in ${text.slice(0, 80)}`);
    expect(found).toEqual([]);
  });

  test("the search would find one", () => {
    writeFileSync(join(folder, "planted"), Buffer.from(`prefix${value}`).toString("base64"));
    const content = readFileSync(join(folder, "planted")).toString("latin1");
    expect(spellings(value).some((spelling) => content.includes(spelling))).toBe(true);
  });
});
