/** The command line with a machine's agent in place of a server, at the app's socket. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { installedFile } from "../support/client";
import { createShell } from "../support/shell";
import { startVaultMachine } from "../support/vault-machine";

setDefaultTimeout(30_000);

const machine = await startVaultMachine();
await machine.put({ password: "one" });
const bao = createShell(installedFile("bao-cli", "driver"), machine.vault.folder("app"), {
  BAO_ADDR: machine.socket,
  BAO_MAX_RETRIES: "0",
});

afterAll(async () => {
  expect(await machine.stop()).toEqual([0, 0]);
});

describe("the command line of a machine's agent", () => {
  test("gets a key of either way of naming it, and a variable, without being logged in", async () => {
    for (const words of ["kv get -field=password secret/creds", "kv get -mount=secret -field=password creds"])
      expect(await bao.must(words.split(" "))).toBe("one");
    expect(await bao.must(["read", "-field=value", "conjur/apps/db"])).toBe("of a policy");
    expect(JSON.parse(await bao.must(["status", "-format=json"]))).toMatchObject({ initialized: true, sealed: false });
  });

  test("is refused the rest", async () => {
    expect(await bao.run(["kv", "get", "secret/elsewhere"])).toMatchObject({ code: 2, err: expect.stringContaining("403") });
    expect((await bao.run(["kv", "put", "secret/creds", "password=two"])).code).toBe(2);
    expect((await bao.run(["policy", "list"])).code).toBe(2);
    expect(await bao.must(["kv", "get", "-field=password", "secret/creds"])).toBe("one");
  });
});
