/**
 * Query members that several routes share: pages, counts, and ids that must name somebody.
 *
 * Source: Conjur 5.3.1, app/controllers/concerns/assume_role.rb, find_resource.rb and params of resources and roles.
 */

import { PosternError } from "../../model/failures";
import type { AccountName, ResourceId, RoleId } from "../../model/ids";
import type { Form } from "../form";
import { idParameter, roleParameter } from "./names";

/** A value that is there and not empty. */
export function filled(query: Form, name: string): string | undefined {
  const value = query.one(name);
  return value === "" ? undefined : value;
}

/** `limit` and `offset` as given. Throws `malformed` (kind `argument`) for what is no such number. */
export function pageOf(query: Form): { readonly limit?: number; readonly offset?: number } {
  const limit = numberOf(query, "limit", /^0*[1-9][0-9]{0,9}$/, "a positive integer");
  const offset = numberOf(query, "offset", /^[0-9]{1,10}$/, "an integer that is not negative");
  return { ...(limit === undefined ? {} : { limit }), ...(offset === undefined ? {} : { offset }) };
}

function numberOf(query: Form, name: string, pattern: RegExp, expected: string): number | undefined {
  const text = query.one(name);
  if (text === undefined) return undefined;
  if (!pattern.test(text)) throw new PosternError({ code: "malformed", where: name, expected, kind: "argument" });
  return Number(text);
}

/** A number between two others, ends included; undefined when it is not given. Throws `malformed` for anything else. */
export function wholeNumber(
  query: Form,
  name: string,
  { least, most }: { readonly least: number; readonly most: number },
): number | undefined {
  const text = query.one(name);
  if (text === undefined) return undefined;
  const number = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new PosternError({ code: "malformed", where: name, expected: `an integer from ${least} to ${most}` });
}

/** Whether a count is asked for instead of the things. */
export function wantsCount(query: Form): boolean {
  return query.one("count") === "true";
}

/** The same where the mere presence of the member asks for it, as it does with roles. */
export function namesCount(query: Form): boolean {
  return query.has("count") && query.one("count") !== "false";
}

/** A page that begins somewhere and says no length has this one. */
export const offsetOnlyLimit = 10;

/** The role to act as, from the first of the named members that is given. Throws `forbidden` for what names none: nobody holds that. */
export function assumedRole(query: Form, names: readonly string[], account: AccountName): RoleId | undefined {
  const given = names.map((name) => filled(query, name)).filter((text) => text !== undefined);
  if (given.length > 1) throw new PosternError({ code: "malformed", where: names.join(", "), expected: "one of them" });
  const [text] = given;
  if (text === undefined) return undefined;
  const role = roleParameter(text, account);
  if (role === undefined) throw new PosternError({ code: "forbidden", because: "role_form" });
  return role;
}

/** A role that must exist. Throws `not_found` for what can name none, and `malformed` (kind `missing`) when it is not given. */
export function requiredRole(query: Form, name: string, account: AccountName): RoleId {
  const text = filled(query, name);
  if (text === undefined) throw new PosternError({ code: "malformed", where: name, expected: "a role id", kind: "missing" });
  return knownRole(text, account);
}

export function knownRole(text: string, account: AccountName): RoleId {
  const role = roleParameter(text, account);
  if (role === undefined) throw new PosternError({ code: "not_found", target: text });
  return role;
}

/** The ids of a `filter`, `kind:id` or full. What has not the form of an id is no one's, and filters nothing in. Undefined without a filter. */
export function filterOf(query: Form, account: AccountName): readonly ResourceId[] | undefined {
  const texts = query.all("filter");
  if (texts.length === 0) return undefined;
  return texts.map((text) => idParameter(text, account)).filter((id) => id !== undefined);
}
