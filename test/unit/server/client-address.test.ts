import { describe, expect, test } from "bun:test";
import { canonicalAddress, createAddressReader, limitKeyOf } from "../../../src/server/client-address";

const proxies = ["10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48"];
const read = createAddressReader(proxies);
const from = (peer: string | undefined, forwardedFor: string | null = null) => read(peer, () => forwardedFor);

describe("a client's address", () => {
  test.each([
    // peer, X-Forwarded-For, client
    ["203.0.113.9", null, "203.0.113.9"],
    ["203.0.113.9", "198.51.100.1", "203.0.113.9"],
    ["127.0.0.1", "198.51.100.1", "127.0.0.1"],
    ["::1", "198.51.100.1", "::1"],
    ["10.0.0.1", null, "10.0.0.1"],
    ["10.0.0.1", "198.51.100.1", "198.51.100.1"],
    ["10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"],
    ["10.0.0.1", "6.6.6.6, 198.51.100.1, 10.2.3.4", "198.51.100.1"],
    ["10.0.0.1", "10.9.9.9, 10.2.3.4", "10.9.9.9"],
    ["10.0.0.1", "198.51.100.1:4711", "198.51.100.1"],
    ["10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"],
    ["10.0.0.1", "[2001:DB8:0::1]", "2001:db8::1"],
    ["10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"],
    ["10.0.0.1", "fe80::1%eth0", "fe80::1"],
    ["10.0.0.1", "garbage, 198.51.100.1", "198.51.100.1"],
    ["::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"],
    ["::ffff:203.0.113.9", null, "203.0.113.9"],
    ["::FFFF:cb00:7109", null, "203.0.113.9"],
    ["192.0.2.7", "198.51.100.1", "198.51.100.1"],
    ["192.0.2.8", "198.51.100.1", "192.0.2.8"],
    ["2001:db8:1::5", "198.51.100.1", "198.51.100.1"],
    ["2001:db8:2::5", "198.51.100.1", "2001:db8:2::5"],
    ["fe80::1%eth0", null, "fe80::1"],
  ])("behind %p with %p is %p", (peer, forwardedFor, client) => {
    expect(from(peer, forwardedFor).client).toBe(client);
  });

  test.each([
    "",
    "unknown",
    "198.51.100.1, ",
    "256.1.1.1",
    "1.2.3",
    "0x7f.0.0.1",
    "010.0.0.1",
    "::ffff:0x7f.1",
    "::ffff:1.2.3",
    "198.51.100.1:port",
    "[::1",
    "2001:db8::1]:443",
    "evil.example",
    "1.2.3.4, garbage",
    "_hidden",
  ])("is refused when a proxy passes on %p", (forwardedFor) => {
    expect(() => from("10.0.0.1", forwardedFor)).toThrow("malformed");
  });

  test("on a Unix socket is this machine's, whatever the request says", () => {
    expect(from(undefined, "198.51.100.1")).toEqual({ client: "127.0.0.1" });
  });

  test("names the proxy beside it only when one stands between", () => {
    expect(from("10.0.0.1", "198.51.100.1")).toEqual({ client: "198.51.100.1", peer: "10.0.0.1" });
    expect(from("203.0.113.9", "198.51.100.1")).toEqual({ client: "203.0.113.9" });
  });

  test("never comes from a header when no proxy is configured", () => {
    const strict = createAddressReader([]);
    for (const peer of ["127.0.0.1", "::1", "10.0.0.1", "::ffff:127.0.0.1"])
      expect(strict(peer, () => "6.6.6.6").client).not.toBe("6.6.6.6");
  });

  test("is remembered by peer, and not by what a proxy said", () => {
    expect(from("10.0.0.5", "198.51.100.1").client).toBe("198.51.100.1");
    expect(from("10.0.0.5", "198.51.100.2").client).toBe("198.51.100.2");
  });

  test.each([
    "10.0.0.1/8",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0/8",
    "0xa.0.0.0/8",
    "2001:db8::1/32",
    "fe80::1%eth0",
    "proxy.example",
    "",
    "*",
  ])("refuses %p as a network of proxies", (entry) => {
    expect(() => createAddressReader([entry])).toThrow("malformed");
  });

  test("has one text", () => {
    expect(["1.2.3.4", "::ffff:1.2.3.4", "::FFFF:102:304", "::ffff:1.2.3.4%lo"].map(canonicalAddress)).toEqual(
      Array.from({ length: 4 }, () => "1.2.3.4"),
    );
    expect(["2001:0db8:0:0:0:0:0:1", "2001:DB8::1"].map(canonicalAddress)).toEqual(["2001:db8::1", "2001:db8::1"]);
  });

  test("counts for limits as itself, or as the network of one customer", () => {
    expect(limitKeyOf("203.0.113.9")).toBe("203.0.113.9");
    expect(limitKeyOf("2001:db8::1")).toBe(limitKeyOf("2001:db8::ffff:1"));
    expect(limitKeyOf("2001:db8::1")).not.toBe(limitKeyOf("2001:db8:0:1::1"));
  });
});
