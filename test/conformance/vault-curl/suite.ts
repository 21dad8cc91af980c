/**
 * curl of the system against the address for Vault's clients: the requests of Vault's API documentation, and input that nobody sends by mistake. What is refused
 * leaves nothing behind, and the process lives.
 */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createShell } from "../support/shell";
import { rootTokenOf, startVault } from "../support/vault";

setDefaultTimeout(60_000);

const vault = await startVault();
const root = rootTokenOf(vault);
const home = vault.folder("curl");
const curl = createShell("curl", home);

afterAll(async () => {
  expect(await vault.stop()).toBe(0);
});

interface Answered {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** `["-X", "POST", …]` and a path; the token is sent unless the options say what is. */
async function ask(path: string, ...options: readonly string[]): Promise<Answered> {
  const token = options.some((option) => /^(X-Vault-Token|Authorization)[:;]/i.test(option)) ? [] : ["-H", `X-Vault-Token: ${root}`];
  const tell = ["-s", "--cacert", vault.caFile, "-w", "\n%{http_code} %{content_type}", "--path-as-is", ...token];
  const { out } = await curl.run([...tell, ...options, `${vault.vaultUrl}/v1/${path}`]);
  const end = out.lastIndexOf("\n");
  const [status = "", ...type] = out.slice(end + 1).split(" ");
  return { status: Number(status), type: type.join(" "), body: out.slice(0, end) };
}

const post = (path: string, body: string, ...options: readonly string[]) => ask(path, "--data-binary", body, ...options);
const errors = (...texts: readonly string[]) => JSON.stringify({ errors: texts });

function file(name: string, content: string | Uint8Array): string {
  const path = join(home, name);
  writeFileSync(path, content);
  return `@${path}`;
}

describe("the documented requests", () => {
  test("mount, write, read, list and delete, with a body that curl calls a form", async () => {
    expect(await post("sys/mounts/secret", '{"type":"kv","options":{"version":"2"}}')).toMatchObject({ status: 204, body: "" });
    expect(await post("secret/data/app", '{"data":{"password":"one"}}')).toMatchObject({ status: 200, type: "application/json" });
    const { body } = await ask("secret/data/app");
    expect(JSON.parse(body)).toMatchObject({
      data: { data: { password: "one" }, metadata: { version: 1 } },
      auth: null,
      wrap_info: null,
      warnings: null,
    });
    expect(JSON.parse((await ask("secret/metadata/", "-X", "LIST")).body)).toMatchObject({ data: { keys: ["app"] } });
    expect(JSON.parse((await ask("secret/metadata?list=true")).body)).toMatchObject({ data: { keys: ["app"] } });
    expect(await ask("secret/data/app", "-X", "DELETE")).toMatchObject({ status: 204 });
    expect((await ask("secret/data/app")).status).toBe(404);
  });

  test("take the token as a bearer's too, and none in a query", async () => {
    expect((await ask("auth/token/lookup-self", "-H", `Authorization: Bearer ${root}`)).status).toBe(200);
    expect(await ask(`auth/token/lookup-self?token=${root}`, "-H", "X-Vault-Token;")).toMatchObject({
      status: 403,
      body: errors("permission denied"),
    });
    expect(await ask("auth/token/lookup-self", "-H", "X-Vault-Token: hvs.nobody")).toMatchObject({
      status: 403,
      body: errors("2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"),
    });
  });

  test("know no namespaces but the root", async () => {
    expect((await ask("sys/mounts", "-H", "X-Vault-Namespace: root/")).status).toBe(200);
    expect(await ask("sys/mounts", "-H", "X-Vault-Namespace: team")).toMatchObject({ status: 404, body: errors("namespace not found") });
  });

  test("without a token tell how the server stands, and no more", async () => {
    const none = ["-H", "X-Vault-Token;"] as const;
    expect((await ask("sys/health", ...none)).status).toBe(200);
    expect((await ask("sys/health?sealedcode=200&standbyok=true", "-I", ...none)).status).toBe(200);
    expect((await ask("sys/seal-status", ...none)).status).toBe(200);
    for (const path of ["sys/mounts", "sys/policies/acl", "secret/data/app", "no/such/mount"])
      expect(await ask(path, ...none)).toMatchObject({ status: 403, body: errors("permission denied") });
  });
});

describe("input that nobody sends by mistake", () => {
  const written = async (): Promise<unknown> => JSON.parse((await ask("secret/metadata?list=true")).body).data;

  test.each<[string, () => string, number, RegExp]>([
    [
      "a bomb of nested lists",
      () => `{"data":{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}}`,
      400,
      /^refused JSON input due to high complexity/,
    ],
    [
      "a bomb of nested objects",
      () => `{"data":${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}}`,
      400,
      /^refused JSON input due to high complexity/,
    ],
    ["a member twice", () => '{"data":{"a":"1","a":"2"}}', 400, /^failed to decode JSON input/],
    ["a member twice, once escaped", () => '{"data":{"a":"1"},"d\\u0061ta":{"b":"2"}}', 400, /^failed to decode JSON input/],
    ["half an object", () => '{"data":{"a":', 400, /^failed to decode JSON input/],
    ["two objects", () => '{"data":{}}{"data":{}}', 400, /^failed to decode JSON input/],
    ["a list", () => "[1]", 400, /^failed to decode JSON input/],
    ["no UTF-8", () => '{"data":{"a":"\u00ff"}}', 400, /./],
    ["a prototype", () => '{"__proto__":{"data":{"a":"b"}}}', 400, /^no data provided/],
    ["another type", () => '{"data":"text"}', 400, /./],
  ])("%s is refused, and nothing is stored", async (name, body, status, says) => {
    const content = name === "no UTF-8" ? Buffer.from(body(), "latin1") : body();
    const before = await written();
    const answer = await post("secret/data/bad", file("bad.json", content));
    expect(answer).toMatchObject({ status, type: "application/json" });
    expect(JSON.parse(answer.body).errors[0]).toMatch(says);
    expect(await written()).toEqual(before);
    expect((await ask("secret/data/bad")).status).toBe(404);
  });

  test("33 MiB are refused, sent at once, in chunks, or told of before", async () => {
    const large = file("large.json", `{"data":{"a":"${"x".repeat(33 * 1024 * 1024)}"}}`);
    for (const options of [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"], ["-H", "Expect:"]]) {
      const { status, body } = await post("secret/data/large", large, ...options);
      expect([status, body]).toEqual([413, errors("http: request body too large")]);
    }
    expect((await ask("secret/data/large")).status).toBe(404);
    expect((await ask("sys/health")).status).toBe(200);
  });

  test.each<[string, readonly string[]]>([
    ["two tokens", ["hvs.a", "hvs.b"]],
    ["a token that counts, and another", [root, "hvs.b"]],
    ["the same token twice", [root, root]],
    ["letters that are not printable", ["hvs.\u00e9"]],
  ])("%s in the header are refused", async (_title, tokens) => {
    const { status } = await ask("auth/token/lookup-self", ...tokens.flatMap((token) => ["-H", `X-Vault-Token: ${token}`]));
    expect(status).toBe(400);
  });

  test.each([
    ["secret/data/../metadata/app", 400],
    ["secret/data/%2e%2e/metadata/app", 400],
    ["secret/data/..%2fmetadata/app", 400],
    ["secret/data/a%00b", 400],
    ["secret/data/a%0ab", 400],
    ["secret/data/%ff", 400],
    ["secret/data/%", 400],
  ])("the path %s is refused", async (path, status) => {
    expect((await ask(path)).status).toBe(status);
  });

  test("slashes that are written twice are one", async () => {
    await post("secret/data/twice", '{"data":{"a":"b"}}');
    expect((await ask("secret//data///twice")).status).toBe(200);
  });

  test("a wrapping time that is none is refused, and nothing is wrapped", async () => {
    for (const ttl of ["soon", "-5", "1e9"]) expect((await ask("secret/data/twice", "-H", `X-Vault-Wrap-TTL: ${ttl}`)).status).toBe(400);
  });

  test("a patch of another type is refused", async () => {
    const patch = (...options: readonly string[]) => post("secret/data/twice", '{"data":{"a":null}}', "-X", "PATCH", ...options);
    expect((await patch()).status).toBe(415);
    expect((await patch("-H", "Content-Type:")).status).toBe(400);
    expect((await patch("-H", "Content-Type: application/merge-patch+json")).status).toBe(200);
  });

  test("all of it is in the audit, and the process has not been started anew", async () => {
    expect((await ask("sys/health")).status).toBe(200);
    expect(vault.audit().filter(({ allowed }) => allowed === false).length).toBeGreaterThan(0);
    expect(JSON.stringify(vault.audit())).not.toContain(root);
  });
});
