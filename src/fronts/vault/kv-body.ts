/** JSON objects in requests to KV, as the texts they were written in. */

import { PosternError } from "../../model/failures";
import { membersOf } from "../../model/json-text";
import { SecretBytes } from "../../model/secret-bytes";
import { textOf } from "../form";
import type { Call } from "./engine";
import { type Fields, fieldsOf } from "./fields";

/** The whole body; of a form its members as an object. Undefined when nothing was sent. Throws `malformed`. */
export async function bodyText(call: Call): Promise<string | undefined> {
  const body = await call.body();
  const text = textOf(await call.bytes(), "body").trim();
  if (text === "") return undefined;
  return text.startsWith("{") ? text : JSON.stringify(body);
}

/** What is to be written at `data/`. Throws `malformed` when there is nothing, or it is no object. */
export async function dataOf(call: Call, fields: Fields): Promise<SecretBytes> {
  const raw = fields.raw("data");
  if (raw === undefined || raw === null) throw argument("data", "an object", "no data provided");
  // Refuses what is no object in the words that every other field is refused in.
  fields.map("data");
  const text = membersOf((await bodyText(call)) ?? "{}")?.get("data");
  return SecretBytes.ofText(text ?? "{}");
}

/** Which version must be the newest; undefined when the request does not say. */
export function casOf(fields: Fields): number | undefined {
  const options = fields.map("options") ?? {};
  if (!Object.hasOwn(options, "cas")) return undefined;
  const { cas } = options;
  const number = cas === null ? 0 : typeof cas === "string" && /^\d{1,15}$/.test(cas) ? Number(cas) : cas;
  if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 0)
    throw argument("cas", "a whole number", "error parsing check-and-set parameter");
  return number;
}

/** The members of the query as fields: what a read is told beside its path. */
export function askedFor({ query }: Call): Fields {
  return fieldsOf(Object.fromEntries(query.names().map((name) => [name, query.one(name)])));
}

/** Undefined: the newest. */
export function versionOf(asked: Fields): { readonly version?: number } {
  const version = asked.whole("version") ?? 0;
  return version > 0 ? { version } : {};
}

export function argument(where: string, expected: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where, expected, kind: "argument", says });
}
