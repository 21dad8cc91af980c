/** What every authenticator must do, whatever it proves. */

import { describe, expect, test } from "bun:test";
import { type Failure, failureOf, PosternError } from "../../src/model/failures";
import type { Authenticator, AuthenticatorSettings, Credential } from "../../src/model/ports";
import { SecretBytes } from "../../src/model/secret-bytes";
import type { Instant } from "../../src/model/types";

export interface AuthenticatorUnderTest {
  readonly authenticator: Authenticator;
  readonly settings: AuthenticatorSettings;
  readonly good: Credential;
  /** Like `good`, but its time is over at `now`. */
  readonly expired: Credential;
  readonly now: Instant;
}

/** What `work` fails with; a work that succeeds, or throws something that is no failure of Postern's, fails the test. */
export async function failureFrom(work: () => Promise<unknown>): Promise<Failure> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(PosternError);
    return failureOf(error);
  }
  throw new Error("expected a refusal");
}

export function authenticatorContract(name: string, setUp: () => AuthenticatorUnderTest): void {
  describe(`${name} as an authenticator`, () => {
    test("is named for its webservice and its annotations", () => {
      expect(setUp().authenticator.type).toMatch(/^authn-[a-z0-9-]+$/);
    });

    test("names required settings first, each once", () => {
      const { settings } = setUp().authenticator;
      const required = settings.map((setting) => setting.required);
      expect(required).toEqual([...required].sort((a, b) => Number(b) - Number(a)));
      expect(new Set(settings.map((setting) => setting.name)).size).toBe(settings.length);
    });

    test("restricts on permitted attributes only", () => {
      const { restrictions } = setUp().authenticator;
      const named = [...restrictions.required, ...restrictions.exclusive.flat()];
      expect(named.filter((attribute) => !restrictions.permitted.includes(attribute))).toEqual([]);
    });

    test("proves permitted attributes, with every check passed", async () => {
      const { authenticator, good, settings, now } = setUp();
      const attestation = await authenticator.verify(good, settings, now);
      expect(attestation.subject).not.toBe("");
      expect(attestation.expiresAt).toBeGreaterThan(now);
      expect(Object.keys(attestation.attributes).filter((found) => !authenticator.restrictions.permitted.includes(found))).toEqual([]);
      expect(attestation.checks.length).toBeGreaterThan(0);
      expect(attestation.checks.filter((check) => !check.ok)).toEqual([]);
    });

    test("proves the same when asked again", async () => {
      const { authenticator, good, settings, now } = setUp();
      const first = await authenticator.verify(good, settings, now);
      const second = await authenticator.verify(good, settings, now);
      expect({ ...second, checks: [] }).toEqual({ ...first, checks: [] });
    });

    test("keeps the credential out of what it proves", async () => {
      const { authenticator, good, settings, now } = setUp();
      const attestation = await authenticator.verify(good, settings, now);
      expect(JSON.stringify(attestation)).not.toContain(Buffer.from(good.value.reveal()).toString());
    });

    test("says that an expired proof is expired, where the proof itself tells", async () => {
      const { authenticator, expired, settings, now } = setUp();
      const failure = await failureFrom(() => authenticator.verify(expired, settings, now));
      // Of a request that only its issuer can verify, nobody else knows that it was genuine.
      expect(failure).toMatchObject(
        expired.kind === "token" ? { code: "unauthenticated", reason: "expired" } : { code: "unauthenticated" },
      );
    });

    test("refuses the other kind of credential", async () => {
      const { authenticator, good, settings, now } = setUp();
      const other: Credential = { kind: good.kind === "token" ? "secret" : "token", value: good.value };
      expect(await failureFrom(() => authenticator.verify(other, settings, now))).toMatchObject({ code: "unauthenticated" });
    });

    test("refuses nonsense, naming the check and not the credential", async () => {
      const { authenticator, good, settings, now } = setUp();
      for (const text of ["", "hunter2-hunter2", "....", "\u0000\uffff", `${"x".repeat(40_000)}`]) {
        const credential: Credential = { ...good, value: SecretBytes.ofText(text) };
        const failure = await failureFrom(() => authenticator.verify(credential, settings, now));
        expect(failure).toMatchObject({ code: "unauthenticated", because: expect.stringMatching(/^[a-z_]+$/) });
        expect(failure.checks?.at(-1)).toMatchObject({ check: failure.because, ok: false });
        if (text.length > 4) expect(JSON.stringify(failure)).not.toContain(text);
      }
    });

    test("refuses everything, and says so, without a required setting", async () => {
      const { authenticator, good, settings, now } = setUp();
      for (const { name: missing } of authenticator.settings.filter((setting) => setting.required)) {
        const without = { ...settings, [missing]: undefined };
        expect(await failureFrom(() => authenticator.verify(good, without, now))).toMatchObject({ code: "unauthenticated" });
        expect(await failureFrom(() => authenticator.status(without, now))).toMatchObject({ code: "unauthenticated" });
      }
    });

    test("reports a working state", async () => {
      const { authenticator, settings, now } = setUp();
      expect(await authenticator.status(settings, now)).toBeUndefined();
    });
  });
}
