import { describe, expect, test } from "bun:test";
import { createLdapAuthenticator } from "../../../../src/authenticators/ldap/ldap";
import { createOutgoing } from "../../../../src/authenticators/outgoing";
import type { AuthenticatorSettings, Credential, DirectoryAnswer, DirectoryQuestion } from "../../../../src/model/ports";
import { SecretBytes } from "../../../../src/model/secret-bytes";
import { authenticatorContract, failureFrom } from "../../../contract/authenticator";
import { createFakeWeb, noon } from "../../../support/fake-issuer";

const settings: AuthenticatorSettings = {
  "ldap-authn/uri": "ldaps://dc.example",
  "ldap-authn/base_dn": "ou=people,dc=example",
  "ldap-authn/bind_dn": "cn=postern",
  "bind-password": "canary-bind",
};
const shown = (password: string, login = "alice"): Credential => ({ kind: "secret", login, value: SecretBytes.ofText(password) });

function createBench(answer: (question: DirectoryQuestion) => DirectoryAnswer = () => ({ outcome: "proven", name: "uid=alice" })) {
  const asked: DirectoryQuestion[] = [];
  const directory = {
    async ask(question: DirectoryQuestion) {
      asked.push(question);
      return answer(question);
    },
  };
  const authenticator = createLdapAuthenticator({ directory, outgoing: createOutgoing(createFakeWeb()) });
  return {
    asked,
    authenticator,
    verify: (credential: Credential, changed = {}) => authenticator.verify(credential, { ...settings, ...changed }, noon),
  };
}

const wants =
  (password: string) =>
  (question: DirectoryQuestion): DirectoryAnswer =>
    Buffer.from(question.password.reveal()).toString() === password ? { outcome: "proven", name: "uid=alice" } : { outcome: "refused" };

authenticatorContract("authn-ldap", () => ({
  authenticator: createBench(wants("right password")).authenticator,
  settings,
  good: shown("right password"),
  expired: shown("former password"),
  now: noon,
}));

describe("a password of a directory", () => {
  test("is asked about at the address, below the base, as the one who searches, for the login alone", async () => {
    const bench = createBench();
    expect((await bench.verify(shown("pw"))).evidence).toEqual({ dn: "uid=alice" });
    expect(bench.asked).toMatchObject([
      {
        url: "ldaps://dc.example",
        base: "ou=people,dc=example",
        filter: "(&(objectClass=posixAccount)(uid=alice))",
        searcher: { dn: "cn=postern", password: "canary-bind" },
      },
    ]);
  });

  test.each([
    ["*", "(uid=\\2a)"],
    ["a*b", "(uid=a\\2ab)"],
    ["x)(objectClass=*", "(uid=x\\29\\28objectClass=\\2a)"],
    ["a\\2a", "(uid=a\\5c2a)"],
    ["a\u0000b", "(uid=a\\00b)"],
    ["%s", "(uid=%s)"],
    ["$&$1", "(uid=$&$1)"],
  ])("has the login %j in its filter as a value only", async (login, filter) => {
    const bench = createBench();
    await bench.verify(shown("pw", login), { "ldap-authn/filter_template": "(uid=%s)" });
    expect(bench.asked[0]?.filter).toBe(filter);
  });

  test.each([
    ["none", "knows nobody"],
    ["several", "knows several"],
    ["refused", "not the password"],
    ["searcher_refused", "bind_dn"],
  ] as const)("is refused where the answer is %s, in one word that tells the operator alone", async (outcome, detail) => {
    const failure = await failureFrom(() => createBench(() => ({ outcome })).verify(shown("hunter2")));
    expect(failure).toMatchObject({ code: "unauthenticated", because: "directory_password" });
    expect(failure.checks?.at(-1)?.detail).toContain(detail);
    expect(JSON.stringify(failure)).not.toMatch(/hunter2|canary/);
  });

  test.each([
    ["an address in the clear", { "ldap-authn/uri": "ldap://dc.example" }, "directory_uri"],
    ["a web address", { "ldap-authn/uri": "https://dc.example" }, "directory_uri"],
    ["no address", { "ldap-authn/uri": undefined }, "directory_uri"],
    [
      "a host in the clear",
      { "ldap-authn/uri": undefined, "ldap-authn/host": "dc.example", "ldap-authn/connect_type": "tls" },
      "directory_uri",
    ],
    ["no base", { "ldap-authn/base_dn": undefined }, "directory_base"],
    ["a filter without the login", { "ldap-authn/filter_template": "(objectClass=*)" }, "directory_filter"],
    ["a searcher without a password", { "bind-password": undefined }, "directory_searcher"],
    ["a password without a searcher", { "ldap-authn/bind_dn": undefined }, "directory_searcher"],
    ["a certificate that is none", { "tls-ca-cert": "x" }, "ca_cert"],
  ] as const)("is not asked about with %s", async (_what, changed, because) => {
    const bench = createBench();
    expect(await failureFrom(() => bench.verify(shown("pw"), changed))).toMatchObject({ code: "unauthenticated", because });
    expect(bench.asked).toEqual([]);
  });

  test("is not asked about when it is empty, or nobody's", async () => {
    const bench = createBench();
    expect(await failureFrom(() => bench.verify(shown("")))).toMatchObject({ because: "password_presented" });
    expect(await failureFrom(() => bench.verify(shown("pw", "")))).toMatchObject({ because: "directory_login" });
    expect(await failureFrom(() => bench.verify(shown("pw", "x".repeat(257))))).toMatchObject({ because: "directory_login" });
    expect(bench.asked).toEqual([]);
  });

  test("may be asked about at a host and a port", async () => {
    const bench = createBench();
    const place = {
      "ldap-authn/uri": undefined,
      "ldap-authn/host": "dc.example",
      "ldap-authn/port": "1636",
      "ldap-authn/connect_type": "ssl",
    };
    await bench.verify(shown("pw"), { ...place, "tls-cert": "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----" });
    expect(bench.asked).toMatchObject([{ url: "ldaps://dc.example:1636", roots: expect.stringContaining("AA") }]);
  });
});
