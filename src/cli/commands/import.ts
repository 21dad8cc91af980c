/**
 * `postern import conjur`: an account of another Conjur, from its running server or from policy files and a list of values; `postern import archive`: one that `postern export` wrote. Each goes on where it was interrupted,
 * and says what it could not take.
 */

import { dirname, join, resolve } from "node:path";
import { Command } from "commander";
import { adminOperations } from "../../client/admin-wire";
import type { AdminAnswer, AdminClient } from "../../client/client";
import { SecretBytes } from "../../model/secret-bytes";
import { openArchive, readArchive } from "../archive";
import { type Cli, createCommand, onRun, optionOf, problemText, type Run, secretText, usage } from "../command";
import { exitCodes } from "../exit-codes";
import { type ImportedValues, type ImportReport, previewOf, previewText, progressText, reportText } from "../import-report";
import { type ImportSource, type Left, readFiles, readServer } from "../import-source";
import { type ImportState, noState, openImportState } from "../import-state";
import { readSecret } from "../input";

const valuesInOneGo = 50;

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
    .option("--keys-out <file>", "new file for the API keys of new users and hosts")
    .option("--dry-run", "read everything, write nothing, tell what there is");
}

const notes = `
From a running server: --url, with the API key of an administrator on standard input (or in --key-file). From files: --policy FILE in the order of loading, and
--values FILE, a JSON object of {"variable id": "text" or {"base64": "..."}}; - is standard input.

API keys and passwords cannot be read out of another server: new users and hosts get new keys, which --keys-out FILE keeps (mode 0600). Older versions of
values, host-factory tokens and dynamic secrets are not taken. Run it again to go on, or to bring what is new: values that were brought once are noted in the
state file and not fetched again; without that file all are, and those that are the same stay as they are.
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
    .option("--state <file>", "where to note which values came from the server", "postern-import.state")
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
  if (command.getOptionValue("dryRun") === true) return preview(run, account, source);
  try {
    return await run.withAdmin((client) => importAll({ run, command, client, account, source }));
  } finally {
    if (run.io.errorIsTerminal) run.io.err(wipe);
  }
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
    tell: (what, done, total) => progress(io, what, done, total),
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
  const status = await client.call(adminOperations.status, {});
  if (!status.ok) return run.finish(status, () => exitCodes.done);
  const target = `${account} of ${status.output.seal.deployment ?? "this server"}`;
  const path = resolve(io.folder, optionOf(command, "state") ?? "postern-import.state");
  const state = source.isRemote ? openImportState(io, path, { source: source.name, target }) : noState;

  const keys: Record<string, string> = {};
  const notTaken: Left[] = [];
  let records = { added: 0, unchanged: 0 };
  let newRecords: ReadonlySet<string> = new Set();
  if (source.facts !== undefined) {
    const taken = await client.call(adminOperations.importFacts, { account, ...source.facts });
    if (!taken.ok) return run.finish(taken, () => exitCodes.done);
    const { added, unchanged, refused, createdRoles } = taken.output;
    records = { added, unchanged };
    newRecords = new Set(taken.output.newRecords);
    notTaken.push(...refused);
    for (const { id, apiKey } of createdRoles) keys[id] = secretText(apiKey);
  }
  for (const { file, text } of source.policies) {
    const answer = await client.call(adminOperations.loadPolicy, { account, branch: "root", mode: "update", text, file });
    if (!answer.ok) return run.finish(answer, () => exitCodes.done, { file, text: Buffer.from(text).toString("utf8") });
    for (const { id, apiKey } of answer.output.createdRoles) keys[id] = secretText(apiKey);
    for (const warning of answer.output.warnings) io.err(`warning: ${warning}\n`);
  }
  // Kept before anything else can fail: no other run shows them again.
  if (keysOut !== undefined) io.writeSecretFile(resolve(io.folder, keysOut), Buffer.from(`${JSON.stringify(keys, undefined, 2)}\n`));

  const values = await importValues(work, { state, newRecords, notTaken });
  if (!values.ok) return run.finish(values, () => exitCodes.done);
  const report: ImportReport = {
    records,
    policies: source.policies.length,
    values: values.output,
    newKeys: Object.keys(keys).length,
    authenticators: await switchOn(work, notTaken),
    notTaken,
    leftBehind: source.leftBehind,
  };
  progress(io);
  run.print(report, reportText(report, keysOut));
  return notTaken.length === 0 ? exitCodes.done : exitCodes.failed;
}

interface Going {
  readonly state: ImportState;
  /** Made by this run: whatever an earlier one did to a record of that name is gone. */
  readonly newRecords: ReadonlySet<string>;
  readonly notTaken: Left[];
}

async function importValues(
  { run, client, account, source }: Work,
  { state, newRecords, notTaken }: Going,
): Promise<AdminAnswer<ImportedValues>> {
  // The source has a say over this account alone; a record of another one was refused above.
  const ids = source.variables.filter((id) => source.target(id, account).startsWith(`${account}:`));
  const waiting = ids.filter((id) => newRecords.has(source.target(id, account)) || !state.isDone(id));
  let written = 0;
  let without = 0;
  for (let at = 0; at < waiting.length; at += valuesInOneGo) {
    progress(run.io, "values", at, waiting.length);
    const some = waiting.slice(at, at + valuesInOneGo);
    const found = await source.values(some);
    const done: string[] = [];
    for (const id of some) {
      const value = found.get(id);
      if (value === undefined) without += 1;
      else if (value === "unreadable") notTaken.push({ what: `value of ${id}`, reason: "this login may not read it there" });
      else {
        const answer = await client.call(adminOperations.setVariable, { id: source.target(id, account), value });
        if (answer.ok) done.push(id);
        else if (!tellable.has(answer.error.code)) return answer;
        else notTaken.push({ what: `value of ${id}`, reason: answer.error.message });
      }
    }
    written += done.length;
    // What did not come may come next time.
    state.note(done);
  }
  return { ok: true, output: { written, skipped: ids.length - waiting.length, without } };
}

/** What is wrong with one value and says nothing of the next. */
const tellable = new Set(["not_found", "malformed", "too_large"]);

async function switchOn({ client, account, source }: Work, notTaken: Left[]): Promise<readonly string[]> {
  const on: string[] = [];
  for (const authenticator of source.authenticators) {
    // Half of its settings may be a weaker check than all of them.
    const lacking = notTaken.find(({ what }) => what.includes(`:conjur/${authenticator}/`));
    if (lacking !== undefined) {
      notTaken.push({ what: `authenticator ${authenticator}`, reason: `it stays off without this: ${lacking.what}` });
      continue;
    }
    const answer = await client.call(adminOperations.setAuthenticator, { account, authenticator, enabled: true });
    if (answer.ok) on.push(authenticator);
    // The list there is of all accounts; one whose webservice is not in this account belongs to another.
    else if (answer.error.code !== "unauthenticated" && answer.error.code !== "not_found")
      notTaken.push({ what: `authenticator ${authenticator}`, reason: answer.error.message });
  }
  return on;
}

/** Policy texts are planned against the account as it is, one after the other; facts of a server are only counted. */
async function preview(run: Run, account: string, source: ImportSource): Promise<number> {
  progress(run.io);
  const found = previewOf(source);
  if (source.policies.length === 0) return told(found);
  return run.withAdmin(async (client) => {
    const read = source.policies.map(({ file, text }) => ({ file, text: Buffer.from(text).toString("utf8") }));
    const texts = source.policies.map(({ file, text }) => ({ branch: "root", mode: "update" as const, file, text }));
    return run.finish(await client.call(adminOperations.forecastPolicy, { account, texts }), (forecast) => {
      if (forecast.ok) return told({ ...found, records: forecast.created.length });
      const wrong = read[forecast.failed];
      if (run.isJson) run.print({ ok: false, file: wrong?.file, problems: forecast.problems }, "");
      else if (wrong !== undefined) run.io.err(problemText(forecast.problems, wrong));
      return exitCodes.failed;
    });
  });

  function told(result: typeof found): number {
    run.print(result, previewText(result));
    return exitCodes.done;
  }
}

const wipe = "\r\u001b[K";

/** One line that is written over and over, for somebody who watches; wiped when there is nothing to tell. */
function progress(io: Run["io"], what = "", done = 0, total = 0): void {
  if (io.errorIsTerminal) io.err(what === "" ? wipe : `${wipe}${progressText(what, done, total)}`);
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
