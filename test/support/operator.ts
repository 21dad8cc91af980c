/** An operator at a shell: a data folder of their own, and the program as a process of its own. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface ServerProcess {
  readonly url: string;
  /** Has it read its certificates again. */
  hangUp(): void;
  /** Resolves to the exit code. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<number>;
}

export interface OperatorShell {
  readonly folder: string;
  /** Runs one command to its end; `input` is its standard input. */
  run(words: readonly string[], input?: string, environment?: Readonly<Record<string, string>>): Promise<Ended>;
  /** Starts `postern server`, on a free port unless the words name another, and waits for the line that says where it listens. */
  serve(words?: readonly string[], environment?: Readonly<Record<string, string>>): Promise<ServerProcess>;
  remove(): Promise<void>;
}

const fromSource = [process.execPath, resolve("src/main.ts")];
/** The program as it is shipped; `bun scripts/build.ts` makes it. */
export const shippedProgram = [resolve("dist/postern")];

/** Everything the operator does here goes to `data` below the folder, sealed by `seal.key` beside it. */
export function createOperatorShell(program: readonly string[] = fromSource): OperatorShell {
  const folder = mkdtempSync(join(tmpdir(), "operator-"));
  const running = new Set<Bun.Subprocess>();
  const settings = { POSTERN_DATA: join(folder, "data"), POSTERN_SEAL: `file:${join(folder, "seal.key")}`, TMPDIR: tmpdir() };

  return {
    folder,
    async run(words, input = "", environment = {}) {
      const child = Bun.spawn([...program, ...words], {
        cwd: folder,
        env: { ...settings, ...environment },
        stdin: Buffer.from(input),
        stdout: "pipe",
        stderr: "pipe",
      });
      const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
      return { code: await child.exited, out, err };
    },
    async serve(words = [], environment = {}) {
      const listen = words.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
      const child = Bun.spawn([...program, "server", ...listen, "--log", join(folder, "server.log"), ...words], {
        cwd: folder,
        env: { ...settings, ...environment },
        stdout: "pipe",
        stderr: "ignore",
      });
      running.add(child);
      const url = await announcedUrl(child.stdout);
      return {
        url,
        hangUp: () => child.kill("SIGHUP"),
        async end(signal) {
          child.kill(signal);
          await child.exited;
          running.delete(child);
          return child.exitCode ?? -1;
        },
      };
    },
    async remove() {
      for (const child of running) {
        child.kill("SIGKILL");
        await child.exited;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function announcedUrl(output: ReadableStream<Uint8Array>): Promise<string> {
  const reader = output.getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`the server ended before it listened: ${text}`);
    text += Buffer.from(value).toString("utf8");
    const url = /^Listening on (\S+)\n/mu.exec(text)?.[1];
    if (url === undefined) continue;
    reader.releaseLock();
    return url;
  }
}
