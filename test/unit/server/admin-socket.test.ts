import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, lstatSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAdminClient } from "../../../src/client/client";
import { createSocketFetch } from "../../../src/runtime/socket-client";
import type { AdminApp } from "../../../src/server/admin";
import { type AdminSocket, listenOnAdminSocket } from "../../../src/server/admin-socket";

const open: AdminSocket[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const app: AdminApp = { fetch: async (_request, { isLocal }) => Response.json({ isLocal }) };

function place(name = "admin.sock"): string {
  const folder = mkdtempSync(join(tmpdir(), "socket-"));
  folders.push(folder);
  return join(folder, name);
}

async function listen(path: string): Promise<AdminSocket> {
  const socket = await listenOnAdminSocket(path, app);
  open.push(socket);
  return socket;
}

describe("the admin socket", () => {
  test("is open to its owner alone and carries requests", async () => {
    const path = place();
    await listen(path);
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
    expect(await createAdminClient(createSocketFetch(path)).page("/health")).toEqual({ ok: true, text: '{"isLocal":true}' });
  });

  test("does not leave the process with another umask", async () => {
    const before = process.umask();
    await listen(place());
    expect(process.umask()).toBe(before);
  });

  test("is gone when the server has stopped, and says so to whoever asks", async () => {
    const path = place();
    const socket = await listenOnAdminSocket(path, app);
    await socket.stop();
    expect(existsSync(path)).toBe(false);
    await expect(createAdminClient(createSocketFetch(path)).page("/health")).rejects.toMatchObject({
      failure: { code: "upstream_unavailable", because: "socket_refused" },
    });
  });

  test("replaces one that a dead process left behind", async () => {
    const path = place();
    // Ends without a chance to remove it.
    const dead = Bun.spawnSync([
      process.execPath,
      "-e",
      `Bun.serve({unix:${JSON.stringify(path)},fetch:()=>new Response()});process.kill(process.pid,"SIGKILL")`,
    ]);
    expect(dead.exitCode).not.toBe(0);
    expect(lstatSync(path).isSocket()).toBe(true);
    await listen(path);
    expect((await createAdminClient(createSocketFetch(path)).page("/health")).ok).toBe(true);
  });

  test("leaves a living server alone", async () => {
    const path = place();
    await listen(path);
    await expect(listenOnAdminSocket(path, app)).rejects.toMatchObject({ failure: { code: "conflict", because: "already_running" } });
    expect((await createAdminClient(createSocketFetch(path)).page("/health")).ok).toBe(true);
  });

  test("touches nothing that is no socket", async () => {
    const file = place();
    writeFileSync(file, "precious");
    await expect(listenOnAdminSocket(file, app)).rejects.toMatchObject({ failure: { code: "malformed" } });
    const link = place();
    symlinkSync(file, link);
    await expect(listenOnAdminSocket(link, app)).rejects.toMatchObject({ failure: { code: "malformed" } });
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
  });

  test("refuses a path that is too long for a socket", async () => {
    await expect(listenOnAdminSocket(place("a".repeat(120)), app)).rejects.toMatchObject({
      failure: { code: "malformed", expected: expect.stringContaining("103 bytes") },
    });
  });
});
