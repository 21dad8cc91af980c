/**
 * A Postern as somebody runs it in earnest: the compiled binary, a sealed store, TLS on loopback, a simulated Azure beside it. Everything that was started
 * is ended by its process id, and everything that was made is removed.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cloud as walkthroughCloud } from "../../../scripts/walkthrough/cloud";
import { createAuthority, type IssuedCertificate, selfSigned } from "../../../src/crypto/certificate";
import { createClock } from "../../../src/runtime/clock";
import { createRandom } from "../../../src/runtime/random";
import { type AzureSimulator, type CloudDescription, createAzureSimulator } from "../../../src/simulator/azure/simulator";
import { installBinary, type Outcome } from "../../support/binary";

export interface DeploymentOptions {
  /** Who vouches for the server: itself, or an authority whose certificate is `caFile`. */
  readonly tls: "self-signed" | "authority";
  /** What the server finds in its environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the walkthrough's. */
  readonly cloud?: CloudDescription;
  /** Listens for Vault's clients too, on an address of its own; its method `azure` asks the simulated Azure. */
  readonly vault?: boolean;
  /** An issuer of tokens that the server may ask for its keys, and whom to trust for it. */
  readonly issuer?: { readonly url: string; readonly rootPem: string };
}

export interface Deployment {
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
  /** The same by the name that the certificate also bears. */
  readonly namedUrl: string;
  /** Where Vault's clients find it, when it was asked to listen for them. */
  readonly vaultUrl: string;
  readonly account: string;
  readonly adminKey: string;
  /** What a client must trust: the certificate itself, or the authority's. */
  readonly caFile: string;
  readonly caPem: string;
  readonly azure: AzureSimulator;
  /** Makes an empty folder, for the home of a client. */
  folder(name: string): string;
  /** Runs the binary on this deployment's data: `["account", "create", "other"]`. */
  postern(words: readonly string[]): Outcome;
  /** The audit so far. */
  audit(): readonly Readonly<Record<string, unknown>>[];
  /** The same as syslog events in Conjur's words, as a collector of logs gets them; before the answer that they are about. */
  events(): readonly string[];
  /** Ends the server, in order, and everything else. Resolves to the server's exit code. */
  stop(): Promise<number>;
}

export const account = "myConjurAccount";

export async function startDeployment(options: DeploymentOptions): Promise<Deployment> {
  const clock = createClock();
  const azure = await createAzureSimulator({ clock, random: createRandom(), cloud: options.cloud ?? walkthroughCloud });
  const installation = installBinary();
  const home = installation.folder("home");
  const { certificate, caPem } = certificateFor(options.tls, clock.now());
  const file = (name: string, text: string): string => {
    const path = join(home, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const caFile = file("ca.pem", caPem);
  const keyFile = join(home, "seal.key");
  const place = ["--data", join(home, "data"), "--seal", `file:${keyFile}`];
  const mustRun = (words: readonly string[]): Outcome => {
    const outcome = installation.run(words, { cwd: home });
    if (outcome.code !== 0) throw new Error(`postern ${words[0]} ended with ${outcome.code}: ${outcome.stdout}${outcome.stderr}`);
    return outcome;
  };
  mustRun(["init", ...place]);
  const created = mustRun(["account", "create", account, ...place]);
  const adminKey = /API key for admin: (\S+)/.exec(created.stdout)?.[1];
  if (adminKey === undefined) throw new Error("the account was made without an API key for its administrator");

  const tls = ["--tls-cert", file("server.pem", certificate.certificatePem), "--tls-key", file("server.key", certificate.privateKeyPem)];
  const outbound = ["--ca", file("outbound-ca.pem", azure.caPem + (options.issuer?.rootPem ?? ""))];
  const services = [azure.entra.url, azure.resourceManager.url, azure.graph.url].map((each) => `${each}/`);
  outbound.push("--allow-outbound", [...services, ...(options.issuer === undefined ? [] : [options.issuer.url])].join(","));
  const syslog = join(home, "audit.syslog");
  const events = ["--audit-syslog", `file:${syslog}`, "--audit-syslog-required"];
  const listen = ["--listen", "127.0.0.1:0", ...(options.vault === true ? ["--vault-listen", "127.0.0.1:0"] : [])];
  const ofAzure = [
    "--azure-authority",
    azure.entra.url,
    "--azure-resource-manager",
    azure.resourceManager.url,
    "--azure-graph",
    azure.graph.url,
  ];
  const child = Bun.spawn([installation.binary, "server", ...place, ...listen, ...ofAzure, ...tls, ...outbound, ...events], {
    cwd: home,
    env: { PATH: "/usr/bin:/bin", ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: Bun.file(join(home, "server.log")),
  });
  // A suite that breaks off before its first test ends nothing by itself.
  const giveUp = (): void => {
    child.kill("SIGKILL");
    installation.remove();
  };
  process.once("exit", giveUp);
  const [url = "", vaultUrl = ""] = await announced(child.stdout, listen.length / 2);

  return {
    url,
    vaultUrl,
    namedUrl: url.replace("127.0.0.1", "localhost"),
    account,
    adminKey,
    caFile,
    caPem,
    azure,
    folder: (name) => installation.folder(name),
    postern: (words) => installation.run([...words, ...place], { cwd: home }),
    audit: () => linesOf(join(home, "data/audit/audit.jsonl")).map((line) => JSON.parse(line)),
    events: () => linesOf(syslog),
    async stop() {
      child.kill("SIGTERM");
      const code = await child.exited;
      await azure.close();
      installation.remove();
      process.off("exit", giveUp);
      return code;
    },
  };
}

function certificateFor(tls: DeploymentOptions["tls"], now: number): { readonly certificate: IssuedCertificate; readonly caPem: string } {
  const request = { dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"], now, days: 2 };
  if (tls === "self-signed") {
    const certificate = selfSigned(request);
    return { certificate, caPem: certificate.certificatePem };
  }
  const authority = createAuthority({ name: "Conformance CA", now });
  return { certificate: authority.issue(request), caPem: authority.certificatePem };
}

function linesOf(file: string): readonly string[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "");
}

/** Reads the server's output until it has said where it listens, so many times. */
async function announced(output: ReadableStream<Uint8Array>, count: number): Promise<readonly string[]> {
  let text = "";
  for await (const chunk of output) {
    text += Buffer.from(chunk).toString("utf8");
    const urls = [...text.matchAll(/^Listening on (\S+)\n/gmu)].map(([, url = ""]) => url);
    if (urls.length >= count) return urls;
  }
  throw new Error(`the server ended before it listened: ${text}`);
}
