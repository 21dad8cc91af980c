/** Conjur's command line of the 7.x line, installed from PyPI: each of its commands, as a person types it. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { installedFile } from "../support/client";
import { startDeployment } from "../support/deployment";
import { organisationPolicy } from "../support/policies";
import { createShell } from "../support/shell";

setDefaultTimeout(30_000);

const conjur = installedFile("conjur-cli", "venv/bin/conjur");
const deployment = await startDeployment({ tls: "authority" });
const { account, namedUrl, adminKey, caFile } = deployment;
const admin = createShell(conjur, deployment.folder("admin"));
const id = (rest: string): string => `${account}:${rest}`;
const password = "Str0ng!Pass-Word";

afterAll(async () => {
  expect(await deployment.stop()).toBe(0);
});

/** What a command prints as JSON. */
async function json(...words: readonly string[]): Promise<unknown> {
  return JSON.parse(await admin.must(words));
}

describe("conjur init, login, whoami", () => {
  test("trusts an authority by its certificate", async () => {
    expect(await admin.must(["init", "-u", namedUrl, "-a", account, "--ca-cert", caFile])).toContain("Successfully initialized");
    expect(readFileSync(join(admin.home, ".conjurrc"), "utf8")).toContain(namedUrl);
  });

  test("is refused with a wrong key, and told no more", async () => {
    const { code, out } = await admin.run(["login", "-i", "admin", "-p", "wrong"]);
    expect([code, out]).toEqual([1, expect.stringContaining("401")]);
  });

  test("logs in, and keeps the key to itself", async () => {
    expect(await admin.must(["login", "-i", "admin", "-p", adminKey])).toContain("Successfully logged in");
    expect(statSync(join(admin.home, ".netrc")).mode & 0o077).toBe(0);
  });

  test("knows who it is", async () => {
    expect(await json("whoami")).toMatchObject({ account, username: "admin", client_ip: "127.0.0.1" });
  });
});

describe("conjur policy", () => {
  test("load makes roles with keys", async () => {
    admin.file("org.yml", organisationPolicy);
    const loaded = await json("policy", "load", "-b", "root", "-f", "org.yml");
    expect(loaded).toMatchObject({ version: 1, created_roles: { [id("host:web")]: { api_key: expect.any(String) } } });
  });

  test("load tells the line of a mistake", async () => {
    admin.file("bad.yml", "- !user carol\n- !usr dave\n");
    const { code, out } = await admin.run(["policy", "load", "-b", "root", "-f", "bad.yml"]);
    expect([code, out]).toEqual([1, expect.stringContaining("Error at line 2, column 3 in policy : Unrecognized data type '!usr'")]);
  });

  test("update takes deletions, which load does not", async () => {
    admin.file("delete.yml", "- !delete\n  record: !variable hidden\n");
    expect((await admin.run(["policy", "load", "-b", "db", "-f", "delete.yml"])).out).toContain("may not contain deletion statements");
    expect(await json("policy", "update", "-b", "db", "-f", "delete.yml")).toEqual({ created_roles: {}, version: 1 });
    expect(await json("list", "-s", "hidden")).toEqual([]);
  });

  test("replace keeps what is in the text alone", async () => {
    admin.file("extra.yml", "- !variable extra\n");
    admin.file("other.yml", "- !variable other\n");
    await admin.must(["policy", "load", "-b", "db", "-f", "extra.yml"]);
    expect(await json("policy", "replace", "-b", "db", "-f", "other.yml")).toMatchObject({ version: 3 });
    expect(await json("list", "-s", "extra")).toEqual([]);
    expect(await json("list", "-s", "other")).toEqual([id("variable:db/other")]);
  });
});

describe("conjur variable", () => {
  test("sets and gets a value as it is", async () => {
    await admin.must(["variable", "set", "-i", "db/password", "-v", "a=b&c %20+"]);
    expect(await admin.must(["variable", "get", "-i", "db/password"])).toBe("a=b&c %20+\n");
  });

  test("gets an older version by its number", async () => {
    await admin.must(["variable", "set", "-i", "db/password", "-v", "second"]);
    expect(await admin.must(["variable", "get", "-i", "db/password", "--version", "1"])).toBe("a=b&c %20+\n");
    expect((await admin.run(["variable", "get", "-i", "db/password", "--version", "9"])).out).toContain("404 (Not Found)");
  });

  test("gets many at once", async () => {
    await admin.must(["variable", "set", "-i", "db/url", "-v", "postgres://db"]);
    expect(await json("variable", "get", "-i", "db/password", "db/url")).toEqual({ "db/password": "second", "db/url": "postgres://db" });
  });

  test("is told that one has no value, or is not there, in the same words", async () => {
    const [empty, absent] = [
      await admin.run(["variable", "get", "-i", "db/empty"]),
      await admin.run(["variable", "get", "-i", "db/nothing"]),
    ];
    expect([empty.code, empty.out.replace("empty", "nothing")]).toEqual([absent.code, absent.out]);
    expect(absent.out).toContain("404 (Not Found)");
  });
});

describe("conjur list", () => {
  const readable = ["binary", "empty", "password", "url", "user name"].map((name) => id(`variable:db/${name}`));

  test.each([
    ["one kind", ["-k", "host"], [id("host:web")]],
    ["words", ["-s", "password"], [id("variable:db/password")]],
    ["what a role sees", ["-r", id("host:web")], readable],
    ["a page of it", ["-r", id("host:web"), "-l", "2", "-o", "1"], readable.slice(1, 3)],
    ["the members of a role", ["-m", "group:ops"], [id("user:admin"), id("user:alice")]],
  ])("gives %s", async (_title, words, expected) => {
    expect(await json("list", ...words)).toEqual(expected);
  });

  test("gives everything of a resource", async () => {
    expect(await json("list", "-i", "-k", "host")).toEqual([
      expect.objectContaining({
        id: id("host:web"),
        owner: id("user:admin"),
        annotations: [{ name: "description", value: "The web tier", policy: id("policy:root") }],
        restricted_to: [],
      }),
    ]);
  });

  test("gives the roles that may", async () => {
    const may = await json("list", "-pr", "variable:db/password", "-p", "execute");
    expect(may).toEqual(expect.arrayContaining([id("group:db/readers"), id("host:web"), id("policy:db")]));
    expect(may).not.toContain(id("user:bob"));
  });
});

describe("conjur hostfactory", () => {
  test("makes tokens, and hosts with them, until they are revoked", async () => {
    const made = await admin.must(["hostfactory", "create", "token", "-i", "births", "--cidr", "127.0.0.0/8,10.0.0.0/8", "-m", "10"]);
    const token = /"token": "([0-9a-z]+)"/.exec(made)?.[1] ?? "";
    expect(JSON.parse(made)).toEqual([{ expiration: expect.any(String), cidr: ["127.0.0.0/8", "10.0.0.0/8"], token }]);
    const host = await json("hostfactory", "create", "host", "-i", "born/one", "-t", token);
    expect(host).toMatchObject({ id: id("host:born/one"), owner: id("host_factory:births"), api_key: expect.any(String) });
    await admin.must(["hostfactory", "revoke", "token", "-t", token]);
    expect((await admin.run(["hostfactory", "create", "host", "-i", "born/two", "-t", token])).out).toContain("401");
  });

  test("is refused a network that is none", async () => {
    const { code, out } = await admin.run(["hostfactory", "create", "token", "-i", "births", "--cidr", "10.0.0.1/8", "-m", "10"]);
    expect([code, out]).toEqual([1, expect.stringContaining("422")]);
  });
});

describe("conjur user and host", () => {
  test("rotates the key of another, who logs in with it", async () => {
    const key = /New API key is: ([0-9a-z]+)/.exec(await admin.must(["user", "rotate-api-key", "-i", "alice"]))?.[1] ?? "";
    const alice = createShell(conjur, deployment.folder("alice"));
    await alice.must(["init", "-u", namedUrl, "-a", account, "--ca-cert", caFile]);
    await alice.must(["login", "-i", "alice", "-p", key]);
    expect(JSON.parse(await alice.must(["whoami"]))).toMatchObject({ username: "alice" });
    expect((await alice.run(["host", "rotate-api-key", "-i", "web"])).code).toBe(1);
    expect((await alice.run(["variable", "get", "-i", "db/password"])).out).toContain("404 (Not Found)");
  });

  test("logs a host in", async () => {
    const key = /New API key is: ([0-9a-z]+)/.exec(await admin.must(["host", "rotate-api-key", "-i", "web"]))?.[1] ?? "";
    const web = createShell(conjur, deployment.folder("web"));
    await web.must(["init", "-u", namedUrl, "-a", account, "--ca-cert", caFile]);
    await web.must(["login", "-i", "host/web", "-p", key]);
    expect(await web.must(["variable", "get", "-i", "db/password"])).toBe("second\n");
    expect((await web.run(["variable", "set", "-i", "db/password", "-v", "mine"])).out).toContain("403 (Forbidden)");
  });

  test("changes its password, and rotates its own key, which it keeps", async () => {
    await admin.must(["user", "change-password", "-p", password]);
    await admin.must(["login", "-i", "admin", "-p", password]);
    expect(await admin.must(["user", "rotate-api-key"])).toContain("Successfully rotated API key for 'admin'");
    expect(await json("whoami")).toMatchObject({ username: "admin" });
    const other = createShell(conjur, deployment.folder("other"));
    await other.must(["init", "-u", namedUrl, "-a", account, "--ca-cert", caFile]);
    expect((await other.run(["login", "-i", "admin", "-p", adminKey])).code).toBe(1);
    await other.must(["login", "-i", "admin", "-p", password]);
  });
});

describe("conjur logout", () => {
  test("forgets, and asks to log in again", async () => {
    expect(await admin.must(["logout"])).toContain("Successfully logged out");
    expect((await admin.run(["whoami"])).code).not.toBe(0);
  });
});
