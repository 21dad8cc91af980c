/** `postern policy plan`: who could do what, before anything is loaded. */

import type { Command } from "commander";
import { adminOperations, type OutputOf } from "../../client/admin-wire";
import { type Cli, createCommand, onRun, optionOf, problemText, type Run } from "../command";
import { exitCodes } from "../exit-codes";
import { asked, readPolicy } from "./policy-files";

type Forecast = Extract<OutputOf<typeof adminOperations.forecastPolicy>, { readonly ok: true }>;
type RightGroup = Forecast["rights"][number]["gained"][number];

const mostRolesTold = 4;
const mostResourcesTold = 6;

export function planCommand(cli: Cli): Command {
  const command = createCommand(
    "plan",
    "show who could do what that they could not before, and who no longer can; loads nothing",
    "postern policy plan --account myorg --mode replace root.yml",
    ["account"],
  )
    .argument("<files...>", "files, planned one after another; - is standard input")
    .option("--branch <branch>", "policy branch they would be loaded into", "root")
    .option("--mode <mode>", "as of policy load", "create")
    .option("--exit-code", "end with 3 when somebody's rights would change");
  return onRun(command, cli, (run, operands) =>
    run.withAdmin(async (client, config) => {
      const { account, files, mode } = asked(operands, config.account, optionOf(command, "mode"));
      const branch = optionOf(command, "branch") ?? "root";
      const read = await Promise.all(files.map((file) => readPolicy(run, file)));
      const texts = read.map(({ text, source }) => ({ branch, mode, text, file: source.file }));
      const answer = await client.call(adminOperations.forecastPolicy, { account, texts });
      return run.finish(answer, (forecast) => {
        if (!forecast.ok) {
          const source = read[forecast.failed]?.source;
          if (run.isJson) run.print({ ok: false, file: source?.file, problems: forecast.problems }, "");
          else if (source !== undefined) run.io.err(problemText(forecast.problems, source));
          return exitCodes.failed;
        }
        for (const warning of forecast.warnings) run.io.err(`warning: ${warning}\n`);
        run.print(forecast, forecastText(forecast, isColoured(run)));
        return command.getOptionValue("exitCode") === true && forecast.rights.length > 0 ? exitCodes.differs : exitCodes.done;
      });
    }),
  );
}

function isColoured({ io }: Run): boolean {
  return io.outputIsTerminal && (io.environment.NO_COLOR ?? "") === "";
}

/** A tree: roles, below them what they gain and lose, below that the resources. */
function forecastText({ created, updated, deleted, rights }: Forecast, coloured: boolean): string {
  const paint = (code: string, text: string): string => (coloured ? `\u001b[${code}m${text}\u001b[0m` : text);
  const sum = `${created.length} new, ${updated.length} changed, ${deleted.length} removed records`;
  if (rights.length === 0) return `Nobody's rights would change (${sum}).\n`;
  const blocks = rights.map(({ roles, gained, lost }) =>
    [
      paint("1", some(roles, mostRolesTold)),
      ...gained.flatMap((group) => groupLines(group, roles, (text) => paint("32", `+ ${text}`))),
      ...lost.flatMap((group) => groupLines(group, roles, (text) => paint("31", `- ${text}`))),
    ].join("\n"),
  );
  return `${blocks.join("\n")}\n\n${rights.length} ${rights.length === 1 ? "change" : "changes"} of rights; ${sum}.\n`;
}

function groupLines(
  { privileges, resources, through }: RightGroup,
  roles: readonly string[],
  mark: (text: string) => string,
): readonly string[] {
  const way = roles.includes(through) ? "" : ` through ${short(through)}`;
  const [only] = resources;
  const what = privileges.join(", ");
  if (resources.length === 1 && only !== undefined) return [`  ${mark(`${what} ${short(only)}${way}`)}`];
  const told = resources.slice(0, mostResourcesTold).map((resource) => `      ${short(resource)}`);
  const rest = resources.length - told.length;
  return [`  ${mark(`${what} ${resources.length} resources${way}`)}`, ...told, ...(rest > 0 ? [`      and ${rest} more`] : [])];
}

function some(ids: readonly string[], most: number): string {
  const rest = ids.length - most;
  return `${ids.slice(0, most).map(short).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

/** `acme:host:apps/web` → `host apps/web`: everything is of one account. */
function short(id: string): string {
  const [, kind = "", ...identifier] = id.split(":");
  return `${kind} ${identifier.join(":")}`;
}
