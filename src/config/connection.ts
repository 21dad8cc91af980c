/**
 * The server that a person or a script is logged in at: what `postern login` keeps, or what the variables of Conjur's clients say.
 *
 *   { "url": "https://postern.example", "account": "acme", "login": "host/apps/web", "proof": { "kind": "azure", "service": "AzureAE1", … } }
 */

import { isAbsolute, join } from "node:path";
import * as v from "valibot";
import { PosternError } from "../model/failures";
import type { Environment } from "./environment";

const Text = v.pipe(v.string(), v.minLength(1));
const Identity = v.strictObject({
  source: v.exactOptional(v.picklist(["imds", "arc", "app-service", "workload"])),
  endpoint: v.exactOptional(Text),
  tokensFolder: v.exactOptional(Text),
  selector: v.exactOptional(v.strictObject({ kind: v.picklist(["client", "object", "resource"]), value: Text })),
});
const Proof = v.variant("kind", [
  // The machine's own identity: nothing of it is kept.
  v.strictObject({ kind: v.literal("azure"), service: Text, audience: Text, identity: Identity }),
  // An API key; kept only where its owner asked for that.
  v.strictObject({ kind: v.literal("key"), key: v.exactOptional(Text) }),
  // The kernel's word: who may connect to this socket of an agent.
  v.strictObject({ kind: v.literal("socket"), path: v.pipe(Text, v.check(isAbsolute)) }),
  // A file that somebody else keeps a fresh token in.
  v.strictObject({ kind: v.literal("token_file"), path: Text }),
]);
const Kept = v.strictObject({
  format: v.literal("postern-connection/1"),
  url: Text,
  account: Text,
  login: Text,
  roots: v.exactOptional(Text),
  httpsProxy: v.exactOptional(Text),
  proof: Proof,
});

export type Connection = Omit<v.InferOutput<typeof Kept>, "format">;
export type ConnectionProof = Connection["proof"];
export type ConnectionIdentity = v.InferOutput<typeof Identity>;

/** The audience that Conjur's clients ask for. */
export const usualAudience = "https://management.azure.com/";

/** The URL of a connection to an agent's socket: a socket has no address. */
export const socketUrl = "http://localhost";

/** What was kept, or `malformed` for what this version does not understand. */
export function readConnection(bytes: Uint8Array, path: string): Connection {
  try {
    const { format: _, ...connection } = v.parse(Kept, JSON.parse(Buffer.from(bytes).toString("utf8")));
    return connection;
  } catch {
    // It may hold a key, so nothing of it is quoted.
    throw new PosternError({ code: "malformed", where: path, expected: "what 'postern login' writes; log in again", kind: "argument" });
  }
}

export function printConnection(connection: Connection): Uint8Array {
  return Buffer.from(JSON.stringify({ format: "postern-connection/1", ...connection }));
}

/** The URL of a server. Throws `malformed` for one over which a credential would travel in the open. */
export function serverUrl(text: string, where: string): URL {
  const url = URL.parse(text);
  const isPlain = url !== null && url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  const isConfidential = url?.protocol === "https:" || (url?.protocol === "http:" && loopbackHost.test(url.hostname));
  if (isPlain && isConfidential) return url;
  throw new PosternError({
    code: "malformed",
    where,
    expected: "the https URL of a server, without user, query or fragment; http only on this machine's loopback",
    kind: "argument",
    because: "usage",
  });
}

const loopbackHost = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/u;

/**
 * The folder for what a user's programs keep between runs (XDG Base Directory Specification 0.8); for a service without a home, that of its unit
 * (systemd.exec(5), `StateDirectory=`). Throws `malformed` where nothing names one.
 */
export function stateFolder(environment: Environment, platform: string): string {
  const base =
    platform === "win32"
      ? environment.LOCALAPPDATA
      : (absolute(environment.XDG_STATE_HOME) ?? (environment.HOME === undefined ? undefined : join(environment.HOME, ".local", "state")));
  if (base !== undefined && base !== "") return join(base, "postern");
  const [unit] = (environment.STATE_DIRECTORY ?? "").split(":");
  if (unit !== undefined && isAbsolute(unit)) return unit;
  throw new PosternError({
    code: "malformed",
    where: "--state",
    expected: "a folder: the environment names no home to keep a session in",
    kind: "argument",
    because: "usage",
  });
}

/** The specification says to ignore relative ones. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}

/**
 * What the variables of Conjur's clients say; undefined unless they name a server and how to log in there. In their order: a token file, then a login with
 * its API key, then the machine's Azure identity (`CONJUR_AUTHN_TYPE=azure`).
 * Source: Conjur's Go API client 0.15.7, config.go.
 */
export function connectionOfEnvironment(environment: Environment, readText: (path: string) => string): Connection | undefined {
  const said = (name: string): string | undefined => (environment[name] === "" ? undefined : environment[name]);
  const [url, account] = [said("CONJUR_APPLIANCE_URL"), said("CONJUR_ACCOUNT")];
  const proof = proofOfEnvironment(said);
  if (url === undefined || account === undefined || proof === undefined) return undefined;
  const certFile = said("CONJUR_CERT_FILE");
  const roots = said("CONJUR_SSL_CERTIFICATE") ?? (certFile === undefined ? undefined : readText(certFile));
  serverUrl(url, "CONJUR_APPLIANCE_URL");
  return {
    url: url.replace(/\/+$/u, ""),
    account,
    login: said("CONJUR_AUTHN_LOGIN") ?? said("CONJUR_AUTHN_JWT_HOST_ID") ?? "",
    ...(roots === undefined ? {} : { roots }),
    proof,
  };
}

function proofOfEnvironment(said: (name: string) => string | undefined): ConnectionProof | undefined {
  const tokenFile = said("CONJUR_AUTHN_TOKEN_FILE");
  if (tokenFile !== undefined) return { kind: "token_file", path: tokenFile };
  const key = said("CONJUR_AUTHN_API_KEY");
  if (key !== undefined && said("CONJUR_AUTHN_LOGIN") !== undefined) return { kind: "key", key };
  const service = said("CONJUR_SERVICE_ID");
  if (said("CONJUR_AUTHN_TYPE") !== "azure" || service === undefined || said("CONJUR_AUTHN_JWT_HOST_ID") === undefined) return undefined;
  const clientId = said("CONJUR_AUTHN_AZURE_CLIENT_ID");
  const identity = clientId === undefined ? {} : { selector: { kind: "client" as const, value: clientId } };
  return { kind: "azure", service, audience: usualAudience, identity };
}
