import { describe, expect, test } from "bun:test";
import type { PolicyLoad } from "../../../src/core/broker";
import { conjur } from "../../../src/fronts/conjur/routes";
import type { Failure } from "../../../src/model/failures";
import { ask, type Case, expectedOf, outcomeOf, titled } from "../ask";
import { apiKey, createFakeBroker, fail } from "../fake-broker";

const front = conjur.serve(createFakeBroker());
const admin = "acme:user:admin";
const web = "acme:host:apps/web";
const policy = "/policies/acme/policy/root";
const created = { "acme:host:apps/web": { id: web, api_key: apiKey } };
const text = { body: "- !user alice\n" };
const notPresent = {
  code: "validation_failed",
  message: "policy_text is not present",
  details: [{ code: "validation_failed", target: "policy_text", message: "is not present" }],
};

const group = {
  identifier: "acme:group:ops",
  id: "ops",
  type: "group",
  owner: admin,
  policy: "acme:policy:root",
  permissions: {},
  annotations: {},
  members: [],
  memberships: [],
  restricted_to: [],
};
const rehearsed = {
  status: "Valid YAML",
  created: {
    items: [{ ...group, identifier: web, id: "apps/web", type: "host", annotations: { a: "b" }, restricted_to: ["10.0.0.0/8"] }],
  },
  updated: {
    before: { items: [group] },
    after: { items: [{ ...group, permissions: { execute: ["acme:variable:[REDACTED]"] }, members: ["acme:user:[REDACTED]"] }] },
  },
  deleted: {
    items: [
      {
        identifier: "acme:variable:[REDACTED]",
        id: "[REDACTED]",
        type: "variable",
        owner: admin,
        permitted: { execute: [web] },
        annotations: {},
      },
    ],
  },
};

const cases: readonly Case[] = [
  { ask: `POST ${policy}`, as: admin, ...text, status: 201, json: { created_roles: created, version: 4 } },
  { ask: `PATCH ${policy}`, as: admin, ...text, status: 201, json: { created_roles: created, version: 4 } },
  { ask: `PUT ${policy}`, as: admin, ...text, status: 201, json: { created_roles: created, version: 4, warnings: ["careful"] } },
  { ask: `POST ${policy}`, as: admin, ...text, headers: { "content-type": "application/x-www-form-urlencoded" }, status: 201 },
  { ask: `POST ${policy}`, as: admin, status: 422, json: { error: notPresent } },
  {
    ask: "POST /policies/acme/policy/nothing%2Fhere",
    as: admin,
    ...text,
    status: 404,
    json: {
      error: {
        code: "not_found",
        message: "Policy 'nothing/here' not found in account 'acme'",
        target: "policy",
        details: { code: "not_found", target: "id", message: "acme:policy:nothing/here" },
      },
    },
  },
  { ask: `POST ${policy}`, as: web, ...text, status: 404 },
  { ask: `POST ${policy}`, ...text, status: 401 },
  { ask: `POST ${policy}?dryRun=true`, as: admin, ...text, status: 200, json: rehearsed },
  { ask: `PATCH ${policy}?dryRun=True`, as: admin, ...text, status: 200, json: rehearsed },
  { ask: `PUT ${policy}?dryRun=%20TRUE%20`, as: admin, ...text, status: 200, json: rehearsed },
  { ask: `POST ${policy}?dryRun=true`, as: web, ...text, status: 404 },
  { ask: `POST ${policy}?dryRun=true`, ...text, status: 401 },
  {
    ask: `POST ${policy}?dryRun=true`,
    as: admin,
    status: 422,
    json: {
      status: "Invalid YAML",
      errors: [{ line: 1, column: 1, message: "no text", context: { policy_id: "root", offending_lines: [1] } }],
    },
  },
  { ask: `PUT ${policy}?dryRun=false&dryRun=true`, as: admin, ...text, status: 400 },
  { ask: `PUT ${policy}?dryRun=false`, as: admin, ...text, status: 201 },
  {
    ask: `GET ${policy}`,
    as: admin,
    status: 200,
    text: "yaml of acme:policy:root to depth 64",
    has: { "content-type": "application/x-yaml" },
  },
  {
    ask: `GET ${policy}?depth=0&limit=100000`,
    as: admin,
    headers: { "content-type": "application/json" },
    status: 200,
    text: "json of acme:policy:root to depth 0",
    has: { "content-type": "application/json; charset=utf-8" },
  },
  // The type of the request decides, to the letter; what the client accepts does not.
  { ask: `GET ${policy}`, as: admin, headers: { accept: "application/json" }, status: 200, has: { "content-type": "application/x-yaml" } },
  {
    ask: `GET ${policy}`,
    as: admin,
    headers: { "content-type": "application/json; charset=utf-8" },
    status: 200,
    has: { "content-type": "application/x-yaml" },
  },
  ...["depth=65", "depth=-1", "depth=x", "depth=", "depth=1&depth=2", "limit=0", "limit=100001", "limit=1.5"].map((query) => ({
    ask: `GET ${policy}?${query}`,
    as: admin,
    status: 400,
  })),
  {
    ask: `GET ${policy}?limit=1`,
    as: admin,
    status: 422,
    json: { error: { code: "unprocessable_entity", message: "'Limit' parameter must not exceed 1" } },
  },
  { ask: `GET ${policy}`, as: web, status: 404 },
  { ask: `GET ${policy}`, status: 401 },
  { ask: `DELETE ${policy}`, as: admin, status: 404 },
  { ask: "POST /policies/acme/host/root", as: admin, ...text, status: 404 },
  { ask: "POST /policies/acme/policy/a%2F..%2Fb", as: admin, ...text, status: 400 },
];

const problem = { message: "unknown tag '!usr'", line: 3, column: 5, advice: "did you mean '!user'?" };
const second = { message: "unknown attribute 'x'", line: 9, column: 1 };

const failures: readonly (readonly [string, Failure, number, unknown])[] = [
  [
    "mistakes of language with the place of the first, and all of them after it",
    { code: "policy_invalid", kind: "language", problems: [problem, second] },
    422,
    {
      error: {
        code: "policy_invalid",
        message: "Error at line 3, column 5 in policy : unknown tag '!usr' (did you mean '!user'?)",
        innererror: { code: "policy_invalid", filename: "policy", line: 3, column: 5 },
        errors: [problem, second],
      },
    },
  ],
  [
    "a mistake without a place as its text",
    { code: "policy_invalid", kind: "language", problems: [{ message: "resource has a blank id" }] },
    422,
    { error: { code: "policy_invalid", message: "resource has a blank id", errors: [{ message: "resource has a blank id" }] } },
  ],
  [
    "a missing record as its text, wherever it stands",
    { code: "policy_invalid", kind: "reference", problems: [{ message: "User 'bob' not found in account 'acme'", line: 2, column: 3 }] },
    422,
    {
      error: {
        code: "policy_invalid",
        message: "User 'bob' not found in account 'acme'",
        errors: [{ message: "User 'bob' not found in account 'acme'", line: 2, column: 3 }],
      },
    },
  ],
  [
    "a deletion where none may be",
    { code: "policy_invalid", kind: "deletion", problems: [{ message: "deletes" }] },
    422,
    {
      error: {
        code: "validation_failed",
        message: "policy_text may not contain deletion statements",
        details: [{ code: "validation_failed", target: "policy_text", message: "may not contain deletion statements" }],
      },
    },
  ],
  [
    "another load of the branch",
    { code: "conflict", what: "policy load" },
    409,
    { error: { code: "policy_conflict", message: "Concurrent policy load in progress, please retry" } },
  ],
];

describe("policies at Conjur's front", () => {
  test.each(titled(cases))("%s", async (_title, one) => {
    expect(await outcomeOf(front, one)).toEqual(expectedOf(one));
  });

  test.each([...failures])("print %s", async (_title, failure, status, json) => {
    const failing = conjur.serve(createFakeBroker({ loadPolicy: async () => Promise.reject(fail(failure)) }));
    expect<unknown>(await outcomeOf(failing, { ask: `PUT ${policy}`, as: admin, ...text, status, json })).toEqual({ status, json });
  });

  test("say when to try again after another load", async () => {
    const failing = conjur.serve(
      createFakeBroker({ loadPolicy: async () => Promise.reject(fail({ code: "conflict", what: "load", retryAfterSeconds: 2.5 })) }),
    );
    expect((await ask(failing, { ask: `PUT ${policy}`, as: admin, ...text })).headers.get("retry-after")).toBe("3");
  });

  test("are handed on as they came, with the mode that the method means", async () => {
    const seen: PolicyLoad[] = [];
    const loadPolicy = async (_caller: unknown, load: PolicyLoad) => {
      seen.push(load);
      return { version: 1, createdRoles: [], warnings: [] };
    };
    const listening = conjur.serve(createFakeBroker({ loadPolicy }));
    for (const method of ["POST", "PATCH", "PUT"])
      await ask(listening, { ask: `${method} /policies/acme/policy/apps%2Fprod`, as: admin, body: "a=b&c=%20\r\n" });
    expect(seen.map(({ policy: id, mode, text: bytes }) => [String(id), mode, Buffer.from(bytes).toString()])).toEqual([
      ["acme:policy:apps/prod", "create", "a=b&c=%20\r\n"],
      ["acme:policy:apps/prod", "update", "a=b&c=%20\r\n"],
      ["acme:policy:apps/prod", "replace", "a=b&c=%20\r\n"],
    ]);
  });

  test.each([
    ["https://h/policies/acme/policy/root", true],
    ["https://h/api/policies/acme/policy/root?x", true],
    ["https://h/secrets/acme/variable/policies/x", false],
    ["https://h/%70olicies/acme/policy/root", false],
  ])("decide by %p whether a body may be large: %p", (url, isLarge) => {
    expect(front.takesPolicy(url)).toBe(isLarge);
  });
});

describe("the reading part of Conjur's front", () => {
  const reading = conjur.reads(createFakeBroker());

  test.each(
    titled([
      { ask: "GET /secrets/acme/variable/apps%2Fdb", as: web, status: 200, text: "hunter2\n" },
      { ask: "GET /secrets?variable_ids=acme:variable:apps/db", as: web, status: 200, json: { "acme:variable:apps/db": "hunter2\n" } },
      { ask: "GET /secrets/acme/variable/apps%2Fdb", status: 401 },
      { ask: "POST /secrets/acme/variable/apps%2Fdb", as: admin, body: "x", status: 404 },
      { ask: "GET /resources", as: admin, status: 404 },
      { ask: `PUT ${policy}`, as: admin, ...text, status: 404 },
      { ask: "POST /authn/acme/alice/authenticate", body: apiKey, status: 404 },
      { ask: "GET /whoami", as: admin, status: 404 },
    ]),
  )("%s", async (_title, one) => {
    expect(await outcomeOf(reading, one)).toEqual(expectedOf(one));
  });
});
