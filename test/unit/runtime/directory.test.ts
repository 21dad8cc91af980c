import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { DirectoryLimits, DirectoryQuestion } from "../../../src/model/ports";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { createDirectory, type DirectoryDeps } from "../../../src/runtime/directory";
import { failureFrom } from "../../contract/authenticator";
import { type FakeDirectory, startFakeDirectory } from "../../support/fake-directory";

const people = ["alice", "bob", "bob"].map((uid, at) => ({
  dn: `uid=${uid},ou=p${at},dc=example`,
  password: `${uid}'s password`,
  attributes: { uid: [uid], objectClass: ["posixAccount"] },
}));
const searcher = { dn: "cn=postern,dc=example", password: "canary-bind" };
const limits: DirectoryLimits = { timeoutMs: 2000, connectTimeoutMs: 1000 };
let fake: FakeDirectory;

beforeAll(async () => {
  fake = await startFakeDirectory([...people, { ...searcher, attributes: {} }]);
});
afterAll(() => fake.stop());

function ask(
  changed: Partial<DirectoryQuestion> & { readonly uid?: string; readonly pw?: string } = {},
  deps: Partial<DirectoryDeps> = {},
  timeoutMs = limits.timeoutMs,
) {
  const { uid = "alice", pw = "alice's password", ...rest } = changed;
  const directory = createDirectory({
    allowOutbound: [`ldaps://dc.example:${fake.port}`],
    extraRoots: [fake.rootPem],
    resolve: async () => ["127.0.0.1"],
    ...deps,
  });
  const question = {
    url: `ldaps://dc.example:${fake.port}`,
    base: "dc=example",
    filter: `(&(objectClass=posixAccount)(uid=${uid}))`,
    searcher,
  };
  return directory.ask({ ...question, password: SecretBytes.ofText(pw), ...rest }, { ...limits, timeoutMs });
}

const because = async (...args: Parameters<typeof ask>) => {
  const failure = await failureFrom(() => ask(...args));
  expect(failure.code).toBe("upstream_unavailable");
  expect(JSON.stringify(failure)).not.toMatch(/password'|canary/);
  return failure.because;
};

describe("a directory over TLS", () => {
  test("proves who is found by the filter and shows the right password", async () => {
    fake.asked.length = 0;
    expect(await ask()).toEqual({ outcome: "proven", name: "uid=alice,ou=p0,dc=example" });
    expect(fake.asked).toEqual([
      "bind cn=postern,dc=example",
      "search dc=example (&(objectClass=posixAccount)(uid=alice))",
      "bind uid=alice,ou=p0,dc=example",
    ]);
  });

  test("tells a wrong password from nobody, and from several", async () => {
    expect(await ask({ pw: "alice's passwore" })).toEqual({ outcome: "refused" });
    expect(await ask({ uid: "nobody" })).toEqual({ outcome: "none" });
    expect(await ask({ uid: "bob", pw: "bob's password" })).toEqual({ outcome: "several" });
    expect(await ask({ base: "ou=p2,dc=example", uid: "bob", pw: "bob's password" })).toMatchObject({ outcome: "proven" });
    expect(await ask({ searcher: { ...searcher, password: "wrong" } })).toEqual({ outcome: "searcher_refused" });
  });

  test("is never asked to let somebody in without a password, which it would", async () => {
    fake.asked.length = 0;
    expect(await ask({ pw: "" })).toEqual({ outcome: "refused" });
    expect(fake.asked.filter((each) => each.startsWith("bind uid"))).toEqual([]);
  });

  test("takes what is escaped in a filter for a value", async () => {
    fake.asked.length = 0;
    expect(await ask({ uid: "\\2a" })).toEqual({ outcome: "none" });
    expect(fake.asked.at(-1)).toBe("search dc=example (&(objectClass=posixAccount)(uid=*))");
    // And this is what it would do with the same characters as they are.
    expect(await ask({ uid: "*" })).toEqual({ outcome: "several" });
  });

  test("must bear its name, by an authority that is trusted", async () => {
    fake.asked.length = 0;
    const other = `ldaps://other.example:${fake.port}`;
    expect(await because({ url: other }, { allowOutbound: [other] })).toBe("tls");
    expect(await because({}, { extraRoots: [] })).toBe("tls");
    const stranger = await startFakeDirectory(people);
    expect(await because({ roots: stranger.rootPem })).toBe("tls");
    await stranger.stop();
    expect(fake.asked).toEqual([]);
    expect(await ask({ roots: fake.rootPem }, { extraRoots: [] })).toMatchObject({ outcome: "proven" });
  });

  test("is at a public address and its own port, unless the operator opened the way", async () => {
    const closed = { allowOutbound: [] };
    expect(await because({}, closed)).toBe("refused_url");
    for (const address of ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1"])
      expect(await because({ url: "ldaps://dc.example" }, { ...closed, resolve: async () => [address] })).toBe("refused_address");
    for (const url of ["ldap://dc.example", "https://dc.example", "ldaps://u:p@dc.example", "ldaps://", "dc.example", ""])
      expect([url, await because({ url })]).toEqual([url, "refused_url"]);
    // A prefix with the port that goes without saying is the same one.
    expect(
      await because(
        { url: "ldaps://dc.example" },
        { allowOutbound: ["ldaps://DC.example:636"], connect: () => Promise.reject(new Error("x")) },
      ),
    ).toBe("connect");
  });

  test("is not waited for longer than a login may take", async () => {
    fake.silence(true);
    expect(await because({}, {}, 150)).toBe("timeout");
    fake.silence(false);
  });
});
