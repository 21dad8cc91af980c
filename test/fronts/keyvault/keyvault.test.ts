import { describe, expect, test } from "bun:test";
import { keyvault } from "../../../src/fronts/keyvault/routes";
import { everyFailure, frontContract } from "../../contract/front";
import { ask } from "../ask";
import { createFakeBroker } from "../fake-broker";

frontContract(keyvault);

describe("the Key Vault front", () => {
  const front = keyvault.serve(createFakeBroker());
  const bearer = { authorization: "Bearer x" };

  test.each([
    ["GET /secrets/db?api-version=7.4", 404, "SecretNotFound"],
    ["GET //secrets/db/?api-version=2025-07-01", 404, "SecretNotFound"],
    ["GET /secrets/db?api-version=7.6-preview.2", 404, "SecretNotFound"],
    ["GET /keys/db?api-version=7.4", 404, "NotFound"],
    ["GET /secrets/db", 400, "BadParameter"],
    ["GET /secrets/db?api-version=latest", 400, "BadParameter"],
    ["GET /secrets/db?api-version=7.4&api-version=7.5", 400, "BadParameter"],
    ["GET /secrets/d_b?api-version=7.4", 400, "BadParameter"],
    ["GET /secrets/a%2Fb?api-version=7.4", 400, "BadParameter"],
  ])("answers %p with %p %p", async (question, status, code) => {
    const answer = await ask(front, { ask: question, headers: bearer });
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([status, code]);
  });

  test.each(["GET /secrets/db?api-version=7.4", "PUT /secrets/db?api-version=7.4", "GET /secrets/d_b", "GET /"])(
    "asks for a bearer before it looks at anything of %p",
    async (question) => {
      const answer = await ask(front, { ask: question });
      const error = { code: "Unauthorized", message: "AKV10000: Request is missing a Bearer or PoP token." };
      expect([answer.status, JSON.parse(answer.text)]).toEqual([401, { error }]);
    },
  );

  test("prints every failure with a code and a message", async () => {
    for (const failure of Object.values(everyFailure)) {
      const body = await front.refuse(failure).json();
      expect(body).toEqual({ error: { code: expect.any(String), message: expect.any(String) } });
    }
  });
});
