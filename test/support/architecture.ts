/**
 * The rules of the source tree as data, and the checker that holds a tree against them: which folder may import which and through which files, and what may
 * appear in which files only. It reads text, so that it can be tried on small trees that break each rule.
 */

import { posix } from "node:path";
import { type Import, readSource, type SourceText } from "./source-text";

/** Source text by path below the repository: `src/core/gate.ts`. */
export type Tree = ReadonlyMap<string, string>;

/** Folders of `src/` and the folders that each may import. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  model: [],
  core: ["model", "crypto"],
  crypto: ["model"],
  keyring: ["model", "crypto"],
  runtime: ["model"],
  store: ["model", "crypto"],
  authenticators: ["model", "crypto"],
  fronts: ["model", "core"],
  audit: ["model"],
  metrics: ["model"],
  config: ["model"],
  client: ["model"],
  server: ["model", "core", "crypto", "keyring", "runtime", "store", "authenticators", "fronts", "audit", "metrics", "config", "client"],
  agent: ["model", "crypto", "keyring", "runtime", "authenticators", "fronts", "audit", "metrics", "config", "client", "server"],
  simulator: ["model", "crypto"],
  cli: [
    ...[
      "model",
      "core",
      "crypto",
      "keyring",
      "runtime",
      "store",
      "authenticators",
      "fronts",
      "audit",
      "metrics",
      "config",
      "client",
      "server",
    ],
    ...["agent", "simulator"],
  ],
  "main.ts": ["cli", "config"],
};

/** Single files that may import more: what is simulated stays away from the rest of the server. */
const mayAlsoImport: Readonly<Record<string, readonly string[]>> = {
  "server/dev.ts": ["simulator"],
  // The names of decisions are made in one place.
  "agent/trail.ts": ["core"],
};

/** The files through which a folder is entered from outside. Every file of `model/` and `runtime/` is one, but for those that only its neighbours need. */
const doors: readonly RegExp[] = [
  /^model\/(audited-operations|types|ids|durations|failures|json-text|paths|ports|secret-bytes|turns)$/,
  // The worker's table needs the planning alone, without the broker around it.
  /^core\/(broker|decisions|policy\/(task|parcel|report|check-alone|test-alone))$/,
  /^crypto\/(aead|signing|jwt|digest|certificate|strict-json)$/,
  /^keyring\/(keyring|registry)$/,
  /^runtime\/(clock|random|http-client|directory|socket-client|files|workers|logger|service-manager|line-sinks|local-users|machine-files|challenge-folder|peer-user|child-process|certificate-end|secret-folder|placed-files)$/,
  /^store\/(store|memory|engine-check)$/,
  /^authenticators\/registry$/,
  /^authenticators\/[^/]+\/(machine-identity|token-description)$/,
  /^fronts\/(registry|front|timestamp)$/,
  /^audit\/(audit-log|forwarding)$/,
  /^metrics\/(metrics|agent-metrics)$/,
  /^config\/(config|agent|connection|duration|secrets-file|render-file)$/,
  /^client\/(client|admin-wire|conjur-api|conjur-client|vault-client|machine-token|socket-http)$/,
  /^server\/(compose|listener|admin|admin-socket|agent-folder|server|dev|offload)$/,
  /^agent\/(agent|local-copy|primary)$/,
  /^simulator\/azure\/simulator$/,
  /^cli\/cli$/,
];

/** Folders whose subfolders do not know each other, with the files of the folder itself that they share. */
const siblings: Readonly<Record<string, RegExp>> = {
  fronts: /^fronts\/[^/]+$/,
  authenticators: /^authenticators\/[^/]+$/,
};

interface OnlyHere {
  readonly thing: string;
  readonly pattern: RegExp;
  readonly where: RegExp;
}

/** What may be written in which files only. */
const onlyHere: readonly OnlyHere[] = [
  {
    thing: "the time",
    pattern: /\bDate\.now\b|\bnew Date\b|\bperformance\.now\b|\bBun\.nanoseconds\b|\bprocess\.hrtime\b/,
    where: /^runtime\/clock\.ts$/,
  },
  {
    thing: "randomness",
    pattern: /\bgetRandomValues\b|\brandomBytes\b|\brandomUUID\b|\brandomUUIDv7\b|\brandomInt\b|\brandomFill(Sync)?\b|\bMath\.random\b/,
    where: /^runtime\/random\.ts$/,
  },
  { thing: "the environment", pattern: /\bprocess\.env\b|\bBun\.env\b|\bimport\.meta\.env\b/, where: /^config\/config\.ts$/ },
  { thing: "crypto.subtle", pattern: /\bcrypto\.subtle\b|\bsubtle\./, where: /^crypto\// },
  { thing: "Bun.CryptoHasher", pattern: /\bBun\.(CryptoHasher|SHA\d+|MD5)\b/, where: /^(crypto\/.*|runtime\/addon\.ts)$/ },
  { thing: "Bun.listen", pattern: /\bBun\.listen\b/, where: /^server\/intake\.ts$/ },
  { thing: "Bun.serve", pattern: /\bBun\.serve\b/, where: /^(server|simulator)\// },
  {
    thing: "an outgoing fetch",
    pattern: /\b(globalThis|Bun)\.fetch\b|(?<![.\w$])(?<!function )fetch\s*\((?!(?:[^()]|\([^()]*\))*\)\s*(?:\{|:))/,
    where: /^runtime\/(http-client|directory|socket-client)\.ts$/,
  },
  { thing: "code from text", pattern: /(?<![.\w$])eval\s*\(|\bnew Function\b/, where: /^never$/ },
  {
    thing: "graph.permits",
    pattern: /\bgraph\.permits\(|\bpathRules\.permits\(/,
    where: /^core\/(gate|graph|explain|login|resources|policy\/assertions)\.ts$/,
  },
  { thing: "a verdict of path rules", pattern: /\brights\??\.verdict\(/, where: /^core\/(gate|path-explanation)\.ts$/ },
  {
    thing: "reveal()",
    pattern: /\.reveal\(/,
    where:
      /^(fronts\/[^/]+\/wire\.ts|store\/(sealing|token-rows|memory-tokens)\.ts|core\/(login|sessions|credentials|secrets|authenticators|resources|mounts\/(documents|azure-rotation|secret-ids|keyed-values|tokens|token-[a-z]+|batch-tokens|wrapping|cubbyhole))\.ts|keyring\/recovery-key\.ts|crypto\/.*|client\/.*|cli\/.*|server\/dev\.ts|agent\/local-(caller|copy)\.ts|authenticators\/(azure\/(token-description|service-tokens)|oidc\/code-exchange|iam\/signed-request)\.ts|runtime\/directory\.ts)$/,
  },
  { thing: "a class", pattern: /(?<![.\w$])class\s+[A-Z]/, where: /^model\/(failures|secret-bytes)\.ts$/ },
  { thing: "a type assertion", pattern: /(?<![.\w$])as\s+(?!const\b)[\w"'{[(]/, where: /^model\// },
];

/** Packages that are imported in few places. */
const packagesOnlyHere: readonly OnlyHere[] = [
  { thing: "jose", pattern: /^jose(\/|$)/, where: /^crypto\// },
  { thing: "node:crypto", pattern: /^(node:)?crypto$/, where: /^(crypto\/.*|runtime\/random\.ts)$/ },
  { thing: "hono", pattern: /^hono(\/|$)/, where: /^(fronts|server|agent|simulator)\// },
  { thing: "@libsql/client", pattern: /^(@libsql\/|libsql$|bun:sqlite$)/, where: /^store\/(engine|engine-check)\.ts$/ },
  { thing: "ldapts", pattern: /^ldapts$/, where: /^runtime\/directory\.ts$/ },
  { thing: "yaml", pattern: /^yaml$/, where: /^(core\/policy\/parse|config\/(conjur-file|secrets-file))\.ts$/ },
  { thing: "node:net", pattern: /^(node:)?net$/, where: /^(server\/intake|runtime\/line-sinks)\.ts$/ },
  { thing: "bun:test", pattern: /^bun:test$/, where: /^never$/ },
];

/** The entry of a worker thread, and what must never be loaded by one: a second copy of SQLite in the process. */
const workerEntry = "server/worker-main.ts";
const notInWorkers = /^(store\/(engine|engine-check)\.ts|runtime\/addon\.ts)$/;

const frontFiles = ["routes", "reads", "wire", "names", "errors"];
export const sourceLineLimit = 400;
export const testLineLimit = 600;

interface SourceFile extends SourceText {
  /** Below `src/`. */
  readonly path: string;
  readonly lines: number;
}

/** Every breach of the rules in a tree, one sentence each; none when it keeps them. */
export function violations(tree: Tree): readonly string[] {
  const files = [...tree].filter(([path]) => path.startsWith("src/") && path.endsWith(".ts")).map(([path, text]) => sourceFile(path, text));
  return [
    ...files.flatMap(importViolations),
    ...files.flatMap(placeViolations),
    ...workerViolations(files),
    ...frontViolations(files),
    ...registryViolations(files, [...tree.keys()]),
    ...lengthViolations(tree),
  ];
}

function sourceFile(path: string, text: string): SourceFile {
  return { path: path.slice("src/".length), lines: lineCount(text), ...readSource(text) };
}

function importViolations(file: SourceFile): readonly string[] {
  const folder = topOf(file.path);
  const shared = mayImport[folder];
  if (shared === undefined) return [`src/${file.path}: src/${folder} is not a folder of the tree`];
  const allowed = [...shared, ...(mayAlsoImport[file.path] ?? [])];
  return file.imports.flatMap(({ from, isTypeOnly }) => {
    const target = resolveImport(file.path, from);
    if (target === undefined) return [];
    if (target.startsWith("..")) return target === "../package.json" ? [] : [`src/${file.path}: imports ${from} from outside src`];
    const wanted = topOf(target);
    if (wanted === folder) return siblingViolation(file.path, target);
    if (!allowed.includes(wanted)) return [`src/${file.path}: ${folder} may not import ${wanted} (${from})`];
    if (!doors.some((door) => door.test(target))) return [`src/${file.path}: ${target} is not a door of ${wanted}`];
    if (folder === "fronts" && wanted === "core" && !isTypeOnly) return [`src/${file.path}: fronts import types alone from core (${from})`];
    return [];
  });
}

function siblingViolation(path: string, target: string): readonly string[] {
  const [folder = "", sub] = path.split("/");
  const shared = siblings[folder];
  if (shared === undefined || path.split("/").length < 3) return [];
  const isOwn = target.startsWith(`${folder}/${sub}/`);
  return isOwn || shared.test(target) ? [] : [`src/${path}: ${folder}/${sub} may not import ${target}`];
}

function placeViolations(file: SourceFile): readonly string[] {
  // Import and export lists rename with `as`, which asserts nothing.
  const code = file.code.replace(/(?<![.\w$])(?:import|export)\s+(?:type\s+)?(?:[\w$]+\s*,\s*)?(?:\{[^}]*\}|\*\s*as\s+[\w$]+)/g, " ");
  const written = onlyHere.filter(({ pattern, where }) => pattern.test(code) && !where.test(file.path));
  const imported = packagesOnlyHere.filter(
    ({ pattern, where }) => !where.test(file.path) && file.imports.some(({ from }) => pattern.test(from)),
  );
  return [...written, ...imported].map(({ thing }) => `src/${file.path}: ${thing} has its place elsewhere`);
}

function workerViolations(files: readonly SourceFile[]): readonly string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const left = [workerEntry];
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    const file = byPath.get(path);
    if (file === undefined || reached.has(path)) continue;
    reached.add(path);
    for (const { from, isTypeOnly } of file.imports) {
      const target = resolveImport(path, from);
      if (target !== undefined && !isTypeOnly) left.push(`${target}.ts`);
    }
  }
  return [...reached].filter((path) => notInWorkers.test(path)).map((path) => `src/${workerEntry}: reaches ${path}`);
}

function frontViolations(files: readonly SourceFile[]): readonly string[] {
  const paths = new Set(files.map(({ path }) => path));
  const fronts = new Set([...paths].filter((path) => /^fronts\/[^/]+\//.test(path)).map((path) => path.split("/")[1]));
  return [...fronts].flatMap((front) =>
    frontFiles.filter((name) => !paths.has(`fronts/${front}/${name}.ts`)).map((name) => `src/fronts/${front}: has no ${name}.ts`),
  );
}

/** Each line of a registry imports what it registers; that must have tests of its own. */
function registryViolations(files: readonly SourceFile[], paths: readonly string[]): readonly string[] {
  const tests = paths.filter((path) => path.startsWith("test/") && path.endsWith(".test.ts"));
  const expected: Readonly<Record<string, (entry: string) => RegExp>> = {
    "fronts/registry.ts": (entry) => new RegExp(`^test/fronts/${topOf(entry)}/.+`),
    "authenticators/registry.ts": (entry) => new RegExp(`^test/unit/authenticators/${topOf(entry)}/.+`),
    "keyring/registry.ts": (entry) => new RegExp(`^test/unit/keyring/${entry}[./-].+`),
  };
  return files.flatMap((file) => {
    const pattern = expected[file.path];
    if (pattern === undefined) return [];
    const entries = file.imports.filter((line) => isEntry(file.path, line)).map(({ from }) => from.slice(2));
    return entries
      .filter((entry) => !tests.some((path) => pattern(entry).test(path)))
      .map((entry) => `src/${file.path}: ${entry} has no tests`);
  });
}

/** Fronts and authenticators are registered from folders of their own, seal providers from files; what lies beside a registry is shared by its entries. */
function isEntry(registry: string, { from, isTypeOnly }: Import): boolean {
  if (isTypeOnly || !from.startsWith("./")) return false;
  return registry.startsWith("keyring/") || from.slice(2).includes("/");
}

function lengthViolations(tree: Tree): readonly string[] {
  return [...tree].flatMap(([path, text]) => {
    const limit = path.startsWith("src/") ? sourceLineLimit : testLineLimit;
    const lines = lineCount(text);
    return path.endsWith(".ts") && lines > limit ? [`${path}: ${lines} lines, ${limit} are the limit`] : [];
  });
}

/** A path below `src/` without its extension, or undefined for a package. */
function resolveImport(path: string, from: string): string | undefined {
  if (!from.startsWith(".")) return undefined;
  return posix.normalize(posix.join(posix.dirname(path), from)).replace(/\.ts$/, "");
}

function topOf(path: string): string {
  return path.split("/")[0] ?? path;
}

function lineCount(text: string): number {
  return text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
}
