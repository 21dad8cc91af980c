/**
 * summon with its Conjur provider, as released. Written after their documentation; it has not run where it was written, since no package registry has the
 * programs: `CONFORMANCE_SUMMON=… CONFORMANCE_SUMMON_CONJUR=… ./scripts/conformance summon` runs it.
 */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { startDeployment } from "../support/deployment";
import { administratorOf } from "../support/http";
import { organisationPolicy } from "../support/policies";
import { createShell } from "../support/shell";

setDefaultTimeout(30_000);

const deployment = await startDeployment({ tls: "authority" });
const { account, namedUrl, caFile } = deployment;
const http = await administratorOf(deployment);
const keys = await http.load("root", organisationPolicy);
await http.set("db/password", "first");
await http.set("db/url", "postgres://db");

const summon = createShell(process.env.CONFORMANCE_SUMMON ?? "summon", deployment.folder("summon"), {
  CONJUR_APPLIANCE_URL: namedUrl,
  CONJUR_ACCOUNT: account,
  CONJUR_CERT_FILE: caFile,
  CONJUR_AUTHN_LOGIN: "host/web",
  CONJUR_AUTHN_API_KEY: keys["host:web"] ?? "",
});
const provider = ["-p", process.env.CONFORMANCE_SUMMON_CONJUR ?? "summon-conjur"];

afterAll(async () => {
  expect(await deployment.stop()).toBe(0);
});

describe("summon", () => {
  test("puts variables into a program's environment", async () => {
    const yaml = "PASSWORD: !var db/password\nURL: !var db/url\nPLAIN: text";
    expect(await summon.must([...provider, "--yaml", yaml, "sh", "-c", 'echo "$PASSWORD $URL $PLAIN"'])).toBe("first postgres://db text\n");
  });

  test("puts a variable into a file", async () => {
    expect(await summon.must([...provider, "--yaml", "PASSWORD_FILE: !var:file db/password", "sh", "-c", 'cat "$PASSWORD_FILE"'])).toBe(
      "first",
    );
  });

  test.each(["db/hidden", "db/empty", "db/nothing"])("runs nothing without %s", async (variable) => {
    const { code, out } = await summon.run([...provider, "--yaml", `PASSWORD: !var ${variable}`, "echo", "ran"]);
    expect(code).not.toBe(0);
    expect(out).not.toContain("ran");
  });
});
