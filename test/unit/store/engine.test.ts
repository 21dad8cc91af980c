import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Engine, openEngine, unreadable } from "../../../src/store/engine";
import { failureFrom } from "../../contract/authenticator";
import { newFolder, removeFoldersAfterwards } from "./fixture";

removeFoldersAfterwards();

async function openWithTable(): Promise<{ readonly engine: Engine; readonly path: string }> {
  const path = join(newFolder(), "engine.db");
  writeFileSync(path, "", { mode: 0o600 });
  const engine = await openEngine(path);
  await engine.write([{ sql: "CREATE TABLE t (n INTEGER PRIMARY KEY, b BLOB)", args: [] }]);
  return { engine, path };
}

const insert = (n: number, bytes: Uint8Array) => ({ sql: "INSERT INTO t (n, b) VALUES (?, ?)", args: [n, bytes] });
const all = { integers: ["n"], blobs: ["b"], from: "t ORDER BY n", args: [] };

describe("the database engine", () => {
  test("gives back integers and every kind of bytes as they were written", async () => {
    const { engine } = await openWithTable();
    const large = Buffer.alloc(5 << 20, "0123:456789");
    const values = [Buffer.from("text: 12:ab"), Buffer.from([0, 0xff, 0xfe, 0, 0x3a]), Buffer.alloc(0), large, large.subarray(7, 19)];
    await engine.write(values.map((bytes, index) => insert(index + 2 ** 40, bytes)));
    const rows = await engine.select(all);
    expect(rows.map(({ integers: [n] }) => n)).toEqual(values.map((_, index) => index + 2 ** 40));
    for (const [index, { blobs }] of rows.entries()) expect(Buffer.compare(blobs[0] ?? Buffer.alloc(0), values[index] ?? large)).toBe(0);
    await engine.close();
  });

  test("reads what no column allows without ending the process: NULL, text that is no UTF-8, numbers that are none of ours", async () => {
    const { engine } = await openWithTable();
    await engine.write([
      { sql: "INSERT INTO t (n, b) VALUES (1, NULL)", args: [] },
      { sql: "INSERT INTO t (n, b) VALUES (-7, CAST(x'ff3afe' AS TEXT))", args: [] },
      { sql: "INSERT INTO t (n, b) VALUES (9223372036854775807, 3.5)", args: [] },
    ]);
    const rows = await engine.select(all);
    expect(rows.map(({ integers: [n], blobs: [b] }) => [n, b?.toString("latin1")])).toEqual([
      [unreadable, "\u00ff:\u00fe"],
      [1, ""],
      [unreadable, "3.5"],
    ]);
    await engine.close();
  });

  test("writes all statements or none", async () => {
    const { engine } = await openWithTable();
    await engine.write([insert(1, Buffer.from("kept"))]);
    expect(await failureFrom(() => engine.write([insert(2, Buffer.from("x")), insert(1, Buffer.from("y"))]))).toMatchObject({
      code: "internal",
    });
    expect(await engine.select(all)).toHaveLength(1);
    await engine.close();
  });

  test("writes many statements with other work let through in between, and nobody sees half of them", async () => {
    const { engine } = await openWithTable();
    const many = Array.from({ length: 1100 }, (_, n) => insert(n, Buffer.from("many")));
    let turns = 0;
    let isWritten = false;
    const writing = engine.write(many).then(() => {
      isWritten = true;
    });
    const reading = engine.select(all);
    while (!isWritten) {
      await new Promise((resolve) => setImmediate(resolve));
      turns += 1;
    }
    await writing;
    expect(turns).toBeGreaterThanOrEqual(4);
    expect(await reading).toHaveLength(many.length);
    // The same for a few that are large.
    await engine.write([insert(2000, Buffer.alloc(3 << 20)), insert(2001, Buffer.alloc(3 << 20)), insert(2002, Buffer.alloc(1))]);
    expect(await engine.select(all)).toHaveLength(many.length + 3);
    await engine.close();
  });

  test("writes none of many statements when a late one fails, and heals when the disk was full", async () => {
    const { engine } = await openWithTable();
    await engine.write([insert(5000, Buffer.from("kept"))]);
    const large = Array.from({ length: 600 }, (_, n) => insert(n, Buffer.alloc(2000)));
    await engine.pragma("max_page_count=200");
    expect(await failureFrom(() => engine.write(large))).toMatchObject({ code: "storage_full" });
    expect(await engine.select(all)).toHaveLength(1);
    expect(engine.isBroken()).toBe(false);
    await engine.pragma("max_page_count=1000000");
    const small = Array.from({ length: 600 }, (_, n) => insert(n, Buffer.from("x")));
    expect(await failureFrom(() => engine.write([...small, insert(5000, Buffer.from("again"))]))).toMatchObject({ code: "internal" });
    expect(await engine.select(all)).toHaveLength(1);
    await engine.close();
  });

  test("refuses a statement with too few or too many arguments, which libSQL would not", async () => {
    const { engine } = await openWithTable();
    for (const args of [[1], [1, Buffer.from("a"), Buffer.from("b")]]) {
      expect(await failureFrom(() => engine.select({ ...all, from: "t WHERE n = ? AND b = ?", args }))).toMatchObject({ code: "internal" });
    }
    await engine.close();
  });

  test("says that the disk is full, goes on reading, and heals", async () => {
    const { engine } = await openWithTable();
    await engine.write([insert(1, Buffer.from("kept"))]);
    await engine.pragma("max_page_count=4");
    expect(await failureFrom(() => engine.write([insert(2, Buffer.alloc(100_000))]))).toMatchObject({ code: "storage_full" });
    expect(await engine.select(all)).toHaveLength(1);
    expect(engine.isBroken()).toBe(false);
    await engine.pragma("max_page_count=1000000");
    await engine.write([insert(2, Buffer.alloc(100_000))]);
    expect(await engine.select(all)).toHaveLength(2);
    await engine.close();
  });

  test("says that the file is read-only, and goes on reading", async () => {
    const { engine } = await openWithTable();
    await engine.pragma("query_only=1");
    expect(await failureFrom(() => engine.write([insert(1, Buffer.alloc(1))]))).toMatchObject({ code: "read_only" });
    expect(engine.isBroken()).toBe(false);
    await engine.close();
  });

  test("writes nothing any more after an error whose outcome is unknown, and still reads", async () => {
    const { engine } = await openWithTable();
    await engine.write([insert(1, Buffer.from("kept"))]);
    await failureFrom(() => engine.write([insert(1, Buffer.from("again"))]));
    expect(engine.isBroken()).toBe(true);
    expect(await failureFrom(() => engine.write([insert(2, Buffer.from("x"))]))).toMatchObject({
      code: "internal",
      because: "store_broken",
    });
    expect(await failureFrom(() => engine.checkpoint())).toMatchObject({ because: "store_broken" });
    expect(await engine.select(all)).toHaveLength(1);
    await engine.close();
  });

  test("holds the file against another process, until that is killed", async () => {
    const path = join(newFolder(), "held.db");
    writeFileSync(path, "", { mode: 0o600 });
    const module = join(import.meta.dir, "../../../src/store/engine.ts");
    const script = `const { openEngine } = await import(${JSON.stringify(module)}); await openEngine(${JSON.stringify(path)}); console.log("held"); await new Promise(() => setInterval(() => {}, 1000));`;
    const holder = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    expect(await failureFrom(() => openEngine(path))).toMatchObject({ code: "conflict", because: "store_in_use" });
    const ended = new Promise((resolve) => holder.once("exit", resolve));
    holder.kill("SIGKILL");
    await ended;
    await (await openEngine(path)).close();
  });

  test("reads twenty thousand rows within a second", async () => {
    const { engine } = await openWithTable();
    await engine.write(Array.from({ length: 20_000 }, (_, index) => insert(index, Buffer.alloc(150, index & 0xff))));
    const started = performance.now();
    expect(await engine.select(all)).toHaveLength(20_000);
    expect(performance.now() - started).toBeLessThan(1000);
    await engine.close();
  });
});
