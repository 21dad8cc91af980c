/**
 * `conjurctl`: the command lines of Conjur's server tool as those of this program, so that runbooks need only the other name. Most are the same words; what
 * differs is said here. The program answers to this name by a link to it, or as `postern conjurctl …`.
 *
 * Source: Conjur 1.24.0, bin/conjur-cli.rb.
 */

/** The arguments behind `conjurctl`, in postern's words. `environment.PORT` is the port of a server that is given none. */
export function translateConjurctl(argv: readonly string[], environment: Readonly<Record<string, string | undefined>>): readonly string[] {
  const [command, ...rest] = argv;
  if (command === "server") return ["server", ...serverArguments(rest, environment)];
  if (command === "wait") return ["wait", ...waitArguments(rest, environment)];
  return argv;
}

const defaultPort = "80";

interface Short {
  readonly long: string;
  readonly takesValue: boolean;
}

const serverOptions: Readonly<Record<string, Short>> = {
  "-a": { long: "--account", takesValue: true },
  "-p": { long: "--port", takesValue: true },
  "-b": { long: "--bind-address", takesValue: true },
  "-f": { long: "--file", takesValue: true },
};

function serverArguments(argv: readonly string[], environment: Readonly<Record<string, string | undefined>>): readonly string[] {
  const kept: string[] = [];
  let port = filled(environment.PORT) ?? defaultPort;
  let address = "0.0.0.0";
  let isPlaced = false;
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? "";
    const [name = "", given] = word.startsWith("--") && word.includes("=") ? splitOnce(word) : [word, undefined];
    const long = serverOptions[name]?.long ?? name;
    const value = (): string => {
      if (given !== undefined) return given;
      at += 1;
      return argv[at] ?? "";
    };
    if (long === "--port") port = value();
    else if (long === "--bind-address") address = value();
    else if (long === "--account") kept.push("--create-account", value());
    else if (long === "--file") kept.push("--load", value());
    else if (long === "--no-migrate") continue;
    else {
      isPlaced ||= long === "--listen";
      kept.push(word);
    }
  }
  return isPlaced ? kept : ["--listen", address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`, ...kept];
}

function waitArguments(argv: readonly string[], environment: Readonly<Record<string, string | undefined>>): readonly string[] {
  const hasPort = argv.some((word) => /^(?:-p|--port)/u.test(word));
  return hasPort ? argv : ["--port", filled(environment.PORT) ?? defaultPort, ...argv];
}

function splitOnce(word: string): readonly [string, string] {
  const at = word.indexOf("=");
  return [word.slice(0, at), word.slice(at + 1)];
}

function filled(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
