import { describe, expect, test } from "bun:test";
import { conjur } from "../../../src/fronts/conjur/routes";
import { type Case, expectedOf, outcomeOf, titled } from "../ask";
import { createFakeBroker } from "../fake-broker";

const front = conjur.serve(createFakeBroker());
const admin = "acme:user:admin";
const json = { version: "1.24.0" };
const html = { "content-type": "text/html; charset=utf-8" };
const accept = (text: string) => ({ accept: text });

const cases: readonly Case[] = [
  {
    ask: "GET /",
    headers: accept("application/json, text/html"),
    status: 200,
    json,
    has: { "content-type": "application/json; charset=utf-8" },
  },
  { ask: "GET /", headers: accept("application/json"), status: 200, json },
  { ask: "GET /", headers: accept("text/html;q=0.5, application/json;q=0.9"), status: 200, json },
  { ask: "GET /", headers: accept("text/html, application/json"), status: 200, has: html },
  { ask: "GET /", headers: accept("text/html, application/json;q=0.9"), status: 200, has: html },
  { ask: "GET /", headers: accept("application/json;q=0"), status: 200, has: html },
  { ask: "GET /", headers: accept("*/*"), status: 200, has: html },
  { ask: "GET /", status: 200, has: html },
  { ask: "GET /", headers: { authorization: "nonsense", accept: "application/json" }, status: 200, json },
  {
    ask: "GET /authenticators",
    status: 200,
    json: { installed: ["authn", "authn-azure"], configured: ["authn", "authn-azure/prod"], enabled: ["authn"] },
  },
  { ask: "GET /authenticators", headers: { authorization: "nonsense" }, status: 200 },
  {
    ask: "GET /whoami",
    as: "acme:host:apps/web",
    status: 200,
    json: {
      client_ip: "203.0.113.9",
      user_agent: "tests/1",
      account: "acme",
      username: "host/apps/web",
      token_issued_at: "2025-11-10T09:12:13.000+00:00",
    },
  },
  // The switch of an authenticator.
  { ask: "PATCH /authn-azure/prod/acme", as: admin, body: "enabled=true", status: 204 },
  {
    ask: "PATCH /authn-azure/prod/acme",
    as: admin,
    headers: { "content-type": "application/json" },
    body: '{"enabled":true}',
    status: 204,
  },
  {
    ask: "PATCH /authn-azure/prod/acme",
    as: admin,
    headers: { "content-type": "application/json" },
    body: '{"enabled":',
    status: 400,
    text: "",
  },
  {
    ask: "PATCH /authn-azure/prod/acme",
    as: admin,
    headers: { "content-type": "application/json" },
    body: '{"enabled":true,"enabled":false}',
    status: 400,
  },
  { ask: "PATCH /authn-azure/prod/acme", as: admin, headers: { "content-type": "application/json" }, body: "[]", status: 400 },
  { ask: "PATCH /authn-azure/prod/acme", as: admin, body: "enabled=true&enabled=false", status: 400 },
  { ask: "PATCH /authn-azure/prod/acme", as: "acme:host:apps/web", body: "enabled=true", status: 403, text: "" },
  { ask: "PATCH /authn-azure/prod/acme", body: "enabled=true", status: 401, text: "" },
  { ask: "PATCH /authn-azure/other/acme", as: admin, body: "enabled=true", status: 401, text: "" },
  { ask: "PATCH /authn-azure/prod%2Fstatus/acme", as: admin, body: "enabled=true", status: 401 },
  { ask: "PATCH /authn-azure/prod/other", as: admin, body: "enabled=true", status: 401 },
  { ask: "PATCH /authn-azure/acme", as: admin, body: "enabled=true", status: 401 },
  // Its health.
  { ask: "GET /authn-azure/prod/acme/status", as: admin, status: 200, json: { status: "ok" } },
  {
    ask: "GET /authn-azure/prod/acme/status",
    as: "acme:host:apps/web",
    status: 403,
    json: {
      status: "error",
      error:
        "#<Errors::Authentication::Security::RoleNotAuthorizedOnResource: CONJ00006E 'acme:host:apps/web' does not have 'read' privilege on acme:webservice:conjur/authn-azure/prod/status>",
    },
  },
  {
    ask: "GET /authn-azure/other/acme/status",
    as: admin,
    status: 404,
    json: {
      status: "error",
      error: "#<Errors::Authentication::Security::WebserviceNotFound: CONJ00005E Webservice 'authn-azure/other' not found>",
    },
  },
  {
    ask: "GET /authn/acme/status",
    as: admin,
    status: 501,
    json: {
      status: "error",
      error: "#<Errors::Authentication::StatusNotSupported: CONJ00056E Status check not supported for authenticator 'authn'>",
    },
  },
  { ask: "GET /authn-azure/prod/acme/status", status: 401, text: "" },
];

describe("Conjur's information routes", () => {
  test.each(titled(cases))("%s", async (_title, one) => {
    expect(await outcomeOf(front, one)).toEqual(expectedOf(one));
  });

  test("give older clients the version inside of HTML", async () => {
    const { text } = await outcomeOf(front, { ask: "GET /", status: 200, text: "" });
    expect(/<dd>Version ([\d.]+)<\/dd>/.exec(text ?? "")?.[1]).toBe("1.24.0");
  });

  test("switch on only by the word true", async () => {
    const seen: boolean[] = [];
    const listening = conjur.serve(
      createFakeBroker({ setAuthenticatorEnabled: async (_caller, _ref, enabled) => void seen.push(enabled) }),
    );
    const bodies = ["enabled=true", "enabled=false", "enabled=TRUE", "enabled=1", "", "other=true"];
    for (const body of bodies) await outcomeOf(listening, { ask: "PATCH /authn-azure/prod/acme", as: admin, body, status: 204 });
    await outcomeOf(listening, {
      ask: "PATCH /authn-azure/prod/acme",
      as: admin,
      headers: { "content-type": "text/plain" },
      body: "enabled=true",
      status: 204,
    });
    expect(seen).toEqual([true, false, false, false, false, false, true]);
  });
});
