/** What a command line has of its process: what it reads, where it prints. Results go to standard output, everything else to standard error. */

import { closeSync, constants, fsyncSync, openSync, writeFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { type Environment, processEnvironment } from "../config/config";
import { PosternError } from "../model/failures";
import { createPrivateFiles } from "../runtime/files";

export interface CliIo {
  out(text: string | Uint8Array): void;
  err(text: string): void;
  /** All of standard input. */
  readInput(): Promise<Uint8Array>;
  /** A line from the terminal that it does not show. */
  readHidden(prompt: string): Promise<string>;
  /** A file that others may read. Throws `malformed` when there is none, or others could have written it. */
  readFile(path: string): Uint8Array;
  /** A new file that only this user may read. Throws `malformed` when there is one already. */
  writeSecretFile(path: string, bytes: Uint8Array): void;
  exists(path: string): boolean;
  /** The lines of a file of this user's own; none when it is not there. */
  readLines(path: string): readonly string[];
  /** Appends lines to such a file, made 0600 when absent, durably. */
  appendLines(path: string, lines: readonly string[]): void;
  readonly inputIsTerminal: boolean;
  readonly outputIsTerminal: boolean;
  readonly errorIsTerminal: boolean;
  readonly environment: Environment;
  /** Where relative paths start. */
  readonly folder: string;
}

const maxFileBytes = 64 * 2 ** 20;
const standardOutput = 1;
const standardError = 2;

export function processIo(): CliIo {
  const files = createPrivateFiles();
  return {
    out: (text) => writeAll(standardOutput, text),
    err: (text) => writeAll(standardError, text),
    readInput: async () => new Uint8Array(await Bun.stdin.arrayBuffer()),
    readHidden,
    readFile(path) {
      const bytes = files.read(path, { readableByOthers: true, maxBytes: maxFileBytes });
      if (bytes === undefined) throw new PosternError({ code: "malformed", where: path, expected: "a file", kind: "missing" });
      return bytes;
    },
    writeSecretFile(path, bytes) {
      if (files.size(path) !== undefined)
        throw new PosternError({ code: "malformed", where: path, expected: "no file yet", kind: "argument" });
      files.replace(path, bytes);
    },
    exists: (path) => files.size(path) !== undefined,
    readLines(path) {
      const text = Buffer.from(files.read(path, { maxBytes: maxFileBytes }) ?? []).toString("utf8");
      // A line without its end was being written when the process ended.
      return text.split("\n").slice(0, -1);
    },
    appendLines(path, lines) {
      files.ensureFile(path);
      const descriptor = openSync(path, constants.O_APPEND | constants.O_WRONLY | constants.O_NOFOLLOW);
      try {
        writeFileSync(descriptor, lines.map((line) => `${line}\n`).join(""));
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    },
    inputIsTerminal: process.stdin.isTTY === true,
    outputIsTerminal: process.stdout.isTTY === true,
    errorIsTerminal: process.stderr.isTTY === true,
    environment: processEnvironment(),
    folder: process.cwd(),
  };
}

/** What is typed goes to an output that is nowhere; the prompt goes to the terminal itself, once it shows nothing any more. */
async function readHidden(prompt: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  process.stdin.setRawMode(true);
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    return await new Promise<string>((resolve, reject) => {
      terminal.once("SIGINT", () =>
        reject(new PosternError({ code: "malformed", where: "terminal", expected: "a line", because: "usage" })),
      );
      terminal.once("close", () => resolve(""));
      terminal.question("", resolve);
      writeAll(standardError, prompt);
    });
  } finally {
    terminal.close();
    process.stdin.setRawMode(false);
    process.stdin.unref();
    writeAll(standardError, "\n");
  }
}

function writeAll(descriptor: number, text: string | Uint8Array): void {
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  for (let done = 0; done < bytes.byteLength; ) {
    try {
      done += writeSync(descriptor, bytes, done);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      // Nobody reads any more: there is nothing left to say.
      if (code === "EPIPE") return;
      if (code !== "EAGAIN") throw error;
    }
  }
}
