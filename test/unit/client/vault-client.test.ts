import { afterAll, describe, expect, test } from "bun:test";
import { createVaultClient } from "../../../src/client/vault-client";
import { failureOf } from "../../../src/model/failures";
import type { HttpAnswer, HttpRequest } from "../../../src/model/ports";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { createHttpClient } from "../../../src/runtime/http-client";
import { createLogKeeper } from "../../support/fake-issuer";
import { startFakeVault } from "../../support/fake-vault";
import { createTestClock } from "../../support/house";

const vault = startFakeVault();
const http = createHttpClient({ allowOutbound: [vault.url], clock: createTestClock(), logger: createLogKeeper() });
const client = createVaultClient({ http, url: vault.url });
const login = { mount: "azure", role: "web", token: SecretBytes.ofText("a.b.c") };
const machine = { subscriptionId: "s", resourceGroup: "g" };
afterAll(() => vault.stop());

const text = ({ value }: { readonly value: SecretBytes }): string => Buffer.from(value.reveal()).toString("utf8");

/** The code of the failure, and why. */
async function failing(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
  } catch (error) {
    const { code, because } = failureOf(error);
    return `${code} ${because ?? ""}`.trim();
  }
  throw new Error("it did not fail");
}

/** A client of a server that gives one answer to everything. */
function clientOf(status: number, body: string): ReturnType<typeof createVaultClient> {
  const answer: HttpAnswer = { status, headers: {}, body: Buffer.from(body) };
  return createVaultClient({
    http: { getJson: () => Promise.reject(new Error("not asked")), send: () => Promise.resolve(answer) },
    url: "https://vault.example",
  });
}

describe("a client of Vault's protocol", () => {
  test.each([
    [
      { ...machine, virtualMachine: "vm" },
      { subscription_id: "s", resource_group_name: "g", vm_name: "vm" },
    ],
    [
      { ...machine, virtualMachine: "vm", scaleSet: "set" },
      { subscription_id: "s", resource_group_name: "g", vm_name: "vm", vmss_name: "set" },
    ],
    [
      { ...machine, resourceId: "/subscriptions/s/x" },
      { subscription_id: "s", resource_group_name: "g", resource_id: "/subscriptions/s/x" },
    ],
    [undefined, {}],
  ])("logs in with a machine's names %j as %j", async (names, sent) => {
    const session = await client.loginByAzure({ ...login, ...(names === undefined ? {} : { machine: names }) });
    expect(vault.logins.at(-1)).toEqual({ role: "web", jwt: "a.b.c", ...sent });
    expect(session.lifetimeMs).toBe(3_600_000);
  });

  test("reads objects as they are written, with number and time of a version", async () => {
    const session = await client.loginByAzure(login);
    const mount = await client.mountOf(session, "secret/app/db");
    expect(mount).toEqual({ path: "secret", type: "kv-v2" });
    const read = await client.read(session, mount, "app/db");
    expect([text(read), read.version, read.createdAt]).toEqual(['{"password":"hunter2","big":12345678901234567890}', 2, 1_762_761_600_123]);
    expect(text(await client.read(session, mount, "app/db", 1))).toBe('{"password":"first"}');
    const old = await client.mountOf(session, "old/app");
    expect(text(await client.read(session, old, "app"))).toBe('{"password":"kv one","n":1.0}');
  });

  test("lets no name become another path or a query", async () => {
    const session = await client.loginByAzure(login);
    await failing(client.read(session, { path: "secret", type: "kv-v2" }, "a?version=1/b c%2f#x"));
    expect(vault.asked.at(-1)).toBe("GET /v1/secret/data/a%3Fversion%3D1/b%20c%252f%23x");
  });

  test("tells a session that is over from a right that is missing, in words or not", async () => {
    const mount = { path: "secret", type: "kv-v2" } as const;
    for (const inWords of [true, false]) {
      const session = await client.loginByAzure(login);
      expect(await failing(client.read(session, mount, "forbidden/x"))).toBe("forbidden primary_refused");
      vault.revokeAll(inWords);
      expect(await failing(client.read(session, mount, "app/db"))).toBe("unauthenticated primary_refused");
    }
    const session = await client.loginByAzure(login);
    expect(await failing(client.read(session, mount, "absent"))).toBe("not_found");
    expect(await failing(client.mountOf(session, "pki/x"))).toBe("not_found");
  });

  test.each([
    [400, "unauthenticated primary_refused"],
    [403, "unauthenticated primary_refused"],
    [500, "upstream_unavailable http_500"],
    [503, "upstream_unavailable http_503"],
    [429, "upstream_unavailable http_429"],
  ])("takes a login that ends with %p for %s", async (status, failure) => {
    expect(await failing(clientOf(status, '{"errors":["x"]}').loginByAzure(login))).toBe(failure);
  });

  test.each(["", "{", "[]", '{"auth":null}', '{"auth":{"client_token":"","lease_duration":1}}', '{"auth":{"client_token":"t"}}'])(
    "takes no answer for a login that is none: %j",
    async (body) => {
      expect(await failing(clientOf(200, body).loginByAzure(login))).toBe("upstream_unavailable answer_form");
    },
  );

  test("goes by no mount that the path is not in, and by no object that is none", async () => {
    const session = { token: SecretBytes.ofText("t"), lifetimeMs: 1 };
    for (const path of ["", "/", "other/", "sec"])
      expect(await failing(clientOf(200, JSON.stringify({ data: { path, type: "kv" } })).mountOf(session, "secret/a"))).toBe(
        "upstream_unavailable answer_form",
      );
    for (const body of ["<html>", '{"data":null}', '{"data":"x"}', '{"data":[1]}'])
      expect(await failing(clientOf(200, body).read(session, { path: "old", type: "kv-v1" }, "a"))).toBe(
        "upstream_unavailable answer_form",
      );
  });

  test("sends its token and its namespace in headers and never in an address", async () => {
    const sent: HttpRequest[] = [];
    const answer: HttpAnswer = { status: 200, headers: {}, body: Buffer.from('{"data":{}}') };
    const watched = createVaultClient({
      http: {
        getJson: () => Promise.reject(new Error("not asked")),
        send: (request) => Promise.resolve(answer).finally(() => sent.push(request)),
      },
      url: "https://vault.example",
      namespace: "admin/team",
    });
    await watched.read({ token: SecretBytes.ofText("hvs.canary"), lifetimeMs: 1 }, { path: "old", type: "kv-v1" }, "a");
    expect(sent).toEqual([
      {
        url: "https://vault.example/v1/old/a",
        headers: { "x-vault-request": "true", "x-vault-namespace": "admin/team", "x-vault-token": "hvs.canary" },
      },
    ]);
  });
});
