import { beforeAll, describe, expect, test } from "bun:test";
import type { FrontApp } from "../../../src/fronts/front";
import { vault } from "../../../src/fronts/vault/routes";
import { everyFailure, frontContract } from "../../contract/front";
import { createHouse } from "../../support/house";
import { ask } from "../ask";
import { createFakeBroker } from "../fake-broker";

frontContract(vault);

describe("the Vault front", () => {
  let front: FrontApp;
  beforeAll(async () => {
    const house = await createHouse();
    front = vault.serve(house.broker);
  });

  const denied = `{"errors":["permission denied"]}`;
  const notToken = JSON.stringify({ errors: ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"] });
  test.each([
    ["GET /v1/secret/data/a", 403, denied],
    ["GET /v1/sys/mounts", 403, denied],
    ["GET /v1/sys/mounts?list=true", 403, denied],
    ["POST /v1/sys/auth/azure", 403, denied],
    ["GET /v1/sys/internal/ui/mounts/secret/app", 403, denied],
    ["GET /v1/never/heard/of", 403, denied],
    ["GET /v1/secret/..%2fdata", 400, `{"errors":["relative paths not supported"]}`],
    ["GET /v1/%2e%2e%2fsys", 400, `{"errors":["relative paths not supported"]}`],
    ["GET /v1/a%00b", 400, `{"errors":["path contains unprintable characters"]}`],
    ["GET /v1/%ff", 400, `{"errors":["path: expected percent-encoded UTF-8"]}`],
    ["PUT /v1/secret/data/a/", 400, `{"errors":["cannot write to a path ending in '/'"]}`],
    ["TRACE /v1/secret/data/a", 405, `{"errors":["1 error occurred:\\n\\t* unsupported operation\\n\\n"]}`],
    ["DELETE /v1/sys/health", 405, `{"errors":["1 error occurred:\\n\\t* unsupported operation\\n\\n"]}`],
    ["POST /v1/sys/seal-status", 405, `{"errors":["1 error occurred:\\n\\t* unsupported operation\\n\\n"]}`],
    ["GET /v1/sys/health?activecode=x", 400, `{"errors":["invalid status code in activecode"]}`],
    ["GET /v1/sys/init", 200, `{"initialized":true}`],
  ])("answers %p without a token with %p", async (question, status, text) => {
    const answer = await ask(front, { ask: question });
    expect([answer.status, answer.text]).toEqual([status, text]);
  });

  test.each([
    ["PUT /v1/sys/init", "postern init"],
    ["PUT /v1/sys/unseal", "postern seal unseal"],
    ["PUT /v1/sys/seal", "by ending it"],
    ["GET /v1/sys/rekey/init", "postern seal rotate root"],
    ["PUT /v1/sys/rekey/init", "postern seal rotate root"],
    ["PUT /v1/sys/rekey/update", "postern seal rotate root"],
    ["DELETE /v1/sys/rekey/init", "postern seal rotate root"],
    ["PUT /v1/sys/rekey-recovery-key/init", "postern seal rotate root"],
    ["GET /v1/sys/generate-root/attempt", "postern vault token"],
    ["PUT /v1/sys/generate-root/update", "postern vault token"],
  ])("refuses %s in the word that clients match, and says by which command it is done", async (question, command) => {
    for (const headers of [{}, { "x-vault-token": "hvs.nothing" }]) {
      const answer = await ask(front, { ask: question, headers });
      expect([answer.status, JSON.parse(answer.text).errors]).toEqual([403, ["permission denied", expect.stringContaining(command)]]);
    }
  });

  test.each([
    ["a token that is none", { "x-vault-token": "hvs.nothing" }, 403, notToken],
    ["a bearer that is none", { authorization: "bearer hvs.nothing" }, 403, notToken],
    ["another scheme", { authorization: "Basic aHZzLm5vdGhpbmc=" }, 403, denied],
    ["two tokens", { "x-vault-token": "hvs.one, hvs.two" }, 400, `{"errors":["the token must be one, of printable characters"]}`],
    ["a namespace", { "x-vault-namespace": "team/" }, 404, `{"errors":["namespace not found"]}`],
    ["the root namespace", { "x-vault-namespace": "root/" }, 403, denied],
    [
      "an odd time to wrap for",
      { "x-vault-wrap-ttl": "-5s" },
      400,
      `{"errors":["error parsing X-Vault-Wrap-TTL header: expected a duration of zero or more"]}`,
    ],
  ])("answers %s", async (_, headers, status, text) => {
    const answer = await ask(front, { ask: "GET /v1/sys/mounts", headers });
    expect([answer.status, answer.text]).toEqual([status, text]);
  });

  test.each([
    ["text/plain", 415, "PATCH requires Content-Type of application/merge-patch+json, provided text/plain"],
    ["nonsense", 400, "PATCH requires Content-Type of application/merge-patch+json, provided none that is one"],
    ["application/merge-patch+json; charset=utf-8", 403, "permission denied"],
  ])("takes PATCH of the one content type, not %p", async (type, status, text) => {
    const answer = await ask(front, { ask: "PATCH /v1/secret/data/a", headers: { "content-type": type }, body: "{}" });
    expect([answer.status, JSON.parse(answer.text)]).toEqual([status, { errors: [text] }]);
  });

  test.each([
    ["ready", "", 200, false],
    ["ready", "?activecode=204", 204, false],
    ["sealed", "", 503, true],
    ["sealed", "?sealedcode=200", 200, true],
    ["uninitialised", "", 501, true],
    ["failed", "", 503, true],
  ] as const)("tells that it is %s at health%s by %p", async (state, query, status, sealed) => {
    const standing = vault.serve(createFakeBroker(), { standing: () => ({ state, deployment: "d-1" }) });
    const answer = await ask(standing, { ask: `GET /v1/sys/health${query}` });
    expect(answer.status).toBe(status);
    if (status !== 204)
      expect(JSON.parse(answer.text)).toMatchObject({ sealed, initialized: state !== "uninitialised", version: "1.19.5" });
    const head = await ask(standing, { ask: `HEAD /v1/sys/health${query}` });
    expect([head.status, head.text]).toEqual([status, ""]);
    const status2 = await ask(standing, { ask: "GET /v1/sys/seal-status" });
    expect(JSON.parse(status2.text)).toMatchObject({ sealed, ...(sealed ? {} : { cluster_id: "d-1" }) });
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
