/**
 * Templates of files with secrets: text in which `{{ … }}` is replaced, and nothing else.
 *
 *   password = {{ json "apps/db/password" }}
 *
 * `secret` puts the bytes as they are, `json` a JSON string with its quotes, `base64` base64; `{{ "{{" }}` is two braces. No conditions, no loops, no other
 * names: a template that means anything else is an error before anything is read.
 */

import { PosternError } from "../model/failures";
import { utf8Text } from "./input";

export type TemplatePart =
  | { readonly text: string }
  | { readonly name: string; readonly form: "secret" | "json" | "base64"; readonly where: string };

const opening = "{{";
const closing = "}}";
const forms = ["secret", "json", "base64"] as const;

/** Throws `malformed` with file, line and column for the first placeholder that is none. */
export function parseTemplate(text: string, file: string): readonly TemplatePart[] {
  const parts: TemplatePart[] = [];
  let at = 0;
  for (let start = text.indexOf(opening); start >= 0; start = text.indexOf(opening, at)) {
    parts.push({ text: text.slice(at, start) });
    const where = placeOf(text, start, file);
    const literal = /^\{\{\s*"\{\{"\s*\}\}/u.exec(text.slice(start, start + maxPlaceholder))?.[0];
    const end = literal === undefined ? text.indexOf(closing, start) + closing.length : start + literal.length;
    if (end < start + opening.length) throw wrong(where);
    parts.push(literal === undefined ? placeholder(text.slice(start + opening.length, end - closing.length), where) : { text: opening });
    at = end;
  }
  return [...parts, { text: text.slice(at) }];
}

const maxPlaceholder = 64;

function placeholder(inner: string, where: string): TemplatePart {
  const [, word, name] = /^\s*([a-z0-9]+)\s+"([^"\n]+)"\s*$/u.exec(inner) ?? [];
  const form = forms.find((each) => each === word);
  if (form === undefined || name === undefined) throw wrong(where);
  return { name, form, where };
}

/** `app.conf.tmpl:3:12` */
function placeOf(text: string, offset: number, file: string): string {
  const before = text.slice(0, offset).split("\n");
  return `${file}:${before.length}:${(before.at(-1) ?? "").length + 1}`;
}

function wrong(where: string): PosternError {
  const expected = '{{ secret "name" }}, {{ json "name" }} or {{ base64 "name" }}; two braces themselves are {{ "{{" }}';
  return new PosternError({ code: "malformed", where, expected, kind: "argument" });
}

/** The whole content. Throws `malformed` for a value that its form cannot hold. */
export function renderTemplate(parts: readonly TemplatePart[], bytesOf: (name: string) => Uint8Array): Uint8Array {
  return Buffer.concat(parts.map((part) => ("text" in part ? Buffer.from(part.text) : formed(bytesOf(part.name), part))));
}

function formed(bytes: Uint8Array, { form, where }: Exclude<TemplatePart, { readonly text: string }>): Uint8Array {
  if (form === "secret") return bytes;
  if (form === "base64") return Buffer.from(Buffer.from(bytes).toString("base64"));
  const text = utf8Text(bytes);
  if (text !== undefined) return Buffer.from(JSON.stringify(text));
  throw new PosternError({ code: "malformed", where, expected: "a value in UTF-8; base64 takes any", kind: "argument" });
}
