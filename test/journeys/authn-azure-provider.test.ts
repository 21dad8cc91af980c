/** Where the keys for Azure tokens come from: one tenant per service, versions and audiences, rotations, outages, and services switched on and off. */

import { afterEach, describe, expect, test } from "bun:test";
import { parseAccount } from "../../src/model/ids";
import type { AzureSimulator, MintRequest } from "../../src/simulator/azure/simulator";
import { quietEdge } from "../fronts/ask";
import { type AzureHouse, createAzureHouse, pathOf, service, startCloud, tokenAt, toldBy, whereabouts } from "../support/azure-house";
import { createTestClock } from "../support/house";

const hour = 3_600_000;
const login = "host/apps/vm";
const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

interface Scene {
  readonly simulator: AzureSimulator;
  readonly made: AzureHouse;
  mint(request?: MintRequest): string;
  /** Logs the host in with a token of the machine `vm`, unless another is given. */
  enter(token?: string, at?: string): ReturnType<AzureHouse["attempt"]>;
}

/** A cloud and a house of its own, with one host for `vm` that every service lets in. */
async function begin(
  services: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
  enabled?: readonly string[],
): Promise<Scene> {
  const clock = createTestClock();
  const simulator = await startCloud(clock);
  opened.push(simulator);
  const names = Object.keys(services);
  const made = await createAzureHouse(simulator, { clock, enabled: enabled ?? [service, ...names] });
  opened.push(made);
  for (const [name, values] of Object.entries(services)) await made.addService(name, resolved(simulator, values));
  await made.addLogins([{ login, annotations: whereabouts(simulator), services: [service, ...names] }]);
  const mint = (request: MintRequest = {}) => tokenAt(simulator, clock, request);
  return { simulator, made, mint, enter: (token = mint(), at = service) => made.attempt({ login, token, service: at }) };
}

/** Values are written before there is a simulator: `v1 acme` stands for the address of that tenant's version 1, `app:URI` for an application id. */
function resolved(simulator: AzureSimulator, values: Readonly<Record<string, string>>): Record<string, string> {
  const resolve = (value: string): string => {
    const [, version, tenant] = /^(v[12]) (\w+)/u.exec(value) ?? [];
    const rest = value.slice(`${version} ${tenant}`.length);
    if (version === "v1" || version === "v2") return `${simulator.tenant(tenant).providerUris[version]}${rest}`;
    return value.startsWith("app:") ? simulator.applicationId(value.slice("app:".length)) : value;
  };
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, resolve(value)]));
}

const refusedBy = (because: string, failed = because) => ({ status: 401, body: "", lines: 1, because, failed });
const v2 = { resource: "https://v2.postern.example", version: 2 } as const;

describe("a provider-uri", () => {
  test("means the same without its slash", async () => {
    const { simulator, made, enter } = await begin();
    await made.setVariable(`conjur/authn-azure/${service}/provider-uri`, simulator.tenant().providerUris.v1.slice(0, -1));
    expect((await enter()).status).toBe(200);
  });

  test.each(["v2 acme", "v2 acme/"])("of version 2, as %s, takes its tokens and none of version 1", async (uri) => {
    const { mint, enter } = await begin({ V2: { "provider-uri": uri, audience: "app:https://v2.postern.example" } });
    expect((await enter(mint(v2), "V2")).status).toBe(200);
    expect(toldBy(await enter(mint({ ...v2, version: 1 }), "V2"))).toEqual(refusedBy("token_version"));
    expect(toldBy(await enter(mint({ ...v2, claims: { ver: "1.0" } }), "V2"))).toEqual(refusedBy("token_version"));
  });

  test("of version 1 takes no token of version 2, under whichever version it goes", async () => {
    const { simulator, mint, enter } = await begin();
    expect(toldBy(await enter(mint(v2)))).toEqual(refusedBy("token_version"));
    expect(toldBy(await enter(mint({ ...v2, claims: { ver: "1.0", aud: "https://management.azure.com/" } })))).toEqual(refusedBy("issuer"));
    expect(toldBy(await enter(mint({ claims: { iss: simulator.tenant().issuers.v2 } })))).toEqual(refusedBy("issuer"));
  });

  test("that is changed counts from the next login on", async () => {
    const { simulator, made, enter } = await begin();
    expect((await enter()).status).toBe(200);
    await made.setVariable(`conjur/authn-azure/${service}/provider-uri`, simulator.tenant("globex").providerUris.v1);
    expect(toldBy(await enter())).toEqual(refusedBy("issuer"));
    await made.setVariable(`conjur/authn-azure/${service}/provider-uri`, simulator.tenant().providerUris.v1);
    expect((await enter()).status).toBe(200);
  });
});

describe("an audience", () => {
  test.each(["https://management.azure.com/", "https://management.azure.com"])(
    "that nobody chose is Resource Manager's: %s",
    async (resource) => {
      const { mint, enter } = await begin();
      const outcome = await enter(mint({ resource }));
      expect(outcome.status).toBe(200);
      // The operator is told that any service the machine talks to could show this token.
      expect(outcome.why).toContain("audience_is_arm");
    },
  );

  test("that is set replaces the one that nobody chose", async () => {
    const { mint, enter } = await begin({ Own: { "provider-uri": "v1 acme", audience: "https://postern.example" } });
    const outcome = await enter(mint({ resource: "https://postern.example" }), "Own");
    expect(outcome.status).toBe(200);
    expect(outcome.why).not.toContain("audience_is_arm");
    expect(toldBy(await enter(mint(), "Own"))).toEqual(refusedBy("audience"));
  });

  test("may be one of several", async () => {
    const { mint, enter } = await begin({ Own: { "provider-uri": "v1 acme", audience: "https://a.example, https://postern.example" } });
    for (const resource of ["https://a.example", "https://postern.example"]) {
      expect((await enter(mint({ resource }), "Own")).status).toBe(200);
    }
  });

  test.each([",", " , \n ,"])("list that names nobody means nobody: %j", async (audience) => {
    const { mint, enter } = await begin({ Own: { "provider-uri": "v1 acme", audience } });
    for (const token of [mint(), mint({ claims: { aud: "" } }), mint({ claims: { aud: undefined } })]) {
      expect(toldBy(await enter(token, "Own"))).toEqual(refusedBy("audience_setting"));
    }
  });
});

describe("two services", () => {
  test("have each its own tenant, and neither takes the other's tokens", async () => {
    const { simulator, made, mint } = await begin({ Globex: { "provider-uri": "v1 globex" } });
    await made.addLogins([{ login: "host/globex/vm", annotations: whereabouts(simulator, "vm-globex"), services: ["Globex", service] }]);
    const ours = { login, token: mint() };
    const theirs = { login: "host/globex/vm", token: mint({ machine: "vm-globex" }), service: "Globex" };
    expect((await made.attempt(ours)).status).toBe(200);
    expect((await made.attempt(theirs)).status).toBe(200);
    expect(toldBy(await made.attempt({ ...ours, service: "Globex" }))).toEqual(refusedBy("issuer"));
    expect(toldBy(await made.attempt({ ...theirs, service }))).toEqual(refusedBy("issuer"));
  });
});

describe("keys that were replaced at the provider", () => {
  test.each(["scheduled", "emergency"] as const)("(%s) sign the first login after it", async (mode) => {
    const { simulator, mint, enter } = await begin();
    expect((await enter()).status).toBe(200);
    await simulator.entra.rotate(mode);
    expect((await enter(mint())).status).toBe(200);
  });

  test("in an emergency take the old tokens with them, once the new set is known", async () => {
    const { simulator, made, mint, enter } = await begin();
    const old = mint();
    expect((await enter(old)).status).toBe(200);
    await simulator.entra.rotate("emergency");
    made.house.clock.advance(60_000);
    expect((await enter(mint())).status).toBe(200);
    expect(toldBy(await enter(old))).toEqual(refusedBy("signing_key"));
  });

  test.each(["scheduled", "emergency"] as const)(
    "(%s) every minute for a quarter of an hour keep nobody out, and cost one question each",
    async (mode) => {
      const { simulator, made, mint, enter } = await begin();
      expect((await enter()).status).toBe(200);
      const before = simulator.entra.requests("keys");
      let former = mint();
      for (let passed = 0; passed < 15; passed += 1) {
        await simulator.entra.rotate(mode);
        made.house.clock.advance(60_000);
        const token = mint();
        expect((await enter(token)).status).toBe(200);
        if (mode === "emergency") expect(toldBy(await enter(former))).toEqual(refusedBy("signing_key"));
        former = token;
      }
      // A key that is gone may be looked for as well, and is not there.
      expect(simulator.entra.requests("keys") - before).toBeLessThanOrEqual(mode === "emergency" ? 31 : 16);
    },
  );

  test("are looked for once, whatever strangers send", async () => {
    const { simulator, mint, enter } = await begin();
    await enter();
    const before = simulator.entra.requests("keys");
    const unknown = mint({ flaw: "unknown_key" });
    for (let round = 0; round < 20; round += 1) expect(toldBy(await enter(unknown))).toEqual(refusedBy("signing_key"));
    for (const flaw of ["stolen_kid", "alg_none", "expired", "tampered_signature"] as const) await enter(mint({ flaw }));
    expect(simulator.entra.requests("keys")).toBe(before + 1);
  });
});

describe("a provider that is down", () => {
  test.each([
    ["answers 500", { kind: "status", status: 500 }],
    ["tears connections down", { kind: "reset" }],
    ["answers nothing", { kind: "hang" }],
    ["answers with no keys", { kind: "empty_set" }],
    ["answers what is no JSON", { kind: "garbage" }],
    ["answers with another document", { kind: "body", body: '{"keys":{"kty":"RSA"},"issuer":["https://evil.example/"]}' }],
    ["answers with a page", { kind: "body", body: "<html>maintenance</html>", contentType: "text/html" }],
    ["answers with a hundred megabytes", { kind: "huge", bytes: 100_000_000 }],
    ["sends elsewhere", { kind: "redirect", location: "https://127.0.0.1:9/" }],
  ] as const)("and %s stops nobody for a day where its keys are known, and everybody after it", async (_, fault) => {
    const { simulator, made, mint, enter } = await begin();
    expect((await enter()).status).toBe(200);
    simulator.entra.fault("metadata", fault);
    simulator.entra.fault("keys", fault);
    for (let passed = 0; passed < 24; passed += 6) {
      expect((await enter(mint())).status).toBe(200);
      made.house.clock.advance(6 * hour);
    }
    made.house.clock.advance(hour);
    expect(toldBy(await enter(mint()))).toMatchObject({ status: 401, failed: "issuer_keys" });
    simulator.entra.clearFaults();
    made.house.clock.advance(60_000);
    expect((await enter(mint())).status).toBe(200);
  });

  test("and was never asked before refuses as anything else is refused, and is believed when it is back", async () => {
    const { simulator, made, mint, enter } = await begin();
    simulator.entra.fault("metadata", { kind: "status", status: 503 });
    expect(toldBy(await enter())).toEqual(refusedBy("status", "issuer_keys"));
    simulator.entra.clearFaults();
    made.house.clock.advance(60_000);
    expect((await enter(mint())).status).toBe(200);
  });

  test("does not hold up tokens that name a key nobody knows", async () => {
    const { simulator, made, mint, enter } = await begin();
    await enter();
    made.house.clock.advance(60_000);
    simulator.entra.fault("metadata", { kind: "hang" });
    expect(toldBy(await enter(mint({ flaw: "unknown_key" })))).toEqual(refusedBy("signing_key"));
    expect((await enter(mint())).status).toBe(200);
  });
});

describe("53: a provider that hangs while nothing is known of it", () => {
  test("is asked once for all who wait; those beyond the bound are told to come again", async () => {
    const { simulator, made, mint } = await begin();
    simulator.entra.fault("metadata", { kind: "hang" });
    const body = `jwt=${mint()}`;
    const url = `http://postern.test${pathOf({ login })}`;
    const waiting = Array.from({ length: 300 }, async () => {
      const bindings = { context: made.house.context(), edge: quietEdge };
      const answer = await made.front.app.fetch(new Request(url, { method: "POST", body }), bindings);
      return { status: answer.status, body: await answer.text() };
    });
    const answers = await Promise.all(waiting);
    const count = (status: number) => answers.filter((answer) => answer.status === status).length;
    expect({ unauthenticated: count(401), unavailable: count(503) }).toEqual({ unauthenticated: 256, unavailable: 44 });
    expect(answers.every((answer) => answer.body === "")).toBe(true);
    expect(simulator.entra.requests("metadata")).toBe(1);
    const lines = made.house.audit.filter((line) => line.operation === "login");
    expect(lines.filter((line) => line.because === "timeout")).toHaveLength(256);
    expect(lines.filter((line) => line.because === "overloaded")).toHaveLength(44);
  });
});

describe("a service", () => {
  const later = { Later: { "provider-uri": "v1 acme" } };

  async function patch(made: AzureHouse, enabled: boolean, headers: Readonly<Record<string, string>>): Promise<number> {
    const body = `enabled=${enabled}`;
    const answer = await fetch(`${made.listener.url}/authn-azure/Later/acme`, { method: "PATCH", body, headers });
    return answer.status;
  }

  test("is open from the moment it is enabled to the moment it is disabled", async () => {
    const { made, mint, enter } = await begin(later, [service]);
    const headers = { authorization: await made.adminToken(), "content-type": "application/x-www-form-urlencoded" };
    expect(toldBy(await enter(mint(), "Later"))).toEqual(refusedBy("enabled"));
    expect(await patch(made, true, headers)).toBe(204);
    expect((await enter(mint(), "Later")).status).toBe(200);
    expect(await patch(made, false, headers)).toBe(204);
    expect(toldBy(await enter(mint(), "Later"))).toEqual(refusedBy("enabled"));
  });

  test("is not enabled by nobody, nor by a host that it lets in", async () => {
    const { made, mint, enter } = await begin(later, [service]);
    expect(await patch(made, true, {})).toBe(401);
    const session = Buffer.from((await enter()).body).toString("base64");
    expect(await patch(made, true, { authorization: `Token token="${session}"` })).toBe(403);
    expect(toldBy(await enter(mint(), "Later"))).toEqual(refusedBy("enabled"));
  });

  test("enabled in one account is not enabled in another", async () => {
    const { made, mint } = await begin(later, [service]);
    const headers = { authorization: await made.adminToken() };
    expect(await patch(made, true, headers)).toBe(204);
    await made.house.operator.createAccount(parseAccount("acme2"), made.house.context());
    expect(toldBy(await made.attempt({ login, token: mint(), service: "Later", account: "acme2" }))).toEqual(refusedBy("enabled"));
  });

  test("tells whether its provider answers", async () => {
    const { simulator, made } = await begin();
    const headers = { authorization: await made.adminToken() };
    const status = async () => {
      const answer = await fetch(`${made.listener.url}/authn-azure/${service}/acme/status`, { headers });
      return { status: answer.status, body: await answer.json() };
    };
    simulator.entra.fault("metadata", { kind: "garbage" }, 1);
    expect(await status()).toMatchObject({ status: 500, body: { status: "error" } });
    expect(await status()).toEqual({ status: 200, body: { status: "ok" } });
  });
});
