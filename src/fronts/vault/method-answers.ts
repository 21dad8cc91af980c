/** What the routes of all methods do alike. */

import { PosternError } from "../../model/failures";
import { SecretBytes } from "../../model/secret-bytes";
import type { Call, EngineRoute } from "./engine";
import type { Fields } from "./fields";
import type { Answer } from "./wire";

/** Names of roles and users. Source: Vault 1.19, sdk/framework (GenericNameRegex). */
const methodName = /^\w(?:[\w.-]{0,254}\w)?$/;

/** The name in the path, in lower case. Throws `unsupported` for what no role can be called: the path is then none. */
export function nameIn({ parameters: [name = ""] }: Call): string {
  if (!methodName.test(name)) throw new PosternError({ code: "unsupported", what: "path" });
  return name.toLowerCase();
}

/** The routes of a method: its roles and users are the same in capitals and without. */
export const folded = (routes: readonly EngineRoute[]): readonly EngineRoute[] => routes.map((route) => ({ ...route, foldsNames: true }));

/** A text that nobody may print; undefined when it is absent or empty. */
export function secretField(fields: Fields, name: string): SecretBytes | undefined {
  const text = fields.text(name) ?? "";
  return text === "" ? undefined : SecretBytes.ofText(text);
}

/**
 * Whether another login may be tried now: by address, and as this name. Where many log in as one role, as machines do, the name counts for each address apart, or a
 * fleet would be held up by its own size. Throws `throttled`.
 */
export function admitLogin({ edge, context, mount }: Call, name: string, isOnesOwn = false): void {
  edge.admitLogin(context, `${mount.path}/${name.slice(0, 256)}${isOnesOwn ? "" : ` ${context.clientAddress}`}`);
}

export function listAnswer(keys: readonly string[]): Answer {
  if (keys.length === 0) throw new PosternError({ code: "not_found", target: "keys" });
  return { data: { keys } };
}

export const warningsAnswer = (warnings: readonly string[]): Answer => (warnings.length === 0 ? {} : { warnings });
