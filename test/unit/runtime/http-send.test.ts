import { afterAll, describe, expect, test } from "bun:test";
import { createAuthority } from "../../../src/crypto/certificate";
import type { HttpLimits, HttpRequest } from "../../../src/model/ports";
import { createHttpClient } from "../../../src/runtime/http-client";
import { failureFrom } from "../../contract/authenticator";
import { createLogKeeper, createTestClock } from "../../support/fake-issuer";

const limits: HttpLimits = { maxBytes: 1000, timeoutMs: 3000, connectTimeoutMs: 1000 };
const wallClock = Date.parse(new Date().toISOString());
const authority = createAuthority({ name: "Test authority", now: wallClock });
const stranger = createAuthority({ name: "Other authority", now: wallClock });
const { certificatePem: cert, privateKeyPem: key } = authority.issue({
  dnsNames: ["token.example"],
  ipAddresses: [],
  now: wallClock,
  days: 2,
});

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
const seen: Seen[] = [];

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  tls: { cert, key },
  async fetch(request) {
    const path = new URL(request.url).pathname;
    seen.push({ method: request.method, path, headers: request.headers.toJSON(), body: await request.text() });
    if (path === "/refused") return Response.json({ error: "invalid_grant" }, { status: 400, headers: { "X-Reason": "code" } });
    if (path === "/throttled") return new Response("slow down", { status: 429, headers: { "retry-after": "7" } });
    if (path === "/moved") return Response.redirect("/ok", 307);
    if (path === "/zipped") return new Response(Bun.gzipSync(Buffer.from("{}")), { headers: { "content-encoding": "gzip" } });
    if (path === "/long") return new Response("x".repeat(1001));
    if (path === "/silent") return await new Promise<Response>(() => undefined);
    return new Response("<ok/>", { headers: { "content-type": "text/xml" } });
  },
});
afterAll(() => server.stop(true));

const origin = `https://token.example:${server.port}`;
const client = createHttpClient({
  allowOutbound: [origin],
  extraRoots: [authority.certificatePem],
  clock: createTestClock(),
  logger: createLogKeeper(),
  resolve: async () => ["127.0.0.1"],
});
const send = (path: string, request: Partial<HttpRequest> = {}, changed: Partial<HttpLimits> = {}) =>
  client.send({ url: `${origin}${path}`, ...request }, { ...limits, ...changed });

async function refusal(path: string, request: Partial<HttpRequest> = {}, changed: Partial<HttpLimits> = {}): Promise<unknown> {
  const failure = await failureFrom(() => send(path, request, changed));
  expect(failure.code).toBe("upstream_unavailable");
  return failure.because;
}

describe("a request sent out", () => {
  test("carries a form, its headers and its method, and brings back whatever is answered", async () => {
    seen.length = 0;
    const answer = await send("/ok", {
      method: "POST",
      headers: { authorization: "Basic YTpi", accept: "text/xml" },
      body: { form: { grant_type: "authorization_code", code: "a b&c=d" } },
    });
    expect({ ...answer, body: Buffer.from(answer.body).toString() }).toMatchObject({
      status: 200,
      headers: { "content-type": "text/xml" },
      body: "<ok/>",
    });
    expect(seen).toMatchObject([
      {
        method: "POST",
        path: "/ok",
        headers: {
          host: `token.example:${server.port}`,
          accept: "text/xml",
          authorization: "Basic YTpi",
          "content-type": "application/x-www-form-urlencoded",
        },
        body: "grant_type=authorization_code&code=a+b%26c%3Dd",
      },
    ]);
  });

  test("carries JSON, and asks for JSON unless told otherwise", async () => {
    seen.length = 0;
    await send("/ok", { method: "PUT", body: { json: { value: "é" } } });
    await send("/ok");
    expect(seen).toMatchObject([
      { method: "PUT", headers: { "content-type": "application/json", accept: "application/json" }, body: '{"value":"é"}' },
      { method: "GET", body: "" },
    ]);
  });

  test("that is refused is answered with the refusal, and sent once", async () => {
    seen.length = 0;
    expect(await send("/refused", { method: "POST", body: { form: {} } })).toMatchObject({ status: 400, headers: { "x-reason": "code" } });
    expect(await send("/throttled")).toMatchObject({ status: 429, headers: { "retry-after": "7" } });
    expect(seen).toHaveLength(2);
  });

  test("follows no redirect, takes nothing compressed, nothing too long and nothing too late", async () => {
    seen.length = 0;
    expect(await refusal("/moved", { method: "POST", headers: { authorization: "Bearer x" } })).toBe("redirect");
    expect(await refusal("/zipped")).toBe("content_type");
    expect(await refusal("/long")).toBe("too_large");
    expect(await refusal("/silent", {}, { timeoutMs: 100 })).toBe("timeout");
    expect(seen).toHaveLength(4);
  });

  test("sets no header that frames it, and none that would begin another one", async () => {
    seen.length = 0;
    for (const name of ["host", "Host", "content-length", "content-type", "transfer-encoding", "accept-encoding", "connection", "a b", ""])
      expect([name, await refusal("/ok", { headers: { [name]: "x" } })]).toEqual([name, "refused_header"]);
    for (const value of ["a\r\nx-b: c", "a\nb", "a\u0000", "é", "x".repeat(16_385)])
      expect(await refusal("/ok", { headers: { "x-a": value } })).toBe("refused_header");
    expect(seen).toEqual([]);
  });

  test("goes nowhere the operator did not open, and to no one without the right certificate", async () => {
    seen.length = 0;
    for (const url of ["http://token.example/", "https://token.example:1/", "https://u:p@token.example/", "file:///etc/passwd", ""])
      expect([url, await refusal("", { url })]).toEqual([url, "refused_url"]);
    expect(await refusal("", { url: "https://169.254.169.254/latest" })).toBe("refused_address");
    expect(await refusal("/ok", {}, { roots: stranger.certificatePem })).toBe("tls");
    expect(seen).toEqual([]);
    expect((await send("/ok", {}, { roots: authority.certificatePem })).status).toBe(200);
  });

  test("shows nothing of itself in a failure", async () => {
    const request = { headers: { authorization: "Bearer hunter2" }, body: { form: { client_secret: "hunter2" } }, method: "POST" } as const;
    for (const path of ["/moved", "/long", "/zipped"])
      expect(JSON.stringify(await failureFrom(() => send(path, request)))).not.toContain("hunter2");
  });
});
