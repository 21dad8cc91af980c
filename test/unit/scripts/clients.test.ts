import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Client, clients } from "../../../scripts/clients/clients";

const root = resolve(import.meta.dir, "../../..");
const suiteFolder = (client: Client): string => join(root, "test/conformance", client.name);

/** What the package manager's own file beside the suite says is to be installed. */
function lockedVersion(client: Client): string | undefined {
  const { source, package: name } = client;
  if (source.kind === "go")
    return new RegExp(`^(?:require )?\\s*${name} v(\\S+)$`, "m").exec(readFileSync(join(suiteFolder(client), "go.mod"), "utf8"))?.[1];
  if (source.kind === "npm") return JSON.parse(readFileSync(join(suiteFolder(client), "package.json"), "utf8")).dependencies[name];
  if (source.kind === "python") {
    const file = source.collection === undefined ? "requirements.txt" : "collection.txt";
    return new RegExp(`^${name}==(\\S+) `, "m").exec(readFileSync(join(suiteFolder(client), file), "utf8"))?.[1];
  }
  if (source.kind === "maven") return source.artifact.startsWith(`${name}:`) ? source.artifact.split(":")[2] : undefined;
  return client.version;
}

/** As somebody at a shell runs it; the pinned bun is this one. */
function conformance(...words: readonly string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, "scripts/conformance.ts", ...words], { cwd: root });
  return { exitCode, out: stdout.toString(), err: stderr.toString() };
}

describe("the official clients", () => {
  test.each(clients.map((client): [string, Client] => [client.name, client]))(
    "%s is locked to the version that is named",
    (_name, client) => {
      expect(lockedVersion(client)).toBe(client.version);
    },
  );

  test("each have a suite, and each folder with a suite has an entry", () => {
    const folders = readdirSync(join(root, "test/conformance"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const withSuite = folders.map(({ name }) => name).filter((name) => existsSync(join(root, "test/conformance", name, "suite.ts")));
    expect(withSuite.sort()).toEqual(clients.map(({ name }) => name).sort());
  });

  test.each(clients.filter(({ source }) => source.kind === "python").map(({ name }) => name))(
    "%s is installed from hashes alone",
    (name) => {
      const text = readFileSync(join(root, "test/conformance", name, "requirements.txt"), "utf8");
      const pins = text.split("\n").filter((line) => /^\S+==/.test(line));
      expect(pins.length).toBeGreaterThan(5);
      for (const pin of pins) expect(text).toContain(`${pin}\n    --hash=sha256:`);
    },
  );
});

describe("./scripts/conformance", () => {
  test("lists the clients with their versions", () => {
    const { exitCode, out } = conformance("--list");
    expect(exitCode).toBe(0);
    for (const { name, version } of clients) expect(out).toMatch(new RegExp(`^${name} .*${version.replaceAll(".", "\\.")}`, "m"));
  });

  test("helps", () => {
    expect(conformance("--help")).toMatchObject({ exitCode: 0, out: expect.stringContaining("--strict") });
  });

  test.each([["nobody"], ["--nothing"]])("takes no %s", (word) => {
    const { exitCode, out, err } = conformance(word);
    expect([exitCode, out]).toEqual([2, ""]);
    expect(err).toContain(word.replace("--", ""));
  });
});
