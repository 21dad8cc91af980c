/**
 * Cuts the server out of the sources of OpenBao's command line, so that its client commands build in a minute or two where the whole takes fifteen. What is left
 * out: files that run a server or an agent, and their entries in the table of commands. What a client does stands in the other files, which stay as they are.
 *
 *   bun scripts/clients/cut.ts github.com/openbao/openbao@VERSION SUM FOLDER
 *
 * Takes the module as Go's proxy gives it, if it is the one of that checksum (go.sum holds none for a module that is replaced by a folder).
 */

import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

/** A server's, an agent's, or with an engine of the server in them. */
const filesLeftOut = [
  /^command\/(agent|proxy|server|debug|log_flags|ssh|policy_fmt|pki(_\w+)?)\.go$/,
  /^command\/(agent_generate_config|server_(no)?profile|operator_(diagnose|migrate|validate_config)|config\/validate_listener)\.go$/,
  /^builtin\/credential\/userpass\/(backend|path_\w+)\.go$/,
  /^(ui|website|changelog)\/|\/testdata\/|_test\.go$/,
];
/** The entries of those files in the table of commands, by the type that runs each. */
const commandsLeftOut =
  /&(Agent|AgentGenerateConfig|Proxy|Server|OperatorDiagnose|OperatorMigrate|OperatorValidateConfig|Debug|SSH|PKI\w*|PolicyFmt)Command\{/;
/** Ways to log in whose code comes with such an engine. */
const loginsLeftOut = /^\t\t"(cert|kerberos|ldap|oidc)": .*\n/gm;
/** What the table imports and still needs. */
const importsKept = /^\t("os"|"os\/signal"|"syscall"|"github.com\/hashicorp\/cli"|".*\/version"|credToken .*|credUserpass .*)$/;

const [module = "", sum = "", folder = ""] = process.argv.slice(2);
const { stdout, exitCode } = Bun.spawnSync(["go", "mod", "download", "-json", module], { stderr: "inherit" });
if (exitCode !== 0) process.exit(exitCode);
const { Dir, Sum }: { Dir: string; Sum: string } = JSON.parse(stdout.toString());
if (Sum !== sum) {
  console.error(`checksum mismatch: ${module} is ${Sum}, not ${sum}`);
  process.exit(1);
}
rmSync(folder, { recursive: true, force: true });
cpSync(Dir, folder, { recursive: true, filter: (path) => !filesLeftOut.some((file) => file.test(relative(Dir, path))) });
Bun.spawnSync(["chmod", "-R", "u+w", folder]);
const table = join(folder, "command/commands.go");
writeFileSync(table, cut(readFileSync(table, "utf8")));

function cut(text: string): string {
  const imports = (block: string): string =>
    block
      .split("\n")
      .filter((line) => !line.startsWith("\t") || importsKept.test(line))
      .join("\n");
  return text
    .replace(/^import \(\n[\s\S]*?^\)\n/m, imports)
    .replace(/^var \(\n[\s\S]*?^\)\n/m, "var initCommandsEnt = func(_, _ cli.Ui, _ *RunOptions, _ map[string]cli.CommandFactory) {}\n")
    .replace(loginsLeftOut, "")
    .replace(/^\t\t"[^"]+": func\(\) \(cli\.Command, error\) \{\n[\s\S]*?^\t\t\},\n/gm, (entry) =>
      commandsLeftOut.test(entry) ? "" : entry,
    );
}
