import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createForwarding, type ForwardingTrail } from "../../../src/audit/forwarding";
import { parseRoleId } from "../../../src/model/ids";
import type { LineSink } from "../../../src/model/ports";
import { type AuditBench, createAuditBench, readRecord } from "../../support/audit-bench";
import { failureOfWork } from "../../support/failing";

/** A sink that takes lines, or not, and can be made to wait. */
function createSink(place = "test") {
  const lines: string[] = [];
  let isBroken = false;
  let gate: PromiseWithResolvers<void> | undefined;
  let mostAtOnce = Number.POSITIVE_INFINITY;
  const sink: LineSink = {
    place,
    async write(some) {
      await gate?.promise;
      if (isBroken) throw Object.assign(new Error("no"), { code: "ECONNREFUSED" });
      const taken = some.slice(0, mostAtOnce);
      lines.push(...taken);
      return taken.length;
    },
    close: () => void lines.push("closed"),
  };
  return {
    sink,
    lines,
    takeAtOnce: (count: number) => {
      mostAtOnce = count;
    },
    break: (broken: boolean) => {
      isBroken = broken;
    },
    hold() {
      gate = Promise.withResolvers();
      return gate.resolve;
    },
  };
}

let bench: AuditBench;
let open: ForwardingTrail | undefined;
beforeEach(() => {
  bench = createAuditBench();
});
afterEach(async () => {
  await open?.close();
  open = undefined;
  bench.remove();
});

function forwarding(sinks: readonly LineSink[], isRequired = false): ForwardingTrail {
  open = createForwarding({ trail: bench.open(), sinks, isRequired, clock: bench.clock, logger: bench.log });
  return open;
}

describe("the audit beside its trail", () => {
  test("reaches a place that takes a few at a time once and in order", async () => {
    const place = createSink();
    place.takeAtOnce(3);
    const audit = forwarding([place.sink]);
    for (let index = 1; index <= 20; index += 1) await audit.append(readRecord(index));
    await audit.close();
    const requests = place.lines.slice(0, -1).map((line) => /conjur (r\d+) fetch/u.exec(line)?.[1]);
    expect(requests).toEqual(Array.from({ length: 20 }, (_, index) => `r${index + 1}`));
  });

  test("goes to every place, after the trail has its line", async () => {
    const [one, two] = [createSink(), createSink()];
    const audit = forwarding([one.sink, two.sink]);
    await audit.append(readRecord(1));
    await audit.close();
    expect(one.lines).toHaveLength(2);
    expect(one.lines[0]).toContain(" conjur r1 fetch ");
    expect(two.lines).toEqual(one.lines);
  });

  test("holds up nobody while a place is slow, and sends on in order", async () => {
    const slow = createSink();
    const release = slow.hold();
    const audit = forwarding([slow.sink]);
    for (let number = 1; number <= 50; number += 1) await audit.append(readRecord(number));
    expect(slow.lines).toEqual([]);
    release();
    await audit.close();
    expect(slow.lines.slice(0, -1).map((line) => / conjur r(\d+) /u.exec(line)?.[1])).toEqual(
      Array.from({ length: 50 }, (_, index) => String(index + 1)),
    );
  });

  test("keeps what a broken place missed until it takes it again, and says both once", async () => {
    const sink = createSink("tcp://logs.example:601");
    sink.break(true);
    const audit = forwarding([sink.sink]);
    await audit.append(readRecord(1));
    await audit.append(readRecord(2));
    await Bun.sleep(1);
    expect(audit.forwarding()).toEqual({ dropped: 0, broken: 1 });
    expect(audit.available()).toBe(true);
    sink.break(false);
    await audit.close();
    expect(sink.lines).toHaveLength(3);
    const events = bench.log.events.filter(({ event }) => event.startsWith("audit_sink"));
    expect(events.map(({ event }) => event)).toEqual(["audit_sink_unavailable", "audit_sink_available"]);
    expect(events[0]?.fields).toEqual({ sink: "tcp://logs.example:601", reason: "ECONNREFUSED" });
  });

  test("drops the oldest beyond a bound, and counts them", async () => {
    const sink = createSink();
    const release = sink.hold();
    const audit = forwarding([sink.sink]);
    const rows = Array.from({ length: 20_500 }, () => ({ operation: "add", subject: { role: "A:host:x" } }) as const);
    audit.rowsChanged?.({ context: readRecord(1).context, role: parseRoleId("A:user:admin"), rows });
    expect(audit.forwarding().dropped).toBe(500);
    release();
    await audit.close();
  });

  test("lets no answer go before a required place has its event", async () => {
    const sink = createSink();
    const release = sink.hold();
    const audit = forwarding([sink.sink], true);
    let isDone = false;
    const work = audit.append(readRecord(1)).then(() => {
      isDone = true;
    });
    await Bun.sleep(5);
    expect(isDone).toBe(false);
    release();
    await work;
    expect(sink.lines).toHaveLength(1);
  });

  test("refuses when a required place takes nothing for two seconds, and is then not available", async () => {
    const sink = createSink();
    sink.break(true);
    const audit = forwarding([sink.sink], true);
    expect(await failureOfWork(audit.append(readRecord(1)))).toMatchObject({ code: "internal", because: "audit_unavailable" });
    expect(audit.available()).toBe(false);
  });

  test("is the trail itself where there is no place", async () => {
    const trail = bench.open();
    const audit = createForwarding({ trail, sinks: [], isRequired: true, clock: bench.clock, logger: bench.log });
    expect(audit.append).toBe(trail.append);
    expect(audit.rowsChanged).toBeUndefined();
    await audit.close();
  });
});
