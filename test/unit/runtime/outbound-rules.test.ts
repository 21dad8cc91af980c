import { describe, expect, test } from "bun:test";
import { isOpened, isPublicAddress, parseOutboundPrefix } from "../../../src/runtime/outbound-rules";

describe("an address", () => {
  test("is public when it is set aside for nothing", () => {
    for (const address of ["20.190.151.7", "8.8.8.8", "2603:1036:3000::1", "2606:4700::1111"]) {
      expect([address, isPublicAddress(address)]).toEqual([address, true]);
    }
  });

  test("is not public when private, local, shared, mapped, tunnelled, reserved, Azure's host, or no address", () => {
    const refused = [
      "127.0.0.1",
      "127.255.255.254",
      "0.0.0.0",
      "0.1.2.3",
      "10.0.0.1",
      "172.16.0.1",
      "172.31.255.255",
      "192.168.1.1",
      "169.254.169.254",
      "100.64.0.1",
      "168.63.129.16",
      "192.0.0.1",
      "192.0.2.1",
      "198.18.0.1",
      "198.51.100.1",
      "203.0.113.1",
      "224.0.0.1",
      "240.0.0.1",
      "255.255.255.255",
      "::",
      "::1",
      "::127.0.0.1",
      "::ffff:127.0.0.1",
      "::ffff:7f00:1",
      "::ffff:8.8.8.8",
      "64:ff9b::7f00:1",
      "64:ff9b:1::1",
      "2002:7f00:1::",
      "2001:0:1::1",
      "fe80::1",
      "fe80::1%eth0",
      "fc00::1",
      "fd12:3456::1",
      "ff02::1",
      "fec0::1",
      "2001:db8::1",
      "100::1",
      "localhost",
      "",
      "1",
      "0x7f000001",
      "2130706433",
      "127.1",
      "017700000001",
    ];
    expect(refused.filter(isPublicAddress)).toEqual([]);
  });
});

describe("an outbound prefix", () => {
  const opens = (prefix: string, url: string) => isOpened(new URL(url), [parseOutboundPrefix(prefix)]);

  test("opens its origin and everything below its path", () => {
    expect(opens("https://127.0.0.1:8443/", "https://127.0.0.1:8443/a/b?c=d")).toBe(true);
    expect(opens("https://127.0.0.1:8443", "https://127.0.0.1:8443/a")).toBe(true);
    expect(opens("http://idp.corp.example/realms/", "http://idp.corp.example/realms/a")).toBe(true);
    expect(opens("http://idp.corp.example/realms", "http://IDP.corp.example:80/realms")).toBe(true);
  });

  test("opens no other scheme, port, host or user's trick", () => {
    const prefix = "https://idp.corp.example/";
    for (const url of [
      "http://idp.corp.example/",
      "https://idp.corp.example:8443/",
      "https://idp.corp.example.evil.example/",
      "https://evil.example/https://idp.corp.example/",
      "https://idp.corp.example@evil.example/",
      "https://idp.corp.example./",
      "https://sub.idp.corp.example/",
    ]) {
      expect([url, opens(prefix, url)]).toEqual([url, false]);
    }
  });

  test("compares whole path segments, after dots are resolved", () => {
    const prefix = "https://idp.corp.example/a/b";
    for (const path of [
      "/a/bc",
      "/a",
      "/a/",
      "/A/b",
      "/a/b/../c",
      "/a/b/%2e%2e/c",
      "/a/b/..%2fc",
      "/a/b%2fc",
      "/a/b/..%5cc",
      "/x/a/b",
      "//a/b",
    ]) {
      expect([path, opens(prefix, `https://idp.corp.example${path}`)]).toEqual([path, false]);
    }
    for (const path of ["/a/b", "/a/b/", "/a/b/c", "/a/./b/c", "/x/../a/b"]) {
      expect([path, opens(prefix, `https://idp.corp.example${path}`)]).toEqual([path, true]);
    }
  });

  test("is a plain web address", () => {
    for (const text of [
      "",
      "idp.corp.example",
      "ftp://x/",
      "file:///etc",
      "https://u:p@x/",
      "https://x/?a",
      "https://x/#a",
      "https://x/a%2fb",
      "*",
      "https://",
    ]) {
      expect(() => parseOutboundPrefix(text)).toThrow("malformed");
    }
  });
});

describe("a prefix", () => {
  const opens = (prefix: string, url: string) => isOpened(new URL(url), [parseOutboundPrefix(prefix)]);

  test("opens whole segments below itself", () => {
    expect(opens("https://a.example/x", "https://a.example/x/y")).toBe(true);
    expect(opens("https://a.example/x", "https://a.example/xy")).toBe(false);
    expect(opens("https://a.example/x", "https://b.example/x/y")).toBe(false);
  });

  test("is not got round by a separator in disguise, which harms only where a part of the origin is closed", () => {
    for (const path of ["x/..%2fz", "x%2F..%2Fz", "x/%5c..%5cz"]) {
      expect([path, opens("https://a.example/x", `https://a.example/${path}`)]).toEqual([path, false]);
      expect([path, opens("https://a.example/", `https://a.example/${path}`)]).toEqual([path, true]);
      expect([path, opens("https://a.example/", `https://b.example/${path}`)]).toEqual([path, false]);
    }
  });
});
