import { describe, expect, test } from "bun:test";
import { type IssuerSource, trustedIssuer } from "../../../src/authenticators/issuer";
import { createCheckList, PosternError } from "../../../src/model/failures";
import { failureFrom } from "../../contract/authenticator";
import { createFakeEntra, jwkOf, signingKey, tenant, v1Document, v1Keys } from "../../support/fake-issuer";

const source: IssuerSource = {
  documentUrl: v1Document,
  publicHosts: ["sts.windows.net", "login.windows.net"],
  keyHosts: ["sts.windows.net", "login.windows.net"],
  accepts: (issuer) => issuer === `https://sts.windows.net/${tenant}/`,
};
const minute = 60_000;
const hour = 60 * minute;
const [a, b, c] = [jwkOf(signingKey(0)), jwkOf(signingKey(1)), jwkOf(signingKey(2))];
const unreachable = () => {
  throw new PosternError({ code: "upstream_unavailable", upstream: "https://login.windows.net", because: "timeout" });
};
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("an issuer", () => {
  test("is asked when first needed and not again within the hour", async () => {
    const { issuers, web, clock } = createFakeEntra();
    expect(web.requests).toEqual([]);
    const trusted = await issuers.trusted(source, "key-a");
    expect([trusted.issuer, [...trusted.keys.keys()]]).toEqual([`https://sts.windows.net/${tenant}/`, ["key-a", "key-b"]]);
    clock.advance(53 * minute);
    await issuers.trusted(source, "key-b");
    await issuers.trusted(source);
    expect(web.requests).toEqual([v1Document, v1Keys]);
  });

  test("is asked again about hourly, without making anybody wait", async () => {
    const { issuers, web, clock, publish } = createFakeEntra();
    await issuers.trusted(source);
    publish(c);
    clock.advance(hour + minute);
    const stillOld = await issuers.trusted(source, "key-a");
    expect(stillOld.keys.has("key-c")).toBe(false);
    await settled();
    expect((await issuers.trusted(source, "key-c")).keys.has("key-a")).toBe(false);
    expect(web.requestsFor(v1Keys)).toBe(2);
  });

  test("is asked once, however many wait for it", async () => {
    const { issuers, web } = createFakeEntra();
    const answers = await Promise.all(Array.from({ length: 200 }, () => issuers.trusted(source, "key-a")));
    expect(new Set(answers).size).toBe(1);
    expect(web.requestsFor(v1Document)).toBe(1);
  });

  test("lets a bounded number wait for it, and the rest know", async () => {
    const { issuers, web } = createFakeEntra({ maxWaiters: 3 });
    const gate = Promise.withResolvers<unknown>();
    web.pages.set(v1Document, () => gate.promise);
    const waiting = Array.from({ length: 3 }, () => issuers.trusted(source));
    expect(await failureFrom(() => issuers.trusted(source))).toMatchObject({
      code: "upstream_unavailable",
      because: "overloaded",
      overloaded: true,
    });
    gate.resolve({ issuer: `https://sts.windows.net/${tenant}/`, jwks_uri: v1Keys });
    expect(await Promise.all(waiting)).toHaveLength(3);
    expect(await issuers.trusted(source)).toBeDefined();
  });

  test("answers with what it has when too many wait for an unknown key id", async () => {
    const { issuers, web } = createFakeEntra({ maxWaiters: 1 });
    await issuers.trusted(source);
    web.pages.set(v1Document, () => new Promise(() => undefined));
    void issuers.trusted(source, "forged-1");
    expect((await issuers.trusted(source, "forged-2")).keys.has("key-a")).toBe(true);
  });

  test("found elsewhere is another issuer, at once", async () => {
    const { issuers, web } = createFakeEntra();
    await issuers.trusted(source);
    const moved = { ...source, documentUrl: "https://sts.windows.net/moved/.well-known/openid-configuration" };
    expect(await failureFrom(() => issuers.trusted(moved))).toMatchObject({ because: "connect" });
    web.pages.set(moved.documentUrl, { issuer: `https://sts.windows.net/${tenant}/`, jwks_uri: v1Keys });
    expect((await issuers.trusted(moved)).keys.size).toBe(2);
  });
});

describe("a rotated key", () => {
  test("is accepted on the first token that names it", async () => {
    const { issuers, web, publish } = createFakeEntra();
    await issuers.trusted(source, "key-a");
    publish(b, c);
    const trusted = await issuers.trusted(source, "key-c");
    expect([...trusted.keys.keys()]).toEqual(["key-b", "key-c"]);
    expect(web.requestsFor(v1Keys)).toBe(2);
  });

  test("costs one fetch for all who name it at the same time", async () => {
    const { issuers, web, publish } = createFakeEntra();
    await issuers.trusted(source, "key-a");
    publish(c);
    const answers = await Promise.all(Array.from({ length: 50 }, () => issuers.trusted(source, "key-c")));
    expect(answers.every((trusted) => trusted.keys.has("key-c"))).toBe(true);
    expect(web.requestsFor(v1Keys)).toBe(2);
  });

  test("takes the old one's trust away with the next set", async () => {
    const { issuers, publish } = createFakeEntra();
    await issuers.trusted(source, "key-a");
    publish(c);
    await issuers.trusted(source, "key-c");
    expect((await issuers.trusted(source, "key-a")).keys.has("key-a")).toBe(false);
  });
});

describe("key ids that do not exist", () => {
  test("cause two fetches a minute at most, however many there are", async () => {
    const { issuers, web, clock } = createFakeEntra();
    let at = 0;
    const minutes = 30;
    for (let second = 0; second < minutes * 60; second += 1) {
      for (let more = 0; more < 3; more += 1) await issuers.trusted(source, `forged-${at++}`);
      clock.advance(1000);
    }
    expect(web.requestsFor(v1Keys)).toBeGreaterThan(minutes);
    expect(web.requestsFor(v1Keys)).toBeLessThanOrEqual(2 * minutes);
  });

  test("in any one minute, the first included, cause no more than two", async () => {
    const { issuers, web, clock } = createFakeEntra();
    for (let second = 0; second < 60; second += 1) {
      await issuers.trusted(source, `forged-${second}`);
      clock.advance(999);
    }
    expect(web.requestsFor(v1Document)).toBeLessThanOrEqual(2);
  });

  test("are looked for half a minute apart", async () => {
    const { issuers, web, clock, publish } = createFakeEntra();
    await issuers.trusted(source);
    clock.advance(2 * minute);
    await issuers.trusted(source, "forged-1");
    publish(c);
    clock.advance(29_000);
    expect((await issuers.trusted(source, "key-c")).keys.has("key-c")).toBe(false);
    clock.advance(1000);
    expect((await issuers.trusted(source, "key-c")).keys.has("key-c")).toBe(true);
    expect(web.requestsFor(v1Keys)).toBe(3);
  });

  test("are not looked for twice within a minute", async () => {
    const { issuers, web, clock } = createFakeEntra();
    await issuers.trusted(source);
    clock.advance(2 * minute);
    await issuers.trusted(source, "forged");
    clock.advance(59_000);
    await issuers.trusted(source, "forged");
    expect(web.requestsFor(v1Keys)).toBe(2);
    clock.advance(1000);
    await issuers.trusted(source, "forged");
    expect(web.requestsFor(v1Keys)).toBe(3);
  });

  test("do not take the good keys away, nor make their owners wait", async () => {
    const { issuers, web } = createFakeEntra();
    await issuers.trusted(source);
    web.pages.set(v1Document, () => new Promise(() => undefined));
    void issuers.trusted(source, "forged");
    expect((await issuers.trusted(source, "key-a")).keys.has("key-a")).toBe(true);
  });
});

describe("an issuer that fails", () => {
  test("says why, and is asked twice a minute at most", async () => {
    const { issuers, web, clock, log } = createFakeEntra();
    web.pages.set(v1Document, unreachable);
    for (let at = 0; at < 10; at += 1) expect(await failureFrom(() => issuers.trusted(source))).toMatchObject({ because: "timeout" });
    expect(web.requestsFor(v1Document)).toBe(2);
    clock.advance(minute);
    await failureFrom(() => issuers.trusted(source));
    expect(web.requestsFor(v1Document)).toBe(3);
    expect(log.lines[0]).toEqual({
      level: "warn",
      event: "issuer_refresh_failed",
      fields: { document: v1Document, because: "timeout" },
    });
  });

  test("is believed again as soon as it answers the second try", async () => {
    const { issuers, web } = createFakeEntra();
    const document = web.pages.get(v1Document);
    web.pages.set(v1Document, unreachable);
    await failureFrom(() => issuers.trusted(source));
    web.pages.set(v1Document, document);
    expect((await issuers.trusted(source, "key-a")).keys.has("key-a")).toBe(true);
  });

  test("leaves its last good keys in force for a day and no longer", async () => {
    const { issuers, web, clock } = createFakeEntra();
    await issuers.trusted(source);
    const document = web.pages.get(v1Document);
    web.pages.set(v1Document, unreachable);
    for (let hours = 0; hours < 24; hours += 1) {
      clock.advance(hour);
      expect((await issuers.trusted(source, "key-a")).keys.has("key-a")).toBe(true);
      await settled();
    }
    clock.advance(minute);
    const failure = await failureFrom(() => issuers.trusted(source, "key-a"));
    expect(failure).toMatchObject({ code: "upstream_unavailable", because: "keys_too_old", upstream: "https://sts.windows.net" });
    const asCheck = await failureFrom(() => trustedIssuer(issuers, source, "key-a", createCheckList()));
    expect(asCheck.checks).toEqual([{ check: "issuer_keys", ok: false, detail: `${v1Document}: keys_too_old, timeout` }]);
    web.pages.set(v1Document, document);
    clock.advance(minute);
    expect((await issuers.trusted(source, "key-a")).keys.has("key-a")).toBe(true);
  });

  test("does not end the process when nobody waits for it", async () => {
    const { issuers, web, clock } = createFakeEntra();
    await issuers.trusted(source);
    web.pages.set(v1Keys, () => Promise.reject(new TypeError("a defect")));
    clock.advance(2 * hour);
    expect(await issuers.trusted(source)).toBeDefined();
    await settled();
    expect(await issuers.trusted(source)).toBeDefined();
  });

  test("is not emptied by a set without a usable key", async () => {
    const { issuers, clock, publish } = createFakeEntra();
    await issuers.trusted(source);
    publish({ ...a, use: "enc" });
    clock.advance(2 * hour);
    await issuers.trusted(source, "forged");
    expect((await issuers.trusted(source, "key-a")).keys.has("key-a")).toBe(true);
  });
});

describe("a discovery document", () => {
  const because = async (document: unknown, keys?: unknown) => {
    const { issuers, web } = createFakeEntra();
    web.pages.set(v1Document, document);
    if (keys !== undefined) web.pages.set(v1Keys, keys);
    const failure = await failureFrom(() => issuers.trusted(source));
    expect(failure).toMatchObject({ code: "upstream_unavailable", upstream: "https://sts.windows.net" });
    return [failure.because, web.requests.length];
  };
  const issuer = `https://sts.windows.net/${tenant}/`;

  test("names an issuer that may be believed", async () => {
    for (const named of [undefined, 7, "", "https://evil.example/", "https://sts.windows.net/{tenantid}/", `${issuer}x`]) {
      expect(await because({ issuer: named, jwks_uri: v1Keys })).toEqual(["issuer_document", 1]);
    }
    for (const document of [null, [], "x", { issuer }]) expect(await because(document)).toEqual(["issuer_document", 1]);
  });

  test("says that its keys are on a host of the issuer's, or nothing more is fetched", async () => {
    for (const keysUrl of [
      "https://evil.example/keys",
      "https://login.windows.net.evil.example/keys",
      "https://evil.example/https://login.windows.net/",
      "https://login.windows.net@evil.example/keys",
      "file:///etc/passwd",
      "keys",
      "",
    ]) {
      expect(await because({ issuer, jwks_uri: keysUrl })).toEqual(["key_host", 1]);
    }
  });

  test("leads to a key set that can be used", async () => {
    for (const keys of ["x", {}, { keys: "x" }, { keys: Array.from({ length: 1001 }, () => a) }]) {
      expect(await because({ issuer, jwks_uri: v1Keys }, keys)).toEqual(["key_document", 2]);
    }
    expect(await because({ issuer, jwks_uri: v1Keys }, { keys: [] })).toEqual(["no_usable_keys", 2]);
  });
});
