import { describe, expect, test } from "bun:test";
import { unsafeVariables } from "../../../src/config/environment";

describe("the environment of the process", () => {
  test("is fit with ordinary variables", () => {
    expect(
      unsafeVariables({ PATH: "/usr/bin", HOME: "/root", TMPDIR: "/tmp", SSL_CERT_FILE: "/etc/ca.pem", POSTERN_DATA: "/var/lib/postern" }),
    ).toEqual([]);
  });

  test.each([
    ["BUN_OPTIONS", "--preload=/tmp/evil.ts"],
    ["BUN_OPTIONS", ""],
    ["BUN_INSPECT", "127.0.0.1:9229"],
    ["BUN_INSPECT_CONNECT_TO", "/tmp/socket"],
    ["BUN_INSPECT_PRELOAD", "/tmp/evil.ts"],
    ["BUN_CONFIG_VERBOSE_FETCH", "curl"],
    ["BUN_JSC_dumpOptions", "1"],
    ["BUN_BE_BUN", "1"],
    ["NODE_OPTIONS", "--require /tmp/evil.js"],
    ["node_options", "--inspect"],
    ["NODE_PATH", "/tmp"],
    ["NODE_TLS_REJECT_UNAUTHORIZED", "0"],
    ["NODE_TLS_REJECT_UNAUTHORIZED", "false"],
    ["NODE_TLS_REJECT_UNAUTHORIZED", ""],
    ["LIBSQL_JS_DEV", "1"],
  ])("is unsafe with %s=%s", (name, value) => {
    expect(unsafeVariables({ PATH: "/usr/bin", [name]: value })).toEqual([name]);
  });

  test("is fit with certificate checks left on, and with a variable that is not there", () => {
    expect(unsafeVariables({ NODE_TLS_REJECT_UNAUTHORIZED: "1", BUN_OPTIONS: undefined })).toEqual([]);
  });

  test("names every unsafe variable at once, in order", () => {
    expect(unsafeVariables({ NODE_OPTIONS: "x", BUN_OPTIONS: "y" })).toEqual(["BUN_OPTIONS", "NODE_OPTIONS"]);
  });
});
