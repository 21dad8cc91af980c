/**
 * A whole Postern to try things out with: keys and store in memory, an Azure that is simulated, a sample policy. Loopback alone, and every answer says what it
 * is. On the disk are only a certificate, the audit and the admin socket, in a folder that is removed at the end.
 *
 * It speaks TLS unless told otherwise, because Conjur's command line refuses plain HTTP. It reads no settings from the environment, so that those of a
 * server on the same machine change nothing here.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import { adminOperations } from "../client/admin-wire";
import { type AdminAnswer, createAdminClient } from "../client/client";
import { type Config, loadConfig } from "../config/config";
import { selfSigned } from "../crypto/certificate";
import { PosternError } from "../model/failures";
import { SecretBytes } from "../model/secret-bytes";
import type { Instant } from "../model/types";
import { createClock } from "../runtime/clock";
import { createRandom } from "../runtime/random";
import { type AzureSimulator, createAzureSimulator, type SimulatedMachine } from "../simulator/azure/simulator";
import type { AdminApp } from "./admin";
import { placesOf } from "./compose";
import { agentFile } from "./dev-agent";
import { createMemoryGround } from "./dev-ground";
import {
  account,
  application,
  type Binding,
  cloud,
  hostOf,
  type MachineName,
  samplePolicy,
  secretValue,
  service,
  variable,
} from "./dev-sample";
import { type DevMachine, devText } from "./dev-text";
import { isLoopback, parseListenAddress } from "./listen-address";
import { startServer } from "./server";

export interface DevOptions {
  /** A loopback address with a port, 0 for a free one. Default `127.0.0.1:8443`. */
  readonly listen?: string;
  /** Default false: TLS with a self-signed certificate. */
  readonly isPlainHttp?: boolean;
  /** Where the simulated Arc server leaves its challenges. Default: the throw-away folder; SDKs look in `/var/opt/azcmagent/tokens` alone. */
  readonly arcTokensFolder?: string;
  /** How to run Postern's commands, for the printed text. Default `postern`. */
  readonly command?: readonly string[];
  /** Takes the text of `dev-text.ts`, once, when everything answers. */
  readonly print: (text: string) => void;
}

export interface RunningDev {
  /** `https://127.0.0.1:8443`, with the port that was taken. */
  readonly url: string;
  /** Ends everything and removes what was on the disk. May be called again. */
  stop(): Promise<void>;
}

const defaultListen = "127.0.0.1:8443";
const marker = "not for production";
const certificateDays = 30;

/**
 * Starts everything and prints how to use it. Throws `malformed` for an address beyond loopback and `conflict` (because `address_in_use`) for a port that is
 * taken; nothing is left behind then.
 */
export async function startDev(options: DevOptions): Promise<RunningDev> {
  const listen = options.listen ?? defaultListen;
  assertLoopback(listen);
  // Made for this user alone, mode 0700.
  const folder = mkdtempSync(join(tmpdir(), "postern-dev-"));
  const sweep = () => rmSync(folder, { recursive: true, force: true });
  // For an end that nobody asked for.
  process.once("exit", sweep);
  const undo = [
    async () => {
      sweep();
      process.removeListener("exit", sweep);
    },
  ];
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= undoAll(undo);
    return stopping;
  };
  try {
    const url = await start(options, { listen, folder }, undo);
    return { url, stop };
  } catch (error) {
    await stop();
    throw isAddressInUse(error) ? addressInUse(listen, error) : error;
  }
}

/** Starts one part after the other; `undo` has what ends those that run. */
async function start(
  options: DevOptions,
  { listen, folder }: { readonly listen: string; readonly folder: string },
  undo: (() => Promise<void>)[],
): Promise<string> {
  const clock = createClock();
  const random = createRandom();
  const arcTokensFolder = options.arcTokensFolder ?? join(folder, "tokens");
  const clientSecret = Buffer.from(random.bytes(24)).toString("base64url");
  const applications = [{ name: application, secret: clientSecret }];
  const azure = await createAzureSimulator({ clock, random, cloud: { ...cloud, applications }, tokensFolder: arcTokensFolder });
  undo.push(() => azure.close());
  const certFile = options.isPlainHttp === true ? undefined : writeCertificate(folder, listen, clock.now());
  const config = devConfig({ listen, folder, certFile, azure });
  const [seal = ""] = config.seals;
  const { keyring: path, node: nodePath } = placesOf(folder);
  const ground = await createMemoryGround({ clock, random, path, nodePath, seal });
  const server = await startServer(config, version, { ground, devMarker: marker });
  undo.push(() => server.stop());
  const apiKey = await furnish(server.app, azure);
  const [url = ""] = server.urls;
  const { url: machineUrl } = azure.machine("vm");
  const agent = agentFile({ url, folder, machineUrl, host: hostOf("vm"), ...(certFile === undefined ? {} : { certFile }) });
  options.print(
    devText({
      url,
      adminKey: Buffer.from(apiKey.reveal()).toString("utf8"),
      folder,
      ...(certFile === undefined ? {} : { certFile }),
      entraUrl: azure.entra.url,
      tenantId: azure.tenant().id,
      clientId: azure.identity(application).clientId,
      clientSecret,
      subscriptionId: azure.machine("vm").subscriptionId,
      vm: described(azure.machine("vm"), "a virtual machine"),
      fleet: described(azure.machine("fleet"), "a member of a scale set"),
      arc: described(azure.machine("arc"), "an Arc-enabled server"),
      arcTokensFolder,
      agentFile: writePrivate(folder, "agent.toml", agent),
      command: options.command ?? ["postern"],
    }),
  );
  return url;
}

function assertLoopback(listen: string): void {
  const address = parseListenAddress(listen);
  if (address.kind === "tcp" && isLoopback(address)) return;
  throw new PosternError({
    code: "malformed",
    where: "listen",
    expected: "a loopback address and port such as 127.0.0.1:8443, as everybody who can reach it may have its secrets",
    kind: "argument",
  });
}

interface Site {
  readonly listen: string;
  readonly folder: string;
  readonly certFile: string | undefined;
  readonly azure: AzureSimulator;
}

/** The configuration of a server, with its defaults. The way out leads to the simulator alone. */
function devConfig({ listen, folder, certFile, azure }: Site): Config {
  const roots = writePrivate(folder, "azure-ca.pem", azure.caPem);
  const { config } = loadConfig({
    flags: {
      data: folder,
      seal: [`file:${join(folder, "seal.key")}`],
      node: "dev",
      listen,
      ...(certFile === undefined ? {} : { tls_cert: certFile, tls_key: join(folder, keyName) }),
      ca: [roots],
      allow_outbound: [`${azure.entra.url}/`, `${azure.resourceManager.url}/`, `${azure.graph.url}/`],
      "azure.authority": `${azure.entra.url}/`,
      "azure.resource_manager": azure.resourceManager.url,
      "azure.graph": azure.graph.url,
      authenticators: [`authn-azure/${service}`],
      log_level: "warn",
    },
    environment: {},
    folder,
    authenticatorForms: ["authn-azure/SERVICE"],
  });
  return config;
}

const keyName = "postern-key.pem";

/** Where the certificate is; its key is beside it. */
function writeCertificate(folder: string, listen: string, now: Instant): string {
  const address = parseListenAddress(listen);
  const own = address.kind === "tcp" && address.hostname !== "localhost" ? [address.hostname] : [];
  const ipAddresses = [...new Set(["127.0.0.1", "::1", ...own])];
  const { certificatePem, privateKeyPem } = selfSigned({ dnsNames: ["localhost"], ipAddresses, now, days: certificateDays });
  writePrivate(folder, keyName, privateKeyPem);
  return writePrivate(folder, "postern-cert.pem", certificatePem);
}

function writePrivate(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600, flag: "wx" });
  return path;
}

/** Makes the account, the policy and the values, as the operator would. Gives the administrator's API key. */
async function furnish(app: AdminApp, azure: AzureSimulator): Promise<SecretBytes> {
  const client = createAdminClient((request) => app.fetch(request, { isLocal: true }));
  const { apiKey } = outputOf(await client.call(adminOperations.createAccount, { name: account }));
  const bound = (name: MachineName): Binding => bindingOf(azure.machine(name));
  const text = Buffer.from(samplePolicy({ vm: bound("vm"), fleet: bound("fleet"), arc: bound("arc") }));
  outputOf(await client.call(adminOperations.loadPolicy, { account, branch: "root", mode: "create", text, file: "sample.yml" }));
  const values = { [`conjur/authn-azure/${service}/provider-uri`]: azure.tenant().providerUris.v1, [variable]: secretValue };
  for (const [name, value] of Object.entries(values))
    outputOf(await client.call(adminOperations.setVariable, { id: `${account}:variable:${name}`, value: SecretBytes.ofText(value) }));
  return apiKey;
}

function bindingOf(machine: SimulatedMachine): Binding {
  const { subscriptionId, resourceGroup } = machine;
  return { subscriptionId, resourceGroup, oid: machine.identity().oid };
}

function described({ name, url, environment }: SimulatedMachine, about: string): DevMachine {
  return { name, url, environment, about };
}

function outputOf<Output>(answer: AdminAnswer<Output>): Output {
  if (answer.ok) return answer.output;
  throw new PosternError({ code: "internal", what: `the sample was refused: ${answer.error.message}`, because: "dev_sample" });
}

/** The last first. What cannot be ended keeps nothing else from it. */
async function undoAll(undo: (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const each of undo.splice(0).reverse()) await each().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}

function isAddressInUse(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}

function addressInUse(listen: string, cause: unknown): PosternError {
  const what = `${listen}, where another program listens; --listen 127.0.0.1:0 takes a free port`;
  return new PosternError({ code: "conflict", what, because: "address_in_use" }, { cause });
}
