/**
 * Parameters of the few routes that read them from the body: a form, or JSON, by its type; a body of any other type counts as empty. A member of the body
 * stands for one of the same name in the query.
 *
 * Source: Conjur 5.3.1, app/controllers/concerns/body_parser.rb.
 */

import type { Context } from "hono";
import { PosternError } from "../../model/failures";
import { type Form, formOf, queryOf } from "../form";
import { jsonOf } from "../json";
import type { ConjurEnv } from "./access";

export interface Parameters {
  /** A text; numbers and truth values of JSON as their text. Undefined when absent or null. Throws `malformed` for a repeated one or another shape. */
  one(name: string): string | undefined;
  /** A list, also written `name[]`, or a single text. */
  all(name: string): readonly string[];
  /** `name[key]=value`, or a JSON object of texts. */
  map(name: string): ReadonlyMap<string, string>;
}

export async function parametersOf(c: Context<ConjurEnv>): Promise<Parameters> {
  const query = ofForm(queryOf(c.req.url));
  const body = await bodyParameters(c);
  if (body === undefined) return query;
  return {
    one: (name) => body.one(name) ?? query.one(name),
    all: (name) => (body.all(name).length > 0 ? body.all(name) : query.all(name)),
    map: (name) => (body.map(name).size > 0 ? body.map(name) : query.map(name)),
  };
}

async function bodyParameters(c: Context<ConjurEnv>): Promise<Parameters | undefined> {
  const type = c.req.header("content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const isForm = type === "" || type === "application/x-www-form-urlencoded";
  if (!isForm && type !== "application/json") return undefined;
  const bytes = new Uint8Array(await c.req.arrayBuffer());
  if (isForm) return ofForm(formOf(bytes));
  return bytes.byteLength === 0 ? undefined : ofJson(jsonOf(bytes));
}

function ofForm(form: Form): Parameters {
  return {
    one: (name) => form.one(name),
    all: (name) => form.all(name),
    map(name) {
      const entries = form.names().flatMap((each): [string, string][] => {
        if (!each.startsWith(`${name}[`) || !each.endsWith("]")) return [];
        const key = each.slice(name.length + 1, -1);
        return key === "" ? [] : [[key, form.one(each) ?? ""]];
      });
      return new Map(entries);
    },
  };
}

function ofJson(value: unknown): Parameters {
  const members = membersOf(value);
  if (members === undefined) throw new PosternError({ code: "malformed", where: "body", expected: "an object" });
  return {
    one(name) {
      const found = members.get(name);
      return found === undefined || found === null ? undefined : textOf(name, found);
    },
    all(name) {
      const found = members.get(name);
      if (found === undefined || found === null) return [];
      return Array.isArray(found) ? found.map((each) => textOf(name, each)) : [textOf(name, found)];
    },
    map(name) {
      const found = membersOf(members.get(name) ?? {});
      if (found === undefined) throw new PosternError({ code: "malformed", where: name, expected: "an object" });
      return new Map([...found].map(([key, each]) => [key, textOf(name, each)]));
    },
  };
}

function membersOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? new Map(Object.entries(value)) : undefined;
}

function textOf(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new PosternError({ code: "malformed", where: name, expected: "a text" });
}
