import { afterAll, describe, expect, test } from "bun:test";
import { createAuthority } from "../../../src/crypto/certificate";
import type { HttpLimits } from "../../../src/model/ports";
import { createHttpClient, type HttpClientDeps } from "../../../src/runtime/http-client";
import { failureFrom } from "../../contract/authenticator";
import { createLogKeeper, createTestClock, noon } from "../../support/fake-issuer";

const limits: HttpLimits = { maxBytes: 10_000, timeoutMs: 3000, connectTimeoutMs: 1000 };
// Certificates are verified by the machine's clock, not by the test's.
const wallClock = Date.parse(new Date().toISOString());
const authority = createAuthority({ name: "Test authority", now: wallClock });
const stranger = createAuthority({ name: "Other authority", now: wallClock });

interface Seen {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}
const seen: Seen[] = [];

function answer(path: string): Response | Promise<Response> {
  const json = { "content-type": "application/json" };
  const pages: Readonly<Record<string, () => Response | Promise<Response>>> = {
    "/ok": () => Response.json({ keys: ["é"] }),
    "/jwk-set": () => new Response("{}", { headers: { "content-type": "Application/JWK-Set+JSON; charset=utf-8" } }),
    "/redirect": () => Response.redirect("/ok", 302),
    "/permanent": () => Response.redirect("/ok", 308),
    "/not-modified": () => new Response(null, { status: 304 }),
    "/missing": () => Response.json({}, { status: 404 }),
    "/failing": () => Response.json({}, { status: 500 }),
    "/empty": () => new Response(null, { status: 204 }),
    "/html": () => new Response("{}", { headers: { "content-type": "text/html" } }),
    "/jsonp": () => new Response("{}", { headers: { "content-type": "application/jsonp" } }),
    "/untyped": () => new Response(new Uint8Array([0x7b, 0x7d])),
    "/broken": () => new Response("{", { headers: json }),
    "/latin": () => new Response(new Uint8Array([0x22, 0xe9, 0x22]), { headers: json }),
    "/just": () => new Response(`"${"x".repeat(9998)}"`, { headers: json }),
    "/over": () => new Response(`"${"x".repeat(9999)}"`, { headers: json }),
    "/endless": () =>
      new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(4096).fill(32)) }), { headers: json }),
    "/bomb": () => new Response(Bun.gzipSync(new Uint8Array(5_000_000).fill(32)), { headers: { ...json, "content-encoding": "gzip" } }),
    "/silent": () => new Promise(() => undefined),
    "/stalled": () =>
      new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array([0x7b])) }), { headers: json }),
    "/late": () => Response.json({}, { headers: { date: new Date(noon + 60_000).toUTCString() } }),
  };
  return pages[path]?.() ?? new Response("no such page", { status: 500 });
}

function serve(tls?: { key: string; cert: string }) {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 10,
    ...(tls === undefined ? {} : { tls }),
    fetch(request) {
      seen.push({ url: request.url, headers: request.headers.toJSON() });
      return answer(new URL(request.url).pathname);
    },
  });
}

const certificate = (from: typeof authority, dnsNames: readonly string[], ipAddresses: readonly string[] = []) => {
  const { certificatePem, privateKeyPem } = from.issue({ dnsNames, ipAddresses, now: wallClock, days: 2 });
  return { cert: certificatePem, key: privateKeyPem };
};
const secure = serve(certificate(authority, ["keys.example"], ["127.0.0.1"]));
const foreign = serve(certificate(stranger, ["keys.example"]));
const misnamed = serve(certificate(authority, ["other.example"]));
const plain = serve();
afterAll(() => Promise.all([secure, foreign, misnamed, plain].map((server) => server.stop(true))));

function client(deps: Partial<HttpClientDeps> = {}) {
  return createHttpClient({
    allowOutbound: [secure, foreign, misnamed].map((server) => `https://keys.example:${server.port}/`),
    extraRoots: [authority.certificatePem],
    clock: createTestClock(),
    logger: createLogKeeper(),
    resolve: async () => ["127.0.0.1"],
    ...deps,
  });
}

const at = (path: string, server = secure) => `https://keys.example:${server.port}${path}`;
const because = async (url: string, deps: Partial<HttpClientDeps> = {}, changed: Partial<HttpLimits> = {}) => {
  const failure = await failureFrom(() => client(deps).getJson(url, { ...limits, ...changed }));
  expect(failure.code).toBe("upstream_unavailable");
  return failure.because;
};

describe("the outgoing HTTP client", () => {
  test("fetches JSON from the address it resolved, under the host's own name", async () => {
    seen.length = 0;
    expect(await client().getJson(at("/ok"), limits)).toEqual({ keys: ["é"] });
    expect(seen).toMatchObject([{ url: at("/ok"), headers: { host: `keys.example:${secure.port}`, accept: "application/json" } }]);
    expect(await client().getJson(at("/jwk-set"), limits)).toEqual({});
  });

  test("sends nothing but what a GET of JSON needs", async () => {
    seen.length = 0;
    await client().getJson(at("/ok"), limits);
    const names = Object.keys(seen[0]?.headers ?? {}).sort();
    expect(names.filter((name) => !["connection", "user-agent"].includes(name))).toEqual(["accept", "accept-encoding", "host"]);
  });

  test("resolves a name once and connects to that very address", async () => {
    let asked = 0;
    const connected: string[] = [];
    const resolve = async () => [asked++ === 0 ? "127.0.0.1" : "127.0.0.99"];
    const connect = async (address: string) => void connected.push(address);
    await client({ resolve, connect }).getJson(at("/ok"), limits);
    expect([asked, connected]).toEqual([1, ["127.0.0.1"]]);
  });

  test("follows no redirect", async () => {
    seen.length = 0;
    for (const path of ["/redirect", "/permanent", "/not-modified"]) expect(await because(at(path))).toBe("redirect");
    expect(seen).toHaveLength(3);
  });

  test("takes 200 and JSON alone", async () => {
    for (const path of ["/missing", "/failing", "/empty"]) expect(await because(at(path))).toBe("status");
    for (const path of ["/html", "/jsonp", "/untyped"]) expect(await because(at(path))).toBe("content_type");
    for (const path of ["/broken", "/latin"]) expect(await because(at(path))).toBe("not_json");
  });

  test("reads no more than it was told to, and nothing compressed", async () => {
    expect(await client().getJson(at("/just"), limits)).toHaveLength(9998);
    expect(await because(at("/over"))).toBe("too_large");
    expect(await because(at("/endless"))).toBe("too_large");
    expect(await because(at("/bomb"))).toBe("content_type");
  });

  test("has no more memory after a hundred answers without an end, and as many that unpack to megabytes, than after ten", async () => {
    const refuse = async (rounds: number): Promise<number> => {
      for (let round = 0; round < rounds; round += 1) {
        expect(await because(at("/endless"), {}, { maxBytes: 1_000_000 })).toBe("too_large");
        expect(await because(at("/bomb"))).toBe("content_type");
      }
      Bun.gc(true);
      return process.memoryUsage.rss();
    };
    const before = await refuse(10);
    expect((await refuse(100)) - before).toBeLessThan(64 * 2 ** 20);
  });

  test("waits no longer than it was told to, for the answer and for its end", async () => {
    expect(await because(at("/silent"), {}, { timeoutMs: 100 })).toBe("timeout");
    expect(await because(at("/stalled"), {}, { timeoutMs: 100 })).toBe("timeout");
    const never = () => new Promise<never>(() => undefined);
    expect(await because(at("/ok"), { resolve: never }, { timeoutMs: 50 })).toBe("timeout");
    expect(await because(at("/ok"), { connect: never }, { connectTimeoutMs: 50 })).toBe("timeout");
  });

  test("goes on to the next address when one does not answer, one of each family in turn", async () => {
    const tried: string[] = [];
    const resolve = async () => ["2001:db8::1", "2001:db8::2", "127.0.0.1", "127.0.0.2"];
    const connect = async (address: string) => {
      tried.push(address);
      if (address !== "127.0.0.1") throw new Error("unreachable");
    };
    expect(await client({ resolve, connect }).getJson(at("/ok"), limits)).toEqual({ keys: ["é"] });
    expect(tried).toEqual(["2001:db8::1", "127.0.0.1"]);
  });

  test("says when nothing answers there", async () => {
    const closed = serve();
    const url = `https://keys.example:${closed.port}/ok`;
    await closed.stop(true);
    expect(await because(url, { allowOutbound: [url] })).toBe("connect");
    expect(await because(at("/ok"), { resolve: async () => [] })).toBe("dns");
    const failing = async () => Promise.reject(Object.assign(new Error("no such host"), { code: "ENOTFOUND" }));
    expect(await because(at("/ok"), { resolve: failing })).toBe("dns");
  });
});

describe("the certificate of the other side", () => {
  test("comes from an authority that is trusted", async () => {
    expect(await because(at("/ok", foreign))).toBe("tls");
    expect(await because(at("/ok"), { extraRoots: [] })).toBe("tls");
    expect(await client({ extraRoots: [stranger.certificatePem, authority.certificatePem] }).getJson(at("/ok"), limits)).toBeDefined();
  });

  test("bears the name that was asked for", async () => {
    expect(await because(at("/ok", misnamed))).toBe("tls");
  });

  test("may bear the address where an address was asked for", async () => {
    const url = `https://127.0.0.1:${secure.port}/ok`;
    expect(await client({ allowOutbound: [url] }).getJson(url, limits)).toBeDefined();
    const wrong = `https://127.0.0.1:${misnamed.port}/ok`;
    expect(await because(wrong, { allowOutbound: [wrong] })).toBe("tls");
  });

  test("is verified whatever the environment says", async () => {
    const program = `
      const { createHttpClient } = await import(${JSON.stringify(`${import.meta.dir}/../../../src/runtime/http-client.ts`)});
      const silent = () => undefined;
      const http = createHttpClient({ allowOutbound: ["${at("/", foreign)}"], resolve: async () => ["127.0.0.1"],
        clock: { now: () => 0, monotonicMs: () => 0 }, logger: { debug: silent, info: silent, warn: silent, error: silent } });
      await http.getJson("${at("/ok", foreign)}", ${JSON.stringify(limits)}).then(() => console.log("taken"), (error) => console.log(error.failure.because));`;
    const proxy = "http://127.0.0.1:1";
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: "0", HTTPS_PROXY: proxy, HTTP_PROXY: proxy, ALL_PROXY: proxy, https_proxy: proxy };
    const child = Bun.spawn([process.execPath, "-e", program], { env, stdout: "pipe", stderr: "ignore" });
    expect((await new Response(child.stdout).text()).trim()).toBe("tls");
  });
});

describe("where the HTTP client goes", () => {
  test("is https at its own port and a public address, unless the operator opened the way", async () => {
    seen.length = 0;
    const nothing = { allowOutbound: [] };
    for (const url of [
      "http://keys.example/",
      "https://keys.example:8443/",
      "ftp://keys.example/",
      "file:///etc/passwd",
      "data:,{}",
      "keys.example",
      "",
    ]) {
      expect([url, await because(url, nothing)]).toEqual([url, "refused_url"]);
    }
    expect(await because("https://user:secret@keys.example/", nothing)).toBe("refused_url");
    for (const address of ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1", "0.0.0.0", "100.64.0.1"]) {
      expect([address, await because("https://keys.example/", { ...nothing, resolve: async () => [address] })]).toEqual([
        address,
        "refused_address",
      ]);
    }
    const mixed = async () => ["20.190.151.7", "10.0.0.1"];
    expect(await because("https://keys.example/", { ...nothing, resolve: mixed })).toBe("refused_address");
    for (const host of ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "169.254.169.254", "168.63.129.16"]) {
      expect([host, await because(`https://${host}/`, nothing)]).toEqual([host, "refused_address"]);
    }
    expect(seen).toEqual([]);
  });

  test("is a host that was named, when hosts were named", async () => {
    const allowedHosts = ["login.microsoftonline.com"];
    for (const host of [
      "evil.example",
      "login.microsoftonline.com.evil.example",
      "sub.login.microsoftonline.com",
      "login.microsoftonline.com.",
    ]) {
      expect([host, await because(`https://${host}/`, { allowOutbound: [] }, { allowedHosts })]).toEqual([host, "refused_url"]);
    }
    // Named and public, so the way there is tried; the test lets it end at the door.
    const connect = () => Promise.reject(new Error("closed"));
    const deps = { allowOutbound: [], connect, resolve: async () => ["20.190.151.7"] };
    expect(await because("https://LOGIN.microsoftonline.com/", deps, { allowedHosts })).toBe("connect");
    expect(await client().getJson(at("/ok"), { ...limits, allowedHosts })).toBeDefined();
  });

  test("may be plain http where the operator opened it", async () => {
    const url = `http://127.0.0.1:${plain.port}/ok`;
    expect(await client({ allowOutbound: [`http://127.0.0.1:${plain.port}`] }).getJson(url, limits)).toEqual({ keys: ["é"] });
    expect(await because(url, { allowOutbound: [`https://127.0.0.1:${plain.port}`] })).toBe("refused_url");
    expect(await because(url, { allowOutbound: [`http://127.0.0.1:${plain.port}/other/`] })).toBe("refused_url");
  });

  test("is refused at the start when a prefix is none", () => {
    expect(() => client({ allowOutbound: ["everything"] })).toThrow("malformed");
  });

  test("is told apart in the log when the clocks differ", async () => {
    const logger = createLogKeeper();
    await client({ logger }).getJson(at("/late"), limits);
    expect(logger.lines).toEqual([
      { level: "warn", event: "clock_differs", fields: { upstream: `https://keys.example:${secure.port}`, skewSeconds: 60 } },
    ]);
  });

  test("does not show up with a secret in a failure", async () => {
    const failure = await failureFrom(() => client().getJson("https://user:hunter2@keys.example/?code=hunter2", limits));
    expect(JSON.stringify(failure)).not.toContain("hunter2");
  });
});

describe("a configured proxy", () => {
  interface Pipe {
    data: { to?: Bun.Socket<Pipe["data"]> };
  }
  const tunnels: string[] = [];
  const proxy = Bun.listen<Pipe["data"]>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        socket.data = {};
      },
      async data(socket, chunk) {
        if (socket.data.to !== undefined) {
          socket.data.to.write(chunk);
          return;
        }
        tunnels.push(chunk.toString().split("\r\n")[0] ?? "");
        const back = { data: (_: unknown, answered: Buffer) => void socket.write(answered), close: () => void socket.end() };
        socket.data.to = await Bun.connect<Pipe["data"]>({ hostname: "127.0.0.1", port: secure.port ?? 0, socket: back, data: {} });
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
      },
      close(socket) {
        socket.data.to?.end();
      },
    },
  });
  afterAll(() => proxy.stop(true));
  const https = `http://127.0.0.1:${proxy.port}`;

  test("carries requests to named hosts, which still prove their names", async () => {
    tunnels.length = 0;
    const unasked = () => Promise.reject(new Error("the proxy resolves"));
    expect(await client({ proxy: { https }, resolve: unasked }).getJson(at("/ok"), limits)).toEqual({ keys: ["é"] });
    expect(tunnels).toEqual([`CONNECT keys.example:${secure.port} HTTP/1.1`]);
    expect(await because(at("/ok"), { proxy: { https }, extraRoots: [] })).toBe("tls");
  });

  test("is left aside for exempted names, addresses and plain http", async () => {
    tunnels.length = 0;
    for (const noProxy of ["keys.example", ".example", "a.test, example", "*"]) {
      await client({ proxy: { https, noProxy } }).getJson(at("/ok"), limits);
    }
    const literal = `https://127.0.0.1:${secure.port}/ok`;
    await client({ proxy: { https }, allowOutbound: [literal] }).getJson(literal, limits);
    const http = `http://keys.example:${plain.port}/ok`;
    await client({ proxy: { https }, allowOutbound: [http] }).getJson(http, limits);
    expect(tunnels).toEqual([]);
    await client({ proxy: { https, noProxy: "ample,s.example" } }).getJson(at("/ok"), limits);
    expect(tunnels).toHaveLength(1);
  });

  test("does not carry requests to hosts that nobody named: their addresses could not be judged", async () => {
    tunnels.length = 0;
    const deps = { allowOutbound: [], proxy: { https }, resolve: async () => ["10.0.0.1"] };
    expect(await because("https://internal.example/", deps)).toBe("refused_address");
    expect(tunnels).toEqual([]);
  });
});
