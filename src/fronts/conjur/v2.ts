/**
 * Version 2 of the interface: what its routes share. It is chosen by one exact `Accept` header, answers in that type, and prints failures as a code and
 * a message.
 *
 * A route of it begins with `beginVersionTwo`, reads its body by `versionTwoBody` and answers by `versionTwoWire`. Source: Conjur 5.3.1,
 * app/controllers/v2_rest_controller.rb; conjur-api-go 0.15 sends the header and reads `message`.
 */

import type { Context } from "hono";
import * as v from "valibot";
import { PosternError } from "../../model/failures";
import { identifierProblem, type ResourceId } from "../../model/ids";
import type { Caller } from "../../model/types";
import { type Form, queryOf } from "../form";
import type { FailureOf, FailureTable, Wire } from "../front";
import { jsonOf } from "../json";
import { type ConjurEnv, mustBeKnown, versionTwo } from "./access";
import { failures, sentenceOn } from "./errors";
import { pageOf } from "./query";

/** Clients of this version know a policy as a branch. */
const nouns: ReadonlyMap<string, string> = new Map([["policy", "Branch"]]);

/** How failures print. Refusals of the caller have no body; whatever else has none in version 1 has none here. */
export const versionTwoFailures: FailureTable = {
  ...failures,
  malformed: printMalformed,
  unauthenticated: () => ({ status: 401 }),
  not_found: (failure) =>
    failure.target === "route" ? { status: 404 } : versionTwoProblem(404, sentenceOn(failure.target, "not found", nouns)),
  exists: (failure) => versionTwoProblem(409, sentenceOn(failure.target, "already exists", nouns)),
  conflict: (failure) => versionTwoProblem(409, failure.what),
  policy_invalid: (failure) => versionTwoProblem(422, failure.problems[0].message),
  unsupported: (failure) => (failure.kind === "method" ? versionTwoProblem(405, failure.what) : versionTwoProblem(501, failure.what)),
};

/**
 * The caller of a route of version 2; from here on failures print as `table` says. Throws `malformed` (where `accept`) for any other version and
 * `unauthenticated` without a token.
 */
export function beginVersionTwo(c: Context<ConjurEnv>, table: FailureTable = versionTwoFailures): Caller {
  c.set("failures", table);
  if (c.req.header("accept") !== versionTwo) throw new PosternError({ code: "malformed", where: "accept", expected: versionTwo });
  return mustBeKnown(c.get("caller"));
}

export function versionTwoWire(status: number, value: unknown): Wire {
  return { status, headers: { "content-type": versionTwo }, body: JSON.stringify(value) };
}

/** A failure by its code and a message: `{"code":"404","message":"Branch 'x' not found in account 'acme'"}`. */
export function versionTwoProblem(status: number, message: string): Wire {
  return versionTwoWire(status, { code: String(status), message });
}

/** A single name: `db-1`. */
export const NameMember = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,60}$/, "1 to 60 letters, digits, '-' or '_'"));
/** The name of somebody who need not lie in a branch: whatever a policy may call them. */
export const IdMember = v.pipe(
  v.string(),
  v.check((id) => identifierProblem(id) === undefined, "a canonical name"),
);
export const OwnerMember = v.strictObject({ kind: v.picklist(["user", "host", "group", "policy"]), id: IdMember });
const Word = v.pipe(
  v.string(),
  v.minLength(1, "not empty"),
  v.maxLength(120, "at most 120 characters"),
  v.regex(/^[^<>']*$/, "without '<', '>' and \"'\""),
);
export const AnnotationsMember = v.record(Word, Word);

/** The JSON body by its schema. Throws `malformed`: without a kind where it is no JSON object, of kind `argument` where a member is wrong or unknown. */
export async function versionTwoBody<const Schema extends v.GenericSchema>(
  c: Context<ConjurEnv>,
  schema: Schema,
): Promise<v.InferOutput<Schema>> {
  const value = jsonOf(new Uint8Array(await c.req.arrayBuffer()));
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new PosternError({ code: "malformed", where: "body", expected: "a JSON object" });
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  // The issue's own text quotes what was sent, which may be a value.
  const where = (v.getDotPath(issue) ?? "body").slice(0, longestPath);
  throw new PosternError({ code: "malformed", where, expected: expectedBy(issue), kind: "argument" });
}

/** `Branch 'x' not found in account 'acme'`. */
export function branchMissing(branch: ResourceId): Wire {
  return versionTwoProblem(404, sentenceOn(branch, "not found", nouns));
}

const mostItems = 1000;
const longestPath = 200;

/** `limit`, 1 to 1000, and `offset` of a list. Throws `malformed` (kind `argument`). */
export function versionTwoPage(url: string): { readonly limit: number; readonly offset: number; readonly query: Form } {
  const query = queryOf(url);
  const { limit = mostItems, offset = 0 } = pageOf(query);
  if (limit > mostItems) throw new PosternError({ code: "malformed", where: "limit", expected: `at most ${mostItems}`, kind: "argument" });
  return { limit, offset, query };
}

function printMalformed({ where, expected, kind }: FailureOf["malformed"]): Wire {
  if (where === "accept") return versionTwoProblem(400, `CONJ00194W The API belongs to version 2 and takes the header Accept: ${expected}`);
  const status = kind === undefined || kind === "syntax" ? 400 : 422;
  return versionTwoProblem(status, `'${where}' must be ${expected}`);
}

/** What a schema's issue demands, in words: its own message where the schema has one, else the type or the rule. */
function expectedBy(issue: v.BaseIssue<unknown>): string {
  if (issue.kind === "validation") return issue.message;
  if (issue.type === "strict_object" && issue.expected === "never") return "absent: there is no such member";
  return issue.expected === null ? "another value" : `${issue.expected}`;
}
