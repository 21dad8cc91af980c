/** `postern policy test`: whether what somebody expects of a policy holds. */

import type { Command } from "commander";
import { adminOperations } from "../../client/admin-wire";
import { testPoliciesAlone } from "../../core/policy/test-alone";
import { makeId, parseAccount } from "../../model/ids";
import { type Cli, createCommand, onRun, problemText, type Run, usage } from "../command";
import { exitCodes } from "../exit-codes";
import { readPolicy } from "./policy-files";

interface Judgement {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly holds: boolean;
  readonly why: readonly string[];
}

const form = `
Assertions, one on a line; # begins a remark:
  host apps/web can execute variable secrets/db
  user alice cannot update variable secrets/db
  host apps/web is member of layer servers
  user alice is not member of group admins
`;

export function testCommand(cli: Cli): Command {
  const command = createCommand(
    "test",
    "check assertions of who can do what, against the account as it is, or with --policy against policy files alone",
    "postern policy test --policy root.yml --policy secrets.yml rights.txt",
    ["account"],
  )
    .argument("<files...>", "files with assertions; - is standard input")
    .option("--policy <file>", "policy file instead of a store, loaded into an empty root policy (may be repeated)", collect)
    .addHelpText("after", form);
  return onRun(command, cli, async (run, operands) => {
    const policies: unknown = command.getOptionValue("policy");
    const judgements: Judgement[] = [];
    for (const file of operands) {
      const { text, source } = await readPolicy(run, file);
      const judged = Array.isArray(policies)
        ? await judgeAlone(cli, run, policies.map(String), { name: source.file, text: source.text })
        : await judgeLive(run, { name: source.file, text: Buffer.from(text).toString("utf8") });
      if (typeof judged === "number") return judged;
      judgements.push(...judged);
    }
    return report(run, judgements);
  });
}

interface AssertionFile {
  readonly name: string;
  readonly text: string;
}

async function judgeLive(run: Run, { name, text }: AssertionFile): Promise<readonly Judgement[] | number> {
  const judged: Judgement[] = [];
  const code = await run.withAdmin(async (client, { account }) => {
    if (account === undefined) throw usage("account", "--account NAME, or policy files with --policy");
    const answer = await client.call(adminOperations.testPolicy, { account, text });
    return run.finish(
      answer,
      ({ judgements }) => {
        for (const each of judgements) judged.push({ file: name, ...each });
        return exitCodes.done;
      },
      { file: name, text },
    );
  });
  return code === exitCodes.done ? judged : code;
}

async function judgeAlone(
  cli: Cli,
  run: Run,
  policies: readonly string[],
  { name, text }: AssertionFile,
): Promise<readonly Judgement[] | number> {
  const account = parseAccount(run.load().config.account ?? "default");
  const read = await Promise.all(policies.map((file) => readPolicy(run, file)));
  const loads = read.map((each) => ({
    policy: makeId(account, "policy", "root"),
    mode: "update" as const,
    text: each.text,
    file: each.source.file,
  }));
  const outcome = await testPoliciesAlone({ account, loads, assertions: text, authenticators: cli.world.authenticators() });
  if (outcome.ok) return outcome.judgements.map((each) => ({ file: name, ...each }));
  const { failed } = outcome;
  const source = read.find(({ source: { file } }) => file === failed?.file)?.source ?? { file: name, text };
  if (run.isJson) run.print({ ok: false, file: source.file, problems: outcome.problems }, "");
  else run.io.err(problemText(outcome.problems, source));
  return exitCodes.failed;
}

function report(run: Run, judgements: readonly Judgement[]): number {
  const failed = judgements.filter(({ holds }) => !holds);
  const text = [
    ...failed.flatMap(({ file, line, text: claim, why }) => [
      `${file}:${line}: does not hold: ${claim}`,
      ...why.flatMap((each) => each.split("\n").map((part) => `    ${part}`)),
    ]),
    `${judgements.length - failed.length} passed, ${failed.length} failed`,
  ].join("\n");
  run.print({ ok: failed.length === 0, judgements }, `${text}\n`);
  return failed.length === 0 ? exitCodes.done : exitCodes.failed;
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
