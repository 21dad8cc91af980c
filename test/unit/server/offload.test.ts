import { afterAll, describe, expect, test } from "bun:test";
import { createSessionSigner, exportPkcs8, generateRsa } from "../../../src/crypto/signing";
import { failureOf } from "../../../src/model/failures";
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

  test("refuse a job of another shape", async () => {
    const failure = await offload.run("sign_rs256", { privateKey: "text" }).then(() => undefined, failureOf);
    expect(failure).toEqual({ code: "internal", what: "input of sign_rs256" });
  });
});
