import { describe, expect, test } from "bun:test";
import { createAzureAuthenticator } from "../../../../src/authenticators/azure/azure";
import { createVerifiedTokens, type VerifiedToken } from "../../../../src/authenticators/azure/verified-tokens";
import { failureFrom } from "../../../contract/authenticator";
import { createFakeEntra, jwkOf, noon, otherTenant, signingKey, signToken, tenant, tokenOf, v1Claims } from "../../../support/fake-issuer";

const token: VerifiedToken = { keyId: "key-a", material: "n.e", claims: {}, expiresAt: noon };

describe("verified tokens", () => {
  test("are remembered until they expire", () => {
    const tokens = createVerifiedTokens(10);
    expect(tokens.recall("a", noon - 1)).toBeUndefined();
    tokens.remember("a", token);
    expect(tokens.recall("a", noon - 1)).toBe(token);
    expect(tokens.recall("a", noon)).toBeUndefined();
    expect(tokens.recall("a", noon - 1)).toBeUndefined();
  });

  test("make room for each other, the oldest first", () => {
    const tokens = createVerifiedTokens(2);
    for (const key of ["a", "b", "b", "c"]) tokens.remember(key, token);
    expect(["a", "b", "c"].map((key) => tokens.recall(key, 0) !== undefined)).toEqual([false, true, true]);
  });
});

describe("a token that was verified before", () => {
  const settings = { "provider-uri": `https://sts.windows.net/${tenant}/` };
  const good = tokenOf(signToken(v1Claims()));

  async function loggedIn() {
    const entra = createFakeEntra();
    const azure = createAzureAuthenticator({ issuers: entra.issuers, logger: entra.log });
    await azure.verify(good, settings, noon);
    return { ...entra, azure };
  }

  test("is recognised, and proves the same", async () => {
    const { azure } = await loggedIn();
    const again = await azure.verify(good, settings, noon);
    expect(again.checks.map((check) => check.check)).toContain("token_known");
    expect(again.attributes["resource-group"]).toBe("rg-app");
  });

  test("is recognised by its exact text alone", async () => {
    const { azure } = await loggedIn();
    const text = Buffer.from(good.value.reveal()).toString();
    for (const spelled of [`${text}=`, `${text} `, text.replace(/\.[^.]*$/, ".AAAA"), text.replace(/^[^.]*\./, ".")]) {
      expect(await failureFrom(() => azure.verify(tokenOf(spelled), settings, noon))).toMatchObject({ code: "unauthenticated" });
    }
  });

  test("expires all the same", async () => {
    const { azure } = await loggedIn();
    const failure = await failureFrom(() => azure.verify(good, settings, noon + 86_400_000));
    expect(failure).toMatchObject({ code: "unauthenticated", reason: "expired" });
  });

  test("is judged by the audience that is set now", async () => {
    const { azure } = await loggedIn();
    const failure = await failureFrom(() => azure.verify(good, { ...settings, audience: "api://postern" }, noon));
    expect(failure).toMatchObject({ because: "audience" });
  });

  test("counts for nothing under another provider-uri", async () => {
    const { azure, web } = await loggedIn();
    const document = `https://sts.windows.net/${otherTenant}/.well-known/openid-configuration`;
    web.pages.set(document, {
      issuer: `https://sts.windows.net/${otherTenant}/`,
      jwks_uri: "https://login.windows.net/common/discovery/keys",
    });
    const elsewhere = { "provider-uri": `https://sts.windows.net/${otherTenant}/` };
    expect(await failureFrom(() => azure.verify(good, elsewhere, noon))).toMatchObject({ because: "issuer" });
  });

  test("is refused once its key is gone, or is another key of the same name", async () => {
    for (const replacement of [jwkOf(signingKey(1)), jwkOf(signingKey(1), { kid: "key-a" })]) {
      const { azure, clock, publish } = await loggedIn();
      publish(replacement);
      clock.advance(2 * 3_600_000);
      await azure.verify(good, settings, noon);
      await new Promise((resolve) => setImmediate(resolve));
      const failure = await failureFrom(() => azure.verify(good, settings, noon));
      expect(failure.because).toBe(replacement.kid === "key-a" ? "signature" : "signing_key");
    }
  });

  test("is not remembered when anything about it was wrong", async () => {
    const { azure } = await loggedIn();
    const wrong = tokenOf(signToken(v1Claims({ aud: "https://graph.microsoft.com" })));
    await failureFrom(() => azure.verify(wrong, settings, noon));
    const again = await failureFrom(() => azure.verify(wrong, settings, noon));
    expect(again.checks?.map((check) => check.check)).not.toContain("token_known");
  });
});
