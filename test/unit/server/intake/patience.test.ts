import { afterAll, describe, expect, test } from "bun:test";
import { createIntake } from "../../../../src/server/intake";
import { patience } from "../../../../src/server/intake/connection";
import { connect, type RawConnection } from "../listening";

let nowMs = 1000;
const seen: string[] = [];
const quiet = () => undefined;
const intake = createIntake({
  reception: {
    answer(request) {
      seen.push(request.method);
      return new Response("ok");
    },
    refuse: (refusal) => new Response(null, { status: typeof refusal === "number" ? refusal : 400, headers: { connection: "close" } }),
    bodyLimit: () => 1 << 20,
  },
  clock: { now: () => 0, monotonicMs: () => nowMs },
  logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  limits: { connections: 1000, connectionsPerAddress: 1000, heldBytes: 1 << 20 },
  meter: { rejected: quiet },
  lookMs: 2,
});
const entrance = intake.open({ hostname: "127.0.0.1", port: 0, reusePort: false });
afterAll(() => {
  entrance.close();
  intake.terminate();
});

const head = "Host: h\r\n\r\n";

async function opened(count: number, text: string): Promise<readonly RawConnection[]> {
  const all = await Promise.all(Array.from({ length: count }, () => connect(entrance.port)));
  for (const each of all) each.send(text);
  return all;
}

async function untilThereAre(count: number): Promise<void> {
  while (intake.connections() !== count) await new Promise((resolve) => setImmediate(resolve));
}

describe("connections that take too long", () => {
  test("are ended in their time, silent, dripping or half sent, and those that ask are served meanwhile", async () => {
    const silent = await opened(100, "");
    const dripping = await opened(100, "GET /v1/a HTTP/1.1\r\nHost:");
    const waiting = await opened(50, `POST /v1/a HTTP/1.1\r\nContent-Length: 3\r\n${head}ab`);
    const idle = await opened(10, `LIST /v1/a HTTP/1.1\r\n${head}`);
    await Promise.all(idle.map((each) => each.until("ok")));
    await untilThereAre(260);

    nowMs += patience.head;
    expect(await Promise.all(silent.map((each) => each.untilClosed()))).toEqual(Array(100).fill(""));
    for (const each of dripping) expect(await each.untilClosed()).toStartWith("HTTP/1.1 408 ");
    await untilThereAre(60);
    const [first] = idle;
    first?.send(`LIST /v1/b HTTP/1.1\r\n${head}`);
    expect(await first?.until("okHTTP")).toContain("ok");

    nowMs += patience.body;
    for (const each of waiting) expect(await each.untilClosed()).toStartWith("HTTP/1.1 408 ");
    for (const each of idle) await each.untilClosed();
    await untilThereAre(0);
    expect(seen.every((method) => method === "LIST")).toBe(true);
  });
});
