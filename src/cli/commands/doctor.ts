/** `postern doctor`: everything between this machine's identity and a secret, in order; what is wrong, why, and what mends it. It prints no token and no secret. */

import { resolve } from "node:path";
import type { Command } from "commander";
import { version } from "../../../package.json";
import { adminSocketPath } from "../../client/client";
import { choiceOf, createClientCommand, withSocketOptions } from "../client-command";
import { type Cli, onRun, optionOf } from "../command";
import { type Finding, findingText } from "../doctor/finding";
import { identityReport } from "../doctor/identity";
import { machineFindings } from "../doctor/machine";
import { lineFindings, loginFinding } from "../doctor/server";
import { byPlace, readAgentFile, type Subject, subjectsOf, usualAgentFile } from "../doctor/subjects";
import { exitCodes } from "../exit-codes";
import { possibleStateFolder } from "../session";

const usualData = "/var/lib/postern";

export function doctorCommand(cli: Cli): Command {
  const command = withSocketOptions(
    createClientCommand(
      "doctor",
      "find out why a machine does not get its secrets: its identity, the way to the server, the login, the disk and the keys; each with its cause and what mends it",
      "postern doctor\npostern doctor --json | jq '.findings[] | select(.state == \"fail\")'",
    ),
  )
    .option("--agent <file>", `the agent's file (default: ${usualAgentFile}, where this user may read it)`)
    .option(
      "--data <folder>",
      `the data folder of a server on this machine, which explains refusals to its operator (default: ${usualData})`,
    )
    .addHelpText(
      "after",
      "\nIt logs in to see whether it can: the server writes that into its audit. Ends with 1 when something failed.\n",
    );
  return onRun(command, cli, async ({ io, print }) => {
    const { world } = cli;
    const adminSocket = adminSocketPath(resolve(io.folder, optionOf(command, "data") ?? io.environment.POSTERN_DATA ?? usualData));
    const agent = readAgentFile(optionOf(command, "agent"), io);
    const { findings: before, subjects } = subjectsOf(command, cli, agent.config);
    const findings: Finding[] = [
      ...(await machineFindings({
        world,
        version,
        platform: `${process.platform} ${process.arch}`,
        state: possibleStateFolder(io, choiceOf(command)),
        seal: optionOf(command, "seal"),
        agent: agent.config,
        adminSocket,
      })),
      ...agent.findings,
      ...before,
    ];
    for (const group of byPlace(subjects)) findings.push(...(await findingsOf(group, cli, adminSocket)));
    const ok = findings.every(({ state }) => state !== "fail");
    print({ ok, findings }, findings.map(findingText).join(""));
    return ok ? exitCodes.done : exitCodes.failed;
  });
}

async function findingsOf(subjects: readonly [Subject, ...Subject[]], { world }: Cli, adminSocket: string): Promise<readonly Finding[]> {
  const [{ connection: first }] = subjects;
  const identity = await identityReport(first, world);
  const line = await lineFindings(first, world);
  const findings = [...identity.findings, ...line.findings];
  if (!line.isThere) return findings;
  for (const subject of subjects) {
    const { proof, login } = subject.connection;
    const isTried = proof.kind !== "azure" || identity.token !== undefined;
    const check = { subject, world, adminSocket, attributes: identity.token?.attributes ?? {} };
    findings.push(isTried ? await loginFinding(check) : { check: `login ${login}`, state: "unknown", found: "not tried without a token" });
  }
  return findings;
}
