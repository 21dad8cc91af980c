import { describe, expect, test } from "bun:test";
import { vault } from "../../../src/fronts/vault/routes";
import { everyFailure, frontContract } from "../../contract/front";
import { ask } from "../ask";
import { createFakeBroker } from "../fake-broker";

frontContract(vault);

describe("the Vault front", () => {
  const front = vault.serve(createFakeBroker());

  test.each([
    ["GET /v1/secret/data/a", 404, `{"errors":[]}`],
    ["POST /v1/auth/azure/login", 404, `{"errors":[]}`],
    ["GET /v1/secret//data/a%2Fb", 404, `{"errors":[]}`],
    ["GET /v1/secret/..%2fdata", 400, `{"errors":["relative paths not supported"]}`],
    ["GET /v1/%2e%2e%2fsys", 400, `{"errors":["relative paths not supported"]}`],
    ["GET /v1/a%00b", 400, `{"errors":["path: expected printable characters"]}`],
    ["GET /v1/%ff", 400, `{"errors":["path: expected percent-encoded UTF-8"]}`],
  ])("answers %p with %p", async (question, status, text) => {
    const answer = await ask(front, { ask: question });
    expect([answer.status, answer.text]).toEqual([status, text]);
  });

  test("writes a content type without a charset, which clients compare for equality", async () => {
    expect((await ask(front, { ask: "GET /v1/x" })).headers.get("content-type")).toBe("application/json");
  });

  test.each([
    ["forbidden", 403, "1 error occurred:\n\t* permission denied\n\n"],
    ["unauthenticated", 403, "permission denied"],
    ["sealed", 503, "Vault is sealed"],
    ["too_large", 413, "http: request body too large"],
    ["internal", 500, "1 error occurred:\n\t* internal error\n\n"],
  ] as const)("prints %p as Vault does", async (code, status, text) => {
    const response = front.refuse(everyFailure[code]);
    expect([response.status, await response.json()]).toEqual([status, { errors: [text] }]);
  });

  test("never answers finally with 412, which clients retry", () => {
    for (const failure of Object.values(everyFailure)) expect(front.refuse(failure).status).not.toBe(412);
  });
});
