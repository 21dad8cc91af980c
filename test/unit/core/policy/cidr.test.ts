import { describe, expect, test } from "bun:test";
import { parseNetwork } from "../../../../src/core/policy/cidr";

describe("a network in a policy", () => {
  test.each([
    ["10.0.0.7", "10.0.0.7/32"],
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["10.0.0.0/255.0.0.0", "10.0.0.0/8"],
    ["2001:db8::1", "2001:db8::1/128"],
    ["2001:DB8::/32", "2001:db8::/32"],
    ["2001:0db8:0000::/48", "2001:db8::/48"],
    ["::/0", "::/0"],
    ["::ffff:10.0.0.7", "10.0.0.7/32"],
    ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
  ])("%s is %s", (text, network) => {
    expect(parseNetwork(text)).toEqual({ network });
  });

  test.each([
    ["10.0.0.1/8", "10.0.0.0/8"],
    ["192.168.1.255/24", "192.168.1.0/24"],
    ["10.0.0.1/255.0.0.0", "10.0.0.0/255.0.0.0"],
    ["2001:db8::1/32", "2001:db8::/32"],
    ["0.0.0.1/0", "0.0.0.0/0"],
  ])("%s has host bits, and %s is suggested", (text, suggestion) => {
    const message = `Invalid IP address or CIDR range '${text}': Value has bits set to right of mask. Did you mean '${suggestion}'?`;
    expect(parseNetwork(text)).toEqual({ message });
  });

  test.each([
    "",
    " 10.0.0.1",
    "10.0.0.1 ",
    "10.0.0",
    "10.0.0.0.0",
    "010.0.0.1",
    "10.0.0.01",
    "0x0a.0.0.1",
    "0x0a000001",
    "167772161",
    "10.1",
    "256.1.1.1",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0.0/255.0.255.0",
    "10.0.0.0/0.0.0.255",
    "2001:db8::/129",
    "2001:db8:::1",
    "fe80::1%eth0",
    "::ffff:10.0.0.0/64",
    "::ffff:010.0.0.1",
    "[::1]",
    "localhost",
    "1e1.0.0.1",
    "\u0661.0.0.1",
    "*",
  ])("%j is none", (text) => {
    expect(parseNetwork(text)).toEqual({ message: expect.stringMatching(/^Invalid IP address or CIDR range '[^']*'$/) });
  });
});
