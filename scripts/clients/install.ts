/**
 * Installs a client below `.tools/conformance/<name>/`, once for each state of what pins it. The file that says so is written last, so that an interrupted
 * installation is done again. What cannot be installed here is told as a reason, not thrown: a place without Go is not a failure of the product. What does
 * not build, or is not what its hash says, is.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Client, Source } from "./clients";

export type Installed =
  | { readonly folder: string; readonly took: "nothing" | "a while" }
  /** Why the client cannot be had in this place. */
  | { readonly missing: string }
  /** What is wrong with it, or with our driver of it, in every place. */
  | { readonly broken: string };

const root = resolve(import.meta.dir, "../..");
const minutesAllowed = 5;

/** Where a suite finds its client. */
export function clientFolder(name: string): string {
  return join(root, ".tools/conformance", name);
}

export async function install(client: Client): Promise<Installed> {
  const folder = clientFolder(client.name);
  if (client.source.kind === "recorded") return { folder, took: "nothing" };
  if (client.source.kind === "given") return given(client.source.variables, folder);
  if (client.source.kind === "program" && Bun.which(client.source.program) !== null) return { folder, took: "nothing" };
  const suite = join(root, "test/conformance", client.name);
  const stamp = join(folder, "installed");
  const state = stateOf(client, suite);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === state) return { folder, took: "nothing" };
  const absent = programsFor(client.source).find((program) => Bun.which(program) === null);
  if (absent !== undefined) return { missing: `${absent} is not installed` };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const step of stepsFor(client, suite, folder)) {
    const failure = await run(step);
    if (failure !== undefined) return step.isOurs === true || notAsPinned.test(failure) ? { broken: failure } : { missing: failure };
  }
  writeFileSync(stamp, state);
  return { folder, took: "a while" };
}

/** Programs that somebody has, named in the environment. */
function given(variables: readonly string[], folder: string): Installed {
  const absent = variables.find((variable) => (process.env[variable] ?? "") === "");
  if (absent !== undefined) return { missing: `in no package registry; name the program in ${absent} to run it` };
  const unusable = variables.find((variable) => Bun.which(process.env[variable] ?? "") === null);
  return unusable === undefined ? { folder, took: "nothing" } : { missing: `${unusable} names no program` };
}

interface Step {
  readonly command: readonly string[];
  readonly cwd: string;
  /** Nothing of the place can make it fail: it builds our driver, or compares hashes. */
  readonly isOurs?: boolean;
}

/** What pip and go say of a package that is not the one that was pinned. */
const notAsPinned = /do not match the hashes|checksum mismatch|security error/i;

function programsFor(source: Source): readonly string[] {
  if (source.kind === "recorded" || source.kind === "given") return [];
  if (source.kind === "program") return [source.program];
  if (source.kind === "python") return ["python3"];
  if (source.kind === "maven") return ["mvn", "java", "javac", "keytool"];
  if (source.kind === "npm") return ["npm", "node"];
  return ["go"];
}

function stepsFor(client: Client, suite: string, folder: string): readonly Step[] {
  const { source } = client;
  if (source.kind === "recorded" || source.kind === "program" || source.kind === "given") return [];
  if (source.kind === "go") return goSteps(client, source, suite, folder);
  if (source.kind === "maven") return mavenSteps(client, source, suite, folder);
  if (source.kind === "npm") {
    const files = ["package.json", "package-lock.json"].map((file) => join(suite, file));
    return [
      { command: ["cp", ...files, folder], cwd: suite },
      { command: ["npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"], cwd: folder },
    ];
  }
  return pythonSteps(source, suite, folder);
}

function goSteps(client: Client, { cut }: Extract<Source, { kind: "go" }>, suite: string, folder: string): readonly Step[] {
  const build = { command: ["go", "build", "-trimpath", "-o", join(folder, "driver"), "."], cwd: suite, isOurs: true };
  if (cut === undefined) return [{ command: ["go", "mod", "download"], cwd: suite }, build];
  const program = join(import.meta.dir, "cut.ts");
  const sources = [`${client.package}@v${client.version}`, cut, join(folder, "source")];
  return [
    { command: [process.execPath, program, ...sources], cwd: folder },
    // Only the modules that are built: those of the whole graph are ten times as many.
    { command: ["go", "list", "-deps", "-f", "{{with .Module}}{{end}}", "."], cwd: suite },
    build,
  ];
}

function pythonSteps({ collection }: Extract<Source, { kind: "python" }>, suite: string, folder: string): readonly Step[] {
  const python = join(folder, "venv/bin/python");
  const pip = [python, "-m", "pip", "--disable-pip-version-check"];
  const locked = (file: string): readonly string[] => [
    "--quiet",
    "--require-hashes",
    "--no-deps",
    "--only-binary",
    ":all:",
    "-r",
    join(suite, file),
  ];
  const steps = [
    { command: ["python3", "-m", "venv", join(folder, "venv")], cwd: folder },
    { command: [...pip, "install", ...locked("requirements.txt")], cwd: folder },
  ];
  if (collection === undefined) return steps;
  const take = `import glob, zipfile
wheel = zipfile.ZipFile(glob.glob("wheel/*.whl")[0])
wheel.extractall(".", [name for name in wheel.namelist() if name.startswith("ansible_collections/${collection}/")])`;
  return [
    ...steps,
    { command: [...pip, "download", "--dest", "wheel", ...locked("collection.txt")], cwd: folder },
    { command: [python, "-c", take], cwd: folder },
    { command: ["rm", "-rf", "wheel"], cwd: folder },
  ];
}

const getGoal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:get";

function mavenSteps(client: Client, source: Extract<Source, { kind: "maven" }>, suite: string, folder: string): readonly Step[] {
  const [group = "", artifact = "", version = "", , classifier] = source.artifact.split(":");
  const repository = join(folder, "repository");
  const file = [artifact, version, ...(classifier === undefined ? [] : [classifier])].join("-");
  const jar = join(repository, ...group.split("."), artifact, version, `${file}.jar`);
  const local = join(folder, `${client.name}.jar`);
  const get = ["mvn", "--quiet", "--batch-mode", "--strict-checksums", getGoal, `-Dartifact=${source.artifact}`, "-Dtransitive=false"];
  return [
    { command: [...get, `-Dmaven.repo.local=${repository}`], cwd: folder },
    { command: ["sh", "-c", 'echo "$1  $2" | sha256sum --check --quiet', "sh", source.sha256, jar], cwd: folder, isOurs: true },
    { command: ["mv", jar, local], cwd: folder },
    { command: ["rm", "-rf", repository], cwd: folder },
    { command: ["javac", "-cp", local, "-d", folder, join(suite, "Driver.java")], cwd: folder, isOurs: true },
  ];
}

/** Everything that an installation is made from: a change of any of it makes another. */
function stateOf(client: Client, suite: string): string {
  const files = existsSync(suite) ? readdirSync(suite).filter((file) => !/\.(ts|md|py|mjs)$/.test(file)) : [];
  const digest = new Bun.CryptoHasher("sha256").update(JSON.stringify(client));
  for (const file of files.sort()) digest.update(`\n${file}\n`).update(readFileSync(join(suite, file)));
  return digest.digest("hex");
}

/** What went wrong, in one line; nothing when it went well. */
async function run({ command, cwd }: Step): Promise<string | undefined> {
  const child = Bun.spawn([...command], {
    cwd,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: minutesAllowed * 60_000,
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code === 0) return undefined;
  const said = Bun.stripANSI(`${err}\n${out}`)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const last = said.find((line) => /^\[?error\b/i.test(line)) ?? said.at(-1) ?? `exit code ${child.exitCode}`;
  return `${command.slice(0, 2).join(" ").replace(`${root}/`, "")}: ${last}`.slice(0, 300);
}
