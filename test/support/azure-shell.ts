/**
 * An operator who runs a server of their own beside a simulated Azure: the server as a process, its address and certificate the same whenever it is started, and
 * machines that ask their own platform for tokens over HTTP.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAuthority } from "../../src/crypto/certificate";
import { createClock } from "../../src/runtime/clock";
import { createHttpClient } from "../../src/runtime/http-client";
import { createRandom } from "../../src/runtime/random";
import {
  type AzureSimulator,
  type CloudDescription,
  createAzureSimulator,
  type SimulatedMachine,
} from "../../src/simulator/azure/simulator";
import { createLogKeeper } from "./fake-issuer";
import { createOperatorShell, type OperatorShell, type ServerProcess } from "./operator";

export interface VaultAnswer {
  readonly status: number;
  readonly body: ReturnType<typeof JSON.parse>;
}

export interface AzureShell {
  readonly azure: AzureSimulator;
  readonly shell: OperatorShell;
  /** `https://127.0.0.1:PORT`, before it runs too. */
  readonly url: string;
  /** Starts the server, which has ended or not begun. */
  start(): Promise<void>;
  /** Ends it at once, or in order. Resolves to its exit code. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<number>;
  /** By Vault's protocol; without a token, as nobody. */
  ask(token: string | undefined, method: string, path: string, body?: object): Promise<VaultAnswer>;
  /** The same, which must succeed. */
  done(token: string, path: string, body: object): Promise<void>;
  rootToken(): Promise<string>;
  /** The audit so far. */
  audit(): readonly Readonly<Record<string, unknown>>[];
  /** All that the server has written so far: its log, and its audit. */
  written(): string;
  close(): Promise<void>;
}

export const managerAudience = "https://management.azure.com/";

/** `environment`: what the server finds around it, once Azure is there. */
export async function createAzureShell(
  cloud: CloudDescription,
  environment: (azure: AzureSimulator) => Readonly<Record<string, string>> = () => ({}),
): Promise<AzureShell> {
  const clock = createClock();
  const now = clock.now();
  const authority = createAuthority({ name: "An operator's own", now });
  const port = freePort();
  const url = `https://127.0.0.1:${port}`;
  // Entra ID asks the server for its keys like anybody.
  const http = createHttpClient({ allowOutbound: [`${url}/`], extraRoots: [authority.certificatePem], clock, logger: createLogKeeper() });
  const azure = await createAzureSimulator({ clock, random: createRandom(), cloud, http });
  const shell = createOperatorShell();
  const file = (name: string, text: string): string => {
    const path = join(shell.folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const certificate = authority.issue({ dnsNames: [], ipAddresses: ["127.0.0.1"], now, days: 2 });
  const services = [azure.entra.url, azure.resourceManager.url, azure.graph.url].map((each) => `${each}/`);
  const words = [
    ...["--listen", `127.0.0.1:${port}`, "--vault-api-address", url],
    ...["--tls-cert", file("server.pem", certificate.certificatePem), "--tls-key", file("server.key", certificate.privateKeyPem)],
    ...["--ca", file("azure.pem", azure.caPem), "--allow-outbound", services.join(",")],
    ...["--azure-authority", azure.entra.url, "--azure-resource-manager", azure.resourceManager.url, "--azure-graph", azure.graph.url],
  ];
  let running: ServerProcess | undefined;

  async function ask(token: string | undefined, method: string, path: string, body?: object): Promise<VaultAnswer> {
    const answer = await fetch(`${url}/v1/${path}`, {
      method,
      headers: token === undefined ? {} : { "x-vault-token": token },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      tls: { ca: authority.certificatePem },
    });
    const text = await answer.text();
    return { status: answer.status, body: text === "" ? null : JSON.parse(text) };
  }

  const auditFile = join(shell.folder, "data/audit/audit.jsonl");
  return {
    azure,
    shell,
    url,
    ask,
    async start() {
      running = await shell.serve(words, environment(azure));
    },
    async end(signal) {
      const code = await running?.end(signal);
      running = undefined;
      return code ?? -1;
    },
    async done(token, path, body) {
      const { status, body: answer } = await ask(token, "POST", path, body);
      if (status > 204) throw new Error(`${path}: ${status} ${JSON.stringify(answer)}`);
    },
    async rootToken() {
      const { code, out, err } = await shell.run(["vault", "token", "--ttl", "15m"]);
      if (code !== 0) throw new Error(err);
      return out.trim();
    },
    audit: () =>
      readFileSync(auditFile, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    written: () => readFileSync(auditFile, "utf8") + readFileSync(join(shell.folder, "server.log"), "utf8"),
    async close() {
      await shell.remove();
      await azure.close();
    },
  };
}

/** A token as the machine's own programs get one: from its metadata service, its Arc agent, or its App Service. */
export async function platformToken({ kind, url, environment }: SimulatedMachine): Promise<string> {
  const query = new URLSearchParams({ resource: managerAudience, "api-version": "2020-06-01" });
  if (kind === "app-service") {
    const headers = { "x-identity-header": environment.IDENTITY_HEADER ?? "" };
    return tokenIn(await fetch(`${environment.IDENTITY_ENDPOINT}?${query}`, { headers }));
  }
  const address = `${url}/metadata/identity/oauth2/token?${query}`;
  const first = await fetch(address, { headers: { metadata: "true" } });
  const challenge = /^Basic realm=(.+)$/.exec(first.headers.get("www-authenticate") ?? "")?.[1];
  if (challenge === undefined) return tokenIn(first);
  const authorization = `Basic ${readFileSync(challenge, "utf8")}`;
  return tokenIn(await fetch(address, { headers: { metadata: "true", authorization } }));
}

async function tokenIn(answer: Response): Promise<string> {
  const { access_token: token } = JSON.parse(await answer.text());
  if (typeof token !== "string") throw new Error(`the platform gave no token: ${answer.status}`);
  return token;
}

function freePort(): number {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const { port } = server;
  server.stop(true);
  if (port === undefined) throw new Error("no port is free");
  return port;
}
