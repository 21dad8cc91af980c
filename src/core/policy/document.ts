/** Policy text as a tree, and its two spellings: the language itself, and JSON. */

/** A scalar, a list, a mapping (in order), or a value with a tag: `!group /ops` is `{ tag: "group", value: "/ops" }`. */
export type PolicyNode = string | PolicyTag | readonly PolicyNode[] | PolicyMapping;

export interface PolicyTag {
  readonly tag: string;
  readonly value: PolicyNode;
}

/** Names and values, in the order they are printed. */
export type PolicyMapping = ReadonlyMap<string, PolicyNode>;

/** The text of a list of statements, as one YAML document. A record of which there is only an id is written in one line. */
export function policyYaml(statements: readonly PolicyTag[]): string {
  if (statements.length === 0) return "---\n[]\n";
  return `---\n${listLines(statements, "").join("\n")}\n`;
}

/** Each tag as an object with one member: `[{"policy":{"id":"app","body":[{"host":{"id":"web"}}]}}]`. */
export function policyJson(statements: readonly PolicyTag[]): string {
  return JSON.stringify(statements.map(plain));
}

function plain(node: PolicyNode): unknown {
  if (typeof node === "string") return node;
  if (isList(node)) return node.map(plain);
  if (isMapping(node)) return Object.fromEntries([...node].map(([name, value]) => [name, plain(value)]));
  return { [node.tag]: plain(node.value) };
}

function listLines(items: readonly PolicyNode[], indent: string): readonly string[] {
  return items.flatMap((item) => {
    const [first = "", ...rest] = valueLines(item, `${indent}  `);
    return [`${indent}- ${first}`, ...rest];
  });
}

/** The lines of a value; the first goes behind what introduces it, the others are indented by `indent`. */
function valueLines(node: PolicyNode, indent: string): readonly string[] {
  if (typeof node === "string") return [scalar(node)];
  if (isList(node))
    return node.every((each) => typeof each === "string") ? [`[${node.map(scalar).join(", ")}]`] : ["", ...listLines(node, indent)];
  if (isMapping(node)) return ["", ...mappingLines(node, indent)];
  const { tag, value } = node;
  if (typeof value === "string") return [`!${tag} ${scalar(value)}`];
  if (!isMapping(value)) return [`!${tag}`, ...valueLines(value, indent)];
  const id = value.get("id");
  if (value.size === 1 && typeof id === "string") return [`!${tag} ${scalar(id)}`];
  return [`!${tag}`, ...mappingLines(value, indent)];
}

function mappingLines(mapping: PolicyMapping, indent: string): readonly string[] {
  return [...mapping].flatMap(([name, value]) => {
    // A list stands at the depth of its own name, a mapping one deeper.
    const [first = "", ...rest] = valueLines(value, isList(value) ? indent : `${indent}  `);
    return [first === "" ? `${indent}${scalar(name)}:` : `${indent}${scalar(name)}: ${first}`, ...rest];
  });
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
