/** A program that runs in this process's place: with its streams, told what this process is told, ending as it ends. */

import { constants } from "node:os";
import { delimiter, isAbsolute, resolve } from "node:path";

export interface Program {
  readonly command: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface ChildOptions {
  /** Makes what the program needs. What is signalled meanwhile reaches the program. */
  readonly prepare: () => Program;
  /** Removes it again, however the program ended, and also when it was never started. */
  readonly cleanUp: () => void;
  readonly folder: string;
  /** The terminal tells the program itself of Ctrl-C. */
  readonly isAtTerminal: boolean;
}

/** How it ended: as a shell says it, 128 and the number of the signal; or that there was nothing to start. */
export type ChildEnd = { readonly code: number } | { readonly notStarted: "absent" | "not_executable" | "too_large" };

const told = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT"] as const;
/** Windows has few of them. */
const forwarded = told.filter((signal) => Object.hasOwn(constants.signals, signal));
/** Those that a terminal sends to all of its programs. */
const ofTerminal = new Set<string>(["SIGINT", "SIGQUIT", "SIGWINCH", "SIGCONT"]);

/** No signal but SIGKILL ends this process between `prepare` and `cleanUp`. */
export async function runChild({ prepare, cleanUp, folder, isAtTerminal }: ChildOptions): Promise<ChildEnd> {
  let child: Bun.Subprocess | undefined;
  const listeners = forwarded.map((signal) => {
    const listener = (): void => {
      if (!(isAtTerminal && ofTerminal.has(signal))) child?.kill(signal);
    };
    process.on(signal, listener);
    return () => process.removeListener(signal, listener);
  });
  try {
    const program = prepare();
    const started = start(program, folder);
    if ("notStarted" in started) return started;
    child = started.child;
    await child.exited;
    return { code: child.signalCode === null ? (child.exitCode ?? 1) : 128 + signalNumber(child.signalCode) };
  } finally {
    cleanUp();
    for (const remove of listeners) remove();
  }
}

/**
 * Runs a program to its end, without a shell and without input; what it prints goes to this process's standard error. Undefined when it ended with 0, else why
 * not: `exit code 3`, `no such program`, `not ended within 60 s`.
 */
export async function runHook(program: Program, folder: string, timeoutMs: number): Promise<string | undefined> {
  const standardError = 2;
  const started = start(program, folder, { stdin: "ignore", stdout: standardError, stderr: standardError });
  if ("notStarted" in started) return started.notStarted === "absent" ? "no such program" : "it cannot be run";
  const { child } = started;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, timeoutMs);
  try {
    await child.exited;
  } finally {
    clearTimeout(timer);
  }
  if (isLate) return `not ended within ${timeoutMs / 1000} s`;
  if (child.exitCode === 0) return undefined;
  return child.signalCode === null ? `exit code ${child.exitCode}` : `ended by ${child.signalCode}`;
}

type Streams = Readonly<Record<"stdin" | "stdout" | "stderr", "inherit" | "ignore" | number>>;
const inherited: Streams = { stdin: "inherit", stdout: "inherit", stderr: "inherit" };

type Started = { readonly child: Bun.Subprocess } | { readonly notStarted: "absent" | "not_executable" | "too_large" };

function start({ command: [name, ...words], environment }: Program, folder: string, streams: Streams = inherited): Started {
  const path = programOf(name, pathIn(environment), folder);
  if (path === undefined) return { notStarted: "absent" };
  try {
    return { child: Bun.spawn([path, ...words], { argv0: name, cwd: folder, env: { ...environment }, ...streams }) };
  } catch (error) {
    return { notStarted: reasonOf(error) };
  }
}

function programOf(name: string, path: string, folder: string): string | undefined {
  if (/[/\\]/u.test(name)) return isAbsolute(name) ? name : resolve(folder, name);
  // Empty and relative entries mean the folder it runs in, as they do in a shell.
  const folders = path.split(delimiter).map((each) => resolve(folder, each));
  return Bun.which(name, { PATH: folders.join(delimiter) }) ?? undefined;
}

/** Windows writes it `Path`. */
function pathIn(environment: Program["environment"]): string {
  const name = process.platform === "win32" ? Object.keys(environment).find((each) => each.toUpperCase() === "PATH") : "PATH";
  return environment[name ?? "PATH"] ?? "";
}

function signalNumber(name: string | number): number {
  return Object.entries(constants.signals).find(([each]) => each === name)?.[1] ?? 0;
}

function reasonOf(error: unknown): "absent" | "not_executable" | "too_large" {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "absent";
  if (code === "E2BIG") return "too_large";
  if (code === "EACCES" || code === "ENOEXEC" || code === "EISDIR") return "not_executable";
  throw error;
}
