/** Requests that nobody sends on purpose, by seeded chance, over the whole core: every one gets an answer of the protocol, and none is a defect. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { versionTwo } from "../../../../src/fronts/conjur/access";
import { createTown } from "./town";

const oddities = ["", "..", "%", "%2F", "%00", "a:b", "acme:policy:vault", "__proto__", "\u202e", "vault//deep", "x/members/user/y", "\0"];
const word = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc.constantFrom(...oddities, "vault/deep", "root", "/", "2030-01-01"),
);
const part = word.map(encodeURIComponent);
const path = fc.oneof(
  part.map((each) => `/branches/${each}`),
  part.map((each) => `/branches/acme/${each}`),
  part.map((each) => `/branches/acme?limit=${each}&offset=${each}`),
  part.map((each) => `/groups/acme/${each}/members`),
  fc.tuple(part, part).map(([group, member]) => `/groups/acme/${group}/members/user/${member}`),
  fc.constantFrom("/branches/acme", "/host_factory_tokens", "/host_factories/hosts"),
  part.map((each) => `/host_factory_tokens/${each}`),
  part.map((each) => `/public_keys/acme/user/${each}`),
  part.map((each) => `/authn/acme/api_key?role=${each}`),
  part.map((each) => `/roles/acme/group/${each}?graph`),
  part.map((each) => `/roles/acme/group/vault%2Fstaff?members&member=${each}`),
  part.map((each) => `/resources?owner=${each}&count=${each}&search=${each}`),
);
const text = (value: unknown): string => JSON.stringify(value);
const body = fc.oneof(
  fc.json(),
  word,
  fc.record({ name: word, branch: word, owner: fc.record({ kind: word, id: word }), annotations: fc.dictionary(word, word) }).map(text),
  fc.record({ kind: fc.constantFrom("user", "host", "group"), id: word }).map(text),
  fc
    .record({ host_factory: fc.constant("acme:host_factory:vault/births"), expiration: word, count: fc.jsonValue(), cidr: fc.jsonValue() })
    .map(text),
  fc
    .array(fc.tuple(fc.constantFrom("host_factory", "expiration", "count", "cidr[]", "id", "annotations[a]", "annotations[]"), part))
    .map((members) => members.map(([name, value]) => `${name}=${value}`).join("&")),
);
const method = fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE");
const type = fc.constantFrom("application/json", "application/x-www-form-urlencoded", "text/plain");
const who = fc.constantFrom("viewer", "keeper", "stranger");

describe("a request by chance", () => {
  test("is answered, and is never a defect", async () => {
    const town = await createTown();
    const request = fc.record({ method, path, body, type, who, accept: fc.constantFrom(versionTwo, "*/*") });
    await fc.assert(
      fc.asyncProperty(request, async (asked) => {
        const headers = { "content-type": asked.type, accept: asked.accept };
        const isBare = asked.method === "GET" || asked.method === "HEAD";
        const { status } = await town.ask({
          ask: `${asked.method} ${asked.path}`,
          as: asked.who,
          headers,
          ...(isBare ? {} : { body: asked.body }),
        });
        expect(status).toBeLessThan(500);
      }),
      { seed: 11, numRuns: 2000 },
    );
  });
});
