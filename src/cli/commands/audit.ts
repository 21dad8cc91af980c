/** `postern audit verify` and `postern why`. */

import { Command } from "commander";
import type { AuditFinding, AuditReport } from "../../audit/audit-log";
import { adminOperations, type OutputOf } from "../../client/admin-wire";
import { type Cli, createCommand, onRun, optionOf, usage } from "../command";
import { exitCodes } from "../exit-codes";

export function auditCommand(cli: Cli): Command {
  return new Command("audit").description("the audit trail").exitOverride().addCommand(verifyCommand(cli));
}

function verifyCommand(cli: Cli): Command {
  const command = createCommand(
    "verify",
    "read the whole trail and name the first line that is not what was written",
    "postern audit verify --head 12000:9f86d081…",
  )
    .option("--head <sequence:mac>", "where the trail stood once, from a checkpoint in the log: finds a trail cut behind it")
    .option("--from <sequence>", "the lines before this one were archived on purpose");
  return onRun(command, cli, async ({ load, withAdmin, finish, print }) => {
    const head = optionOf(command, "head");
    const from = optionOf(command, "from");
    const options = {
      ...(head === undefined ? {} : { knownHead: headOf(head) }),
      ...(from === undefined ? {} : { from: sequenceOf("--from", from) }),
    };
    const show = (report: Report): number => {
      print(report, reportText(report));
      return report.ok ? exitCodes.done : exitCodes.integrity;
    };
    const ofAgent = await cli.world.verifyAgentTrail(load().config, options);
    if (ofAgent !== undefined) return show(ofAgent);
    return withAdmin(async (client) => finish(await client.call(adminOperations.verifyAudit, options), show));
  });
}

/** As it is made here, or comes over the admin socket. */
type Report = Omit<AuditReport, "findings"> & { readonly findings: readonly (Omit<AuditFinding, "kind"> & { readonly kind: string })[] };

function reportText({ ok, lines, files, findings, found, lastSequence, lastMac }: Report): string {
  const read = `${lines} lines in ${files.length} ${files.length === 1 ? "file" : "files"}, up to ${lastSequence}:${lastMac}\n`;
  if (ok) return `The audit trail is whole: ${read}`;
  const first = findings[0]?.sequence ?? 0;
  const told = findings.map(({ sequence, kind, detail, file, line }) => {
    const where = file === undefined ? "" : ` (${file}:${line})`;
    return `  ${sequence}  ${kind}: ${detail}${where}\n`;
  });
  const more = found > findings.length ? `  and ${found - findings.length} more\n` : "";
  return `The audit trail is NOT whole. The first bad line is ${first}.\n${told.join("")}${more}${read}`;
}

function headOf(text: string): { readonly sequence: number; readonly mac: string } {
  const [, sequence = "", mac = ""] = /^(\d+):([0-9a-f]{64})$/u.exec(text) ?? [];
  if (mac === "") throw usage("--head", "a sequence, a colon and 64 hex digits, as an audit_checkpoint in the log has them");
  return { sequence: sequenceOf("--head", sequence), mac };
}

function sequenceOf(where: string, text: string): number {
  if (!/^[1-9]\d{0,14}$/u.test(text)) throw usage(where, "a number from 1");
  return Number(text);
}

export function whyCommand(cli: Cli): Command {
  const command = createCommand(
    "why",
    "explain a decision: who asked, what was checked, what failed and where the policy says so, and what would allow it",
    "postern why d-7k2m9x4p1qz0",
    ["account"],
  )
    .argument("[decision]", "its name, from the audit trail or the log")
    .option("--login <name>", "in its place: the newest refused login of host/apps/web in --account");
  return onRun(command, cli, ({ io, withAdmin, finish, print }, [decision]) =>
    withAdmin(async (client, { account }) => {
      const login = optionOf(command, "login");
      if ((decision === undefined) === (login === undefined)) throw usage("why", "a decision, or --login");
      const show = ({ text, record }: OutputOf<typeof adminOperations.why>): number => {
        print(record, io.outputIsTerminal && io.environment.NO_COLOR === undefined ? coloured(text) : text);
        return exitCodes.done;
      };
      if (decision !== undefined) return finish(await client.call(adminOperations.why, { decision }), show);
      if (account === undefined) throw usage("--login", "--account beside it");
      return finish(await client.call(adminOperations.whyLogin, { account, login: login ?? "" }), show);
    }),
  );
}

const green = "\u001b[32m";
const red = "\u001b[31m";
const plain = "\u001b[0m";

function coloured(text: string): string {
  return text.replace(/^ {2}([✓✗]).*$/gmu, (line, mark) => `${mark === "✓" ? green : red}${line}${plain}`);
}
