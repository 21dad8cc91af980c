/**
 * The three places that settings come from, each read into the same form: a value by setting, with the words the operator used for it. What is wrong is
 * gathered, so that all of it is told at once.
 */

import { parse as parseToml } from "smol-toml";
import type { Environment } from "./environment";
import { nearest } from "./nearest";
import { tomlProblem } from "./problems";
import { conjurVariables, fileOnly, ignoredVariables, isSetting, refusedVariables, type SettingName, settings } from "./schema";

export interface Value {
  readonly value: unknown;
  /** `--tls-cert`, `POSTERN_TLS_CERT`, `tls_cert in /etc/postern.toml`. */
  readonly source: string;
}

export type Layer = ReadonlyMap<SettingName, Value>;

export interface Findings {
  readonly problems: string[];
  readonly notices: string[];
}

const names = Object.keys(settings).filter(isSetting);
// A variable that holds a seal key is named by its seal, and the file by this one.
const ownPrefix = "POSTERN_";
const configVariable = "POSTERN_CONFIG";

export function flagOf(name: SettingName): string {
  return `--${name.replaceAll(/[._]/gu, "-")}`;
}

export function variableOf(name: SettingName): string {
  return `${ownPrefix}${name.replaceAll(".", "_").toUpperCase()}`;
}

/** Flags by setting; who reads the command line has refused unknown ones. */
export function layerOfFlags(flags: Readonly<Partial<Record<SettingName, unknown>>>): Layer {
  return new Map(
    names.flatMap((name): [SettingName, Value][] =>
      flags[name] === undefined ? [] : [[name, { value: asText(flags[name]), source: flagOf(name) }]],
    ),
  );
}

/** A repeated flag is the list of what it was given, each of which may be a list itself. */
function asText(value: unknown): unknown {
  return Array.isArray(value) ? value.join(",") : value;
}

/** `sealVariables` are those that seals name; empty variables count as unset. */
export function layerOfEnvironment(environment: Environment, sealVariables: ReadonlySet<string>, findings: Findings): Layer {
  const byVariable = new Map(names.filter((name) => !fileOnly.includes(name)).map((name) => [variableOf(name), name]));
  const layer = new Map<SettingName, Value>();
  const own = new Map<SettingName, Value>();
  for (const [variable, value] of Object.entries(environment)) {
    if (value === undefined || value === "") continue;
    const name = byVariable.get(variable);
    const conjurName = conjurVariables[variable];
    if (name !== undefined) own.set(name, { value, source: variable });
    else if (conjurName !== undefined) layer.set(conjurName, { value, source: variable });
    else if (Object.hasOwn(refusedVariables, variable) && !sealVariables.has(variable)) {
      findings.problems.push(`${variable}: ${refusedVariables[variable]}`);
    } else if (Object.hasOwn(ignoredVariables, variable)) findings.notices.push(`${variable} is ignored: ${ignoredVariables[variable]}`);
    else if (variable.startsWith(ownPrefix) && variable !== configVariable && !sealVariables.has(variable)) {
      findings.problems.push(unknown(variable, [...byVariable.keys(), configVariable]));
    }
  }
  // A name of Postern's own is nearer than the one of Conjur.
  return new Map([...layer, ...own]);
}

/** The tables of a TOML file, flattened: `body_bytes` below `[limits]` is `limits.body_bytes`. */
export function layerOfFile(text: string, path: string, findings: Findings): Layer {
  const layer = new Map<SettingName, Value>();
  for (const [key, value] of entriesOf(text, path, findings)) {
    if (isSetting(key)) layer.set(key, { value, source: `${key} in ${path}` });
    else findings.problems.push(unknown(`${key} in ${path}`, names, key));
  }
  return layer;
}

function entriesOf(text: string, path: string, findings: Findings): readonly [string, unknown][] {
  try {
    return Object.entries(parseToml(text)).flatMap(([key, value]): [string, unknown][] => {
      const isTable = typeof value === "object" && !Array.isArray(value) && !isSetting(key);
      return isTable ? Object.entries(value).map(([below, each]) => [`${key}.${below}`, each]) : [[key, value]];
    });
  } catch (error) {
    findings.problems.push(tomlProblem(path, error));
    return [];
  }
}

function unknown(where: string, known: readonly string[], word = where): string {
  const meant = nearest(word, known);
  return `${where}: unknown setting${meant === undefined ? "" : `; did you mean ${meant}?`}`;
}
