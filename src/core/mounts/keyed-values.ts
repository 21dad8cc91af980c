/** Values as their clients see them: a key holds a JSON object, a variable any bytes. What one door wrote, the other shows as far as it can be shown. */

import { isUtf8 } from "node:buffer";
import { PosternError } from "../../model/failures";
import { isObjectText, membersOf, valueMembers } from "../../model/json-text";
import { SecretBytes } from "../../model/secret-bytes";

/** The value of a key as the text of a JSON object: as it is when it is one, else as that of a variable. */
export function objectOf(value: SecretBytes): SecretBytes {
  const bytes = value.reveal();
  return isUtf8(bytes) && isObjectText(textOf(bytes)) ? value : variableObject(value);
}

/** `s3cret` → `{"value":"s3cret"}`; of bytes that are no text `{"value":"/w==","encoding":"base64"}`. */
export function variableObject(value: SecretBytes): SecretBytes {
  return SecretBytes.ofText(JSON.stringify(valueMembers(value.reveal())));
}

/** The other way round. Throws `malformed` for an object that no variable is shown as. */
export function variableValue(object: SecretBytes): SecretBytes {
  const members = membersOf(textOf(object.reveal())) ?? new Map<string, string>();
  const value = parsed(members.get("value"));
  const encoding = parsed(members.get("encoding"));
  const others = [...members.keys()].filter((name) => name !== "value" && name !== "encoding");
  if (typeof value !== "string" || others.length > 0) throw malformed("a 'value' that is a text, and nothing else");
  if (encoding === undefined) return SecretBytes.ofText(value);
  const bytes = Buffer.from(value, "base64");
  if (encoding !== "base64" || bytes.toString("base64") !== value)
    throw malformed("base64 where 'encoding' says so, and no other encoding");
  return new SecretBytes(bytes);
}

/** The text of an object, to work on. */
export const objectText = (object: SecretBytes): string => textOf(object.reveal());

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");

function parsed(text: string | undefined): unknown {
  return text === undefined ? undefined : JSON.parse(text);
}

function malformed(expected: string): PosternError {
  return new PosternError({ code: "malformed", where: "value", expected, kind: "argument", says: `expected ${expected}` });
}
