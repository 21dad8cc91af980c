import { describe, expect, test } from "bun:test";
import {
  type Connection,
  connectionOfEnvironment,
  printConnection,
  readConnection,
  serverUrl,
  stateFolder,
} from "../../../src/config/connection";
import { parseDuration, printDuration } from "../../../src/config/duration";

const server = { CONJUR_APPLIANCE_URL: "https://conjur.example/api/", CONJUR_ACCOUNT: "acme" };
const key = { CONJUR_AUTHN_LOGIN: "host/app", CONJUR_AUTHN_API_KEY: "k" };
const azure = { CONJUR_AUTHN_TYPE: "azure", CONJUR_SERVICE_ID: "prod", CONJUR_AUTHN_JWT_HOST_ID: "host/vm" };
const read = (environment: Readonly<Record<string, string>>) => connectionOfEnvironment(environment, (path) => `text of ${path}`);

describe("the variables of Conjur's clients", () => {
  test("name a server and a way to log in, or nothing", () => {
    expect(read({ ...server, ...key })).toEqual({
      url: "https://conjur.example/api",
      account: "acme",
      login: "host/app",
      proof: { kind: "key", key: "k" },
    });
    for (const [name] of Object.entries({ ...server, ...key })) expect(read({ ...server, ...key, [name]: "" })).toBeUndefined();
    expect(read({})).toBeUndefined();
  });

  test("are taken in the order of those clients: token file, key, the machine's identity", () => {
    const all = { ...server, ...key, ...azure, CONJUR_AUTHN_TOKEN_FILE: "/run/token" };
    expect(read(all)?.proof).toEqual({ kind: "token_file", path: "/run/token" });
    expect(read({ ...all, CONJUR_AUTHN_TOKEN_FILE: "" })?.proof.kind).toBe("key");
    expect(read({ ...server, ...azure, CONJUR_AUTHN_AZURE_CLIENT_ID: "c" })).toMatchObject({
      login: "host/vm",
      proof: {
        kind: "azure",
        service: "prod",
        audience: "https://management.azure.com/",
        identity: { selector: { kind: "client", value: "c" } },
      },
    });
  });

  test("bring certificates as text before those of a file", () => {
    expect(read({ ...server, ...key, CONJUR_CERT_FILE: "/ca.pem" })?.roots).toBe("text of /ca.pem");
    expect(read({ ...server, ...key, CONJUR_CERT_FILE: "/ca.pem", CONJUR_SSL_CERTIFICATE: "pem" })?.roots).toBe("pem");
  });

  test("send no key over the open network", () => {
    expect(() => read({ ...server, ...key, CONJUR_APPLIANCE_URL: "http://conjur.example" })).toThrow("malformed");
  });
});

describe("a connection that was kept", () => {
  const connection: Connection = { url: "https://x", account: "a", login: "host/x", proof: { kind: "key" } };

  test("is read as it was written", () => {
    expect(readConnection(printConnection(connection), "/c")).toEqual(connection);
  });

  test.each([
    ["nothing", ""],
    ["other text", "canary"],
    ["another version", '{"format":"postern-connection/2"}'],
    ["an unknown member", JSON.stringify({ format: "postern-connection/1", ...connection, more: "canary" })],
    ["an unknown proof", JSON.stringify({ format: "postern-connection/1", ...connection, proof: { kind: "canary" } })],
    ["a relative socket", JSON.stringify({ format: "postern-connection/1", ...connection, proof: { kind: "socket", path: "canary" } })],
  ])("is not guessed from %s, nor quoted", (_, text) => {
    let message = "";
    try {
      readConnection(Buffer.from(text), "/c");
    } catch (error) {
      message = JSON.stringify(error) + String(error);
    }
    expect(message).toContain("malformed");
    expect(message).not.toContain("canary");
  });
});

describe("where a login goes and is kept", () => {
  test.each([
    ["https://x", true],
    ["https://x:8443/base", true],
    ["http://127.0.0.1:8443", true],
    ["http://localhost", true],
    ["http://[::1]:80", true],
    ["http://x", false],
    ["http://127.0.0.1.example", false],
    ["http://localhost.example", false],
    ["https://u:p@x", false],
    ["https://x?a=b", false],
    ["https://x#a", false],
    ["ftp://x", false],
    ["x", false],
  ])("'%s' is a server: %p", (text, isServer) => {
    const parse = () => serverUrl(text, "--url");
    if (isServer) expect(parse().href).toStartWith(text.slice(0, 6));
    else expect(parse).toThrow("malformed");
  });

  test.each([
    [{ XDG_STATE_HOME: "/s", HOME: "/h" }, "linux", "/s/postern"],
    [{ XDG_STATE_HOME: "relative", HOME: "/h" }, "linux", "/h/.local/state/postern"],
    [{ HOME: "/h", STATE_DIRECTORY: "/var/lib/unit" }, "linux", "/h/.local/state/postern"],
    [{ STATE_DIRECTORY: "/var/lib/unit:/var/lib/other" }, "linux", "/var/lib/unit"],
    [{ LOCALAPPDATA: "/local", HOME: "/h" }, "win32", "/local/postern"],
  ])("of %p on %s it is %s", (environment, platform, expected) => {
    expect(stateFolder(environment, platform)).toBe(expected);
  });

  test("is not found out where nothing names a home", () => {
    expect(() => stateFolder({}, "linux")).toThrow("malformed");
    expect(() => stateFolder({ STATE_DIRECTORY: "relative" }, "linux")).toThrow("malformed");
  });
});

describe("times", () => {
  test.each([
    ["0s", 0],
    ["90s", 90_000],
    ["15m", 900_000],
    ["24h", 86_400_000],
    ["7d", 604_800_000],
    ["1w", undefined],
    ["-1s", undefined],
    ["1.5h", undefined],
    ["", undefined],
  ])("'%s' is %p ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    [0, "0s"],
    [59_999, "59s"],
    [60_000, "1m"],
    [7_199_999, "1h"],
    [172_800_000, "2d"],
  ])("%d ms are told as '%s'", (ms, text) => {
    expect(printDuration(ms)).toBe(text);
  });
});
