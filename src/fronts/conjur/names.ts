/**
 * Conjur's names and ours: paths, logins and ids as they stand in URLs.
 *
 * The raw path is the one name that classes, routes and handlers look at; its parts are percent-decoded once, here or by the router, never twice.
 * Source: Conjur 5.3.1, config/routes.rb; conjur-api-go 0.15, how clients encode.
 */

import { PosternError } from "../../model/failures";
import {
  type AccountName,
  accountProblem,
  type IdParts,
  identifierOf,
  identifierProblem,
  isKind,
  isRoleId,
  type Kind,
  kindOf,
  makeId,
  parseAccount,
  type ResourceId,
  type RoleId,
} from "../../model/ids";
import { decodeOnce } from "../form";

const secretsPrefix = "/secrets/";
const variablePart = "/variable/";
const slash = 0x2f;

/**
 * The raw path of a request, without query. Everything is also offered below `/api`, as appliances did: `/api/whoami` → `/whoami`. A slash at the end is
 * nothing: `/secrets/?variable_ids=…` and `/resources/acme/?kind=…` is how the Go client writes these two.
 */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return "/";
  const query = url.indexOf("?", start);
  const fragment = url.indexOf("#", start);
  const end = Math.min(query < 0 ? url.length : query, fragment < 0 ? url.length : fragment);
  const path = url.slice(start, end > start + 1 && url.charCodeAt(end - 1) === slash ? end - 1 : end);
  if (path === "/api") return "/";
  return path.startsWith("/api/") ? path.slice(4) : path;
}

/** The variable that a URL of a secret names: `/secrets/acme/variable/apps%2Fdb` → `acme:variable:apps/db`. Throws `not_found` for any other path. */
export function secretOf(url: string): ResourceId {
  const path = pathOf(url);
  const afterAccount = path.indexOf("/", secretsPrefix.length);
  const rest = path.slice(afterAccount + variablePart.length);
  const hasAccount = path.startsWith(secretsPrefix) && afterAccount > secretsPrefix.length;
  if (!hasAccount || !path.startsWith(variablePart, afterAccount) || rest === "") throw noRoute();
  const account = decodeOnce(path.slice(secretsPrefix.length, afterAccount), "account");
  return resourceId(account, "variable", decodeOnce(rest, "identifier"));
}

/** An account as it stands decoded in a path. Throws `not_found` for what no route matches, `malformed` for what is no canonical name. */
export function accountName(text: string): AccountName {
  assertSegment(text);
  if (accountProblem(text) !== undefined) throw malformedName("account");
  return parseAccount(text);
}

/** A decoded segment that upstream's routes match only without a slash: the account. Throws `not_found`. */
export function assertSegment(text: string): void {
  if (text.includes("/")) throw noRoute();
}

/** The id of a path's three decoded parts. Throws `not_found` for an unknown kind, `malformed` for an identifier that is not canonical. */
export function resourceId(account: string, kind: string, identifier: string): ResourceId {
  if (!isKind(kind)) throw noRoute();
  return makeId(accountName(account), kind, canonical(identifier));
}

/** As `resourceId`, for the kinds that can be roles. */
export function roleId(account: string, kind: string, identifier: string): RoleId {
  const id = resourceId(account, kind, identifier);
  if (!isRoleId(id)) throw noRoute();
  return id;
}

/**
 * An id given as a parameter, in full or as `kind:identifier` of the account. Undefined when it has not the form of one, so that nothing can bear it;
 * throws `malformed` when only its identifier is not canonical.
 */
export function idParameter(text: string, account: AccountName): ResourceId | undefined {
  const parts = partsOf(text, account);
  return parts === undefined ? undefined : makeId(parts.account, parts.kind, canonical(parts.identifier));
}

/** As `idParameter`, undefined also for kinds that cannot be roles. */
export function roleParameter(text: string, account: AccountName): RoleId | undefined {
  const id = idParameter(text, account);
  return id !== undefined && isRoleId(id) ? id : undefined;
}

/** The role a login names: `alice`, `user/alice`, `host/apps/web`. Undefined for other kinds and for what cannot be a name: nobody logs in by it. */
export function roleOfLogin(account: string, login: string): RoleId | undefined {
  const slash = login.indexOf("/");
  const kind = slash < 0 ? "user" : login.slice(0, slash);
  const identifier = login.slice(slash + 1);
  if (kind !== "user" && kind !== "host") return undefined;
  if (accountProblem(account) !== undefined || identifierProblem(identifier) !== undefined) return undefined;
  return makeId(parseAccount(account), kind, identifier);
}

/** The login of a role, as tokens and `whoami` write it. */
export function loginOf(role: RoleId): string {
  const kind = kindOf(role);
  const identifier = identifierOf(role);
  return kind === "user" && !identifier.includes("/") ? identifier : `${kind}/${identifier}`;
}

/** The kind of a query, or undefined when there is no such kind. */
export function kindParameter(text: string): Kind | undefined {
  return isKind(text) ? text : undefined;
}

/** Throws `malformed` unless the whole path decodes: the router leaves a broken escape as it is, and `%ff` is not the text `%ff`. */
export function assertDecodable(path: string): void {
  decodeOnce(path, "path");
}

/** What a path that is no route fails with. */
export function noRoute(): PosternError {
  return new PosternError({ code: "not_found", target: "route" });
}

function partsOf(text: string, account: AccountName): IdParts | undefined {
  const [first = "", second, ...rest] = text.split(":");
  if (second === undefined) return undefined;
  if (rest.length === 0) return isKind(first) ? { account, kind: first, identifier: second } : undefined;
  if (!isKind(second) || accountProblem(first) !== undefined) return undefined;
  return { account: parseAccount(first), kind: second, identifier: rest.join(":") };
}

function canonical(identifier: string): string {
  if (identifierProblem(identifier) !== undefined) throw malformedName("identifier");
  return identifier;
}

function malformedName(where: string): PosternError {
  return new PosternError({ code: "malformed", where, expected: "a canonical name" });
}
