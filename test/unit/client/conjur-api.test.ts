import { describe, expect, test } from "bun:test";
import { createConjurApi } from "../../../src/client/conjur-api";
import type { HttpAnswer, HttpClient, HttpRequest } from "../../../src/model/ports";
import { SecretBytes } from "../../../src/model/secret-bytes";

const answerOf = (status: number, body: unknown = ""): HttpAnswer => ({
  status,
  headers: {},
  body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
});

/** A server that answers by path and query; logins are counted and always succeed. */
function serve(answer: (path: string, logins: number) => HttpAnswer) {
  const asked: string[] = [];
  let logins = 0;
  const http: HttpClient = {
    getJson: async () => undefined,
    async send({ url, headers }: HttpRequest) {
      const path = url.slice("https://old.example".length);
      if (path.endsWith("/authenticate")) {
        logins += 1;
        return answerOf(200, `session ${logins}`);
      }
      expect(headers?.authorization).toBe(`Token token="${btoa(`session ${logins}`)}"`);
      asked.push(path);
      return answer(path, logins);
    },
  };
  const apiKey = SecretBytes.ofText("the key");
  const api = createConjurApi({
    http,
    clock: { monotonicMs: () => 0 },
    url: "https://old.example/",
    account: "old",
    login: "admin",
    apiKey,
  });
  return { api, asked, logins: () => logins };
}

const made = "2024-01-02T03:04:05.000+00:00";
const records = (count: number, from: number) =>
  Array.from({ length: count }, (_, index) => ({ id: `old:group:g${from + index}`, owner: "old:policy:root", created_at: made }));

async function idsOf(pages: AsyncIterable<readonly { readonly id: string }[]>): Promise<readonly string[]> {
  const ids: string[] = [];
  for await (const page of pages) ids.push(...page.map(({ id }) => id));
  return ids;
}

describe("another Conjur", () => {
  test("is read to its end in pages, also where it gives fewer than were asked for", async () => {
    const { api, asked } = serve((path) => {
      const offset = Number(/offset=(\d+)/u.exec(path)?.[1]);
      return answerOf(200, records(Math.max(0, Math.min(400, 1000 - offset)), offset));
    });
    expect(new Set(await idsOf(api.resources())).size).toBe(1000);
    expect(asked).toHaveLength(4);
  });

  test("is asked for smaller pages where it takes no large ones", async () => {
    const { api } = serve((path) => {
      const [, limit, offset] = /limit=(\d+)&offset=(\d+)/u.exec(path) ?? [];
      if (Number(limit) > 500) return answerOf(422, { error: { code: "unprocessable_entity" } });
      return answerOf(200, records(Math.max(0, Math.min(Number(limit), 250 - Number(offset))), Number(offset)));
    });
    expect(await idsOf(api.resources())).toHaveLength(250);
  });

  test("is given up when it gives the same page for ever", async () => {
    const { api } = serve(() => answerOf(200, records(3, 0)));
    await expect(idsOf(api.resources())).rejects.toMatchObject({ failure: { because: "the same page of records twice" } });
  });

  test("is logged in to again when a session ends early", async () => {
    const { api, logins } = serve((_path, count) => (count === 1 ? answerOf(401) : answerOf(200, { enabled: ["authn", "authn-jwt/ci"] })));
    expect(await api.enabledAuthenticators()).toEqual(["authn-jwt/ci"]);
    expect(logins()).toBe(2);
    await expect(serve(() => answerOf(401)).api.enabledAuthenticators()).rejects.toMatchObject({
      failure: { code: "upstream_unavailable", because: "/authenticators: status 401" },
    });
  });

  test("tells a value that is not there from one that may not be read, and keeps bytes that are no text", async () => {
    const { api } = serve((path) => {
      if (path.startsWith("/secrets?")) return answerOf(406);
      if (path.endsWith("/bytes")) return { ...answerOf(200), body: Uint8Array.of(0, 255, 10) };
      return answerOf(path.endsWith("/secret") ? 403 : 404);
    });
    const found = await api.values(["old:variable:bytes", "old:variable:secret", "old:variable:empty"]);
    const bytes = found.get("old:variable:bytes");
    expect(bytes instanceof SecretBytes ? [...bytes.reveal()] : bytes).toEqual([0, 255, 10]);
    expect(found.get("old:variable:secret")).toBe("unreadable");
    expect(found.has("old:variable:empty")).toBe(false);
  });

  test("is not believed a value of another form, and nothing of it is quoted", async () => {
    const { api } = serve(() => answerOf(200, { "old:variable:a": { canary: 1 } }));
    const failure = await api.values(["old:variable:a"]).catch((error: unknown) => error);
    expect(JSON.stringify(failure)).not.toContain("canary");
    expect(failure).toMatchObject({ failure: { code: "upstream_unavailable" } });
  });
});
