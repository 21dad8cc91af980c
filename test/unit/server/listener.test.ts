import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfSigned } from "../../../src/crypto/certificate";
import { parseId } from "../../../src/model/ids";
import { SecretBytes } from "../../../src/model/secret-bytes";
import type { Listener, ListenerConfig } from "../../../src/server/listener";
import { tokenFor } from "../../fronts/ask";
import { now } from "../../fronts/fake-broker";
import { connect, exchange, type Listening, listen } from "./listening";

const web = "acme:host:apps/web";
const admin = "acme:user:admin";
const path = "/secrets/acme/variable/apps%2Fdb";
const authorization = tokenFor(web);
const running: Listening[] = [];
const folder = mkdtempSync(join(tmpdir(), "postern-listener-"));

function start(...options: Parameters<typeof listen>): Listening {
  const listening = listen(...options);
  running.push(listening);
  return listening;
}

/** One request on a connection of its own. `lines` are headers beside `Host`. */
function say(port: number | undefined, request: string, lines: readonly string[] = [], body = ""): Promise<string> {
  return exchange(port, [`${request} HTTP/1.1`, "Host: postern.test", "Connection: close", ...lines, "", body].join("\r\n"));
}

/** A promise that waits for the test. */
function hold(): { readonly held: Promise<void>; readonly release: () => void } {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { held, release };
}

async function untilBusy(listener: Listener): Promise<void> {
  while (listener.inFlight() === 0) await new Promise((resolve) => setImmediate(resolve));
}

const statusOf = (answer: string): number => Number(answer.split(" ", 2)[1]);
const bodyOf = (answer: string): string => answer.slice(answer.indexOf("\r\n\r\n") + 4);
const headerOf = (answer: string, name: string): string | undefined => new RegExp(`^${name}: (.*)\\r$`, "im").exec(answer)?.[1];

afterEach(async () => {
  await Promise.all(running.splice(0).map(({ listener }) => listener.stop()));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a listener", () => {
  test("serves a secret by the hot route, and below /api by the router, with the same answer", async () => {
    const { listener, metered } = start();
    const hot = await say(listener.port, `GET ${path}`, [`Authorization: ${authorization}`]);
    const routed = await say(listener.port, `GET /api${path}`, [`Authorization: ${authorization}`]);
    for (const answer of [hot, routed]) {
      expect([statusOf(answer), bodyOf(answer), headerOf(answer, "Content-Length"), headerOf(answer, "Cache-Control")]).toEqual([
        200,
        "hunter2\n",
        "8",
        "no-store",
      ]);
      expect(headerOf(answer, "Server")).toBeUndefined();
    }
    expect(metered).toEqual(["conjur 200", "conjur 200"]);
  });

  test("answers HEAD wherever GET is, with the length of GET's answer", async () => {
    const { listener } = start();
    for (const target of [path, `/api${path}`, "/whoami", "/resources/acme/variable/apps%2Fdb", "/", "/authenticators"]) {
      const get = await say(listener.port, `GET ${target}`, [`Authorization: ${authorization}`]);
      const head = await say(listener.port, `HEAD ${target}`, [`Authorization: ${authorization}`]);
      expect([target, statusOf(head), bodyOf(head), headerOf(head, "Content-Length")]).toEqual([
        target,
        200,
        "",
        headerOf(get, "Content-Length"),
      ]);
    }
  });

  test("states the length of every answer that may have a body", async () => {
    const { listener } = start();
    for (const request of [
      `GET ${path}`,
      "GET /no",
      "POST /authn/acme/x/authenticate",
      "GET /v1/x",
      "GET /x?api-version=7.4",
      "GET /health",
    ])
      expect([request, headerOf(await say(listener.port, request), "Content-Length")]).toEqual([request, expect.stringMatching(/^\d+$/)]);
  });

  test("gives every answer an id: the client's, when it is a safe word", async () => {
    const { listener } = start();
    expect(headerOf(await say(listener.port, "GET /", ["X-Request-Id: abc-1"]), "X-Request-Id")).toBe("abc-1");
    expect(headerOf(await say(listener.port, "GET /no", ["X-Request-Id: a b<script>"]), "X-Request-Id")).toMatch(/^[0-9a-f]{32}$/);
    expect(headerOf(await say(listener.port, `GET ${path}`), "X-Request-Id")).toMatch(/^[0-9a-f]{32}$/);
  });

  test("chooses the dialect by one rule, on the hot route as elsewhere", async () => {
    const { listener } = start({ keyVaultHosts: ["vault.example"] });
    const bearer = "AKV10000: Request is missing a Bearer or PoP token.";
    expect(bodyOf(await say(listener.port, "GET /v1/secret/x"))).toBe('{"errors":["permission denied"]}');
    expect(bodyOf(await say(listener.port, "GET /secrets/x?api-version=7.4"))).toContain(bearer);
    expect(bodyOf(await say(listener.port, `GET ${path}?api-version=7.4`))).toContain(bearer);
    expect(
      bodyOf(await exchange(listener.port, `GET ${path} HTTP/1.1\r\nHost: Vault.Example:8443\r\nConnection: close\r\n\r\n`)),
    ).toContain(bearer);
    expect(bodyOf(await say(listener.port, "GET /resources"))).toBe("Authorization missing");
  });

  test("may have one dialect to itself", async () => {
    const vault = start({ dialect: "vault" }).listener;
    expect(bodyOf(await say(vault.port, `GET ${path}`, [`Authorization: ${authorization}`]))).toBe(
      `{"errors":["1 error occurred:\\n\\t* unsupported path\\n\\n"]}`,
    );
    expect(statusOf(await say(vault.port, "GET /health"))).toBe(404);
    const conjur = start({ dialect: "conjur" }).listener;
    expect(bodyOf(await say(conjur.port, "GET /v1/x"))).toBe("Authorization missing");
  });

  test("tells load balancers whether to send requests, and nothing else", async () => {
    expect(bodyOf(await say(start().listener.port, "GET /health"))).toBe('{"status":"ready"}');
    const answer = await say(start({}, {}, "not_ready").listener.port, "GET /health?x=1");
    expect([statusOf(answer), bodyOf(answer)]).toEqual([503, '{"status":"not_ready"}']);
  });

  test("marks every answer of an installation that is for development", async () => {
    const { listener } = start({ devMarker: "simulated" });
    for (const request of ["GET /", "GET /no", `GET ${path}`, "GET /v1/x", "GET /health"])
      expect(headerOf(await say(listener.port, request), "X-Postern-Dev")).toBe("simulated");
    expect(headerOf(await say(start().listener.port, "GET /"), "X-Postern-Dev")).toBeUndefined();
  });

  test("takes no mark, address or identity from headers meant for other hops", async () => {
    const { listener } = start();
    const lines = [
      `Authorization: ${authorization}`,
      "X-Forwarded-For: 6.6.6.6",
      "Forwarded: for=6.6.6.6",
      "X-Real-IP: 6.6.6.6",
      "X-Forwarded-User: admin",
    ];
    expect(JSON.parse(bodyOf(await say(listener.port, "GET /whoami", lines)))).toMatchObject({
      client_ip: "127.0.0.1",
      username: "host/apps/web",
    });
  });

  test("believes a configured proxy, and refuses what it passes on as no address", async () => {
    const { listener, metered } = start({ trustedProxies: ["127.0.0.0/8"] });
    const asked = (...lines: string[]) => say(listener.port, "GET /whoami", [`Authorization: ${authorization}`, ...lines]);
    expect(bodyOf(await asked("X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 198.51.100.1"))).toContain('"client_ip":"198.51.100.1"');
    expect(statusOf(await asked("X-Forwarded-For: 198.51.100.1, what"))).toBe(400);
    expect(metered).toContain("address");
  });

  test("survives a defect of a handler, tells the operator without the message, and the client nothing but the id", async () => {
    const { listener, log } = start(
      {},
      { read: () => Promise.reject(new TypeError("canary")), whoAmI: () => Promise.reject(new TypeError("canary")) },
    );
    for (const target of [path, "/whoami"]) {
      const answer = await say(listener.port, `GET ${target}`, [`Authorization: ${authorization}`, "X-Request-Id: it-1"]);
      expect([statusOf(answer), bodyOf(answer), headerOf(answer, "X-Request-Id")]).toEqual([500, "", "it-1"]);
    }
    expect(statusOf(await say(listener.port, "GET /"))).toBe(200);
    const failed = log.filter(({ event }) => event === "request_failed");
    expect(failed.map(({ fields }) => [fields?.requestId, fields?.error])).toEqual([
      ["it-1", "TypeError"],
      ["it-1", "TypeError"],
    ]);
    expect(JSON.stringify(failed)).not.toContain("canary");
  });
});

describe("a listener's limits", () => {
  const limits = { bodyBytes: 1000, policyBytes: 5000 };
  const chunked = (bytes: number, size = 400): string => {
    const chunks = Array.from({ length: Math.ceil(bytes / size) }, (_, index) => Math.min(size, bytes - index * size));
    return `${chunks.map((length) => `${length.toString(16)}\r\n${"x".repeat(length)}\r\n`).join("")}0\r\n\r\n`;
  };
  const admins = `Authorization: ${tokenFor(admin)}`;
  const second = "GET /second HTTP/1.1\r\nHost: h\r\n\r\n";

  test.each([
    ["POST", path, 1000, 201],
    ["POST", path, 1001, 413],
    ["POST", "/policies/acme/policy/root", 1001, 201],
    ["POST", "/api/policies/acme/policy/root", 5000, 201],
    ["POST", "/policies/acme/policy/root", 5001, 413],
    ["PUT", "/authn/acme/password", 1001, 413],
    ["GET", path, 1001, 413],
    ["DELETE", "/no/such/path", 1001, 413],
    ["POST", "/v1/x", 1001, 413],
    ["POST", "/x?api-version=7.4", 1001, 413],
  ])("%s %s with %p bytes is %p, stated or chunked, and ends the connection where it is refused", async (method, target, bytes, status) => {
    const { listener } = start({ limits });
    const stated = await say(listener.port, `${method} ${target}`, [admins, `Content-Length: ${bytes}`], "x".repeat(bytes));
    expect(statusOf(stated)).toBe(status);
    const framed = await say(listener.port, `${method} ${target}`, [admins, "Transfer-Encoding: chunked"], chunked(bytes) + second);
    expect(statusOf(framed)).toBe(method === "GET" ? 400 : status);
    expect(framed.split("HTTP/1.1 ").length).toBe(2);
  });

  test("reads no more of a body than the limit", async () => {
    const { listener } = start({ limits });
    const connection = await connect(listener.port);
    // Nothing of the body has come when its stated length is refused.
    connection.send(`POST ${path} HTTP/1.1\r\nHost: h\r\n${admins}\r\nContent-Length: 4000\r\n\r\n`);
    expect(statusOf(await connection.until("\r\n\r\n"))).toBe(413);
    connection.close();
    const dripping = await connect(listener.port);
    dripping.send(`POST ${path} HTTP/1.1\r\nHost: h\r\n${admins}\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(1200).slice(0, -5)}`);
    expect(statusOf(await dripping.until("\r\n\r\n"))).toBe(413);
    dripping.close();
  });

  test("hand on a chunked body as it came", async () => {
    const stored: string[] = [];
    const { listener } = start(
      {},
      { writeSecret: async (_caller, _id, value) => void stored.push(Buffer.from(value.reveal()).toString("latin1")) },
    );
    await say(listener.port, `POST ${path}`, [admins, "Transfer-Encoding: chunked"], "3\r\na\xff\x00\r\n2\r\nbc\r\n0\r\n\r\n");
    expect(stored).toEqual(["a\xff\x00bc"]);
  });

  test("bound the requests of one address, and of all, with word when to come back", async () => {
    const id = parseId("acme:variable:apps/db");
    const slow = `GET ${path} HTTP/1.1\r\nHost: h\r\nAuthorization: ${authorization}\r\n\r\n`;
    for (const [bounds, status] of [
      [{ requestsInFlightPerAddress: 1 }, 429],
      [{ requestsInFlight: 1 }, 503],
    ] as const) {
      const { held, release } = hold();
      const read = async () => {
        await held;
        return { id, version: 1, createdAt: now, value: SecretBytes.ofText("late") };
      };
      const { listener } = start({ limits: bounds }, { read });
      const first = await connect(listener.port);
      first.send(slow);
      await untilBusy(listener);
      for (const target of ["/whoami", "/v1/x"]) {
        const refused = await say(listener.port, `GET ${target}`);
        expect([statusOf(refused), headerOf(refused, "Retry-After")]).toEqual([status, "1"]);
      }
      release();
      expect(bodyOf(await first.until("late"))).toBe("late");
      expect(listener.inFlight()).toBe(0);
      expect(statusOf(await say(listener.port, "GET /"))).toBe(200);
      first.close();
    }
  });

  test("hold up logins of one address before their body is read, and nothing else of it", async () => {
    const { listener, metered } = start({ limits: { loginsPerAddress: { perSecond: 1, burst: 2 } } });
    const login = (name: string) => say(listener.port, `POST /authn/acme/${name}/authenticate`, ["Content-Length: 1"], "x");
    expect([statusOf(await login("a")), statusOf(await login("b"))]).toEqual([401, 401]);
    const refused = await login("c");
    expect([statusOf(refused), headerOf(refused, "Retry-After")]).toEqual([429, "1"]);
    expect(statusOf(await say(listener.port, `GET ${path}`, [`Authorization: ${authorization}`]))).toBe(200);
    expect(metered).toContain("login_rate");
  });

  test("hold up logins as one identity in all its spellings, and no other identity", async () => {
    const { listener } = start({ limits: { loginsPerIdentity: { perSecond: 1, burst: 2 } } });
    const login = async (name: string) =>
      statusOf(await say(listener.port, `POST /authn/acme/${name}/authenticate`, ["Content-Length: 1"], "x"));
    expect([await login("alice"), await login("user%2Falice"), await login("%61lice"), await login("bob")]).toEqual([401, 401, 429, 401]);
  });
});

describe("what a listener takes for a request", () => {
  const ok = "Connection: close\r\n\r\n";

  test.each([
    ["no Host", "GET / HTTP/1.0\r\n\r\n"],
    ["no Host in HTTP/1.1", `GET / HTTP/1.1\r\n${ok}`],
    ["two Hosts", `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n${ok}`],
    ["two equal Hosts", `GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n${ok}`],
    ["a Host with a path", `GET / HTTP/1.1\r\nHost: a/v1/x?\r\n${ok}`],
    ["a Host with a user", `GET / HTTP/1.1\r\nHost: u@a\r\n${ok}`],
    ["an escaped Host", `GET / HTTP/1.1\r\nHost: a%2fb\r\n${ok}`],
    ["an empty Host", `GET / HTTP/1.1\r\nHost: \r\n${ok}`],
    ["both framings", `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ["two lengths", `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello`],
    ["a length that is none", `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n`],
    ["a length with a plus", `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na`],
    ["a folded header", `GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n${ok}`],
    ["a blank before the colon", `GET / HTTP/1.1\r\nHost : a\r\n${ok}`],
  ])("is not one with %s: 400 before any route, and the connection ends", async (_what, text) => {
    const { listener, metered } = start();
    const answer = await exchange(listener.port, `${text}GET /second HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect(statusOf(answer)).toBe(400);
    expect(answer.split("HTTP/1.1 ").length).toBe(2);
    expect(metered.filter((entry) => entry !== "host")).toEqual([]);
  });

  test.each([[`${"7".repeat(40)}\r\nx\r\n0\r\n\r\n`], ["zz\r\nx\r\n0\r\n\r\n"], ["1\r\nxx\r\n0\r\n\r\n"], ["-1\r\nx\r\n0\r\n\r\n"]])(
    "never answers a second request that hides in the broken chunks %p",
    async (chunks) => {
      const { listener, metered } = start();
      const connection = await connect(listener.port);
      connection.send(
        `POST ${path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}GET /v1/hidden HTTP/1.1\r\nHost: h\r\n\r\n`,
      );
      await connection.untilClosed();
      connection.close();
      expect(metered.filter((entry) => entry.startsWith("vault"))).toEqual([]);
    },
  );

  test("has the route of its path, whatever stands before it in an absolute target", async () => {
    const { listener } = start();
    expect(bodyOf(await exchange(listener.port, `GET http://evil/v1/x HTTP/1.1\r\nHost: postern.test\r\n${ok}`))).toBe(
      '{"errors":["permission denied"]}',
    );
    expect(bodyOf(await exchange(listener.port, `GET http://evil/v1/x/../../whoami HTTP/1.1\r\nHost: postern.test\r\n${ok}`))).toBe(
      "Authorization missing",
    );
  });

  test.each([
    ["/secrets/acme/variable/x/../apps%2Fdb", 200],
    ["/secrets/acme/variable/./apps%2Fdb", 200],
    ["/secrets/acme/variable/%2e%2e/variable/apps%2Fdb", 200],
    ["/secrets\\acme\\variable\\apps%2Fdb", 200],
    ["/secrets/acme/variable/apps%2F..%2Fapps%2Fdb", 400],
    ["/secrets/acme/variable/apps%5Cdb", 400],
    ["//secrets/acme/variable/apps%2Fdb", 404],
    ["/secrets//acme/variable/apps%2Fdb", 404],
    ["/secrets/acme/variable;x/apps%2Fdb", 404],
    ["/secrets/acme/variable/apps%2Fdb;x", 404],
    ["/secrets/acme%2Fvariable/apps%2Fdb", 404],
    ["/%73ecrets/acme/variable/apps%2Fdb", 404],
  ])("at %p, with a token %p, needs the token first", async (target, status) => {
    const { listener } = start();
    expect(statusOf(await say(listener.port, `GET ${target}`))).toBe(401);
    expect(statusOf(await say(listener.port, `GET ${target}`, [`Authorization: ${authorization}`]))).toBe(status);
  });

  test("may carry two tokens, and then has none", async () => {
    const { listener } = start();
    expect(statusOf(await say(listener.port, `GET ${path}`, [`Authorization: ${authorization}`, `Authorization: ${authorization}`]))).toBe(
      401,
    );
  });
});

describe("a listener on a Unix socket", () => {
  const config = (name: string): Partial<ListenerConfig> => ({ listen: join(folder, name) });
  const whoami = (socket: string) =>
    fetch("http://postern.test/whoami", { unix: socket, headers: { authorization, "x-forwarded-for": "6.6.6.6" } });

  test("is this machine's alone, and judges its peers as loopback", async () => {
    const { listener } = start({ ...config("a.sock"), trustedProxies: ["127.0.0.0/8"] });
    expect(listener.url).toBe(`unix:${join(folder, "a.sock")}`);
    expect(statSync(join(folder, "a.sock")).mode & 0o777).toBe(0o600);
    expect(await (await whoami(join(folder, "a.sock"))).json()).toMatchObject({ client_ip: "127.0.0.1" });
  });

  test("opens to a group when told to, and leaves no trace of having started", async () => {
    const before = process.umask();
    start({ ...config("g.sock"), socketMode: 0o660 });
    expect(statSync(join(folder, "g.sock")).mode & 0o777).toBe(0o660);
    expect(process.umask()).toBe(before);
  });

  test("takes the place of a socket that a dead process left", async () => {
    const left = Bun.spawnSync([
      process.execPath,
      "-e",
      `Bun.serve({ unix: ${JSON.stringify(join(folder, "dead.sock"))}, fetch: () => new Response() }); process.kill(process.pid, "SIGKILL")`,
    ]);
    expect([left.success, existsSync(join(folder, "dead.sock"))]).toEqual([false, true]);
    start(config("dead.sock"));
    expect((await whoami(join(folder, "dead.sock"))).status).toBe(200);
  });

  test("never takes the place of a file", () => {
    writeFileSync(join(folder, "file.sock"), "precious");
    chmodSync(join(folder, "file.sock"), 0o600);
    expect(() => start(config("file.sock"))).toThrow();
    expect(statSync(join(folder, "file.sock")).size).toBe("precious".length);
  });
});

describe("a listener with a certificate", () => {
  const pair = (name: string, at = Date.now()) => {
    const { certificatePem: cert, privateKeyPem: key } = selfSigned({ dnsNames: [name], ipAddresses: ["127.0.0.1"], now: at, days: 30 });
    return { cert, key };
  };
  const first = pair("first.test");
  const second = pair("second.test");
  // A connection of its own for each, so that each sees the certificate of its time.
  const statusFor = async (port: number | undefined, ca: string) =>
    (await fetch(`https://127.0.0.1:${port}/`, { tls: { ca }, keepalive: false, headers: { connection: "close" } })).status;

  test("is demanded beyond loopback", () => {
    for (const address of ["0.0.0.0:0", "[::]:0"]) expect(() => start({ listen: address })).toThrow("malformed");
  });

  test("serves with it, and says so in its address", async () => {
    const { listener } = start({ tls: first });
    expect(listener.url).toBe(`https://127.0.0.1:${listener.port}`);
    expect(await statusFor(listener.port, first.cert)).toBe(200);
    expect(statusFor(listener.port, second.cert)).rejects.toThrow();
  });

  test("exchanges it while a request is on its way, which finishes", async () => {
    const { held, release } = hold();
    const { listener } = start({ tls: first }, { whoAmI: () => held });
    const pending = fetch(`https://127.0.0.1:${listener.port}/whoami`, { tls: { ca: first.cert }, headers: { authorization } });
    await untilBusy(listener);
    listener.reloadTls(second);
    expect(await statusFor(listener.port, second.cert)).toBe(200);
    expect(statusFor(listener.port, first.cert)).rejects.toThrow();
    release();
    expect((await pending).status).toBe(200);
  });

  test("keeps the old one when the new pair cannot be read or does not fit", async () => {
    const { listener } = start({ tls: first });
    for (const broken of [
      { cert: first.cert, key: second.key },
      { cert: "", key: "" },
      { cert: "garbage", key: first.key },
      { cert: second.cert, key: "-----BEGIN PRIVATE KEY-----" },
    ])
      expect(() => listener.reloadTls(broken)).toThrow("malformed");
    expect(await statusFor(listener.port, first.cert)).toBe(200);
  });

  test("does not start with a pair that does not fit", () => {
    expect(() => start({ tls: { cert: first.cert, key: second.key } })).toThrow("malformed");
  });

  test("does not share its port with another listener", () => {
    const { listener } = start({ tls: first });
    expect(() => start({ listen: `127.0.0.1:${listener.port}`, tls: first })).toThrow();
    expect(() => start({ listen: `127.0.0.1:${listener.port}` })).toThrow();
    const plain = start().listener;
    expect(() => start({ listen: `127.0.0.1:${plain.port}` })).toThrow();
    expect(() => start({ listen: `127.0.0.1:${plain.port}`, tls: first })).toThrow();
  });

  test("is bound on the port it names", async () => {
    const free = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const port = free.port;
    await free.stop(true);
    const { listener } = start({ listen: `127.0.0.1:${port}`, tls: first });
    expect([listener.port, await statusFor(port, first.cert)]).toEqual([port, 200]);
  });

  test("is not given to a listener that started without one", () => {
    expect(() => start().listener.reloadTls(first)).toThrow("malformed");
  });
});

describe("stopping a listener", () => {
  test("lets requests finish, closes their connections and takes no more", async () => {
    const { held, release } = hold();
    const { listener } = listen({}, { whoAmI: () => held });
    const idle = await connect(listener.port);
    idle.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    await idle.until("</html>");
    const busy = await connect(listener.port);
    busy.send(`GET /whoami HTTP/1.1\r\nHost: h\r\nAuthorization: ${authorization}\r\n\r\n`);
    await untilBusy(listener);
    let hasStopped = false;
    const stopped = listener.stop().then(() => {
      hasStopped = true;
    });
    expect(fetch(`http://127.0.0.1:${listener.port}/`)).rejects.toThrow();
    expect(hasStopped).toBe(false);
    release();
    const answer = await busy.untilClosed();
    expect([statusOf(answer), headerOf(answer, "Connection")]).toEqual([200, "close"]);
    await stopped;
    await idle.untilClosed();
  });

  test("cuts off what takes too long, and says so", async () => {
    const { listener, log } = listen({ drainMs: 10 }, { whoAmI: () => hold().held });
    const busy = await connect(listener.port);
    busy.send(`GET /whoami HTTP/1.1\r\nHost: h\r\nAuthorization: ${authorization}\r\n\r\n`);
    await untilBusy(listener);
    await listener.stop();
    expect(await busy.untilClosed()).toBe("");
    expect(log.at(-1)).toEqual({ event: "requests_cut_off", fields: { url: listener.url, requests: 1 } });
  });
});
