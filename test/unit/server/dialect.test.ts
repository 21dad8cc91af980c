import { describe, expect, test } from "bun:test";
import { dialectOf, isPlainHost } from "../../../src/server/dialect";
import { isLoopback, parseListenAddress } from "../../../src/server/listen-address";

const rules = { keyVaultHosts: new Set(["vault-1.example.com"]) };

describe("the dialect of a request", () => {
  test.each([
    ["/v1/secret/data/x", "vault"],
    ["/v1/", "vault"],
    ["/v1", "conjur"],
    ["/v1x/y", "conjur"],
    ["/api/v1/x", "conjur"],
    ["//v1/x", "conjur"],
    ["/secrets/x?api-version=7.4", "keyvault"],
    ["/secrets/x?a=1&api-version=7.4", "keyvault"],
    ["/secrets/x?api-version", "keyvault"],
    ["/secrets/x?xapi-version=7.4", "conjur"],
    ["/secrets/x?api-versions=7.4", "conjur"],
    ["/secrets/x?q=?api-version=7.4", "keyvault"],
    ["/api-version=7.4", "conjur"],
    ["/v1/x?api-version=7.4", "vault"],
    ["/secrets/acme/variable/x", "conjur"],
    ["/", "conjur"],
  ] as const)("at %p is %p", (path, dialect) => {
    expect(dialectOf(`https://postern.test${path}`, "postern.test", rules)).toBe(dialect);
  });

  test.each([
    ["vault-1.example.com", "keyvault"],
    ["VAULT-1.example.com:8443", "keyvault"],
    ["evil-vault-1.example.com", "conjur"],
    ["vault-1.example.com.evil", "conjur"],
  ] as const)("at the host %p is %p", (host, dialect) => {
    expect(dialectOf(`https://${host}/secrets/x`, host, rules)).toBe(dialect);
  });

  test("is the listener's own where it has but one", () => {
    expect(dialectOf("https://h/secrets/x", "h", { ...rules, only: "vault" })).toBe("vault");
    expect(dialectOf("https://h/v1/x", "h", { ...rules, only: "conjur" })).toBe("conjur");
  });
});

describe("a Host header", () => {
  test.each(["postern", "postern.example.com", "localhost:8443", "127.0.0.1", "[::1]:8443", "a_b.c", "A-1"])("may be %p", (host) => {
    expect(isPlainHost(host)).toBe(true);
  });

  test.each([
    null,
    "",
    "a, b",
    "a,b",
    "a b",
    "a/b",
    "a?b",
    "a#b",
    "u@h",
    "a:b",
    "a:123456",
    "h%41",
    "[::1",
    "::1",
    "é",
    "a\\b",
    "-a",
    ".a",
    "a".repeat(300),
  ])("may not be %p", (host) => {
    expect(isPlainHost(host)).toBe(false);
  });
});

describe("a listening address", () => {
  test.each([
    ["127.0.0.1:8443", { kind: "tcp", hostname: "127.0.0.1", port: 8443 }, true],
    ["localhost:0", { kind: "tcp", hostname: "localhost", port: 0 }, true],
    ["[::1]:443", { kind: "tcp", hostname: "::1", port: 443 }, true],
    ["[::]:443", { kind: "tcp", hostname: "::", port: 443 }, false],
    ["0.0.0.0:443", { kind: "tcp", hostname: "0.0.0.0", port: 443 }, false],
    ["10.0.0.1:443", { kind: "tcp", hostname: "10.0.0.1", port: 443 }, false],
    ["[::ffff:127.0.0.1]:443", { kind: "tcp", hostname: "::ffff:127.0.0.1", port: 443 }, true],
    ["/run/postern.sock", { kind: "socket", path: "/run/postern.sock" }, true],
    ["unix:/run/postern.sock", { kind: "socket", path: "/run/postern.sock" }, true],
  ] as const)("%p is read, and known to be local or not", (text, address, isLocal) => {
    const read = parseListenAddress(text);
    expect<unknown>(read).toEqual(address);
    expect(isLoopback(read)).toBe(isLocal);
  });

  test.each([
    "",
    ":8443",
    "8443",
    "127.0.0.1",
    "127.0.0.1:65536",
    "127.0.0.1:x",
    "::1:443",
    "example.com:443",
    "127.1:443",
    "0x7f.0.0.1:443",
    "unix:relative.sock",
    "run/x.sock",
  ])("%p is refused", (text) => {
    expect(() => parseListenAddress(text)).toThrow("malformed");
  });
});
