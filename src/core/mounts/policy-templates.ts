/**
 * Placeholders in the paths of rules: `secret/data/{{identity.entity.id}}/*`. They are filled in with what is known of the caller.
 *
 * A rule with a placeholder that nothing is known for is dropped, and so is one whose value could change which paths the rule is for: names that a caller
 * brings along must not widen it. Only a rule that denies stays with such a value as it is, for it can give nothing, and nobody is to talk it away. Source of the names: Vault 1.19, sdk/helper/identitytpl.
 */

import type { PathRule } from "../../model/paths";

export interface TemplateValues {
  /** Tells callers apart for whom the values differ. */
  readonly key: string;
  readonly entityId: string;
  readonly entityName: string;
  readonly entityMetadata: Readonly<Record<string, string>>;
  /** By the accessor of the mount that they logged in at. */
  readonly aliases: Readonly<Record<string, AliasValues>>;
}

export interface AliasValues {
  readonly id: string;
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
}

const placeholder = /\{\{\s*([^{}\s]+)\s*\}\}/g;

export const isTemplated = ({ path }: PathRule): boolean => path.includes("{{");

/** The rules with their placeholders filled in, without those that cannot be. */
export function filledIn(rules: readonly PathRule[], values: TemplateValues): readonly PathRule[] {
  return rules.flatMap((rule) => {
    if (!isTemplated(rule)) return [rule];
    let isWhole = true;
    const path = rule.path.replace(placeholder, (_, name: string) => {
      const value = knownValue(name, values);
      if (value === undefined || !(isHarmless(value) || denies(rule))) isWhole = false;
      return value ?? "";
    });
    return isWhole && !path.includes("{{") ? [{ ...rule, path }] : [];
  });
}

const denies = ({ capabilities }: PathRule): boolean => capabilities.includes("deny");

const isHarmless = (value: string): boolean => value !== "" && value !== "." && !/[/+*]|\.\.|\p{Cc}/u.test(value);

/** What a name such as `identity.entity.id` stands for. */
export function knownValue(name: string, values: TemplateValues): string | undefined {
  if (name === "identity.entity.id") return values.entityId;
  if (name === "identity.entity.name") return values.entityName;
  const metadata = after(name, "identity.entity.metadata.");
  if (metadata !== undefined) return own(values.entityMetadata, metadata);
  const [, accessor = "", member = ""] = /^identity\.entity\.aliases\.([^.]+)\.(.+)$/.exec(name) ?? [];
  const alias = Object.hasOwn(values.aliases, accessor) ? values.aliases[accessor] : undefined;
  if (alias === undefined) return undefined;
  if (member === "id") return alias.id;
  if (member === "name") return alias.name;
  const ofAlias = after(member, "metadata.");
  return ofAlias === undefined ? undefined : own(alias.metadata, ofAlias);
}

const after = (text: string, prefix: string): string | undefined => (text.startsWith(prefix) ? text.slice(prefix.length) : undefined);
const own = (record: Readonly<Record<string, string>>, name: string): string | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined;
