import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { RunningAgent } from "../../../src/agent/agent";
import { apps, createAgentHouse, logIn, secretPath } from "../../support/agent-house";
import { createLogKeeper } from "../../support/fake-issuer";

const house = await createAgentHouse();
let agent: RunningAgent | undefined;
afterEach(async () => {
  await agent?.stop();
  agent = undefined;
});
afterAll(() => house.close());

const path = join(house.folder, "data/agent.sock");
const ask = (route: string, init: RequestInit = {}): Promise<Response> => fetch(`http://postern${route}`, { ...init, unix: path });
const billing = house.bySocket("billing");
const read = async (name: string): Promise<number> =>
  (await billing(secretPath(name), { headers: await logIn(billing, "billing") })).status;

/** The series by name, without their help. */
async function series(): Promise<Readonly<Record<string, number>>> {
  const lines = (await (await ask("/metrics")).text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]));
}

const kept = '[offline]\nmax_stale = "1h"\nfresh = "1s"\n';

describe("the operator's socket of an agent", () => {
  test("is its user's alone, and gone with it", async () => {
    agent = await house.start(apps);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await (await ask("/health")).json()).toEqual({ status: "ok" });
    await agent.stop();
    agent = undefined;
    expect(existsSync(path)).toBe(false);
  });

  test("tells how the machine's endpoint and the primary answered, and how old what is kept has become", async () => {
    agent = await house.start(kept + apps);
    expect(await read("billing")).toBe(200);
    expect(await (await ask("/ready")).json()).toEqual({
      apps: ["billing", "shop"],
      identity: { source: "arc", isUp: true },
      primary: { url: house.primary.listener.url, isUp: true },
    });
    house.clock.advance(90_000);
    expect(await series()).toMatchObject({
      postern_agent_apps: 2,
      postern_identity_source_up: 1,
      postern_primary_up: 1,
      postern_copy_oldest_seconds: 90,
      'postern_agent_decisions_total{operation="secret.read",outcome="primary"}': 1,
    });
  });

  test("tells that the machine's endpoint gives no token, and what its apps got then", async () => {
    const table = house.primaryTable;
    const strange = `${house.settings.slice(table.length)}client_id = "00000000-0000-4000-8000-000000000000"
`;
    agent = await house.start(apps, createLogKeeper(), table, "data", strange);
    expect(await read("billing")).toBe(503);
    expect(await series()).toMatchObject({
      postern_identity_source_up: 0,
      'postern_agent_decisions_total{operation="secret.read",outcome="primary_unavailable"}': 1,
    });
    expect(await (await ask("/ready")).json()).toMatchObject({ identity: { isUp: false }, primary: { isUp: false } });
  });

  test("tells of a step of the clock, which the ages of what is kept depend on", async () => {
    const log = createLogKeeper();
    agent = await house.start(kept + apps, log);
    expect(await series()).toMatchObject({ postern_clock_step_seconds: 0 });
    house.clock.setWall(house.clock.now() - 86_400_000);
    while (!log.lines.some(({ event }) => event === "clock_stepped")) await Bun.sleep(20);
    expect(await series()).toMatchObject({ postern_clock_step_seconds: -86_400 });
    house.clock.setWall(house.clock.now() + 86_400_000);
  });

  test("counts what is refused before it is looked at, and shows neither names nor values", async () => {
    agent = await house.start(apps.replace('socket = "$folder/shop.sock"', 'listen = "127.0.0.1:0"\ntoken_file = "$folder/shop.token"'));
    const port = agent.urls().find((url) => url.startsWith("http:"));
    expect((await fetch(`${port}/health`, { headers: { origin: "https://evil.example" } })).status).toBe(200);
    expect((await fetch(`${port}/v1/sys/health`, { headers: { origin: "https://evil.example" } })).status).toBe(403);
    expect(await read("billing")).toBe(200);
    expect(await series()).toMatchObject({ 'postern_rejected_total{reason="local"}': 1 });
    expect(await (await ask("/metrics")).text()).not.toMatch(/billing|shop|password/u);
  });

  test.each([
    ["POST", "/metrics", 405],
    ["GET", "/secrets/acme/variable/x", 404],
    ["GET", "/v1/sys/health", 404],
  ])("answers nothing else: %s %s", async (method, route, status) => {
    agent = await house.start(apps);
    expect((await ask(route, { method })).status).toBe(status);
  });
});
