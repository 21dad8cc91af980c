/** Policy text as a tree, and its two spellings: the language itself, and JSON. */

import { createPace } from "../slices";

/** A scalar, a list, a mapping (in order), or a value with a tag: `!group /ops` is `{ tag: "group", value: "/ops" }`. */
export type PolicyNode = string | PolicyTag | readonly PolicyNode[] | PolicyMapping;

export interface PolicyTag {
  readonly tag: string;
  readonly value: PolicyNode;
}

/** Names and values, in the order they are printed. */
export type PolicyMapping = ReadonlyMap<string, PolicyNode>;

/** The text of a list of statements, as one YAML document. A record of which there is only an id is written in one line. */
export async function policyYaml(statements: readonly PolicyTag[]): Promise<string> {
  if (statements.length === 0) return "---\n[]\n";
  const lines = ["---"];
  await addList(statements, "", { lines, pace: createPace(nodesPerSlice) });
  return `${lines.join("\n")}\n`;
}

/** Each tag as an object with one member: `[{"policy":{"id":"app","body":[{"host":{"id":"web"}}]}}]`. */
export async function policyJson(statements: readonly PolicyTag[]): Promise<string> {
  return jsonText(statements, createPace(nodesPerSlice));
}

/** So many statements or attributes take some ten milliseconds. */
const nodesPerSlice = 2000;

type Pace = ReturnType<typeof createPace>;

async function jsonText(node: PolicyNode, pace: Pace): Promise<string> {
  if (typeof node === "string") return JSON.stringify(node);
  await pace();
  const parts: string[] = [];
  if (isList(node)) {
    for (const item of node) parts.push(await jsonText(item, pace));
    return `[${parts.join(",")}]`;
  }
  const members: PolicyMapping = isMapping(node) ? node : new Map([[node.tag, node.value]]);
  for (const [name, value] of members) parts.push(`${JSON.stringify(name)}:${await jsonText(value, pace)}`);
  return `{${parts.join(",")}}`;
}

/** The lines of a document, as far as it is written. */
interface Page {
  readonly lines: string[];
  readonly pace: Pace;
}

async function addList(items: readonly PolicyNode[], indent: string, page: Page): Promise<void> {
  for (const item of items) {
    await page.pace();
    await addValue(item, `${indent}- `, `${indent}  `, page);
  }
}

/** Adds a value behind what introduces it on its first line; its further lines are indented by `indent`. */
async function addValue(node: PolicyNode, introduction: string, indent: string, page: Page): Promise<void> {
  const { lines } = page;
  if (typeof node === "string") lines.push(introduction + scalar(node));
  else if (isList(node)) {
    if (node.every((each) => typeof each === "string")) lines.push(`${introduction}[${node.map(scalar).join(", ")}]`);
    else {
      lines.push(introduction.trimEnd());
      await addList(node, indent, page);
    }
  } else if (isMapping(node)) {
    lines.push(introduction.trimEnd());
    await addMapping(node, indent, page);
  } else await addTagged(node, introduction, indent, page);
}

async function addTagged({ tag, value }: PolicyTag, introduction: string, indent: string, page: Page): Promise<void> {
  const { lines } = page;
  const id = isMapping(value) && value.size === 1 ? value.get("id") : value;
  if (typeof id === "string") lines.push(`${introduction}!${tag} ${scalar(id)}`);
  else {
    lines.push(`${introduction}!${tag}`);
    if (isMapping(value)) await addMapping(value, indent, page);
    else await addValue(value, indent, indent, page);
  }
}

async function addMapping(mapping: PolicyMapping, indent: string, page: Page): Promise<void> {
  for (const [name, value] of mapping) {
    // A list stands at the depth of its own name, a mapping one deeper.
    await addValue(value, `${indent}${scalar(name)}: `, isList(value) ? indent : `${indent}  `, page);
  }
}

/**
 * Plain where no reader of YAML, of whatever version, could take it for anything but this text; else in double quotes, whose escapes are those of JSON.
 */
function scalar(text: string): string {
  return /^[A-Za-z/_][\w./@-]*$/u.test(text) && !looksLikeAnotherType.test(text) ? text : JSON.stringify(text);
}

const looksLikeAnotherType = /^(?:y|n|yes|no|true|false|on|off|null|nan|inf|~)$/iu;

function isList(node: PolicyNode): node is readonly PolicyNode[] {
  return Array.isArray(node);
}

function isMapping(node: PolicyNode): node is PolicyMapping {
  return node instanceof Map;
}
