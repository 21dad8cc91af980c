/** Shell completion out of the command table: the commands and options that may stand where the cursor is. */

import type { Command } from "commander";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/** What may follow a command: its subcommands, its options, and the values of its first operand where they are few. */
interface Place {
  /** `/policy/load`; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly Word[];
  readonly options: readonly Word[];
}

interface Word {
  readonly text: string;
  readonly about: string;
}

/** A script for the shell to read: `eval "$(postern completion bash)"`. */
export function completionScript(program: Command, shell: Shell): string {
  const places = placesOf(program, "");
  if (shell === "fish") return fishScript(program.name(), places);
  const bash = bashScript(program.name(), places);
  return shell === "zsh" ? `#compdef ${program.name()}\nautoload -U +X bashcompinit && bashcompinit\n${bash}` : bash;
}

function placesOf(command: Command, path: string): readonly Place[] {
  const commands = command.commands.map((each) => ({ text: each.name(), about: each.description() }));
  const options = command.options.flatMap(({ long, description }) =>
    typeof long === "string" ? [{ text: long, about: description }] : [],
  );
  const help = { text: "--help", about: "show help" };
  return [{ path, commands, options: [...options, help] }, ...command.commands.flatMap((each) => placesOf(each, `${path}/${each.name()}`))];
}

function bashScript(name: string, places: readonly Place[]): string {
  const known = places.filter(({ path }) => path !== "").map(({ path }) => path);
  const cases = places.map(({ path, commands, options }) => {
    const words = [...commands, ...options].map(({ text }) => text).join(" ");
    return `    '${path}') words='${words}' ;;`;
  });
  return `_${name}() {
  local cur path words word i
  cur=\${COMP_WORDS[COMP_CWORD]}
  path=
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$path/$word" in
      ${known.join("|")}) path="$path/$word" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _${name} ${name}
`;
}

function fishScript(name: string, places: readonly Place[]): string {
  const lines = places.flatMap(({ path, commands, options }) => {
    const here = `complete -c ${name} -n '__${name}_at "${path}"'`;
    return [
      ...commands.map(({ text, about }) => `${here} -f -a ${text} -d ${quoted(about)}`),
      ...options.map(({ text, about }) => `${here} -l ${text.replace(/^--/, "")} -d ${quoted(about)}`),
    ];
  });
  const known = places.filter(({ path }) => path !== "").map(({ path }) => `'${path}'`);
  return `function __${name}_at
  set -l path ''
  for word in (commandline -opc)[2..-1]
    contains -- "$path/$word" ${known.join(" ")}; and set path "$path/$word"
  end
  test "$path" = "$argv[1]"
end
${lines.join("\n")}
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll(/\s+/g, " ")}'`;
}
