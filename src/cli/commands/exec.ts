/** `postern exec`: a program with secrets in its environment, or in files that are gone when it ends. It takes the `secrets.yml` and the options of summon. */

import { dirname, isAbsolute, join, resolve } from "node:path";
import type { Command } from "commander";
import { readSecretsFile, type SecretEntry } from "../../config/secrets-file";
import { PosternError } from "../../model/failures";
import type { Program } from "../../runtime/child-process";
import { createClientCommand, loginOf, offlineOf, withOfflineOptions, withSocketOptions } from "../client-command";
import { type Cli, onRun, optionOf, usage } from "../command";
import { variableIdAt } from "../input";
import type { CliIo } from "../io";
import { prepared } from "../prepared-environment";
import { type Reading, readSecrets } from "../secret-reading";

const example = `postern exec -- ./server                                 # secrets.yml says: DB_PASSWORD: !var apps/db/password
postern exec -f deploy/secrets.yml -e production -D region=eu -- ./server
postern exec --yaml 'KEY: !var:file apps/web/key' -- sh -c 'openssl pkey -in "$KEY" -noout'
postern exec --offline --max-age 24h -- ./server
postern exec -- docker run --env-file @SUMMONENVFILE image`;

export function execCommand(cli: Cli): Command {
  const collect = (value: string, before: string[] = []): string[] => [...before, value];
  const command = withOfflineOptions(
    withSocketOptions(
      createClientCommand(
        "exec",
        "run a program with secrets in its environment, or in files while it runs; ends as the program ends (128 + the number of a signal)",
        example,
      ),
    ),
  )
    .argument("<command...>", "the program and its words; @SUMMONENVFILE in a word becomes the path of a file with the environment")
    .passThroughOptions()
    .option("-f, --file <path>", "the file that says which secrets", "secrets.yml")
    .option("--up", "look for it in the folders above as well")
    .option("--yaml <text>", "its text, in place of a file")
    .option("-e, --environment <section>", "the section of the file to take, with those of 'common'")
    .option("-D <name=text>", "put the text in the place of $name in the file (may be repeated)", collect)
    .option("-i, --ignore <name>", "go on without this one when it cannot be read (may be repeated)", collect)
    .option("-I, --ignore-all", "go on without any that cannot be read");
  return onRun(command, cli, async ({ io }, operands) => {
    const [program, ...words] = operands;
    if (program === undefined) throw usage("exec", "a program to run");
    const section = optionOf(command, "environment");
    const entries = entriesOf(command, io, section);
    const readings = await readingsOf(entries, command, cli);
    const folder = cli.world.secretFolder();
    const prepare = (): Program => {
      const made = prepared(entries, {
        readingOf: (entry) => readings.get(entry),
        ignores: (entry) => isIgnored(command, entry),
        folder,
        words,
        ...(section === undefined ? {} : { section }),
      });
      return { command: [program, ...made.words], environment: { ...io.environment, ...made.environment } };
    };
    const isAtTerminal = io.inputIsTerminal || io.errorIsTerminal;
    const end = await cli.world.runChild({ prepare, cleanUp: () => folder.remove(), folder: io.folder, isAtTerminal });
    if ("code" in end) return end.code;
    io.err(`postern: ${program}: ${notStartedTexts[end.notStarted]}\n`);
    return notStartedCodes[end.notStarted];
  });
}

/** A file without variables needs nobody to be logged in. */
async function readingsOf(entries: readonly SecretEntry[], command: Command, cli: Cli): Promise<ReadonlyMap<SecretEntry, Reading>> {
  const variables = entries.filter(({ kind }) => kind === "variable");
  if (variables.length === 0) return new Map();
  const login = loginOf(command, cli.io, cli.world);
  const wanted = variables.map((entry) => [entry, variableIdAt(entry.where, entry.content, login.connection.account)] as const);
  const offline = await offlineOf(command, cli, login);
  const readings = await readSecrets([...new Set(wanted.map(([, id]) => id))], {
    login,
    notice: (text) => cli.io.err(`postern: ${text}\n`),
    ...(offline === undefined ? {} : { offline }),
  });
  const pairs = wanted.map(([entry, id]) => [entry, readings.get(id)] as const);
  return new Map(pairs.flatMap(([entry, reading]) => (reading === undefined ? [] : [[entry, reading] as const])));
}

const notStartedTexts = {
  absent: "no such program",
  not_executable: "cannot be run",
  too_large: "its words and environment are larger than the system takes; !var:file puts a value into a file",
} as const;

// As shells say it.
const notStartedCodes = { absent: 127, not_executable: 126, too_large: 126 } as const;

function isIgnored(command: Command, { name, content }: SecretEntry): boolean {
  return command.getOptionValue("ignoreAll") === true || listOf(command, "ignore").some((each) => each === name || each === content);
}

function entriesOf(command: Command, io: CliIo, section: string | undefined): readonly SecretEntry[] {
  const options = { substitutions: substitutionsOf(listOf(command, "D")), ...(section === undefined ? {} : { section }) };
  const text = optionOf(command, "yaml");
  if (text !== undefined) return readSecretsFile(text, { ...options, file: "--yaml" });
  const file = optionOf(command, "file") ?? "secrets.yml";
  const path = command.getOptionValue("up") === true ? fileAbove(io, file) : resolve(io.folder, file);
  return readSecretsFile(Buffer.from(io.readFile(path)).toString("utf8"), { ...options, file });
}

/** The nearest one in this folder or those above. */
function fileAbove(io: CliIo, file: string): string {
  if (isAbsolute(file)) throw usage("--up", "a relative path beside it");
  for (let folder = io.folder; ; folder = dirname(folder)) {
    const path = join(folder, file);
    if (io.exists(path)) return path;
    if (folder === dirname(folder))
      throw new PosternError({ code: "malformed", where: file, expected: "a file here or in a folder above", kind: "missing" });
  }
}

/** `region=eu`, also `$region=eu`, as older files of summon's have it. */
function substitutionsOf(texts: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    texts.map((text) => {
      const [, name, value] = /^\$?(\w+)=(.*)$/su.exec(text) ?? [];
      if (name === undefined || value === undefined) throw usage("-D", "name=text");
      return [name, value] as const;
    }),
  );
}

function listOf(command: Command, name: string): readonly string[] {
  const value: unknown = command.getOptionValue(name);
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
