import { describe, expect, test } from "bun:test";
import { createCliBench } from "../../support/cli-bench";

const cli = createCliBench(() => {
  throw new Error("the agent asks no admin socket");
});
const path = "/etc/postern/agent.toml";
const text =
  '[primary]\nurl = "https://postern.example"\naccount = "acme"\nservice = "AzureAE1"\n[apps.billing]\nrole = "host/apps/billing"\nsocket = "/run/postern/billing.sock"\n';

describe("postern agent", () => {
  test("reads the usual file, and says where it listens", async () => {
    expect(await cli.run("agent", { files: { [path]: text } })).toEqual({
      code: 0,
      out: "Listening on unix:/run/postern/billing.sock\n",
      err: "",
    });
  });

  test("says with --check whether a file is fit, and starts nothing", async () => {
    const world = { startAgent: () => Promise.reject(new Error("started")) };
    const outcome = await cli.run("agent --check --config /home/op/other.toml", { files: { "/home/op/other.toml": text }, world });
    expect(outcome).toEqual({ code: 0, out: "/home/op/other.toml is fit: billing\n", err: "" });
  });

  test("tells everything that is wrong at once, and ends with EX_CONFIG", async () => {
    const wrong = text.replace('account = "acme"', "accounts = 1").replace("/run", "run");
    const outcome = await cli.run("agent", { files: { [path]: wrong } });
    expect(outcome.code).toBe(78);
    expect(outcome.out).toBe("");
    for (const line of ["primary.account: missing", "primary.accounts: unknown setting", "apps.billing.socket: expected an absolute path"])
      expect(outcome.err).toContain(line);
  });

  test("shows every key of the file in its help", async () => {
    const { out } = await cli.run("agent --help");
    for (const key of ["[primary]", "max_stale", "token_file", "identity_endpoint", "keep", "owner", "audit"]) expect(out).toContain(key);
  });
});
