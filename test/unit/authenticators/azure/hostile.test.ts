/** Tokens broken at random, from a fixed seed: whatever they are, the answer is the same refusal and never a defect. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createAzureAuthenticator } from "../../../../src/authenticators/azure/azure";
import { failureOf, PosternError } from "../../../../src/model/failures";
import { SecretBytes } from "../../../../src/model/secret-bytes";
import { createFakeEntra, noon, part, signToken, tenant, v1Claims } from "../../../support/fake-issuer";

const settings = { "provider-uri": `https://sts.windows.net/${tenant}/` };
const { issuers, log } = createFakeEntra();
const azure = createAzureAuthenticator({ issuers, logger: log });

/** `proven`, or the failure's code; a thrown thing that is not Postern's own is a defect and ends the test. */
async function outcome(bytes: Uint8Array): Promise<string> {
  try {
    await azure.verify({ kind: "token", value: new SecretBytes(bytes) }, settings, noon);
    return "proven";
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    return failureOf(error).code;
  }
}

const ofText = (text: string) => outcome(Buffer.from(text));

describe("a hostile token", () => {
  test("with bytes changed, cut, doubled or moved is refused", async () => {
    const good = Buffer.from(signToken(v1Claims()));
    const mutation = fc.record({ at: fc.nat(good.length - 1), byte: fc.nat(255), length: fc.nat(40), kind: fc.nat(3) });
    const check = fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
      let bytes = good;
      for (const { at, byte, length, kind } of mutations) {
        const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + length)];
        const middle = [
          Buffer.of(byte),
          Buffer.alloc(0),
          bytes.subarray(at, at + length * 2),
          Buffer.from(bytes.subarray(at, at + length)).reverse(),
        ];
        bytes = Buffer.concat([before, middle[kind] ?? Buffer.alloc(0), after]);
      }
      if (!bytes.equals(good)) expect(await outcome(bytes)).toBe("unauthenticated");
    });
    await fc.assert(check, { seed: 11, numRuns: 3000 });
  });

  test("signed by the issuer with any claims replaced by anything is refused or proves its own resource", async () => {
    const names = Object.keys(v1Claims());
    const check = fc.asyncProperty(
      fc.dictionary(fc.constantFrom(...names, "scp", "idtyp", "xms_az_rid", "__proto__"), fc.jsonValue()),
      async (changed) => {
        const outcomeOfIt = await ofText(signToken(v1Claims(changed)));
        expect(["proven", "unauthenticated"]).toContain(outcomeOfIt);
        const touchesProof = ["aud", "iss", "tid", "oid", "sub", "ver", "exp", "nbf", "xms_mirid"].some((name) =>
          Object.hasOwn(changed, name),
        );
        if (touchesProof) expect(outcomeOfIt).toBe("unauthenticated");
      },
    );
    await fc.assert(check, { seed: 12, numRuns: 200 });
  });

  test("with any header is refused", async () => {
    const [, payload, signature] = signToken(v1Claims()).split(".");
    const check = fc.asyncProperty(fc.oneof(fc.jsonValue(), fc.string()), async (header) => {
      expect(await ofText(`${part(typeof header === "string" ? header : JSON.stringify(header))}.${payload}.${signature}`)).toBe(
        "unauthenticated",
      );
    });
    await fc.assert(check, { seed: 13, numRuns: 500 });
  });

  test("made of random text or bytes is refused", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 300, unit: "binary" }), async (text) => expect(await ofText(text)).toBe("unauthenticated")),
      { seed: 14, numRuns: 500 },
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => expect(await outcome(bytes)).toBe("unauthenticated")),
      { seed: 15, numRuns: 500 },
    );
  });

  test("that is encrypted, compressed or nested is refused at once", async () => {
    const [h = "", p = "", s = ""] = signToken(v1Claims()).split(".");
    const jwe = part({ alg: "PBES2-HS256+A128KW", enc: "A128GCM", p2c: 2_147_483_647, p2s: "AA", zip: "DEF" });
    const began = performance.now();
    for (const text of [
      `${jwe}.AA.AA.AA.AA`,
      `${jwe}.${p}.${s}`,
      `${h}.${part(`${h}.${p}.${s}`)}.${s}`,
      `{"payload":"${p}","signatures":[]}`,
    ]) {
      expect(await ofText(text)).toBe("unauthenticated");
    }
    for (const text of [
      ".".repeat(16_384),
      ".".repeat(2_000_000),
      `${h}.${"[".repeat(15_000)}.${s}`,
      `${h}.${part("[".repeat(10_000))}.${s}`,
      "a".repeat(5_000_000),
    ]) {
      expect(await ofText(text)).toBe("unauthenticated");
    }
    expect(performance.now() - began).toBeLessThan(2000);
  });
});
