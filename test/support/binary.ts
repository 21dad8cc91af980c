/** Runs the compiled binary as an operator would: a copy far from this repository, with nothing in its environment but a path. */

import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const suffix = process.platform === "win32" ? ".exe" : "";
const built = join(import.meta.dir, `../../dist/postern${suffix}`);

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Start {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Installation {
  /** The copy of the binary. */
  readonly binary: string;
  /** Makes an empty folder beside it that any user may enter. */
  folder(name: string): string;
  run(args: readonly string[], start: Start): Outcome;
  remove(): void;
}

/** Copies the binary to a temporary folder. Throws when it was not built. */
export function installBinary(): Installation {
  if (!existsSync(built)) throw new Error(`${built} is not there: bun scripts/build.ts makes it`);
  const home = mkdtempSync(join(tmpdir(), "postern-journey-"));
  chmodSync(home, 0o755);
  const binary = join(home, `postern${suffix}`);
  copyFileSync(built, binary);
  return {
    binary,
    folder(name) {
      const path = join(home, name);
      mkdirSync(path, { mode: 0o755 });
      return path;
    },
    run: (args, start) => execute([binary, ...args], start),
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}

/** Runs any command to its end, for 30 seconds at most. */
export function execute(command: readonly string[], start: Start): Outcome {
  const env = { PATH: "/usr/bin:/bin:/usr/sbin:/sbin", ...start.env };
  const result = Bun.spawnSync([...command], { cwd: start.cwd, env, stdin: "ignore", timeout: 30_000 });
  return { code: result.exitCode, stdout: result.stdout.toString(), stderr: result.stderr.toString() };
}

/**
 * A command that mounts a file system, for this command and what it starts alone, and then runs `script`; undefined where the platform lets nobody do that (it takes
 * Linux and root, or user namespaces). `$1`… are `args`.
 */
export function inOwnMounts(script: string, args: readonly string[]): readonly string[] | undefined {
  if (process.platform !== "linux") return undefined;
  const wrappers = [
    ["unshare", "--mount"],
    ["unshare", "--mount", "--map-root-user"],
  ];
  const wrapper = wrappers.find((words) => execute([...words, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], { cwd: "/" }).code === 0);
  return wrapper === undefined ? undefined : [...wrapper, "sh", "-eu", "-c", script, "sh", ...args];
}
