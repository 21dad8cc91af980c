import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RunningAgent } from "../../../src/agent/agent";
import { failureFrom } from "../../contract/authenticator";
import { type Ask, apps, createAgentHouse, logIn, secretPath } from "../../support/agent-house";
import { createLogKeeper } from "../../support/fake-issuer";

const house = await createAgentHouse();
let agent: RunningAgent | undefined;
afterEach(async () => {
  await agent?.stop();
  agent = undefined;
});
afterAll(() => house.close());

const billing = house.bySocket("billing");
const shop = house.bySocket("shop");
const app = (name: string, more = ""): string => `[apps.${name}]\nrole = "host/apps/${name}"\nsocket = "$folder/${name}.sock"\n${more}`;

async function started(more = apps): Promise<RunningAgent> {
  agent = await house.start(more);
  return agent;
}

async function read(ask: Ask, name: string, headers?: Record<string, string>): Promise<string> {
  const answer = await ask(secretPath(name), { headers: headers ?? (await logIn(ask, name)) });
  return `${answer.status} ${await answer.text()}`;
}

describe("an agent that is told anew while it serves", () => {
  test("serves an app that has come, and none that is gone", async () => {
    const running = await started(app("billing"));
    const session = await logIn(billing, "billing");
    await running.reload(house.configured(apps));
    expect(await read(shop, "shop")).toBe("200 the shop password");
    // What is told as before goes on with the sessions that it has.
    expect(await read(billing, "billing", session)).toBe("200 the billing password");
    await running.reload(house.configured(app("shop")));
    expect(running.urls()).toEqual([`unix:${join(house.folder, "shop.sock")}`]);
    expect(await billing("/").catch((error: unknown) => error instanceof Error)).toBe(true);
  });

  test("cuts off no request of an app that is told otherwise", async () => {
    const [arrived, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    // In front of the primary, where the read waits.
    using front = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      async fetch(request) {
        const { pathname, search } = new URL(request.url);
        if (pathname.startsWith("/secrets")) {
          arrived.resolve();
          await released.promise;
        }
        return await fetch(`${house.primary.listener.url}${pathname}${search}`, {
          method: request.method,
          headers: request.headers,
          body: await request.bytes(),
        });
      },
    });
    const table = house.primaryTable.replace(house.primary.listener.url, front.url.origin);
    agent = await house.start(app("billing"), createLogKeeper(), table);
    const session = await logIn(billing, "billing");
    const answer = billing(secretPath("billing"), { headers: session });
    await arrived.promise;
    const reloaded = agent.reload(house.configured(app("billing", 'mode = "0660"\n'), table));
    released.resolve();
    expect((await answer).status).toBe(200);
    await reloaded;
    // The session was of the app as it was.
    expect(await read(billing, "billing", session)).toStartWith("401");
    expect(await read(billing, "billing")).toBe("200 the billing password");
  });

  test("gives each role its own secrets, also when two apps change places", async () => {
    const running = await started();
    const crossed = (name: string, other: string): string => app(name).replace(`host/apps/${name}`, `host/apps/${other}`);
    await running.reload(house.configured(crossed("billing", "shop") + crossed("shop", "billing")));
    expect(await read(billing, "shop")).toBe("200 the shop password");
    await expect(logIn(billing, "billing")).rejects.toThrow("401");
  });

  test("counts a value fresh for as long as it says now", async () => {
    const running = await started(`[offline]\nfresh = "1h"\n${apps}`);
    await read(billing, "billing");
    const reads = (): number => house.primary.house.audit.filter((line) => line.operation === "secret.read").length;
    const before = reads();
    await read(billing, "billing");
    expect(reads()).toBe(before);
    await running.reload(house.configured(`[offline]\nfresh = "0s"\n${apps}`));
    await read(billing, "billing");
    expect(reads()).toBeGreaterThan(before);
  });

  test("leaves everything as it is for what counts from a start on, and names it", async () => {
    const running = await started();
    const session = await logIn(billing, "billing");
    const other = '[primary]\nurl = "https://192.0.2.1"\naccount = "acme"\nservice = "other"\n';
    const failure = await failureFrom(() => running.reload(house.configured(app("shop"), other)));
    expect(failure).toMatchObject({
      code: "malformed",
      because: "configuration",
      expected: expect.stringMatching(/^primary: expected as/),
    });
    expect(await read(billing, "billing", session)).toBe("200 the billing password");
  });

  test("goes on with an app as it was when this machine does not have what it is told of, and with the others as they are told", async () => {
    const running = await started(app("billing"));
    const failure = await failureFrom(() =>
      running.reload(house.configured(app("billing", 'owner = "nobody-of-that-name"\n') + app("shop"))),
    );
    expect(failure).toMatchObject({ code: "malformed", expected: expect.stringMatching(/^apps\.billing: .*; it is served as before$/) });
    expect(await read(billing, "billing")).toBe("200 the billing password");
    expect(await read(shop, "shop")).toBe("200 the shop password");
  });

  test("does not take what is no socket, and says that the app is not served", async () => {
    const running = await started(app("billing"));
    writeFileSync(join(house.folder, "taken"), "x");
    const failure = await failureFrom(() => running.reload(house.configured(app("billing") + app("shop").replace("shop.sock", "taken"))));
    expect(failure).toMatchObject({ expected: expect.stringMatching(/^apps\.shop: .*; it is not served$/s) });
    expect(running.urls()).toHaveLength(1);
    expect(existsSync(join(house.folder, "taken"))).toBe(true);
  });

  test("takes one telling after the other, and the last one counts", async () => {
    const running = await started();
    await Promise.all(
      [app("billing"), apps, app("shop"), app("billing") + app("shop")].map((more) => running.reload(house.configured(more))),
    );
    expect(running.urls()).toHaveLength(2);
    expect(await read(billing, "billing")).toBe("200 the billing password");
    expect(await read(shop, "shop")).toBe("200 the shop password");
  });
});
