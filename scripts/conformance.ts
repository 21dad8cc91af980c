/**
 * Installs the official clients, runs each one's suite against `dist/postern`, and tells what came of it, client by client. A client that cannot be had
 * here is skipped, with the reason; a case that fails fails the run.
 */

import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Client, clients } from "./clients/clients";
import { install } from "./clients/install";
import { readTally } from "./tally-report";

const help = `./scripts/conformance [options] [client…]

Runs the suites of the official clients below test/conformance/ against the compiled binary. Without a name, all of them.

  --list      the clients, their pinned versions and where they come from
  --strict    a client that cannot be installed is a failure
  --no-build  use dist/postern as it is
  --help      this text

Clients are installed once, below .tools/conformance/. The last line is \`N passed, N failed, N skipped\`; the exit code is 1 when anything failed.
`;

interface Result {
  readonly client: Client;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly remark: string;
}

const { values, positionals } = arguments_();
if (values.help === true) {
  console.log(help.trimEnd());
  process.exit(0);
}
if (values.list === true) {
  console.log(
    table(
      ["client", "package", "version", "protocol"],
      clients.map((each) => [each.name, each.package, each.version, each.protocol]),
    ),
  );
  process.exit(0);
}
const unknown = positionals.find((name) => !clients.some((each) => each.name === name));
if (unknown !== undefined) stop(`there is no client ${unknown}: ${clients.map((each) => each.name).join(", ")}`);

const chosen = positionals.length === 0 ? clients : clients.filter((each) => positionals.includes(each.name));
if (values["no-build"] !== true) await mustSucceed("Building dist/postern", ["bun", "scripts/build.ts"]);
const results: Result[] = [];
for (const client of chosen) results.push(await prove(client));
report(results);

function arguments_() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        list: { type: "boolean" },
        strict: { type: "boolean" },
        "no-build": { type: "boolean" },
      },
    });
  } catch (error) {
    return stop(error instanceof Error ? error.message : String(error));
  }
}

function stop(message: string): never {
  console.error(`${message}\nTry ./scripts/conformance --help.`);
  process.exit(2);
}

async function mustSucceed(title: string, command: readonly string[]): Promise<void> {
  say(title);
  const code = await Bun.spawn([...command], { stdin: "ignore", stdout: "inherit", stderr: "inherit" }).exited;
  if (code === 0) return;
  console.log(`\n${title}: failed\n0 passed, 1 failed`);
  process.exit(1);
}

async function prove(client: Client): Promise<Result> {
  const began = performance.now();
  say(`${client.name} ${client.version}: installing`);
  const installed = await install(client);
  if ("missing" in installed) {
    console.log(`cannot be installed here: ${installed.missing}`);
    const counts = values.strict === true ? { passed: 0, failed: 1, skipped: 0 } : { passed: 0, failed: 0, skipped: 1 };
    return { client, ...counts, remark: `not installed: ${installed.missing}` };
  }
  if ("broken" in installed) {
    console.log(`cannot be built: ${installed.broken}`);
    return { client, passed: 0, failed: 1, skipped: 0, remark: `broken: ${installed.broken}` };
  }
  const ready = performance.now();
  say(`${client.name} ${client.version}: running its suite`);
  const outcome = await runSuite(client);
  const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(0);
  const remark = `${seconds(began, ready)} s to install, ${seconds(ready, performance.now())} s to run`;
  return { client, ...outcome, remark };
}

async function runSuite({ name }: Client) {
  const folder = resolve("dist/conformance");
  mkdirSync(folder, { recursive: true });
  const reportFile = join(folder, `${name}.xml`);
  rmSync(reportFile, { force: true });
  const files = readdirSync(`test/conformance/${name}`).filter((file) => file.endsWith("suite.ts"));
  const paths = files.sort().map((file) => `./test/conformance/${name}/${file}`);
  const command = ["bun", "test", "--reporter=junit", `--reporter-outfile=${reportFile}`, ...paths];
  const code = await Bun.spawn(command, { stdin: "ignore", stdout: "inherit", stderr: "inherit" }).exited;
  return readTally(existsSync(reportFile) ? reportFile : undefined, code);
}

function report(all: readonly Result[]): void {
  say("What came of it");
  const rows = all.map(({ client, passed, failed, skipped, remark }) => [
    client.name,
    client.version,
    ...[passed, failed, skipped].map(String),
    remark,
  ]);
  console.log(table(["client", "version", "passed", "failed", "skipped", ""], rows));
  const sum = (count: (result: Result) => number): number => all.reduce((total, each) => total + count(each), 0);
  const failed = sum((each) => each.failed);
  console.log(`\n${sum((each) => each.passed)} passed, ${failed} failed, ${sum((each) => each.skipped)} skipped`);
  process.exit(failed === 0 ? 0 : 1);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function say(what: string): void {
  console.log(`\n== ${what}`);
}
