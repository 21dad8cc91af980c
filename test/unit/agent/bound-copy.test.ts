import { afterAll, expect, test } from "bun:test";
import { apps, createAgentHouse, logIn, secretPath } from "../../support/agent-house";
import { createLogKeeper } from "../../support/fake-issuer";

const house = await createAgentHouse();
afterAll(() => house.close());
const billing = house.bySocket("billing");

/** What an agent of that machine answers, and what it logs. */
async function ask(machine: string): Promise<{ readonly status: number; readonly events: readonly string[] }> {
  house.moveTo(machine);
  const log = createLogKeeper();
  const agent = await house.start(`seal = ["file:$folder/keys/agent.key"]\n[offline]\nmax_stale = "1h"\nfresh = "0s"\n${apps}`, log);
  const { status } = await billing(secretPath("billing"), { headers: await logIn(billing, "billing") });
  await agent.stop();
  return { status, events: log.lines.map(({ event }) => event) };
}

test("a copy opens on no other machine, though its key is on the disk as well", async () => {
  expect((await ask("machine-1")).status).toBe(200);
  house.primary.listener.stop();
  expect((await ask("machine-1")).status).toBe(200);
  const elsewhere = await ask("machine-2");
  expect([elsewhere.status, elsewhere.events.includes("copy_not_opened")]).toEqual([503, true]);
});
