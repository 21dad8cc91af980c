import { describe, expect, test } from "bun:test";
import { emptyGraph } from "../../../src/core/graph";
import { checkAddress } from "../../../src/core/networks";
import { parseAccount, parseRoleId } from "../../../src/model/ids";

const host = parseRoleId("acme:host:app");
const restricted = (...networks: string[]) =>
  emptyGraph().with({
    revision: 1,
    account: parseAccount("acme"),
    at: 0,
    changes: [{ type: "put_restriction", restriction: { role: host, networks } }],
  });

describe("a role's networks", () => {
  test.each([
    [["10.0.0.0/8"], "10.1.2.3"],
    [["10.0.0.7/32", "192.0.2.0/24"], "192.0.2.255"],
    [["2001:db8::/32"], "2001:db8:1::1"],
    [["10.0.0.0/8"], "::ffff:10.1.2.3"],
    [["0.0.0.0/0"], "203.0.113.9"],
  ])("%j admit %s", (networks, address) => {
    expect(checkAddress(restricted(...networks), host, address).ok).toBe(true);
  });

  test.each([
    [["10.0.0.0/8"], "11.0.0.1"],
    [["10.0.0.7/32"], "10.0.0.8"],
    [["2001:db8::/32"], "2001:db9::1"],
    [["0.0.0.0/0"], "2001:db8::1"],
    [["::/0"], "192.0.2.1"],
    [["10.0.0.0/8"], ""],
    [["10.0.0.0/8"], "10.0.0.1.evil.example"],
    [["10.0.0.0/8"], "10.0.0.1, 192.0.2.1"],
  ])("%j do not admit %j, and say what was compared", (networks, address) => {
    const check = checkAddress(restricted(...networks), host, address);
    expect(check).toMatchObject({ check: "restricted_to", ok: false });
    expect(check.detail).toContain(networks[0] ?? "");
  });

  test("that are none restrict nothing", () => {
    expect(checkAddress(emptyGraph(), host, "anything").ok).toBe(true);
  });
});
