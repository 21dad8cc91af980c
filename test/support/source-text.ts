/** Reads TypeScript just closely enough to tell code from comments and literals, and to find its imports. */

export interface Import {
  /** As written: `../model/ids`, `hono`. */
  readonly from: string;
  readonly isTypeOnly: boolean;
}

export interface SourceText {
  /** The text with comments blanked. */
  readonly withoutComments: string;
  /** The text with comments and the insides of string, template and regular-expression literals blanked; code inside `${}` stays. */
  readonly code: string;
  readonly imports: readonly Import[];
}

type Mode = { readonly kind: "code"; braces: number } | { readonly kind: "template" };

/** After these a slash begins a regular expression; after anything else it divides. */
const beforeExpression = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield))\s*$/;

const staticImport =
  /(?<![.\w$])(?:import|export)(\s+type\b(?!\s+from\b)(?!\s*,))?(?:\s*(?:[\w$*{][^;"'()]*?)\s*\bfrom)?\s*(["'])([^"'\n]+)\2/g;
const dynamicImport = /(?<![.\w$])(?:import|require|require\.resolve)\s*\(\s*(["'`])([^"'`\n]+)\1/g;

export function readSource(text: string): SourceText {
  const withoutComments = [...text];
  const code = [...text];
  const blank = (target: string[], from: number, to: number) => {
    for (let at = from; at < to; at += 1) if (target[at] !== "\n") target[at] = " ";
  };
  const modes: Mode[] = [{ kind: "code", braces: 0 }];

  for (let at = 0; at < text.length; ) {
    const mode = modes[modes.length - 1] ?? { kind: "code", braces: 0 };
    if (mode.kind === "template") {
      const end = templateEnd(text, at);
      blank(code, at, end);
      if (text[end] === "`") modes.pop();
      else if (end < text.length) modes.push({ kind: "code", braces: 0 });
      at = end + (text[end] === "$" ? 2 : 1);
      continue;
    }
    const char = text[at];
    const end = literalEnd(text, at, code);
    if (end !== undefined) {
      const isComment = char === "/" && (text[at + 1] === "/" || text[at + 1] === "*");
      if (isComment) blank(withoutComments, at, end);
      blank(code, isComment ? at : at + 1, isComment ? end : end - 1);
      at = end;
      continue;
    }
    if (char === "`") modes.push({ kind: "template" });
    else if (char === "{") mode.braces += 1;
    else if (char === "}") {
      if (mode.braces === 0 && modes.length > 1) modes.pop();
      else mode.braces -= 1;
    }
    at += 1;
  }
  const plain = withoutComments.join("");
  return { withoutComments: plain, code: code.join(""), imports: importsOf(plain, code.join("")) };
}

function importsOf(text: string, code: string): readonly Import[] {
  const found: Import[] = [];
  for (const match of text.matchAll(staticImport)) {
    const [whole, type, , from] = match;
    // Inside a literal the keyword is blanked in `code`.
    if (from !== undefined && isKept(code, match.index, whole)) found.push({ from, isTypeOnly: type !== undefined });
  }
  for (const match of text.matchAll(dynamicImport)) {
    const [whole, , from] = match;
    if (from !== undefined && isKept(code, match.index, whole)) found.push({ from, isTypeOnly: false });
  }
  return found;
}

function isKept(code: string, index: number, whole: string): boolean {
  return code.slice(index, index + 6) === whole.slice(0, 6);
}

/** The index after the comment, string or regular expression that begins at `at`, or undefined when none does. */
function literalEnd(text: string, at: number, code: readonly string[]): number | undefined {
  const char = text[at];
  if (char === '"' || char === "'") return closing(text, at, char);
  if (char !== "/") return undefined;
  if (text[at + 1] === "/") return endOr(text.indexOf("\n", at), text);
  if (text[at + 1] === "*") return endOr(text.indexOf("*/", at + 2) + 2, text, 1);
  return beforeExpression.test(code.slice(Math.max(0, at - 80), at).join("")) ? closing(text, at, "/") : undefined;
}

function endOr(index: number, text: string, least = 0): number {
  return index > least || (index === 0 && least === 0) ? index : text.length;
}

function closing(text: string, start: number, quote: string): number {
  let isInSet = false;
  for (let at = start + 1; at < text.length && text[at] !== "\n"; at += 1) {
    const char = text[at];
    if (char === "\\") at += 1;
    else if (quote === "/" && char === "[") isInSet = true;
    else if (quote === "/" && char === "]") isInSet = false;
    else if (char === quote && !isInSet) return at + 1;
  }
  return text.length;
}

/** The index of the backtick, or of the `${`, that ends this stretch of a template. */
function templateEnd(text: string, start: number): number {
  for (let at = start; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === "`" || (text[at] === "$" && text[at + 1] === "{")) return at;
  }
  return text.length;
}
