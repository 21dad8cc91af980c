/**
 * `postern import conjur`: an account of another Conjur, from its running server or from policy files and a list of values; `postern import archive`: one that `postern export` wrote. Each goes on where it was interrupted,
 * and says what it could not take.
 */

import { dirname, join, resolve } from "node:path";
import { Command } from "commander";
import { type AdminOperation, adminOperations, type InputOf, type OutputOf } from "../../client/admin-wire";
import type { AdminClient } from "../../client/client";
import { PosternError } from "../../model/failures";
import { SecretBytes } from "../../model/secret-bytes";
import { openArchive, readArchive } from "../archive";
import { type Cli, createCommand, onRun, optionOf, type Run, secretText, usage } from "../command";
import { exitCodeOf, exitCodes } from "../exit-codes";
import { type ImportSource, readFiles, readServer } from "../import-source";
import { type ImportState, openImportState } from "../import-state";
import { readSecret } from "../input";

const valuesInOneGo = 50;

/** What became of it. */
interface Report {
  readonly records: { readonly added: number; readonly unchanged: number };
  readonly values: { readonly written: number; readonly skipped: number; readonly without: number };
  readonly newKeys: number;
  readonly authenticators: readonly string[];
  readonly notTaken: readonly { readonly what: string; readonly reason: string }[];
}

export function importCommand(cli: Cli): Command {
  return new Command("import")
    .description("take over from another server")
    .exitOverride()
    .addCommand(conjurCommand(cli))
    .addCommand(archiveCommand(cli));
}

/** The options of what writes. */
function withWriting(command: Command): Command {
  return command
    .option("--state <file>", "where to note what is done", "postern-import.state")
    .option("--keys-out <file>", "new file for the API keys of new users and hosts")
    .option("--dry-run", "read everything, write nothing, tell what there is");
}

const notes = `
From a running server: --url, with the API key of an administrator on standard input (or in --key-file). From files: --policy FILE in the order of loading, and
--values FILE, a JSON object of {"variable id": "text" or {"base64": "..."}}; - is standard input.

API keys and passwords cannot be read out of another server: new users and hosts get new keys, which --keys-out FILE keeps (mode 0600). Older versions of
values, host-factory tokens and dynamic secrets are not taken. Run it again to go on, or to bring what is new.
`;

function conjurCommand(cli: Cli): Command {
  const command = createCommand(
    "conjur",
    "take over an account of a Conjur",
    "postern import conjur --account myorg --url https://conjur.example.com --ca-cert conjur.pem < admin-api-key",
    ["account", "allow_outbound"],
  )
    .option("--url <url>", "the running server")
    .option("--source-account <name>", "the account there (default: the same name)")
    .option("--login <login>", "who reads it there", "admin")
    .option("--key-file <file>", "file with the API key of that login (default: standard input)")
    .option("--ca-cert <file>", "certificates (PEM) that alone vouch for that server")
    .option("--policy <file>", "policy file, loaded into root (may be repeated)", collect)
    .option("--values <file>", "JSON file with values")
    .addHelpText("after", notes);
  return onRun(withWriting(command), cli, (run) => importFrom(run, command, (account) => openSource(cli, command, run, account)));
}

function archiveCommand(cli: Cli): Command {
  const command = createCommand(
    "archive",
    "take over an account of an archive that postern export made",
    "postern import archive /root/move/postern-1.archive --key-file /root/move/key --account myorg",
    ["account"],
  )
    .argument("<file>", "the archive")
    .option("--key-file <file>", "its key (default: the file named key beside it)")
    .option("--source-account <name>", "the account there (default: the same name)");
  return onRun(withWriting(command), cli, (run, [operand = ""]) =>
    importFrom(run, command, async (account) => {
      const file = resolve(run.io.folder, operand);
      const key = resolve(run.io.folder, optionOf(command, "keyFile") ?? join(dirname(file), "key"));
      const archive = openArchive(run.io.readFile(file), secretText(new SecretBytes(run.io.readFile(key))), { file, key });
      return readArchive(archive, file, optionOf(command, "sourceAccount") ?? account, account);
    }),
  );
}

async function importFrom(run: Run, command: Command, open: (account: string) => Promise<ImportSource>): Promise<number> {
  const account = run.load().config.account;
  if (account === undefined) throw usage("account", "--account NAME, which must be there: postern account create");
  const source = await open(account);
  if (command.getOptionValue("dryRun") === true) return preview(run, source);
  return run.withAdmin((client) => importAll({ run, command, client, account, source }));
}

async function openSource(cli: Cli, command: Command, run: Run, account: string): Promise<ImportSource> {
  const { io } = run;
  const url = optionOf(command, "url");
  const policies: unknown = command.getOptionValue("policy");
  const values = optionOf(command, "values");
  if ((url === undefined) === (policies === undefined && values === undefined))
    throw usage("--url", "either this, or --policy and --values");
  if (url === undefined) return readFiles(run, account, Array.isArray(policies) ? policies.map(String) : [], values);
  const keyFile = optionOf(command, "keyFile");
  const key = await readSecret(io, keyFile === undefined ? undefined : resolve(io.folder, keyFile));
  const apiKey = new SecretBytes(Buffer.from(Buffer.from(key).toString("utf8").trim()));
  const caFile = optionOf(command, "caCert");
  const roots = caFile === undefined ? undefined : Buffer.from(io.readFile(resolve(io.folder, caFile))).toString("utf8");
  const api = cli.world.conjurApi({
    url,
    account: optionOf(command, "sourceAccount") ?? account,
    login: optionOf(command, "login") ?? "admin",
    apiKey,
    ...(roots === undefined ? {} : { roots }),
  });
  return readServer(api, {
    name: url,
    from: optionOf(command, "sourceAccount") ?? account,
    to: account,
    tell: (text) => progress(io, text),
  });
}

interface Work {
  readonly run: Run;
  readonly command: Command;
  readonly client: AdminClient;
  readonly account: string;
  readonly source: ImportSource;
}

async function importAll(work: Work): Promise<number> {
  const { run, command, client, account, source } = work;
  const { io } = run;
  const keysOut = optionOf(command, "keysOut");
  if (keysOut !== undefined && io.exists(resolve(io.folder, keysOut))) throw usage("--keys-out", "a file that is not there yet");
  const state = openImportState(io, resolve(io.folder, optionOf(command, "state") ?? "postern-import.state"), source.name);

  const keys: Record<string, string> = {};
  const notTaken = [...source.notTaken];
  let records = { added: 0, unchanged: 0 };
  if (source.facts !== undefined) {
    const taken = await call(client, adminOperations.importFacts, { account, ...source.facts });
    records = { added: taken.added, unchanged: taken.unchanged };
    notTaken.push(...taken.refused);
    for (const { id, apiKey } of taken.createdRoles) keys[id] = secretText(apiKey);
  }
  for (const { file, text } of source.policies) {
    const answer = await client.call(adminOperations.loadPolicy, { account, branch: "root", mode: "update", text, file });
    if (!answer.ok) return run.finish(answer, () => exitCodes.done, { file, text: Buffer.from(text).toString("utf8") });
    for (const { id, apiKey } of answer.output.createdRoles) keys[id] = secretText(apiKey);
    records = { ...records, added: records.added + answer.output.createdRoles.length };
  }
  // Kept before anything else can fail: no other run shows them again.
  if (keysOut !== undefined) io.writeSecretFile(resolve(io.folder, keysOut), Buffer.from(`${JSON.stringify(keys, undefined, 2)}\n`));

  const values = await importValues(work, state, notTaken);
  const authenticators = await switchOn(work, notTaken);
  const report: Report = { records, values, newKeys: Object.keys(keys).length, authenticators, notTaken };
  run.print(report, reportText(report, keysOut));
  return notTaken.length === 0 ? exitCodes.done : exitCodes.failed;
}

async function importValues(
  { run, client, account, source }: Work,
  state: ImportState,
  notTaken: { what: string; reason: string }[],
): Promise<Report["values"]> {
  const ids = source.variables;
  const waiting = ids.filter((id) => !state.isDone(id));
  let written = 0;
  let without = 0;
  for (let at = 0; at < waiting.length; at += valuesInOneGo) {
    progress(run.io, `values ${at} of ${waiting.length}`);
    const some = waiting.slice(at, at + valuesInOneGo);
    const found = await source.values(some);
    for (const id of some) {
      const value = found.get(id);
      if (value === undefined) {
        without += 1;
        continue;
      }
      const answer = await client.call(adminOperations.setVariable, { id: source.target(id, account), value });
      if (answer.ok) written += 1;
      else if (["not_found", "malformed", "too_large"].includes(answer.error.code))
        notTaken.push({ what: `value of ${id}`, reason: answer.error.message });
      else throw failed(answer.error);
    }
    state.note(some);
  }
  progress(run.io, "");
  return { written, skipped: ids.length - waiting.length, without };
}

async function switchOn({ client, account, source }: Work, notTaken: { what: string; reason: string }[]): Promise<readonly string[]> {
  const on: string[] = [];
  for (const authenticator of source.authenticators) {
    const answer = await client.call(adminOperations.setAuthenticator, { account, authenticator, enabled: true });
    if (answer.ok) on.push(authenticator);
    // The list there is of all accounts; one whose webservice is not in this account belongs to another.
    else if (answer.error.code !== "unauthenticated" && answer.error.code !== "not_found")
      notTaken.push({ what: `authenticator ${authenticator}`, reason: answer.error.message });
  }
  return on;
}

async function call<Operation extends AdminOperation>(
  client: AdminClient,
  operation: Operation,
  input: InputOf<Operation>,
): Promise<OutputOf<Operation>> {
  const answer = await client.call(operation, input);
  if (answer.ok) return answer.output;
  throw failed(answer.error);
}

function failed(error: { readonly code: string; readonly message: string }): PosternError {
  const isTemporary = exitCodeOf(error.code) === exitCodes.temporary;
  return new PosternError(isTemporary ? { code: "conflict", what: error.message } : { code: "not_found", target: error.message });
}

async function preview(run: Run, source: ImportSource): Promise<number> {
  const { facts, variables, policies, authenticators, notTaken } = source;
  const counts = {
    records: facts?.resources.length ?? 0,
    memberships: facts?.grants.length ?? 0,
    permits: facts?.permits.length ?? 0,
    policies: policies.length,
    variables: variables.length,
    authenticators,
    notTaken,
  };
  const text = `${counts.records} records, ${counts.memberships} memberships, ${counts.permits} permits, ${counts.policies} policy files, ${counts.variables} variables, authenticators on: ${authenticators.join(", ") || "none"}\n${notTakenText(notTaken)}Nothing was written.\n`;
  run.print(counts, text);
  return exitCodes.done;
}

function reportText({ records, values, newKeys, authenticators, notTaken }: Report, keysOut: string | undefined): string {
  const keys = keysOut === undefined ? "print one with postern role retrieve-key" : `in ${keysOut}`;
  return [
    `records   ${records.added} new, ${records.unchanged} were there`,
    `values    ${values.written} written, ${values.skipped} done before, ${values.without} without a value`,
    `keys      ${newKeys} new API keys (${keys})`,
    `on        ${authenticators.join(", ") || "no authenticator"}`,
    notTakenText(notTaken),
  ].join("\n");
}

const mostTold = 50;

function notTakenText(notTaken: Report["notTaken"]): string {
  if (notTaken.length === 0) return "";
  const told = notTaken.slice(0, mostTold).map(({ what, reason }) => `  ${what}: ${reason}`);
  const rest = notTaken.length - told.length;
  return `not taken ${notTaken.length}\n${told.join("\n")}\n${rest > 0 ? `  and ${rest} more: --json tells them all\n` : ""}`;
}

/** One line that is written over and over, for somebody who watches. */
function progress(io: Run["io"], text: string): void {
  if (io.outputIsTerminal) io.err(`\r\u001b[K${text}`);
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
