/**
 * A small program in a client's own language that calls the client and does nothing else: one JSON request a line on its standard input, one JSON answer a
 * line on its standard output. So one process, with its connections and its cached token, serves many cases.
 */

export interface Answer {
  /** What the client gave back. */
  readonly result?: unknown;
  /** What the client says of its failure, in its own words. */
  readonly error?: string;
  /** The HTTP status, where the client tells it. */
  readonly status?: number;
}

export interface Driver {
  /** Calls an operation of the client. */
  call(operation: string, ...args: readonly unknown[]): Promise<Answer>;
  /** As `call`, for an operation that must succeed. */
  must(operation: string, ...args: readonly unknown[]): Promise<unknown>;
  stop(): Promise<void>;
}

export interface DriverStart {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Starts a driver. Nothing of this process's environment but the PATH reaches it: a proxy or a token of the developer's own must not. */
export function startDriver({ command, cwd, env }: DriverStart): Driver {
  const child = Bun.spawn([...command], {
    cwd,
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin", HOME: cwd, ...env },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  const giveUp = (): void => child.kill("SIGKILL");
  process.once("exit", giveUp);
  const errors = child.stderr.text();
  const lines = linesOf(child.stdout);

  async function call(operation: string, ...args: readonly unknown[]): Promise<Answer> {
    child.stdin.write(`${JSON.stringify({ do: operation, args })}\n`);
    child.stdin.flush();
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`the driver ended at ${operation}: ${(await errors).slice(-2000)}`);
    const answer: Answer = JSON.parse(value);
    return answer;
  }

  return {
    call,
    async must(operation, ...args) {
      const answer = await call(operation, ...args);
      if (answer.error !== undefined) throw new Error(`${operation}: ${answer.error}`);
      return answer.result;
    },
    async stop() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
      await child.exited;
      clearTimeout(timer);
      process.off("exit", giveUp);
    },
  };
}

async function* linesOf(output: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const chunk of output) {
    rest += Buffer.from(chunk).toString("utf8");
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
    }
  }
  return undefined;
}
