/**
 * Conjur's Go command line, 9.x, as released. Written after its sources and the text of its help; it has not run where it was written, since no package registry
 * has the program: `CONFORMANCE_CONJUR=/path/to/conjur ./scripts/conformance conjur-cli-go` runs it.
 */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { startDeployment } from "../support/deployment";
import { authenticatorPolicy, azureService, organisationPolicy, publicKey } from "../support/policies";
import { createShell } from "../support/shell";

setDefaultTimeout(30_000);

const deployment = await startDeployment({ tls: "authority" });
const { account, namedUrl, adminKey, caFile } = deployment;
const shell = createShell(process.env.CONFORMANCE_CONJUR ?? "conjur", deployment.folder("admin"));
shell.file("org.yml", organisationPolicy);
shell.file("authn.yml", authenticatorPolicy);
shell.file("bad.yml", "- !usr carol\n");
shell.file("carol.yml", "- !user carol\n");
shell.file("delete.yml", "- !delete\n  record: !variable hidden\n");
shell.file("other.yml", "- !variable other\n");

afterAll(async () => {
  expect(await deployment.stop()).toBe(0);
});

interface Row {
  readonly name: string;
  readonly words: readonly string[];
  /** Default 0. */
  readonly code?: number;
  /** In what it prints, on either stream. */
  readonly says?: string | RegExp;
}

const id = (rest: string): string => `${account}:${rest}`;
const policy = (verb: string, branch: string, file: string, ...more: readonly string[]) => [
  "policy",
  verb,
  "-b",
  branch,
  "-f",
  file,
  ...more,
];

const rows: readonly Row[] = [
  {
    name: "init trusts an authority",
    words: ["init", "oss", "-u", namedUrl, "-a", account, "--ca-cert", caFile, "--force", "--force-netrc"],
    says: "Wrote configuration",
  },
  { name: "login is refused with a wrong key", words: ["login", "-i", "admin", "-p", "wrong"], code: 1, says: "Unable to authenticate" },
  { name: "login keeps the key", words: ["login", "-i", "admin", "-p", adminKey], says: "Logged in" },
  { name: "authenticate prints a token", words: ["authenticate"], says: /"protected"/ },
  { name: "authenticate prints a header", words: ["authenticate", "-H"], says: /Token token="[A-Za-z0-9+/]+=*"/ },
  { name: "whoami knows", words: ["whoami"], says: /"username": "admin"/ },
  { name: "policy load makes roles", words: policy("load", "root", "org.yml"), says: id("host:web") },
  { name: "policy load makes an authenticator", words: policy("load", "root", "authn.yml"), says: /"version": 2/ },
  { name: "policy load tells a mistake", words: policy("load", "root", "bad.yml"), code: 1, says: "Unrecognized data type '!usr'" },
  { name: "policy load rehearses", words: policy("load", "root", "carol.yml", "--dry-run"), says: "Valid YAML" },
  { name: "policy load rehearses a mistake", words: policy("load", "root", "bad.yml", "--dry-run"), says: "Invalid YAML" },
  { name: "policy update deletes", words: policy("update", "db", "delete.yml"), says: /"version": 1/ },
  { name: "policy replace rehearses", words: policy("replace", "db", "other.yml", "--dry-run"), says: "Valid YAML" },
  { name: "policy fetch prints text", words: ["policy", "fetch", "-b", "db"], says: "- !policy" },
  { name: "policy fetch prints JSON", words: ["policy", "fetch", "-b", "db", "-o", "json"], says: /"id": "db"/ },
  { name: "variable set", words: ["variable", "set", "-i", "db/password", "-v", "first"], says: "Value added" },
  { name: "variable set again", words: ["variable", "set", "-i", "db/url", "-v", "postgres://db"], says: "Value added" },
  { name: "variable get", words: ["variable", "get", "-i", "db/password"], says: /^first$/m },
  { name: "variable get of many", words: ["variable", "get", "-i", "db/password,db/url"], says: '"db/url": "postgres://db"' },
  { name: "variable get of a version", words: ["variable", "get", "-i", "db/password", "-v", "1"], says: /^first$/m },
  { name: "variable get of nothing", words: ["variable", "get", "-i", "db/nothing"], code: 1, says: "CONJ00076E" },
  { name: "list of a kind", words: ["list", "-k", "host"], says: id("host:web") },
  { name: "list by words", words: ["list", "-s", "password"], says: id("variable:db/password") },
  { name: "list of a page", words: ["list", "-l", "1", "-o", "1"], says: /^\[\s+"[^"]+"\s+\]/m },
  { name: "list as a role sees it", words: ["list", "-r", id("host:web"), "-k", "variable"], says: id("variable:db/password") },
  { name: "list of everything", words: ["list", "-i", "-k", "host"], says: '"annotations"' },
  { name: "resource show", words: ["resource", "show", "variable:db/password"], says: id("policy:db") },
  { name: "resource exists", words: ["resource", "exists", "variable:db/password"], says: "true" },
  { name: "resource exists not", words: ["resource", "exists", "variable:db/nothing"], says: "false" },
  { name: "resource permitted-roles", words: ["resource", "permitted-roles", "variable:db/password", "execute"], says: id("host:web") },
  { name: "check", words: ["check", "variable:db/password", "execute"], says: "true" },
  { name: "check of another role", words: ["check", "variable:db/password", "execute", "-r", "user:bob"], says: "false" },
  { name: "role exists", words: ["role", "exists", "group:ops"], says: "true" },
  { name: "role show", words: ["role", "show", "group:ops"], says: id("group:ops") },
  { name: "role members", words: ["role", "members", "group:ops"], says: id("user:alice") },
  { name: "role memberships", words: ["role", "memberships", "user:alice"], says: id("group:ops") },
  { name: "user rotate-api-key of another", words: ["user", "rotate-api-key", "-i", "bob"], says: /[0-9a-z]{40}/ },
  { name: "host rotate-api-key", words: ["host", "rotate-api-key", "-i", "web"], says: /[0-9a-z]{40}/ },
  { name: "pubkeys show", words: ["pubkeys", "show", "alice"], says: publicKey },
  { name: "authenticator enable", words: ["authenticator", "enable", "-i", `authn-azure/${azureService}`] },
  { name: "authenticator disable", words: ["authenticator", "disable", "-i", `authn-azure/${azureService}`] },
  { name: "user change-password", words: ["user", "change-password", "-p", "Str0ng!Pass-Word"], says: "Password changed" },
  { name: "user rotate-api-key of its own", words: ["user", "rotate-api-key"], says: /[0-9a-z]{40}/ },
  { name: "whoami with the new key", words: ["whoami"], says: /"username": "admin"/ },
];

describe("the Go command line", () => {
  test("is of the version that this is written for", async () => {
    const { out, err } = await shell.run(["--version"]);
    expect(`${out}${err}`).toMatch(/\b9\.\d+\.\d+/);
  });

  test.each(rows.map((row): [string, Row] => [row.name, row]))("%s", async (_name, { words, code = 0, says }) => {
    const ended = await shell.run(words);
    const printed = `${ended.out}${ended.err}`;
    if (says instanceof RegExp) expect(printed).toMatch(says);
    else if (says !== undefined) expect(printed).toContain(says);
    expect(ended.code).toBe(code);
  });

  test("hostfactory makes tokens, and hosts with them, until they are revoked", async () => {
    const made = await shell.run(["hostfactory", "tokens", "create", "-i", "births", "--duration", "10m", "-c", "127.0.0.0/8"]);
    const token = /"token": "([0-9a-z]+)"/.exec(`${made.out}${made.err}`)?.[1] ?? "";
    const host = await shell.run(["hostfactory", "hosts", "create", "-i", "born/one", "-t", token]);
    expect(`${host.out}${host.err}`).toContain(id("host:born/one"));
    expect((await shell.run(["hostfactory", "tokens", "revoke", "-t", token])).code).toBe(0);
    expect((await shell.run(["hostfactory", "hosts", "create", "-i", "born/two", "-t", token])).code).not.toBe(0);
  });

  test("logout forgets", async () => {
    expect((await shell.run(["logout"])).code).toBe(0);
    expect((await shell.run(["whoami"])).code).not.toBe(0);
  });
});
