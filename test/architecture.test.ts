import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sourceLineLimit, testLineLimit, violations } from "./support/architecture";
import { readSource } from "./support/source-text";

const root = join(import.meta.dir, "..");

function readTree(): ReadonlyMap<string, string> {
  const paths = ["src", "test", "scripts"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((path) => `${folder}/${path.replaceAll("\\", "/")}`),
  );
  return new Map(paths.filter((path) => path.endsWith(".ts")).map((path) => [path, readFileSync(join(root, path), "utf8")]));
}

/** The breaches in a tree of one file. */
function breaches(path: string, text: string): readonly string[] {
  return violations(new Map([[path, text]]));
}

describe("the source tree", () => {
  test("keeps its rules", () => {
    expect(violations(readTree())).toEqual([]);
  });
});

describe("the import rules", () => {
  test.each([
    ["src/model/ids.ts", 'import { PosternError } from "./failures";'],
    [
      "src/core/gate.ts",
      'import type { Caller } from "../model/types"; import { sha256 } from "../crypto/digest"; import { explain } from "./explain";',
    ],
    ["src/core/policy/plan.ts", 'import { Graph } from "../graph";'],
    ["src/fronts/conjur/reads.ts", 'import type { Broker } from "../../core/broker";'],
    ["src/fronts/conjur/reads.ts", 'import { pageOf } from "../front";'],
    ["src/authenticators/azure/azure.ts", 'import { createIssuer } from "../issuer";'],
    ["src/server/compose.ts", 'import { createBroker } from "../core/broker"; import { openStore } from "../store/store";'],
    ["src/agent/agent.ts", 'import { createAzureIdentity } from "../authenticators/azure/machine-identity";'],
    ["src/cli/cli.ts", 'import { version } from "../../package.json";'],
  ])("let %s import %s", (path, text) => {
    const found = breaches(path, text).filter((line) => !/has no/.test(line));
    expect(found).toEqual([]);
  });

  test.each([
    ["src/model/ids.ts", 'import { sha256 } from "../crypto/digest";', "model may not import crypto"],
    ["src/core/gate.ts", 'import type { Clock } from "../runtime/clock";', "core may not import runtime"],
    ["src/core/gate.ts", 'import { openStore } from "../store/store";', "core may not import store"],
    ["src/core/gate.ts", 'import {\n  a,\n  b,\n} from "../fronts/front";', "core may not import fronts"],
    ["src/core/policy/plan.ts", 'import type { Front } from "../../fronts/front";', "core may not import fronts"],
    ["src/core/gate.ts", 'export { a } from "../audit/audit-log";', "core may not import audit"],
    ["src/core/gate.ts", 'export * from "../audit/audit-log";', "core may not import audit"],
    ["src/core/gate.ts", 'import "../audit/audit-log";', "core may not import audit"],
    ["src/core/gate.ts", 'const late = await import("../audit/audit-log");', "core may not import audit"],
    ["src/core/gate.ts", 'type Late = import("../audit/audit-log").AuditLog;', "core may not import audit"],
    ["src/core/gate.ts", 'import { der } from "../crypto/der";', "crypto/der is not a door of crypto"],
    ["src/server/compose.ts", 'import { createGate } from "../core/gate";', "core/gate is not a door of core"],
    ["src/fronts/conjur/reads.ts", 'import { createBroker } from "../../core/broker";', "types alone"],
    ["src/fronts/conjur/reads.ts", 'import { names } from "../vault/names";', "fronts/conjur may not import fronts/vault/names"],
    ["src/authenticators/jwt/jwt.ts", 'import { arm } from "../azure/arm";', "authenticators/jwt may not import authenticators/azure/arm"],
    [
      "src/simulator/azure/imds.ts",
      'import { arc } from "../../authenticators/azure/machine-identity";',
      "simulator may not import authenticators",
    ],
    ["src/agent/agent.ts", 'import type { Broker } from "../core/broker";', "agent may not import core"],
    ["src/core/gate.ts", 'import { house } from "../../test/support/house";', "from outside src"],
    ["src/helpers/text.ts", "export const a = 1;", "src/helpers is not a folder of the tree"],
  ])("refuse in %s: %j", (path, text, breach) => {
    expect(breaches(path, text)).toContainEqual(expect.stringContaining(breach));
  });
});

describe("the things with one place", () => {
  test.each([
    ["Date.now", "const a = Date.now();", "src/runtime/clock.ts"],
    ["new Date", "const a = new Date(5);", "src/runtime/clock.ts"],
    ["performance.now", "const a = performance.now();", "src/runtime/clock.ts"],
    ["getRandomValues", "crypto.getRandomValues(a);", "src/runtime/random.ts"],
    ["Math.random", "const a = Math.random();", "src/runtime/random.ts"],
    ["process.env", "const a = process.env.HOME;", "src/config/config.ts"],
    ["Bun.env", "const a = `${Bun.env.HOME}`;", "src/config/config.ts"],
    ["crypto.subtle", "await crypto.subtle.digest(a, b);", "src/crypto/digest.ts"],
    ["jose", 'import { jwtVerify } from "jose";', "src/crypto/jwt.ts"],
    ["node:crypto", 'import type { KeyObject } from "node:crypto";', "src/crypto/jwt.ts"],
    ["hono", 'import { Hono } from "hono/tiny";', "src/server/listener.ts"],
    ["@libsql/client", 'import { createClient } from "@libsql/client";', "src/store/engine.ts"],
    ["bun:sqlite", 'import { Database } from "bun:sqlite";', "src/store/engine.ts"],
    ["yaml", 'import { parse } from "yaml";', "src/core/policy/parse.ts"],
    ["node:net", 'import { connect } from "node:net";', "src/server/intake.ts"],
    ["Bun.listen", "Bun.listen({});", "src/server/intake.ts"],
    ["Bun.serve", "Bun.serve({});", "src/server/listener.ts"],
    ["fetch", "const a = await fetch(url, { redirect: 'error' });", "src/runtime/http-client.ts"],
    ["globalThis.fetch", "const a = globalThis.fetch;", "src/runtime/http-client.ts"],
    ["reveal", "const a = value.reveal();", "src/store/sealing.ts"],
    ["graph.permits", "if (graph.permits(a, b, c)) return;", "src/core/gate.ts"],
    ["a class", "export class Gate {}", "src/model/failures.ts"],
    ["as", "const a = b as Gate;", "src/model/ids.ts"],
  ])("%s: `%s` stands in %s alone", (_name, text, home) => {
    expect(breaches(home, text)).toEqual([]);
    expect(breaches("src/audit/audit-log.ts", text)).toHaveLength(1);
  });

  test.each([
    "// Date.now() is for the clock alone; process.env for config.",
    "/* fetch(url) */",
    'const hint = "use Date.now() or process.env as Gate";',
    "const hint = `class Gate ${name} Date.now()`;",
    "const pattern = /Date.now|process.env/;",
    "const ratio = total / count; // Math.random\nconst rest = total / 2;",
    "export const kinds = ['a'] as const;",
    'import * as v from "valibot";\nimport { a as b } from "./records";\nexport { a as c };',
    "const app = { fetch(request: Request) { return a; } };",
    "const app = { async fetch(request: Request): Promise<Response> { return a; } };",
    "interface App { fetch(request: Request): Promise<Response>; }",
    "const answer = await app.fetch(request);",
    "const answer = await http.fetch(url);",
    "export const today = (now: Instant) => newDate(now);",
  ])("are not seen in what only looks like them: %j", (text) => {
    expect(breaches("src/audit/audit-log.ts", text)).toEqual([]);
  });

  test("are seen in code inside a template, and after a regular expression with quotes", () => {
    expect(breaches("src/audit/audit-log.ts", "const a = `at ${Date.now()}`;")).toHaveLength(1);
    expect(breaches("src/audit/audit-log.ts", "const a = /[\"'`/]/.test(b); const c = Date.now();")).toHaveLength(1);
    expect(breaches("src/audit/audit-log.ts", "const a = `${`${b}`} '`; const c = Date.now();")).toHaveLength(1);
  });
});

describe("a worker thread", () => {
  const entry = ["src/server/worker-main.ts", 'import { tasks } from "./worker-tasks";'] as const;

  test("never loads the database, however far away it is imported", () => {
    const tree = new Map([
      entry,
      ["src/server/worker-tasks.ts", 'import { openStore } from "../store/store";'],
      ["src/store/store.ts", 'import { open } from "./engine";'],
      ["src/store/engine.ts", 'import { createClient } from "@libsql/client";'],
    ]);
    expect(violations(tree)).toEqual(["src/server/worker-main.ts: reaches store/engine.ts"]);
  });

  test("may know the types of what it does not load", () => {
    const tree = new Map([
      entry,
      ["src/server/worker-tasks.ts", 'import type { Opened } from "../store/store";'],
      ["src/store/store.ts", 'import { open } from "./engine";'],
      ["src/store/engine.ts", ""],
    ]);
    expect(violations(tree)).toEqual([]);
  });
});

describe("the shape of folders and files", () => {
  test("wants five files in every front", () => {
    const found = breaches("src/fronts/conjur/routes.ts", "");
    expect(found).toEqual(["reads", "wire", "names", "errors"].map((name) => `src/fronts/conjur: has no ${name}.ts`));
  });

  test.each([
    ["src/fronts/registry.ts", 'import { vault } from "./vault/routes";', "test/fronts/vault/routes.test.ts"],
    ["src/authenticators/registry.ts", 'import { createAzure } from "./azure/azure";', "test/unit/authenticators/azure/azure.test.ts"],
    ["src/keyring/registry.ts", 'import { createFileSeal } from "./file";', "test/unit/keyring/file.test.ts"],
  ])("wants tests for every line of %s", (registry, text, testFile) => {
    expect(breaches(registry, text)).toEqual([expect.stringContaining("has no tests")]);
    const tested = violations(
      new Map([
        [registry, text],
        [testFile, ""],
      ]),
    );
    expect(tested).toEqual([]);
  });

  test("limits the length of source and test files", () => {
    expect(breaches("src/core/gate.ts", "\n".repeat(sourceLineLimit))).toEqual([]);
    expect(breaches("src/core/gate.ts", "\n".repeat(sourceLineLimit + 1))).toEqual([expect.stringContaining("401 lines")]);
    expect(breaches("test/unit/core/gate.test.ts", "\n".repeat(testLineLimit))).toEqual([]);
    expect(breaches("test/unit/core/gate.test.ts", "\n".repeat(testLineLimit + 1))).toEqual([expect.stringContaining("601 lines")]);
  });
});

describe("the reader of source text", () => {
  test("tells type-only imports from others", () => {
    const text =
      'import type { A } from "./a";\nimport { type B, c } from "./b";\nimport type D from "./d";\nimport E, { f } from "./e";\nexport type { G } from "./g";';
    expect(readSource(text).imports).toEqual([
      { from: "./a", isTypeOnly: true },
      { from: "./b", isTypeOnly: false },
      { from: "./d", isTypeOnly: true },
      { from: "./e", isTypeOnly: false },
      { from: "./g", isTypeOnly: true },
    ]);
  });

  test("sees no import in a comment or a string", () => {
    expect(readSource("// import { a } from './a';\nconst b = \"import { c } from './c'\";\nconst d = `import './e'`;").imports).toEqual(
      [],
    );
  });
});
