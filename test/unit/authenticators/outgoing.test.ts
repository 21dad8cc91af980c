import { describe, expect, test } from "bun:test";
import { createOutgoing } from "../../../src/authenticators/outgoing";
import { createCheckList } from "../../../src/model/failures";
import type { HttpAnswer } from "../../../src/model/ports";
import { failureFrom } from "../../contract/authenticator";
import { createFakeWeb } from "../../support/fake-issuer";

const limits = { maxBytes: 10, timeoutMs: 10, connectTimeoutMs: 10 };
const url = "https://idp.example/token?code=canary";

describe("requests that logins make", () => {
  test("are bounded in number; one that is answered makes room for another", async () => {
    const waiting: ((answer: HttpAnswer) => void)[] = [];
    const send = () => new Promise<HttpAnswer>((answer) => void waiting.push(answer));
    const outgoing = createOutgoing({ ...createFakeWeb(), send }, 2);
    const ask = () => outgoing.send({ url }, limits, "code_exchange", createCheckList());
    const [first, second] = [ask(), ask()];
    expect(await failureFrom(ask)).toMatchObject({ code: "upstream_unavailable", because: "overloaded", overloaded: true });
    expect(waiting).toHaveLength(2);
    waiting[0]?.({ status: 200, headers: {}, body: new Uint8Array() });
    expect((await first).status).toBe(200);
    const third = ask();
    expect(waiting).toHaveLength(3);
    for (const answer of waiting) answer({ status: 204, headers: {}, body: new Uint8Array() });
    expect((await Promise.all([second, third])).map(({ status }) => status)).toEqual([204, 204]);
  });

  test("that fail name the check and the host, never the address, and make room too", async () => {
    const outgoing = createOutgoing(createFakeWeb(), 1);
    const checks = createCheckList();
    checks.pass("first");
    for (let round = 0; round < 3; round += 1) {
      const failure = await failureFrom(() => outgoing.send({ url }, limits, "code_exchange", checks));
      expect(failure).toMatchObject({
        code: "upstream_unavailable",
        because: "connect",
        checks: [
          { check: "first", ok: true },
          { check: "code_exchange", ok: false, detail: "idp.example: connect" },
        ],
      });
      expect(JSON.stringify(failure)).not.toContain("canary");
    }
  });
});
