/** Runs shell lines as a person would, and the binary in the background. Nothing outlives the walkthrough. */

export interface ShellResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a bash script with `variables` in its environment. Secrets go through variables, not through arguments that other users could see. */
export async function bash(script: string, variables: Readonly<Record<string, string>> = {}): Promise<ShellResult> {
  const child = Bun.spawn(["bash", "-c", script], {
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin", ...variables },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { exitCode, stdout, stderr };
}

/** As `bash`, and a failure is thrown with what it printed. */
export async function mustRun(script: string, variables: Readonly<Record<string, string>> = {}): Promise<string> {
  const result = await bash(script, variables);
  if (result.exitCode !== 0) throw new Error(`exit ${result.exitCode} of: ${script}\n${result.stdout}${result.stderr}`);
  return result.stdout;
}

export interface RunningServer {
  readonly pid: number;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number>;
}

const startDeadlineMs = 15_000;

/** Starts a server and waits until `url` answers, with its certificate trusted. Throws with its log when it ends first or takes too long. */
export async function startServer(
  command: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>>; readonly url: string; readonly ca: string },
): Promise<RunningServer> {
  const child = Bun.spawn([...command], {
    cwd: options.cwd,
    env: { PATH: "/usr/bin:/bin", ...options.env },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const log = child.stderr.text();
  const deadline = performance.now() + startDeadlineMs;
  for (;;) {
    const isUp = await fetch(options.url, { tls: { ca: options.ca } }).then(
      (answer) => answer.ok,
      () => false,
    );
    if (isUp) break;
    if (child.exitCode !== null || performance.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`the server did not come up: ${(await log).slice(-4000)}`);
    }
    await Bun.sleep(20);
  }
  return {
    pid: child.pid,
    async stop() {
      child.kill("SIGTERM");
      return child.exited;
    },
  };
}
