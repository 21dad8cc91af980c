/** hvac with a machine's agent in place of a server, at the app's port. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { installedFile } from "../support/client";
import { type Driver, startDriver } from "../support/driver";
import { startVaultMachine } from "../support/vault-machine";

setDefaultTimeout(30_000);

const machine = await startVaultMachine();
await machine.put({ password: "one" });
const app = connect("app", machine.port.token);
const stranger = connect("stranger", "guessed");

afterAll(async () => {
  for (const driver of [app, stranger]) await driver.stop();
  expect(await machine.stop()).toEqual([0, 0]);
});

function connect(name: string, token: string): Driver {
  const command = [installedFile("hvac", "venv/bin/python"), join(import.meta.dir, "driver.py")];
  const env = { SERVER_URL: machine.port.url, SERVER_CA_FILE: machine.vault.caFile, SERVER_TOKEN: token };
  return startDriver({ command, cwd: machine.vault.folder(name), env });
}

const read = (driver: Driver, path: string) =>
  driver.call("secrets.kv.v2.read_secret_version", { path, mount_point: "secret", raise_on_deleted_version: true });

describe("hvac of a machine's agent", () => {
  test("reads what the app may", async () => {
    expect(await read(app, "creds")).toMatchObject({ result: { data: { data: { password: "one" }, metadata: { version: 1 } } } });
    expect(await app.call("read", "conjur/apps/db")).toMatchObject({ result: { data: { value: "of a policy" } } });
    expect(await app.call("is_authenticated")).toEqual({ result: true });
  });

  test("is refused what the app may not read, and another token", async () => {
    expect(await read(app, "elsewhere")).toMatchObject({ error: expect.stringContaining("Forbidden") });
    expect(await read(stranger, "creds")).toMatchObject({ error: expect.stringContaining("Forbidden") });
    expect(await stranger.call("is_authenticated")).toEqual({ result: false });
  });
});
