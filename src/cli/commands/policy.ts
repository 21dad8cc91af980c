/** `postern policy`: load and check; plan and test are in files of their own. */

import { Command } from "commander";
import { adminOperations } from "../../client/admin-wire";
import { checkPolicyAlone } from "../../core/policy/check-alone";
import type { PolicyProblem } from "../../model/failures";
import { parseAccount } from "../../model/ids";
import { type Cli, createCommand, onRun, optionOf, type PolicySource, problemText, type Run, secretText } from "../command";
import { exitCodes } from "../exit-codes";
import { asked, readPolicy } from "./policy-files";
import { planCommand } from "./policy-plan";
import { testCommand } from "./policy-test";

export function policyCommand(cli: Cli): Command {
  return new Command("policy")
    .description("policies")
    .exitOverride()
    .addCommand(loadCommand(cli))
    .addCommand(checkCommand(cli))
    .addCommand(planCommand(cli))
    .addCommand(testCommand(cli));
}

function loadCommand(cli: Cli): Command {
  const command = createCommand(
    "load",
    "load policy files as the account's administrator; 'policy load ACCOUNT FILE', as conjurctl has it, replaces the root policy",
    "postern policy load --account myorg --branch root secrets.yml",
    ["account"],
  )
    .argument("<files...>", "files, in this order; - is standard input")
    .option("--branch <branch>", "policy branch to load into", "root")
    .option(
      "--mode <mode>",
      "create (only add), update (also change and remove what the text says), or replace (the text is all there is)",
    );
  return onRun(command, cli, (run, operands) =>
    run.withAdmin(async (client, config) => {
      const { account, files, mode } = asked(operands, config.account, optionOf(command, "mode"));
      for (const file of files) {
        const { text, source } = await readPolicy(run, file);
        const branch = optionOf(command, "branch") ?? "root";
        const answer = await client.call(adminOperations.loadPolicy, { account, branch, mode, text, file: source.file });
        const code = run.finish(
          answer,
          ({ version, createdRoles, warnings }) => {
            for (const warning of warnings) run.io.err(`${source.file}: ${warning}\n`);
            run.io.err(`Loaded ${source.file} into ${account}:policy:${branch} (${mode})\n`);
            const created = Object.fromEntries(createdRoles.map(({ id, apiKey }) => [id, { id, api_key: secretText(apiKey) }]));
            const outcome = { created_roles: created, version };
            run.print(outcome, `${JSON.stringify(outcome, undefined, 2)}\n`);
            return exitCodes.done;
          },
          source,
        );
        if (code !== exitCodes.done) return code;
      }
      return exitCodes.done;
    }),
  );
}

function checkCommand(cli: Cli): Command {
  const command = createCommand(
    "check",
    "tell everything that is wrong with policy files; needs no store, and with --live asks the one there is",
    "postern policy check authn-azure.yml",
    ["account"],
  )
    .argument("<files...>", "files; - is standard input")
    .option("--branch <branch>", "policy branch they would be loaded into", "root")
    .option("--live", "check against the account as it is, names of things in other files included")
    .option("--mode <mode>", "with --live: as of policy load", "create");
  return onRun(command, cli, async (run, files) => {
    const { config } = run.load();
    const reports: CheckedFile[] = [];
    for (const file of files) {
      const { text, source } = await readPolicy(run, file);
      const branch = optionOf(command, "branch") ?? "root";
      if (command.getOptionValue("live") === true) {
        const { account, mode } = asked([file], config.account, optionOf(command, "mode"));
        const code = await run.withAdmin(async (client) =>
          run.finish(
            await client.call(adminOperations.checkPolicy, { account, branch, mode, text, file: source.file }),
            (report) => {
              reports.push({ source, ...report });
              return exitCodes.done;
            },
            source,
          ),
        );
        if (code !== exitCodes.done) return code;
      } else {
        const authenticators = cli.world.authenticators();
        reports.push({ source, ...checkPolicyAlone({ text, account: parseAccount(config.account ?? "default"), branch, authenticators }) });
      }
    }
    return printReports(run, reports);
  });
}

interface CheckedFile {
  readonly source: PolicySource;
  readonly ok: boolean;
  readonly problems: readonly PolicyProblem[];
  readonly warnings: readonly string[];
}

function printReports({ io, isJson, print }: Run, reports: readonly CheckedFile[]): number {
  const isOk = reports.every(({ ok }) => ok);
  if (isJson) {
    print({ ok: isOk, files: reports.map(({ source, ok, problems, warnings }) => ({ file: source.file, ok, problems, warnings })) }, "");
    return isOk ? exitCodes.done : exitCodes.failed;
  }
  for (const { source, ok, problems, warnings } of reports) {
    io.err(problemText(problems, source));
    // A problem of the check alone is a warning of the load as well.
    const others = warnings.filter((warning) => !problems.some(({ message }) => warning.includes(message)));
    for (const warning of others) io.err(`${source.file}: warning: ${warning}\n`);
    io.out(ok ? `${source.file}: ok\n` : `${source.file}: ${problems.length} ${problems.length === 1 ? "problem" : "problems"}\n`);
  }
  return isOk ? exitCodes.done : exitCodes.failed;
}
