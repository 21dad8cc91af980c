/**
 * The settings file of a Conjur server, `/etc/conjur/config/conjur.yml`: YAML with the names of its variables in lower case and without their prefix.
 *
 *   authenticators: [authn, authn-azure/AzureAE1]
 *   trusted_proxies: [10.0.0.7]
 */

import { parse } from "yaml";
import type { Findings, Layer, Value } from "./layers";
import { conjurVariables, type SettingName } from "./schema";

/** Names that mean nothing here are told as notices: the file may be one that a Conjur server still reads. */
export function layerOfConjurFile(text: string, path: string, findings: Findings): Layer {
  const byName = new Map<string, SettingName>();
  for (const [variable, setting] of Object.entries(conjurVariables)) byName.set(variable.replace(/^CONJUR_/u, "").toLowerCase(), setting);
  const layer = new Map<SettingName, Value>();
  for (const [name, value] of entriesOf(text, path, findings)) {
    const setting = byName.get(name);
    if (setting !== undefined && value !== null) layer.set(setting, { value, source: `${name} in ${path}` });
    else if (setting === undefined) findings.notices.push(`${name} in ${path} is ignored: it means nothing here`);
  }
  return layer;
}

function entriesOf(text: string, path: string, findings: Findings): readonly [string, unknown][] {
  try {
    const document: unknown = parse(text, { maxAliasCount: 0, schema: "core" });
    if (document === null || document === undefined) return [];
    if (typeof document === "object" && !Array.isArray(document)) return Object.entries(document);
  } catch {
    findings.problems.push(`${path}: expected YAML`);
    return [];
  }
  findings.problems.push(`${path}: expected a mapping of settings`);
  return [];
}
