/** The Go client with a machine's agent in place of a server: by the app's socket without a token, by the app's port with its own. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { installedFile } from "../support/client";
import { type Driver, startDriver } from "../support/driver";
import { startVaultMachine } from "../support/vault-machine";

setDefaultTimeout(30_000);

const machine = await startVaultMachine();
await machine.put({ password: "one" });
const drivers: Driver[] = [];

afterAll(async () => {
  for (const driver of drivers) await driver.stop();
  expect(await machine.stop()).toEqual([0, 0]);
});

function client(name: string, env: Readonly<Record<string, string>>): Driver {
  const cwd = machine.vault.folder(name);
  const driver = startDriver({ command: [installedFile("vault-api-go", "driver")], cwd, env: { VAULT_MAX_RETRIES: "0", ...env } });
  drivers.push(driver);
  return driver;
}

const { socket, port } = machine;

describe("the Go client of a machine's agent", () => {
  test.each([
    ["socket, without a token", { VAULT_ADDR: socket }],
    ["socket, named as an agent's", { VAULT_AGENT_ADDR: socket }],
    ["socket, with a token that is nobody's", { VAULT_ADDR: socket, VAULT_TOKEN: "hvs.left-over" }],
    ["port, with the app's token", { VAULT_ADDR: port.url, VAULT_TOKEN: port.token }],
  ])("reads what the app may, at its %s", async (title, env) => {
    const app = client(title.replace(/\W+/gu, "-"), env);
    expect(await app.call("get", "creds")).toMatchObject({ result: { Data: { password: "one" }, VersionMetadata: { Version: 1 } } });
    expect(await app.call("read", "conjur/apps/db")).toMatchObject({ result: { data: { value: "of a policy" } } });
    expect(await app.call("look up self")).toMatchObject({ result: { policies: expect.any(Array) } });
    expect(await app.call("health")).toMatchObject({ result: { initialized: true, sealed: false } });
  });

  test("is refused what the app may not read, and everything that is no reading", async () => {
    const app = client("refused", { VAULT_ADDR: socket });
    expect(await app.call("get", "elsewhere")).toMatchObject({ status: 403 });
    expect(await app.call("read", "conjur/apps/other")).toEqual({ result: "nothing" });
    const refused = [await app.call("put", "creds", "{}"), await app.call("list", "secret/metadata"), await app.call("policies")];
    expect(refused.map(({ result, status }) => [result, status])).toEqual([
      [undefined, 405],
      [undefined, 405],
      [undefined, 405],
    ]);
  });

  test.each([
    ["no token", {}],
    ["another token", { VAULT_TOKEN: "guessed" }],
    ["the app's token and a letter", { VAULT_TOKEN: `${port.token}s` }],
  ])("gets nothing at a port with %s", async (title, env) => {
    const app = client(title.replace(/\W+/gu, "-"), { VAULT_ADDR: port.url, ...env });
    expect(await app.call("get", "creds")).toMatchObject({ status: 403 });
  });
});
