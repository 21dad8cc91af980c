/** `postern why`: a decision that was made, or what somebody may do at a path now. */

import type { Command } from "commander";
import { adminOperations, type InputOf } from "../../client/admin-wire";
import { type Cli, createCommand, onRun, optionOf, type Run, usage } from "../command";
import { exitCodes } from "../exit-codes";

type Question = InputOf<typeof adminOperations.whyPath>;

const capabilities = ["create", "read", "update", "patch", "delete", "list"] as const;

export function whyCommand(cli: Cli): Command {
  const command = createCommand(
    "why",
    "explain a decision: who asked, what was checked, what failed and where the policy says so, and what would allow it; or what somebody may do at a path of Vault's",
    "postern why d-7k2m9x4p1qz0\n  $ postern why --path secret/data/app --capability read --role auth/approle/role/ci",
    ["account"],
  )
    .argument("[decision]", "its name, from the audit trail or the log")
    .option("--login <name>", "in its place: the newest refused login of host/apps/web in --account")
    .option("--path <path>", "in its place: what may be done at secret/data/app, by which rule of which policy")
    .option("--capability <name>", `with --path: ${capabilities.join(", ")} (default: read)`)
    .option("--sudo", "with --path: what also takes sudo")
    .option("--accessor <accessor>", "with --path: the token that has this accessor; a token itself never stands on a command line")
    .option("--role <role>", "with --path: a role to log in as, auth/approle/role/ci, or of the graph, myorg:host:apps/web")
    .option("--policy <name>", "with --path: a policy by itself (may be repeated)", (value: string, before: string[] = []) => [
      ...before,
      value,
    ]);
  return onRun(command, cli, (run, [decision]) => {
    const login = optionOf(command, "login");
    const path = optionOf(command, "path");
    if ([decision, login, path].filter((each) => each !== undefined).length !== 1) throw usage("why", "a decision, or --login, or --path");
    if (path === undefined) return tellDecision(run, decision, login);
    return tellPath(run, {
      about: aboutOf(command),
      path,
      capability: capabilityOf(optionOf(command, "capability") ?? "read"),
      ...(command.getOptionValue("sudo") === true ? { sudo: true } : {}),
    });
  });
}

function tellDecision({ io, withAdmin, finish, print }: Run, decision: string | undefined, login: string | undefined): Promise<number> {
  return withAdmin(async (client, { account }) => {
    if (decision === undefined && account === undefined) throw usage("--login", "--account beside it");
    const answer =
      decision === undefined
        ? await client.call(adminOperations.whyLogin, { account: account ?? "", login: login ?? "" })
        : await client.call(adminOperations.why, { decision });
    return finish(answer, ({ text, record }) => {
      print(record, coloured(text, io));
      return exitCodes.done;
    });
  });
}

function tellPath({ io, withAdmin, finish, print }: Run, question: Question): Promise<number> {
  return withAdmin(async (client) =>
    finish(await client.call(adminOperations.whyPath, question), ({ text, report }) => {
      print(report, coloured(text, io));
      return exitCodes.done;
    }),
  );
}

function aboutOf(command: Command): Question["about"] {
  const accessor = optionOf(command, "accessor");
  const role = optionOf(command, "role");
  const names: unknown = command.getOptionValue("policy");
  const policies = Array.isArray(names) ? names.filter((each) => typeof each === "string") : [];
  const given = [accessor !== undefined, role !== undefined, policies.length > 0].filter(Boolean).length;
  if (given !== 1) throw usage("--path", "one of --accessor, --role and --policy beside it");
  // It would stand in the list of processes and in the history of the shell; what was written is not repeated.
  if (accessor !== undefined && /^(?:hv[sbr]|[sbr])\./u.test(accessor))
    throw usage("--accessor", "an accessor and not a token, which should now be revoked: others on this machine may have seen it");
  if (accessor !== undefined) return { by: "accessor", accessor };
  return role === undefined ? { by: "policies", names: policies } : { by: "role", role };
}

function capabilityOf(text: string): Question["capability"] {
  const known = capabilities.find((each) => each === text);
  if (known === undefined) throw usage("--capability", `one of ${capabilities.join(", ")}`);
  return known;
}

const green = "\u001b[32m";
const red = "\u001b[31m";
const plain = "\u001b[0m";

function coloured(text: string, io: Cli["io"]): string {
  if (!io.outputIsTerminal || io.environment.NO_COLOR !== undefined) return text;
  return text.replace(/^ {2}([✓✗]).*$/gmu, (line, mark) => `${mark === "✓" ? green : red}${line}${plain}`);
}
