import { afterAll, describe, expect, test } from "bun:test";
import { createSessionSigner, exportPkcs8, generateRsa } from "../../../src/crypto/signing";
import { failureOf } from "../../../src/model/failures";
import { makeId, parseAccount } from "../../../src/model/ids";
import { createOffload } from "../../../src/server/offload";

const offload = createOffload({ count: 1 });

afterAll(() => offload.close());

describe("the worker threads of a server", () => {
  test("sign sessions with RS256", async () => {
    const signer = createSessionSigner({ algorithm: "RS256", privateKey: exportPkcs8(await generateRsa()), offload });
    const data = Buffer.from("header.payload");
    const signature = await signer.sign(data);
    expect(signer.verify(data, signature)).toBe(true);
    expect(signer.verify(Buffer.from("header.other"), signature)).toBe(false);
  });

  test("plan a policy load, problems with their lines", async () => {
    const account = parseAccount("acme");
    const policy = makeId(account, "policy", "root");
    const text = Buffer.from("- !policy\n  id: apps\n- !no-such-kind\n");
    const outcome = await offload.run("plan_policy", {
      account,
      policy,
      mode: "update",
      version: 2,
      now: 0,
      text,
      authenticators: [],
      facts: [],
    });
    expect(outcome).toMatchObject({ ok: false, kind: "language", problems: [{ line: 3 }] });
  });

  test("refuse a job of another shape", async () => {
    const failure = await offload.run("sign_rs256", { privateKey: "text" }).then(() => undefined, failureOf);
    expect(failure).toEqual({ code: "internal", what: "input of sign_rs256" });
  });
});
