/** `postern audit verify`. */

import { Command } from "commander";
import type { AuditFinding, AuditReport } from "../../audit/audit-log";
import { adminOperations } from "../../client/admin-wire";
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
