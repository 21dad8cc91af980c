/** The endpoints of the machine itself are asked directly, whatever the environment of the process says of proxies. */

import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createTestClock } from "../../../support/house";
import { startRawServer } from "../../../support/raw-server";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "postern-no-proxy-")));
writeFileSync(join(folder, "a.key"), "challenge", { mode: 0o640 });
const arm = "https://management.azure.com/";
const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const exp = Math.floor(createTestClock().now() / 1000) + 3600;
const token = [encoded({ alg: "RS256" }), encoded({ aud: arm, exp }), "AA"].join(".");
let asked = 0;

const endpoint = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch({ url, headers }) {
    asked += 1;
    const isChallenged = new URL(url).pathname === "/arc" && !headers.has("authorization");
    const challenge = { status: 401, headers: { "www-authenticate": `Basic realm=${folder}/a.key` } };
    return isChallenged ? Response.json({}, challenge) : Response.json({ access_token: token, resource: arm });
  },
});
const proxy = startRawServer((_head, send) => send("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", true));
beforeEach(() => {
  asked = 0;
});
afterAll(async () => {
  await endpoint.stop(true);
  proxy.close();
  rmSync(folder, { recursive: true });
});

const through = `http://127.0.0.1:${proxy.port}`;
const names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((name) => [name, name.toLowerCase()]);
const proxied = Object.fromEntries(names.map((name) => [name, through]));

describe("with proxies in the environment", () => {
  test.each([
    ["imds", {}],
    ["arc", {}],
    ["app-service", {}],
    ["imds", { NO_PROXY: "", no_proxy: "" }],
    ["imds", { NO_PROXY: "example.com", no_proxy: "192.0.2.1" }],
    ["arc", { NO_PROXY: "*", no_proxy: "*" }],
  ] as const)("%s is asked directly (%j)", async (source, exceptions) => {
    const words = [
      process.execPath,
      resolve("test/support/ask-identity.ts"),
      source,
      `http://127.0.0.1:${endpoint.port}/${source}`,
      folder,
    ];
    const child = Bun.spawn(words, { env: { PATH: process.env.PATH ?? "", ...proxied, ...exceptions }, stderr: "inherit" });
    expect(await new Response(child.stdout).text()).toBe("token");
    expect([asked, proxy.heads]).toEqual([source === "arc" ? 2 : 1, []]);
  });

  test("a plain request of this runtime would have gone to the proxy: the variables mean something to it", async () => {
    const script = `await fetch("http://127.0.0.1:${endpoint.port}/").catch(() => undefined)`;
    const child = Bun.spawn([process.execPath, "-e", script], { env: { PATH: process.env.PATH ?? "", ...proxied } });
    await child.exited;
    expect([asked, proxy.heads.length]).toEqual([0, 1]);
  });
});
