/** The token header in all its forms, and everything that ends a token before its time. Sources: conjur-rack 5; Conjur 5.3.1, config/application.rb. */

import { describe, expect, test } from "bun:test";
import { type Case, compared, createTown, titled } from "./town";

const town = await createTown();
const json = await town.token("host/apps/web");
const standard = Buffer.from(json).toString("base64");
const whoami = (authorization: string, name = "") => ({
  ask: "GET /whoami",
  headers: { authorization },
  ...(name === "" ? {} : { name: `GET /whoami with ${name}` }),
});
const tokenOf = (text: string): string => `Token token="${text}"`;
const parts: Readonly<Record<"protected" | "payload" | "signature", string>> = JSON.parse(json);
const packed = (changes: Readonly<Record<string, unknown>>): string =>
  tokenOf(Buffer.from(JSON.stringify({ ...parts, ...changes })).toString("base64"));
const recoded = (part: string, change: (claims: Record<string, unknown>) => unknown): string =>
  Buffer.from(JSON.stringify(change(JSON.parse(Buffer.from(part, "base64url").toString())))).toString("base64url");
const malformed = { status: 401, text: "Malformed authorization token", has: { "content-type": "text/plain; charset=utf-8" } };
const invalid = { status: 401, text: "Unauthorized: Invalid token" };
const taken = { status: 200 };
const other = JSON.parse(await town.token("keeper"));

const cases: readonly Case[] = [
  // What is taken, however it was pasted.
  { ...whoami(tokenOf(standard)), ...taken },
  { ...whoami(tokenOf(Buffer.from(json).toString("base64url"))), ...taken },
  { ...whoami(tokenOf(standard.replaceAll("=", ""))), ...taken },
  { ...whoami(tokenOf(` ${standard} `)), ...taken },
  { ...whoami(tokenOf((standard.match(/.{1,60}/g) ?? []).join(" "))), ...taken },
  { ...whoami(tokenOf((standard.match(/.{1,76}/g) ?? []).join("\t"))), ...taken },
  { ...whoami(`${tokenOf(standard)}, realm=conjur`), ...taken },
  { ...whoami(packed({ comment: "an unknown member" }), "an unknown member"), ...taken },
  { ...whoami(tokenOf(Buffer.from(JSON.stringify(parts, null, 2)).toString("base64"))), ...taken },
  // What is no token.
  { ...whoami(`TOKEN token="${standard}"`), ...malformed },
  { ...whoami(`Token TOKEN="${standard}"`), ...malformed },
  { ...whoami(`Token  token="${standard}"`), ...malformed },
  { ...whoami(`Token token='${standard}'`), ...malformed },
  { ...whoami(`Bearer ${standard}`), ...malformed },
  { ...whoami(standard), ...malformed },
  { ...whoami(tokenOf(json.replaceAll('"', ""))), ...malformed },
  { ...whoami(tokenOf("")), ...malformed },
  { ...whoami(tokenOf(`${standard.slice(0, 20)}!${standard.slice(20)}`)), ...malformed },
  { ...whoami(tokenOf(Buffer.from("null").toString("base64"))), ...malformed },
  { ...whoami(tokenOf(Buffer.from('"text"').toString("base64"))), ...malformed },
  // What is none of ours.
  {
    ...whoami(packed({ signature: parts.signature.replace(/^../, (two) => (two === "AA" ? "BB" : "AA")) }), "another signature"),
    ...invalid,
  },
  { ...whoami(packed({ signature: "" }), "no signature"), ...invalid },
  { ...whoami(packed({ signature: other.signature }), "somebody else's signature"), ...invalid },
  { ...whoami(packed({ payload: other.payload }), "somebody else's payload"), ...invalid },
  {
    ...whoami(packed({ payload: recoded(parts.payload, (claims) => ({ ...claims, sub: "admin" })) }), "the administrator written in"),
    ...invalid,
  },
  {
    ...whoami(packed({ payload: recoded(parts.payload, (claims) => ({ ...claims, exp: 99_999_999_999 })) }), "a later end written in"),
    ...invalid,
  },
  {
    ...whoami(packed({ protected: recoded(parts.protected, (header) => ({ ...header, kid: "0".repeat(64) })) }), "an unknown key"),
    ...invalid,
  },
  { ...whoami(packed({ protected: recoded(parts.protected, (header) => ({ ...header, alg: "none" })) }), "alg none"), ...invalid },
  { ...whoami(packed({ protected: recoded(parts.protected, (header) => ({ ...header, alg: "HS256" })) }), "alg HS256"), ...invalid },
  {
    ...whoami(
      packed({ protected: recoded(parts.protected, (header) => ({ ...header, alg: "conjur.org/slosilo/v2" })) }),
      "upstream's own alg",
    ),
    ...invalid,
  },
  { ...whoami(packed({ payload: 7 }), "a number for a payload"), ...malformed },
  { ...whoami(packed({ payload: undefined }), "no payload"), ...malformed },
  { ...whoami(tokenOf(Buffer.from('{"data":"admin","timestamp":"now","signature":"x","key":"y"}').toString("base64"))), ...malformed },
  // Where none is needed, none is looked at; where one may be given, it must be good.
  { ask: "GET /", headers: { authorization: "Token token=nonsense" }, status: 200 },
  { ask: "GET /authenticators", headers: { authorization: tokenOf("%") }, status: 200 },
  { ask: "POST /host_factories/hosts", headers: { authorization: packed({ signature: "" }) }, status: 401, text: "" },
  { ask: "GET /public_keys/acme/user/keeper", status: 200, text: "\n" },
  { ask: "GET /public_keys/acme/user/keeper", headers: { authorization: packed({ signature: "" }) }, ...invalid },
  { ask: "PATCH /authn-azure/prod/acme", headers: { authorization: "nonsense" }, ...malformed },
  { ask: "PATCH /authn-azure/prod/acme", status: 401, text: "" },
  { ask: "GET /authn-azure/prod/acme/status", status: 401, text: "" },
  { ask: "GET /no/such/route", headers: { authorization: packed({ signature: "" }) }, ...invalid },
  { ask: "GET /no/such/route", as: "keeper", status: 404 },
  // A session of one account is one in every other, where it has no rights.
  { ask: "GET /whoami", as: "globex:admin", status: 200 },
  { ask: "GET /resources/acme", as: "globex:admin", status: 200, json: [] },
  { ask: "GET /secrets/acme/variable/vault%2Fthing", as: "globex:admin", status: 404 },
  { ask: "POST /policies/acme/policy/vault", as: "globex:admin", body: "[]", status: 404 },
  // Networks hold at every use, not at the login alone.
  { ask: "GET /secrets/acme/variable/vault%2Fthing", as: "host/near", status: 200, text: "first" },
  { ask: "GET /secrets/acme/variable/vault%2Fthing", as: "host/near", from: "198.51.100.7", status: 403, text: "IP address rejected" },
  { ask: "GET /whoami", as: "host/near", from: "192.0.3.1", status: 403, text: "IP address rejected" },
];

describe("a token", () => {
  test.each(titled(cases))("%s", async (_title, one) => {
    const { got, wanted } = await compared(town, one);
    expect(got).toEqual(wanted);
  });

  test("ends after eight minutes, to the second", async () => {
    const passing = await createTown();
    const authorization = await passing.header("keeper");
    passing.house.clock.advance(479_000);
    expect((await passing.ask(whoami(authorization))).status).toBe(200);
    passing.house.clock.advance(1000);
    expect(await passing.ask(whoami(authorization))).toMatchObject(invalid);
    expect((await passing.ask({ ask: "GET /whoami", headers: { authorization: await passing.header("keeper") } })).status).toBe(200);
  });

  test("from the future is none", async () => {
    const ahead = await createTown();
    const authorization = await ahead.header("keeper");
    ahead.house.clock.setWall(ahead.house.clock.now() - 120_000);
    expect(await ahead.ask(whoami(authorization))).toMatchObject(invalid);
  });

  test("ends with its role, and does not come back with the next of that name", async () => {
    const changing = await createTown();
    const authorization = await changing.header("host/vault/box");
    await changing.house.load("- !delete\n  record: !host box\n", "update", "vault");
    expect(await changing.ask(whoami(authorization))).toMatchObject({ status: 403, text: "" });
    changing.house.clock.advance(1000);
    await changing.house.load("- !host box\n", "update", "vault");
    expect((await changing.ask(whoami(authorization))).status).toBeOneOf([401, 403]);
  });

  test("stays when its role's key changes, and loses a right at once", async () => {
    const changing = await createTown();
    const authorization = await changing.header("host/apps/web");
    const read = { ask: "GET /secrets/acme/variable/vault%2Fthing", headers: { authorization } };
    expect((await changing.ask({ ask: "PUT /authn/acme/api_key?role=host:apps/web", as: "admin" })).status).toBe(200);
    expect(await changing.ask(read)).toMatchObject({ status: 200, text: "first" });
    await changing.house.load("- !deny\n  role: !host /apps/web\n  privilege: execute\n  resource: !variable thing\n", "update", "vault");
    expect((await changing.ask(read)).status).toBe(404);
    expect((await changing.ask(whoami(authorization))).status).toBe(200);
  });
});
