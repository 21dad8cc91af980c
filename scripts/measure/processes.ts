/** Starts the processes that are measured, and ends each one it started. */

import * as v from "valibot";
import { LoadResult, type LoadSpec } from "./load-spec";

export interface Running {
  readonly pid: number;
  readonly port: number;
  /** From the start of the process until it was found up. */
  readonly startMs: number;
  stop(): Promise<void>;
}

const startDeadlineMs = 20_000;
const stopDeadlineMs = 15_000;

/** Starts a server and waits until `isUp`, asked again every few milliseconds, says so. Throws with the end of its log when it ends first. */
export async function startServer(command: readonly string[], port: number, isUp: () => Promise<boolean>): Promise<Running> {
  const started = performance.now();
  const child = Bun.spawn([...command], { env: { PATH: "/usr/bin:/bin" }, stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const log = child.stderr.text();
  const deadline = started + startDeadlineMs;
  while (!(await isUp())) {
    if (child.exitCode !== null || performance.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`${command[0]} did not come up: ${(await log).slice(-4000)}`);
    }
    await Bun.sleep(1);
  }
  return {
    pid: child.pid,
    port,
    startMs: performance.now() - started,
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), stopDeadlineMs);
      await child.exited;
      clearTimeout(timer);
    },
  };
}

/** Runs the load generator and gives its result. Throws when a single answer was not 200, or the generator failed. */
export async function runLoad(spec: LoadSpec): Promise<LoadResult> {
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/load.ts`], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  child.stdin.write(JSON.stringify(spec));
  await child.stdin.end();
  const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (exitCode !== 0) throw new Error(`the load generator failed: ${stderr}`);
  const result = v.parse(LoadResult, JSON.parse(stdout));
  if (Object.keys(result.refused).length > 0) throw new Error(`answers that are not 200: ${JSON.stringify(result.refused)}`);
  return result;
}

/** Runs a command to its end and gives what it printed. Throws when it fails. */
export async function runCommand(command: readonly string[]): Promise<string> {
  const child = Bun.spawn([...command], { env: { PATH: "/usr/bin:/bin" }, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (exitCode !== 0) throw new Error(`exit ${exitCode} of ${command.slice(0, 3).join(" ")}: ${stderr}`);
  return `${stdout}${stderr}`;
}

/** A port that was free a moment ago. */
export function freePort(): number {
  const probe = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const { port } = probe;
  probe.stop(true);
  if (port === undefined) throw new Error("no free port on 127.0.0.1");
  return port;
}
