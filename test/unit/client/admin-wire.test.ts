import { describe, expect, test } from "bun:test";
import { adminFailure, adminOperations, printBody } from "../../../src/client/admin-wire";
import { createAdminClient } from "../../../src/client/client";
import type { Failure } from "../../../src/model/failures";
import { SecretBytes } from "../../../src/model/secret-bytes";

describe("bodies of the admin socket", () => {
  test("carry secrets and bytes as base64, wherever they stand", () => {
    const body = { a: SecretBytes.ofText("x"), b: [{ c: Buffer.from("y") }], d: "z", e: SecretBytes.ofText("") };
    expect(JSON.parse(printBody(body))).toEqual({ a: "eA==", b: [{ c: "eQ==" }], d: "z", e: "" });
  });
});

describe("the admin client", () => {
  test("refuses an answer of another form than agreed, and repeats nothing of it", async () => {
    for (const body of ["canary", '{"apiKey":"canary!"}', "{}"]) {
      const client = createAdminClient(() => new Response(body));
      const failed = client.call(adminOperations.retrieveKey, { role: "acme:user:admin" });
      await expect(failed).rejects.toMatchObject({ failure: { code: "internal", because: "admin_answer" } });
      expect(await failed.catch(String)).not.toContain("canary");
    }
  });
});

describe("failures as the operator hears them", () => {
  const failures: readonly Failure[] = [
    { code: "malformed", where: "id", expected: "a name" },
    { code: "unauthenticated" },
    { code: "forbidden", because: "privilege_missing" },
    { code: "not_found", target: "x" },
    { code: "exists", target: "x" },
    { code: "conflict", what: "x" },
    { code: "policy_invalid", kind: "language", problems: [{ message: "wrong", line: 1, column: 2 }] },
    { code: "unsupported", what: "x" },
    { code: "too_large", what: "x" },
    { code: "throttled", retryAfterSeconds: 3 },
    { code: "read_only" },
    { code: "upstream_unavailable", upstream: "x" },
    { code: "storage_full" },
    { code: "sealed", reason: "seal_key_missing" },
    { code: "integrity", what: "x" },
    { code: "stale" },
    { code: "not_replicated" },
    { code: "internal", what: "x" },
  ];
  for (const failure of failures) {
    test(`have a sentence for ${failure.code}`, () => {
      const { code, message } = adminFailure({ ...failure, decision: "d-1" });
      expect(code).toBe(failure.code);
      expect(message.length).toBeGreaterThan(5);
      expect(message).not.toMatch(/undefined|\[object/u);
    });
  }

  test("name the reason, the decision and every problem", () => {
    expect(adminFailure({ code: "forbidden", because: "privilege_missing", decision: "d-1" })).toEqual({
      code: "forbidden",
      message: "not allowed (privilege_missing)",
      decision: "d-1",
    });
    expect(adminFailure({ code: "policy_invalid", kind: "language", problems: [{ message: "wrong", line: 1 }] }).problems).toEqual([
      { message: "wrong", line: 1 },
    ]);
  });
});
