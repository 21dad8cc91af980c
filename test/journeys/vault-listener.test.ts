import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { selfSigned } from "../../src/crypto/certificate";
import { createOperatorShell, type OperatorShell, shippedProgram } from "../support/operator";
import { exchange } from "../unit/server/listening";

const timeoutMs = 60_000;

let shell: OperatorShell;

beforeEach(async () => {
  shell = createOperatorShell(shippedProgram);
  expect((await shell.run(["init"])).code).toBe(0);
  expect((await shell.run(["account", "create", "acme"])).code).toBe(0);
}, timeoutMs);
afterEach(() => shell.remove());

/** Of the listener for Vault's clients, which is the second. */
function vaultPort(): number {
  const urls = readFileSync(join(shell.folder, "server.log"), "utf8").match(/"event":"listening","url":"https?:\/\/127\.0\.0\.1:\d+"/g);
  return Number(/(\d+)"$/.exec(urls?.[1] ?? "")?.[1]);
}

const ask = (line: string): string => `${line} HTTP/1.1\r\nHost: vault.test\r\nX-Vault-Request: true\r\nConnection: close\r\n\r\n`;
const kept = (line: string): string => `${line} HTTP/1.1\r\nHost: vault.test\r\nX-Vault-Request: true\r\n\r\n`;

describe("a server with an address for Vault's clients", () => {
  test(
    "takes LIST there on a kept connection, refuses dot segments as sent, and ends cleanly",
    async () => {
      const server = await shell.serve(["--vault-listen", "127.0.0.1:0"]);
      const received = await exchange(
        vaultPort(),
        kept("GET /v1/sys/health") + kept("LIST /v1/secret/metadata/") + ask("LIST /v1/%2e%2e/a"),
      );
      expect(received.match(/HTTP\/1\.1 \d+|\{"errors":.*?\}/g)).toEqual([
        "HTTP/1.1 200",
        "HTTP/1.1 403",
        '{"errors":["permission denied"]}',
        "HTTP/1.1 400",
        '{"errors":["relative paths not supported"]}',
      ]);
      expect((await shell.run(["status"])).out).toContain(`http://127.0.0.1:${vaultPort()}`);
      // The main address gives such a client nothing at all.
      expect(await exchange(Number(new URL(server.url).port), ask("LIST /v1/secret/metadata/"))).toBe("");
      expect(await server.end("SIGTERM")).toBe(0);
    },
    timeoutMs,
  );

  test(
    "lists keys by either way of asking, for a token that the operator made",
    async () => {
      const server = await shell.serve(["--vault-listen", "127.0.0.1:0"]);
      const token = (await shell.run(["vault", "token", "--ttl", "5m"])).out.trim();
      const port = vaultPort();
      const write = async (path: string, body: object) => {
        const init = { method: "POST", headers: { "X-Vault-Token": token }, body: JSON.stringify(body) };
        expect((await fetch(`http://127.0.0.1:${port}/v1/${path}`, init)).status).toBeLessThan(205);
      };
      await write("sys/mounts/secret", { type: "kv", options: { version: "2" } });
      for (const name of ["a", "b/c"]) await write(`secret/data/app/${name}`, { data: { value: name } });
      const shown = `X-Vault-Token: ${token}\r\n`;
      const listed = (line: string) => exchange(port, ask(line).replace("X-Vault-Request", `${shown}X-Vault-Request`));
      for (const line of ["LIST /v1/secret/metadata/app", "LIST /v1/secret/metadata/app/", "GET /v1/secret/metadata/app?list=true"])
        expect([line, await listed(line)]).toEqual([line, expect.stringContaining('"data":{"keys":["a","b/"]}')]);
      expect(await server.end("SIGTERM")).toBe(0);
    },
    timeoutMs,
  );

  test(
    "serves it with the first listener's certificate, and with a new one after SIGHUP",
    async () => {
      const place = (name: string) => join(shell.folder, name);
      function certify(name: string): void {
        const made = selfSigned({ dnsNames: [name], ipAddresses: [], now: Date.now(), days: 2 });
        writeFileSync(place("tls.key"), made.privateKeyPem, { mode: 0o600 });
        writeFileSync(place("tls.pem"), made.certificatePem);
      }
      const nameAt = (port: number) =>
        new Promise<string | undefined>((resolve) => {
          const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
            resolve(socket.getPeerCertificate().subjectaltname);
            socket.destroy();
          });
          // Connections that the kernel holds for the first socket are reset when that is closed.
          socket.on("error", () => resolve(undefined));
        });
      certify("one.test");
      const server = await shell.serve(["--vault-listen", "127.0.0.1:0", "--tls-cert", place("tls.pem"), "--tls-key", place("tls.key")]);
      expect(await nameAt(vaultPort())).toBe("DNS:one.test");
      certify("two.test");
      server.hangUp();
      while ((await nameAt(vaultPort())) !== "DNS:two.test") await new Promise((resolve) => setImmediate(resolve));
      expect(await server.end("SIGTERM")).toBe(0);
    },
    timeoutMs,
  );
});
