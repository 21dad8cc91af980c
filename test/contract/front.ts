/** What every front must do, whatever protocol it speaks. */

import { describe, expect, test } from "bun:test";
import type { Front } from "../../src/fronts/front";
import type { Failure, FailureCode } from "../../src/model/failures";
import { ask } from "../fronts/ask";
import { createFakeBroker } from "../fronts/fake-broker";

const canary = "canary-7f3a";

/** Each failure there is, with a canary where only the audit may look. */
export const everyFailure: { readonly [C in FailureCode]: Extract<Failure, { readonly code: C }> } = {
  malformed: { code: "malformed", where: "name", expected: "a name", because: canary },
  unauthenticated: { code: "unauthenticated", because: canary },
  forbidden: { code: "forbidden", because: canary },
  not_found: { code: "not_found", target: "acme:variable:x", because: canary },
  exists: { code: "exists", target: "acme:variable:x", because: canary },
  conflict: { code: "conflict", what: "another change", because: canary },
  policy_invalid: { code: "policy_invalid", kind: "language", problems: [{ message: "no", line: 1, column: 2 }], because: canary },
  unsupported: { code: "unsupported", what: "this", because: canary },
  too_large: { code: "too_large", what: "body", because: canary },
  throttled: { code: "throttled", retryAfterSeconds: 0.2, because: canary },
  read_only: { code: "read_only", because: canary },
  upstream_unavailable: { code: "upstream_unavailable", upstream: canary },
  storage_full: { code: "storage_full", because: canary },
  sealed: { code: "sealed", reason: canary },
  integrity: { code: "integrity", what: canary },
  stale: { code: "stale", because: canary },
  not_replicated: { code: "not_replicated", because: canary },
  internal: { code: "internal", what: canary },
};

export function frontContract(front: Front): void {
  describe(`${front.name} as a front`, () => {
    const served = front.serve(createFakeBroker());
    const reading = front.reads(createFakeBroker());

    test.each(Object.values(everyFailure))(
      "refuses with a status of its own for $code, and shows nothing that is for the audit",
      async (failure) => {
        const response = served.refuse(failure);
        expect(response.status).toBeGreaterThanOrEqual(400);
        expect(response.status).toBeLessThan(600);
        const text = await response.text();
        expect(text).not.toContain(canary);
        expect(JSON.stringify([...response.headers])).not.toContain(canary);
        expect(Number(response.headers.get("content-length"))).toBe(Buffer.byteLength(text));
      },
    );

    test("tells when to come back, in whole seconds", () => {
      expect(served.refuse(everyFailure.throttled).headers.get("retry-after")).toBe("1");
    });

    for (const [part, app] of [
      ["everything", served],
      ["its reads", reading],
    ] as const) {
      test.each([
        "GET /",
        "GET /no/such/path",
        "POST /v1/no/such",
        "DELETE /secrets/x",
        "PUT /%00",
        "OPTIONS /",
        "GET /a%2f..%2fb",
        "GET /%ff",
        "GET /secrets/%zz?a=%",
      ])(`of ${part} answers %p in its own shape, kept by no cache`, async (question) => {
        const answer = await ask(app, { ask: question, headers: { origin: "https://evil.example" } });
        expect(answer.status).toBeLessThan(500);
        expect(answer.headers.get("cache-control")).toBe("no-store");
        expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
        for (const name of ["access-control-allow-origin", "set-cookie", "location", "server", "x-powered-by"])
          expect(answer.headers.has(name)).toBe(false);
      });

      test(`of ${part} answers HEAD without a body, and with the length that GET would have`, async () => {
        const get = await ask(app, { ask: "GET /no/such/path" });
        const head = await ask(app, { ask: "HEAD /no/such/path" });
        expect(head.bytes.byteLength).toBe(0);
        expect([head.status, head.headers.get("content-length")]).toEqual([get.status, get.headers.get("content-length")]);
      });

      test(`of ${part} names itself, for metrics and for the choice of a dialect`, () => {
        expect(app.name).toBe(front.name);
      });
    }
  });
}
