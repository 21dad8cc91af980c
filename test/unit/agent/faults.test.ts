/** What an app is told, and what it still gets, while the machine's endpoint or the primary is away: for a moment, for hours, and when both are back. */

import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import type { RunningAgent } from "../../../src/agent/agent";
import type { Fault } from "../../../src/simulator/azure/endpoint";
import { type Ask, apps, createAgentHouse, logIn, machineName, secretPath } from "../../support/agent-house";
import { createLogKeeper } from "../../support/fake-issuer";

const house = await createAgentHouse();
const himds = house.simulator.machine(machineName);
const billing = house.bySocket("billing");
const minute = 60_000;
const hour = 60 * minute;
/** A reader with a usable value waits for so long; what takes longer is a caller's patience, or the time between two tries. */
const readerPatienceMs = 1000;
house.waitBy((ms) => Bun.sleep(ms > readerPatienceMs ? ms / 20 : ms));

/** The way to the primary, which can be cut. Copies are bound to its address, so that it is one and the same. */
let isCut = false;
const line = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    if (isCut) return new Response(new ReadableStream({ start: (controller) => controller.error(undefined) }));
    const { pathname, search } = new URL(request.url);
    const { method, headers } = request;
    return await fetch(`${house.primary.listener.url}${pathname}${search}`, { method, headers, body: await request.bytes() });
  },
});
const table = house.primaryTable.replace(house.primary.listener.url, line.url.origin);

let agent: RunningAgent | undefined;
async function start(more: string, log = createLogKeeper(), who?: string): Promise<void> {
  agent = await house.start(more, log, table, "data", who);
}
beforeEach(() => {
  isCut = false;
  himds.clearFaults();
});
afterEach(async () => {
  isCut = false;
  await agent?.stop();
  agent = undefined;
});
afterAll(async () => {
  await line.stop(true);
  await house.close();
});

/** Status, body, source or reason, and whether it says when to come again. */
async function read(name = "billing", ask: Ask = billing): Promise<string> {
  const answer = await ask(secretPath(name), { headers: await logIn(ask, "billing") });
  const told = answer.headers.get("x-postern-source") ?? answer.headers.get("x-postern-reason") ?? "";
  const retry = answer.headers.get("retry-after");
  return [answer.status, await answer.text(), told, ...(retry === null ? [] : [`again in ${retry}`])].join("|");
}

const good = "200|the billing password|primary";
const kept = "200|the billing password|copy";
const noLine = "503||primary_unavailable|again in 5";
const tooOld = "503||stale|again in 5";
const noCopy = `[offline]\nfresh = "0s"\n${apps}`;
const copies = `seal = ["file:$folder/keys/agent.key"]\n[offline]\nmax_stale = "2h"\nfresh = "0s"\n${apps.replaceAll('.sock"\n', '.sock"\nkeep = ["apps/billing/password"]\n')}`;

/** Until nobody waits for what went wrong any more. */
async function mended(ask: () => Promise<string>, wanted: string): Promise<string> {
  let last = "";
  for (let round = 0; round < 300 && last !== wanted; round += 1) {
    house.clock.advance(minute);
    last = await ask();
    if (last !== wanted) await Bun.sleep(20);
  }
  return last;
}

const faults: readonly (readonly [string, Fault])[] = [
  ["is gone from its port", { kind: "reset" }],
  ["hangs", { kind: "hang" }],
  ["answers 404", { kind: "status", status: 404 }],
  ["answers 410", { kind: "status", status: 410 }],
  ["answers 429 and when to come again", { kind: "status", status: 429, retryAfterSeconds: 30 }],
  ["answers 429 and to come again in an hour", { kind: "status", status: 429, retryAfterSeconds: 3600 }],
  ["answers 500", { kind: "status", status: 500, body: "the description of an error" }],
  ["answers what is no JSON", { kind: "garbage" }],
  ["answers with JSON of another kind", { kind: "body", body: '{"access_token":["eyJ"],"expires_in":-1}' }],
  ["answers with more than anybody reads", { kind: "huge" }],
  ["sends elsewhere", { kind: "redirect", location: "http://127.0.0.1:9/" }],
];

describe.each(faults)("a machine's endpoint that %s", (_how, fault) => {
  test.each(["challenge", "token"] as const)(
    "(%s) is told to apps as a primary that is away, once asked for all of them, and believed when it is back",
    async (route) => {
      const log = createLogKeeper();
      await start(noCopy, log);
      himds.fault(route, fault);
      const before = himds.requests("challenge");
      expect(new Set(await Promise.all(Array.from({ length: 20 }, () => read())))).toEqual(new Set([noLine]));
      // Twenty have asked, and no more requests came of it than one at a time does.
      expect(himds.requests("challenge") - before).toBeLessThanOrEqual(5);
      expect(JSON.stringify(log.lines)).not.toMatch(/description of an error|eyJ/u);
      himds.clearFaults();
      expect(await mended(read, good)).toBe(good);
    },
    // Whoever asks an endpoint that hangs waits for five seconds.
    20_000,
  );
});

describe("a machine's endpoint that stays away", () => {
  test("is not missed before the token ends that it gave last, and then the copy serves until it is too old", async () => {
    await start(copies);
    expect(await read()).toBe(good);
    himds.fault("challenge", { kind: "status", status: 500 });
    // Sessions at the primary end after minutes: each of these reads logs in anew, with the token there is.
    for (let passed = 0; passed < 23; passed += 1) {
      house.clock.advance(hour);
      expect(await read()).toBe(good);
    }
    house.clock.advance(hour);
    expect(await read()).toBe(kept);
    house.clock.advance(hour + minute);
    expect(await read()).toBe(tooOld);
    himds.clearFaults();
    expect(await mended(read, good)).toBe(good);
  });

  test("leaves a start without a token to what is kept", async () => {
    await start(copies);
    expect(await read()).toBe(good);
    await agent?.stop();
    house.clock.advance(hour);
    const nobody = himds.url;
    await start(copies, createLogKeeper(), house.settings.slice(house.primaryTable.length).replace(nobody, "http://127.0.0.1:9"));
    expect(await read()).toBe(kept);
    expect(await read("unknown")).toBe(noLine);
  });
});

const permit = (deny: boolean): string =>
  `- !${deny ? "deny" : "permit"}\n  role: !host apps/billing\n  privileges: [ read, execute ]\n  resource: !variable apps/billing/password\n`;

describe("a primary that is away for hours", () => {
  const age = async (): Promise<number> =>
    Number((await billing(secretPath("billing"), { headers: await logIn(billing, "billing") })).headers.get("age"));

  test("leaves what is kept to the apps for as long as it may count, older by the hour, over restarts too", async () => {
    await start(copies);
    expect(await read()).toBe(good);
    isCut = true;
    for (const passed of [0, 40, 80]) {
      expect([await read(), await age()]).toEqual([kept, passed * 60]);
      house.clock.advance(40 * minute);
      await agent?.stop();
      await start(copies);
    }
    expect(await read()).toBe(kept);
    house.clock.advance(1);
    expect(await read()).toBe(tooOld);
    await agent?.stop();
    await start(copies);
    // Nothing is left of it at the next start.
    expect(await read()).toStartWith("503||");
    isCut = false;
    expect(await mended(read, good)).toBe(good);
    expect(await age()).toBe(0);
  });

  test("is asked anew at the first read when it is back, and a right that was taken meanwhile is gone with that, on the disk as well", async () => {
    await start(copies);
    expect(await read()).toBe(good);
    isCut = true;
    house.clock.advance(hour);
    expect(await read()).toBe(kept);
    await house.primary.house.load(permit(true), "update");
    expect(await read()).toBe(kept);
    isCut = false;
    // The longest pause between two questions.
    house.clock.advance(30_000);
    expect(await read()).toStartWith("404|");
    isCut = true;
    house.clock.advance(3000);
    expect(await read()).toBe(noLine);
    await agent?.stop();
    await start(copies);
    expect(await read()).toBe(noLine);
    await house.primary.house.load(permit(false), "update");
    isCut = false;
    expect(await mended(read, good)).toBe(good);
  });

  test("and took a right before is heeded after the next start as well, where the copy could not be written any more", async () => {
    await start(copies);
    expect(await read()).toBe(good);
    await agent?.stop();
    const log = createLogKeeper();
    await start(copies, log);
    // In the way of the new file, as a full disk is.
    const obstacle = join(house.folder, "data/copies/billing.copy.new");
    mkdirSync(obstacle);
    await house.primary.house.load(permit(true), "update");
    expect(await read()).toStartWith("404|");
    while (!log.lines.some(({ event }) => event === "copy_not_written")) await Bun.sleep(10);
    isCut = true;
    await agent?.stop();
    await start(copies);
    expect(await read()).toBe(noLine);
    rmdirSync(obstacle);
    await house.primary.house.load(permit(false), "update");
    isCut = false;
    expect(await mended(read, good)).toBe(good);
  });

  test("does not cost what is asked of the agent itself: its health, and a word for everything that writes", async () => {
    await start(noCopy);
    isCut = true;
    expect(await read()).toBe(noLine);
    const answer = await fetch("http://postern/ready", { unix: join(house.folder, "data/agent.sock") });
    expect(await answer.json()).toMatchObject({ primary: { isUp: false }, identity: { isUp: true } });
    const written = await billing(secretPath("billing"), { method: "POST", body: "x", headers: await logIn(billing, "billing") });
    expect(written.status).toBe(404);
  });
});
