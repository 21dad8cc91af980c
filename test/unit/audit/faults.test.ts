import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import nodeFs, { renameSync } from "node:fs";
import type { AuditFileSystem } from "../../../src/audit/trail-files";
import { type AuditBench, createAuditBench, readRecord } from "../../support/audit-bench";

let bench: AuditBench;
beforeEach(() => {
  bench = createAuditBench();
});
afterEach(() => bench.remove());

interface FaultyDisk extends AuditFileSystem {
  /** What the next writes and syncs do. */
  fault: "none" | "full" | "partial" | "sync";
  syncs: number;
}

function createFaultyDisk(): FaultyDisk {
  const full = () => Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  const disk: FaultyDisk = {
    ...nodeFs,
    fault: "none",
    syncs: 0,
    writeSync: ((file: number, bytes: Uint8Array, offset: number, length: number, position?: number) => {
      if (disk.fault === "full") throw full();
      if (disk.fault === "partial" && length > 40) return nodeFs.writeSync(file, bytes, offset, 40, position ?? null);
      if (disk.fault === "partial") throw full();
      return nodeFs.writeSync(file, bytes, offset, length ?? undefined, position ?? null);
    }) as typeof nodeFs.writeSync,
    fdatasync: ((_file: number, done: (error: Error | null) => void) => {
      disk.syncs += 1;
      if (disk.fault === "sync") setImmediate(done, Object.assign(new Error("i/o error"), { code: "EIO" }));
      // At once: how long a real disk takes is not what these tests are about.
      else setImmediate(done, null);
    }) as typeof nodeFs.fdatasync,
  };
  return disk;
}

describe("an audit sink that takes no line", () => {
  for (const fault of ["full", "partial"] as const) {
    test(`keeps the answer back while the disk is full (${fault} write), and heals with a whole chain`, async () => {
      const disk = createFaultyDisk();
      const trail = bench.open({ fileSystem: disk });
      await trail.append(readRecord(1));
      disk.fault = fault;
      await expect(trail.append(readRecord(2))).rejects.toMatchObject({ failure: { code: "internal", because: "audit_unavailable" } });
      expect(trail.available()).toBe(false);
      expect(trail.failures()).toBe(1);
      expect(bench.log.events).toContainEqual({ event: "audit_unavailable", fields: { reason: "ENOSPC", mode: "required" } });

      disk.fault = "none";
      bench.clock.advance(1000);
      expect(trail.available()).toBe(true);
      await trail.append(readRecord(3));
      await trail.close();
      expect(await bench.open().verify()).toMatchObject({ ok: true });
      const own = bench.lines().map((line) => JSON.parse(line));
      expect(own.map((line) => line.operation)).toEqual(["audit.opened", "secret.read", "audit.opened", "audit.resumed", "secret.read"]);
      expect(own[3]).toMatchObject({ failed: 1 });
    });
  }

  test("is not asked again for every request", async () => {
    const disk = createFaultyDisk();
    const trail = bench.open({ fileSystem: disk });
    disk.fault = "full";
    await expect(trail.append(readRecord(1))).rejects.toThrow();
    disk.fault = "none";
    await expect(trail.append(readRecord(2))).rejects.toThrow();
    bench.clock.advance(100);
    await trail.append(readRecord(3));
    expect(trail.failures()).toBe(2);
    await trail.close();
  });

  test("stops no answer in best_effort mode, but is counted and said once", async () => {
    const disk = createFaultyDisk();
    const trail = bench.open({ fileSystem: disk, mode: "best_effort" });
    disk.fault = "full";
    await trail.append(readRecord(1));
    await trail.append(readRecord(2));
    expect(trail.available()).toBe(true);
    expect(trail.failures()).toBe(2);
    expect(bench.log.events.map(({ event }) => event)).toEqual(["audit_unavailable"]);
  });

  test("waits for the disk in always mode, and gives no answer when that fails", async () => {
    const disk = createFaultyDisk();
    const trail = bench.open({ fileSystem: disk, sync: "always" });
    await trail.append(readRecord(1));
    expect(disk.syncs).toBe(1);
    disk.fault = "sync";
    await expect(trail.append(readRecord(2))).rejects.toMatchObject({ failure: { because: "audit_unavailable" } });
    disk.fault = "none";
    bench.clock.advance(1000);
    await trail.append(readRecord(3));
    await trail.close();
    expect(await bench.open().verify()).toMatchObject({ ok: true });
  });

  test("shares one sync among lines that wait for it", async () => {
    const disk = createFaultyDisk();
    const trail = bench.open({ fileSystem: disk, sync: "always" });
    await Promise.all(Array.from({ length: 20 }, (_, number) => trail.append(readRecord(number))));
    expect(disk.syncs).toBe(1);
    await trail.close();
  });

  test("notices that its file was moved away, begins another, and leaves the gap to be seen", async () => {
    const trail = bench.open({ sync: "always" });
    await trail.append(readRecord(1));
    renameSync(bench.path(), `${bench.path()}.gone`);
    await trail.append(readRecord(2));
    await trail.append(readRecord(3));
    await trail.close();
    expect(bench.log.events.map(({ event }) => event)).toContain("audit_file_moved");
    expect(bench.lines().map((line) => JSON.parse(line).operation)).toEqual(["audit.opened", "secret.read"]);
    expect((await bench.open().verify()).findings).toMatchObject([{ sequence: 1, kind: "missing", detail: "lines 1 to 3 are missing" }]);
  });
});
