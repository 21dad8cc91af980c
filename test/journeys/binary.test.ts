import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { version } from "../../package.json";
import { hostTarget, isTarget, targets } from "../../scripts/targets";
import { execute, type Installation, inOwnMounts, installBinary } from "../support/binary";

let installed: Installation;

beforeAll(() => {
  installed = installBinary();
});

afterAll(() => installed.remove());

const isRoot = process.getuid?.() === 0;
const nobody = "65534";
const host = hostTarget();
const addonFile = join(import.meta.dir, `../../node_modules/${isTarget(host) ? targets[host].addon : ""}/index.node`);

/** What `self-test` prints when everything works. */
const fit = /^ok {6}code made from text is refused\nok {6}SQLite [\d.]+ writes and reads\nok {6}a worker thread signs with RS256\n$/;

/** A folder where every file that a runtime might pick up by itself leaves a mark when it runs. */
function layTrap(name: string): { readonly folder: string; readonly isSprung: () => boolean } {
  const folder = installed.folder(name);
  const mark = join(folder, "mark");
  const trap = `require("node:fs").writeFileSync(${JSON.stringify(mark)}, "");\n`;
  const files: Readonly<Record<string, string>> = {
    ".env": "NODE_TLS_REJECT_UNAUTHORIZED=0\n",
    ".env.production": "NODE_OPTIONS=--inspect\n",
    "bunfig.toml": 'preload = ["./trap.ts"]\n',
    "trap.ts": trap,
    "package.json": '{ "name": "trap", "main": "trap.ts", "imports": { "#trap": "./trap.ts" } }',
    "tsconfig.json": '{ "compilerOptions": { "paths": { "*": ["./trap.ts"] } } }',
    "worker-main.ts": trap,
    "worker-main.js": trap,
    "server/worker-main.ts": trap,
  };
  const packages = [
    "libsql",
    "@libsql/client",
    addonFile.split("node_modules/")[1]?.replace("/index.node", "") ?? "",
    "hono",
    "jose",
    "commander",
  ];
  for (const name of packages) {
    mkdirSync(join(folder, "node_modules", name), { recursive: true });
    writeFileSync(join(folder, "node_modules", name, "package.json"), `{ "name": "${name}", "main": "index.js" }`);
    writeFileSync(join(folder, "node_modules", name, "index.js"), trap);
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return { folder, isSprung: () => existsSync(mark) };
}

describe("the binary", () => {
  test("prints its version", () => {
    expect(installed.run(["--version"], { cwd: "/" })).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  test("runs from an empty folder, without node_modules, and leaves nothing there", () => {
    const cwd = installed.folder("empty");
    const outcome = installed.run(["self-test"], { cwd });
    expect(outcome.stdout).toMatch(fit);
    expect(outcome.code).toBe(0);
    expect(readdirSync(cwd)).toEqual([]);
  });

  test("loads nothing from the folder it is started in", () => {
    const trap = layTrap("hostile");
    const outcome = installed.run(["self-test"], { cwd: trap.folder, env: { NODE_ENV: "production" } });
    expect(outcome.stdout).toMatch(fit);
    expect(trap.isSprung()).toBe(false);
  });

  test("is tried by a trap that catches the ordinary runtime", () => {
    const trap = layTrap("hostile-control");
    writeFileSync(join(trap.folder, "inert.ts"), "export {};\n");
    execute([process.execPath, "inert.ts"], { cwd: trap.folder });
    expect(trap.isSprung()).toBe(true);
  });

  test("runs as a user who owns nothing but a data folder", () => {
    const data = installed.folder("data");
    const asNobody = ["setpriv", "--reuid", nobody, "--regid", nobody, "--clear-groups", "--no-new-privs"];
    if (isRoot) chownSync(data, Number(nobody), Number(nobody));
    const outcome = execute([...(isRoot ? asNobody : []), installed.binary, "self-test", "--folder", data], {
      cwd: "/",
      env: { TMPDIR: "/nowhere" },
    });
    expect(outcome.stdout).toMatch(fit);
    expect(readdirSync(data)).toEqual([]);
  });

  test("puts nothing into the shared temporary folder", () => {
    const shared = installed.folder("shared");
    chmodSync(shared, 0o1777);
    const outcome = installed.run(["self-test", "--folder", installed.folder("own")], {
      cwd: "/",
      env: { TMPDIR: shared, BUN_TMPDIR: shared, TMP: shared, TEMP: shared },
    });
    expect(outcome.stdout).toMatch(fit);
    expect(readdirSync(shared)).toEqual([]);
  });

  test("tells why it is not fit, and exits 1", () => {
    const outcome = installed.run(["self-test", "--folder", "/nowhere"], { cwd: "/" });
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toMatch(/^FAILED {2}.*ENOENT/m);
  });

  test("refuses a database engine that is not the one it was built with", () => {
    const forged = installBinary();
    try {
      const at = readFileSync(forged.binary).indexOf(readFileSync(addonFile));
      const file = openSync(forged.binary, "r+");
      writeSync(file, "forged", at + 100_000);
      closeSync(file);
      const outcome = forged.run(["self-test"], { cwd: "/" });
      expect(outcome.stdout).toContain("FAILED  integrity: libSQL's addon inside the binary");
      expect(outcome.code).toBe(1);
    } finally {
      forged.remove();
    }
  });
});

describe("the environment of the binary", () => {
  const hostile: readonly (readonly [string, (folder: string) => string])[] = [
    ["BUN_OPTIONS", (folder) => `--preload=${folder}/trap.ts`],
    ["BUN_INSPECT", () => "127.0.0.1:0"],
    ["BUN_INSPECT_PRELOAD", (folder) => `${folder}/trap.ts`],
    ["BUN_CONFIG_VERBOSE_FETCH", () => "curl"],
    ["BUN_JSC_dumpOptions", () => "0"],
    ["NODE_OPTIONS", (folder) => `--require ${folder}/trap.ts`],
    ["NODE_PATH", (folder) => `${folder}/node_modules`],
    ["NODE_TLS_REJECT_UNAUTHORIZED", () => "0"],
  ];

  test.each(hostile)("keeps it from starting when it sets %s", (name, value) => {
    const trap = layTrap(`environment-${name}`);
    const outcome = installed.run(["--version"], { cwd: trap.folder, env: { [name]: value(trap.folder) } });
    expect(outcome.code).not.toBe(0);
    expect(outcome.stdout).not.toContain(version);
    expect(trap.isSprung()).toBe(false);
  });

  test("is named in the refusal, without its values", () => {
    const outcome = installed.run(["--version"], { cwd: "/", env: { NODE_OPTIONS: "--sensitive", NODE_TLS_REJECT_UNAUTHORIZED: "0" } });
    expect(outcome.code).toBe(78);
    expect(outcome.stderr).toContain("NODE_OPTIONS, NODE_TLS_REJECT_UNAUTHORIZED");
    expect(outcome.stderr).not.toContain("--sensitive");
  });
});

describe("a file system that runs no files", () => {
  const noexec = 'mount -t tmpfs -o noexec,mode=1777 tmpfs "$1"; shift; exec "$@"';
  const unreachable =
    "not tried here: mounting takes Linux with root or user namespaces; the unit tests of the addon cover the way around it\n";

  test("does not hinder it as the temporary folder", () => {
    const folder = installed.folder("noexec-temp");
    const command = inOwnMounts(noexec, [folder, installed.binary, "self-test"]);
    if (command === undefined) process.stderr.write(unreachable);
    const outcome = execute(command ?? [installed.binary, "self-test"], { cwd: "/", env: { TMPDIR: folder, BUN_TMPDIR: folder } });
    expect(outcome.stdout).toMatch(fit);
  });

  test("is named, with what to change, when the engine can be loaded from nowhere else", () => {
    const folder = installed.folder("noexec-data");
    const load = [process.execPath, join(import.meta.dir, "../support/load-addon.ts"), addonFile, folder];
    const command = inOwnMounts(`chmod 755 "$1"; ${noexec.replace("mode=1777", "mode=755")}`, [folder, ...load]);
    if (command === undefined) process.stderr.write(unreachable);
    const outcome = execute(command ?? load, { cwd: "/" });
    expect(outcome.stdout).toContain(command === undefined ? "loaded" : `${folder}/native`);
    expect(outcome.stdout).toContain(command === undefined ? "loaded" : "Mount the data folder without noexec");
  });
});
