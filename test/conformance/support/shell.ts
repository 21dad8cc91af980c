/** Runs a command-line client as a person would, in a home of its own. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Shell {
  readonly home: string;
  /** Runs the client with these words; `input` is what the person types. */
  run(words: readonly string[], input?: string): Promise<Ended>;
  /** As `run`, for what must succeed; gives what it printed. */
  must(words: readonly string[], input?: string): Promise<string>;
  /** Writes a file into the home and gives its path. */
  file(name: string, text: string): string;
}

/** Nothing of this process's environment but the PATH reaches the client. */
export function createShell(program: string, home: string, env: Readonly<Record<string, string>> = {}): Shell {
  async function run(words: readonly string[], input = ""): Promise<Ended> {
    const child = Bun.spawn([program, ...words], {
      cwd: home,
      env: { PATH: process.env.PATH ?? "/usr/bin:/bin", HOME: home, LANG: "C.UTF-8", ...env },
      stdin: Buffer.from(input),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return { code, out, err };
  }
  return {
    home,
    run,
    async must(words, input) {
      const { code, out, err } = await run(words, input);
      if (code !== 0) throw new Error(`${words.slice(0, 2).join(" ")} ended with ${code}: ${out}${err}`);
      return out;
    },
    file(name, text) {
      const path = join(home, name);
      writeFileSync(path, text);
      return path;
    },
  };
}
