/**
 * What a role puts into tokens about callers beside the usual claims: JSON in which placeholders stand for what is known of the caller.
 *
 *   {"color": {{identity.entity.metadata.color}}, "user": {"name": {{identity.entity.name}}}, "nbf": {{time.now}}}
 *
 * A placeholder is a whole value and is filled in as one, so that nothing a caller brings along can end it and begin another claim.
 * Source: Vault 1.19, sdk/helper/identitytpl (JSON mode), vault/identity_store_oidc.go (reserved claims).
 */

import { secondsOf } from "../../model/durations";
import { isObjectText } from "../../model/json-text";
import type { Instant } from "../../model/types";
import { knownValue, type TemplateValues } from "./policy-templates";

const reserved: readonly string[] = ["iss", "sub", "aud", "exp", "iat", "namespace", "at_hash", "c_hash", "auth_time", "nonce"];
const placeholder = /\{\{\s*([^{}\s]+)\s*\}\}/g;
const longest = 8192;

/** What is wrong with a template, as a sentence; undefined when nothing is. An empty one is none. */
export function templateProblem(template: string): string | undefined {
  if (template === "") return undefined;
  if (template.length > longest) return `a template is at most ${longest} characters`;
  const filled = parsed(template, () => 0);
  // A number cannot be a name, a text cannot stand in a text: what takes both is a value.
  if (filled === undefined || parsed(template, () => "") === undefined)
    return "error parsing template JSON: it must be an object with placeholders for whole values";
  const taken = Object.keys(filled).find((name) => reserved.includes(name));
  if (taken !== undefined) return `top level key "${taken}" not allowed. Restricted keys: ${reserved.join(", ")}`;
  return undefined;
}

/** The claims of a template that has no problem. */
export function filledTemplate(template: string, values: TemplateValues, now: Instant): Readonly<Record<string, unknown>> {
  return template === "" ? {} : (parsed(template, (name) => knownOf(name, values, now)) ?? {});
}

function parsed(template: string, valueOfName: (name: string) => unknown): Readonly<Record<string, unknown>> | undefined {
  const text = template.replace(placeholder, (_, name: string) => JSON.stringify(valueOfName(name)));
  return isObjectText(text) ? JSON.parse(text) : undefined;
}

/** What is not known is an empty text, as it is in Vault. */
function knownOf(name: string, values: TemplateValues, now: Instant): unknown {
  const time = /^time\.now(?:\.(plus|minus)\.(\w{1,20}))?$/.exec(name);
  if (time !== null) {
    const [, sign, duration = "0"] = time;
    const seconds = secondsOf(duration) ?? 0;
    return Math.floor(now / 1000) + (sign === "minus" ? -seconds : seconds);
  }
  if (name === "identity.entity.groups.ids" || name === "identity.entity.groups.names") return [];
  if (name === "identity.entity.metadata") return values.entityMetadata;
  const [, accessor = ""] = /^identity\.entity\.aliases\.([^.]+)\.metadata$/.exec(name) ?? [];
  if (accessor !== "") return Object.hasOwn(values.aliases, accessor) ? values.aliases[accessor]?.metadata : {};
  return knownValue(name, values) ?? "";
}
