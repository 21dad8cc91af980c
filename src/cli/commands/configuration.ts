/** `postern configuration`: which settings were made and where, and whether they would do. */

import { Command } from "commander";
import { adminOperations } from "../../client/admin-wire";
import { type LoadedConfig, settingFlags } from "../../config/config";
import { type Cli, createCommand, onRun, optionOf, usage } from "../command";
import { exitCodes } from "../exit-codes";

export function configurationCommand(cli: Cli): Command {
  return new Command("configuration").description("settings").exitOverride().addCommand(showCommand(cli)).addCommand(applyCommand(cli));
}

function showCommand(cli: Cli): Command {
  const command = createCommand(
    "show",
    "print every setting that was made, its value and where it was made",
    "postern configuration show --config /etc/postern.toml",
    settingFlags().map(({ name }) => name),
  ).option("-o, --output <format>", "yaml, json or text", "text");
  return onRun(command, cli, async ({ io, load, isJson }) => {
    const format = isJson ? "json" : (optionOf(command, "output") ?? "text");
    const made = settingsOf(load());
    if (format === "json") io.out(`${JSON.stringify(Object.fromEntries(made.map(({ name, ...rest }) => [name, rest])), undefined, 2)}\n`);
    // JSON is YAML; one setting a line reads like it.
    else if (format === "yaml")
      io.out(made.map(({ name, value, source }) => `${JSON.stringify(name)}: ${JSON.stringify(value)} # ${source}\n`).join("") || "{}\n");
    else if (format === "text") {
      const lines = made.map(({ name, value, source }) => `${name.padEnd(36)}${JSON.stringify(value).padEnd(36)} ${source}\n`);
      io.out(lines.length === 0 ? "nothing is set: every setting has its default\n" : lines.join(""));
    } else throw usage("--output", "yaml, json or text");
    return exitCodes.done;
  });
}

/** Settings name the places of secrets and hold none, but for the password that the address of a proxy may have. */
function settingsOf({
  origins,
  said,
}: LoadedConfig): readonly { readonly name: string; readonly value: unknown; readonly source: string }[] {
  return [...origins].map(([name, source]) => ({ name, value: withoutPassword(said.get(name)), source }));
}

function withoutPassword(value: unknown): unknown {
  return typeof value === "string" ? value.replace(/\/\/[^/@]*@/u, "//[redacted]@") : value;
}

function applyCommand(cli: Cli): Command {
  const command = createCommand(
    "apply",
    "check the settings, and let a running server read its certificates again; what else changed counts from its next start",
    "postern configuration apply --test --config /etc/postern.toml",
    settingFlags().map(({ name }) => name),
  ).option("--test", "check the settings alone");
  return onRun(command, cli, async (run) => {
    run.load();
    if (command.getOptionValue("test") === true) {
      run.print({ ok: true }, "The settings are right\n");
      return exitCodes.done;
    }
    return run.withAdmin(async (client) =>
      run.finish(await client.call(adminOperations.reload, {}), () => {
        run.print({ ok: true }, "The settings are right; certificates were read again, everything else counts from the next start\n");
        return exitCodes.done;
      }),
    );
  });
}
