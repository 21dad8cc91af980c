/** `HEAD` is answered wherever `GET` is: the Python client asks by it whether a thing is there. */

import { describe, expect, test } from "bun:test";
import { conjur } from "../../../src/fronts/conjur/routes";
import { ask, basicFor } from "../ask";
import { apiKey, createFakeBroker } from "../fake-broker";

const front = conjur.serve(createFakeBroker());
const admin = "acme:user:admin";
const own = { headers: { authorization: basicFor("alice", apiKey) } };

describe("a question for the head alone", () => {
  test.each([
    ["/", {}],
    ["/authenticators", {}],
    ["/whoami", { as: admin }],
    ["/authn/acme/login", own],
    ["/authn/acme/api_key", own],
    ["/authn-azure/prod/acme/status", { as: admin }],
    ["/policies/acme/policy/root", { as: admin }],
    ["/resources", { as: admin }],
    ["/resources/acme", { as: admin }],
    ["/resources/acme/variable", { as: admin }],
    ["/resources/acme/variable/apps%2Fdb", { as: admin }],
    ["/roles/acme/host/apps%2Fweb", { as: admin }],
    ["/roles/acme/host/apps%2Fweb?graph", { as: admin }],
    ["/secrets?variable_ids=acme:variable:apps/db", { as: admin }],
    ["/secrets/acme/variable/apps%2Fdb", { as: admin }],
    ["/secrets/acme/variable/nothing", { as: admin }],
    ["/public_keys/acme/user/alice", {}],
  ])("at %s has the status, type and length of the whole, and no body", async (path, who) => {
    const whole = await ask(front, { ask: `GET ${path}`, ...who });
    const head = await ask(front, { ask: `HEAD ${path}`, ...who });
    expect(head.text).toBe("");
    expect(head.status).toBe(whole.status);
    expect(head.headers.get("content-type")).toBe(whole.headers.get("content-type"));
    expect(head.headers.get("content-length")).toBe(String(whole.bytes.byteLength));
  });
});
