import { describe, expect, test } from "bun:test";
import { createIssuers, type IssuerSource } from "../../../src/authenticators/issuer";
import { createIssuerMemory } from "../../../src/authenticators/issuer-memory";
import { hmacOfParts } from "../../../src/crypto/digest";
import { createMemoryFiles } from "../../../src/runtime/files";
import {
  createFakeEntra,
  createFakeWeb,
  createLogKeeper,
  jwkOf,
  signingKey,
  steadyRandom,
  tenant,
  v1Document,
} from "../../support/fake-issuer";

const hour = 3_600_000;
const path = "/data/issuers.json";
const issuer = `https://sts.windows.net/${tenant}/`;
const source: IssuerSource = { documentUrl: v1Document, accepts: (name) => name === issuer };

/** A deployment whose processes share a disk and a key. `key` stands for the keyring's. */
function deployment(key = "a key") {
  const entra = createFakeEntra();
  const files = createMemoryFiles();
  const log = createLogKeeper();
  const memoryBy = (secret: string) =>
    createIssuerMemory({
      files,
      path,
      logger: log,
      keyring: {
        mac: (purpose, parts) => ({ epoch: 1, tag: hmacOfParts(Buffer.from(secret + purpose), parts) }),
        verifyMac: (purpose, parts, { tag }) => hmacOfParts(Buffer.from(secret + purpose), parts).equals(tag),
      },
    });
  const start = (http = entra.web, secret = key) =>
    createIssuers({ http, clock: entra.clock, random: steadyRandom, logger: log, memory: memoryBy(secret) });
  return { ...entra, files, log, start, cutOff: createFakeWeb() };
}

describe("what issuers said", () => {
  test("outlives a restart without the line, for a day from when it came", async () => {
    const { start, clock, cutOff } = deployment();
    await start().trusted(source);
    clock.advance(20 * hour);
    const trusted = await start(cutOff).trusted(source, "key-a");
    expect([trusted.issuer, trusted.keys.has("key-a")]).toEqual([issuer, true]);
    clock.advance(3 * hour);
    const running = start(cutOff);
    await running.trusted(source);
    clock.advance(hour + 1);
    await expect(running.trusted(source)).rejects.toThrow("keys_too_old");
    await expect(start(cutOff).trusted(source)).rejects.toThrow("keys_too_old");
  });

  test("is asked for anew at the first use after a restart, without making anybody wait", async () => {
    const { start, publish } = deployment();
    await start().trusted(source);
    publish(jwkOf(signingKey(2)));
    const second = start();
    expect((await second.trusted(source)).keys.has("key-a")).toBe(true);
    await new Promise((resolve) => setImmediate(resolve));
    const renewed = await second.trusted(source, "key-c");
    expect([renewed.keys.has("key-a"), renewed.keys.has("key-c")]).toEqual([false, true]);
  });

  test("is nothing when the file was changed by anybody without the key", async () => {
    const { start, files, cutOff, log } = deployment();
    await start().trusted(source);
    const text = Buffer.from(files.read(path) ?? []).toString();
    files.replace(path, Buffer.from(text.replaceAll("key-a", "key-x")));
    await expect(start(cutOff).trusted(source)).rejects.toThrow("connect");
    expect(log.lines).toContainEqual(expect.objectContaining({ event: "issuers_not_believed" }));
    files.replace(path, Buffer.from("{}"));
    await expect(start(cutOff).trusted(source)).rejects.toThrow("connect");
  });

  test("is nothing to another deployment's key", async () => {
    const { start, cutOff } = deployment();
    await start().trusted(source);
    await expect(start(cutOff, "another key").trusted(source)).rejects.toThrow("connect");
  });

  test("is nothing when the clock says that it comes from the future", async () => {
    const { start, clock, cutOff } = deployment();
    await start().trusted(source);
    clock.advance(-2 * hour);
    await expect(start(cutOff).trusted(source)).rejects.toThrow("connect");
  });

  test("is judged by the settings of now: an issuer that is not accepted any more is not recalled", async () => {
    const { start, cutOff } = deployment();
    await start().trusted(source);
    await expect(start(cutOff).trusted({ ...source, accepts: () => false })).rejects.toThrow("connect");
  });
});
