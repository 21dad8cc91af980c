/**
 * Asks a server that speaks Vault's protocol, a Postern, a Vault or an OpenBao, as a machine of Azure's would.
 *
 * Source: Vault 1.19 and OpenBao 2.x, http/handler.go; vault-plugin-auth-azure v0.24, path_login.go; api/ of the Go client for the headers.
 */

import * as v from "valibot";
import { PosternError } from "../model/failures";
import { membersOf } from "../model/json-text";
import type { HttpAnswer, HttpClient, HttpLimits, HttpRequest } from "../model/ports";
import { SecretBytes } from "../model/secret-bytes";
import type { Instant } from "../model/types";
import { tokenText } from "./machine-token";

export interface VaultClientOptions {
  readonly http: HttpClient;
  /** Without a slash at the end. */
  readonly url: string;
  /** Certificates (PEM) that alone vouch for the server. */
  readonly roots?: string;
  /** Of a Vault that has some: `admin/team`. */
  readonly namespace?: string;
}

export interface VaultSession {
  readonly token: SecretBytes;
  /** How long the server says it lasts. */
  readonly lifetimeMs: number;
}

/** What a login says of the machine beside its token; the server compares it with the token. */
export interface MachineNames {
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly virtualMachine?: string;
  readonly scaleSet?: string;
  /** Of anything that is no virtual machine: an Arc-enabled server, a container app. */
  readonly resourceId?: string;
}

export interface VaultMount {
  /** Without slashes at either end. */
  readonly path: string;
  readonly type: "kv-v1" | "kv-v2" | "conjur";
}

export interface VaultValue {
  /** The text of a JSON object, its numbers as they were written; of a variable its own bytes. */
  readonly value: SecretBytes;
  /** Where the mount keeps versions. */
  readonly version?: number;
  readonly createdAt?: Instant;
}

export interface VaultClient {
  /** `mount` is `azure` or wherever the method is. Throws `unauthenticated` for a refusal, `upstream_unavailable` when there is no answer to go by. */
  loginByAzure(login: {
    readonly mount: string;
    readonly role: string;
    readonly token: SecretBytes;
    readonly machine?: MachineNames;
  }): Promise<VaultSession>;
  /** The mount that a path is in. Throws `unauthenticated` (the session is over), `forbidden`, `not_found` for a mount of another kind, `malformed` for a path that the server does not take, `upstream_unavailable`. */
  mountOf(session: VaultSession, path: string): Promise<VaultMount>;
  /** Ends the session. Throws `upstream_unavailable`. */
  revoke(session: VaultSession): Promise<void>;
  /** Throws as `mountOf`. A version that was deleted is `not_found`. */
  read(session: VaultSession, mount: VaultMount, key: string, version?: number): Promise<VaultValue>;
}

const limits = { maxBytes: 4 * 2 ** 20, timeoutMs: 10_000, connectTimeoutMs: 2000 };
/** Of a token that has no end: it is asked for anew all the same. */
const dayMs = 86_400_000;

const notUnderstood: ReadonlySet<number> = new Set([400, 405, 414, 431]);

const Login = v.object({ auth: v.object({ client_token: v.pipe(v.string(), v.nonEmpty()), lease_duration: v.number() }) });
const Preflight = v.object({
  data: v.object({ path: v.string(), type: v.string(), options: v.nullish(v.record(v.string(), v.unknown())) }),
});
const Refusal = v.object({ errors: v.array(v.string()) });
/** A variable of a policy, as a Postern shows it: text, or bytes that are none. */
const Variable = v.object({ value: v.string(), encoding: v.optional(v.literal("base64")) });
const Metadata = v.object({ version: v.number(), created_time: v.string() });

export function createVaultClient({ http, url, roots, namespace }: VaultClientOptions): VaultClient {
  const bounds: HttpLimits = { ...limits, ...(roots === undefined ? {} : { roots }) };
  const common = { "x-vault-request": "true", ...(namespace === undefined ? {} : { "x-vault-namespace": namespace }) };
  const send = (path: string, request: Omit<HttpRequest, "url">, session?: VaultSession): Promise<HttpAnswer> =>
    http.send({ ...request, url: `${url}/v1/${path}`, headers: { ...common, ...tokenOf(session) } }, bounds);

  /** Whether it is the session that is over: some say so in words, and the others tell it from a right that is missing only when asked for themselves. */
  async function isOver(answer: HttpAnswer, session: VaultSession): Promise<boolean> {
    if (refusalsOf(answer.body).some((text) => text.includes("invalid token"))) return true;
    return (await send("auth/token/lookup-self", {}, session)).status === 403;
  }

  async function ask(path: string, session: VaultSession): Promise<string> {
    const answer = await send(path, {}, session);
    if (answer.status === 200) return Buffer.from(answer.body).toString("utf8");
    if (answer.status === 403 && (await isOver(answer, session)))
      throw new PosternError({ code: "unauthenticated", because: "primary_refused" });
    if (answer.status === 403) throw new PosternError({ code: "forbidden", because: "primary_refused" });
    if (answer.status === 404) throw new PosternError({ code: "not_found", target: path });
    // It understood that much: what was asked for is wrong, and the line is not.
    if (notUnderstood.has(answer.status))
      throw new PosternError({ code: "malformed", where: "path", expected: "a path that the primary takes" });
    throw unavailable(`http_${answer.status}`);
  }

  /** Not a word about rights: a busy server, a sealed one, or something on the way that is no such server. */
  function unavailable(because: string): PosternError {
    return new PosternError({ code: "upstream_unavailable", upstream: URL.parse(url)?.origin ?? "unknown", because });
  }

  function parsed<Schema extends v.GenericSchema>(schema: Schema, text: string | Uint8Array): v.InferOutput<Schema> {
    try {
      return v.parse(schema, JSON.parse(typeof text === "string" ? text : Buffer.from(text).toString("utf8")));
    } catch {
      throw unavailable("answer_form");
    }
  }

  return {
    async loginByAzure({ mount, role, token, machine }) {
      const json = { role, jwt: tokenText(token), ...(machine === undefined ? {} : namesOf(machine)) };
      const answer = await send(`auth/${encoded(mount)}/login`, { method: "PUT", body: { json } });
      if ([400, 401, 403, 404].includes(answer.status)) throw new PosternError({ code: "unauthenticated", because: "primary_refused" });
      if (answer.status !== 200) throw unavailable(`http_${answer.status}`);
      const { auth } = parsed(Login, answer.body);
      return { token: SecretBytes.ofText(auth.client_token), lifetimeMs: auth.lease_duration > 0 ? auth.lease_duration * 1000 : dayMs };
    },
    async mountOf(session, path) {
      const { data } = parsed(Preflight, await ask(`sys/internal/ui/mounts/${encoded(path)}`, session));
      const own = data.path.replace(/\/+$/u, "");
      if (own === "" || !`${path}/`.startsWith(`${own}/`)) throw unavailable("answer_form");
      if (data.type === "conjur") return { path: own, type: "conjur" };
      if (data.type !== "kv" && data.type !== "generic") throw new PosternError({ code: "not_found", target: path });
      return { path: own, type: data.options?.version === "2" ? "kv-v2" : "kv-v1" };
    },
    async revoke(session) {
      await send("auth/token/revoke-self", { method: "PUT" }, session);
    },
    async read(session, mount, key, version) {
      const query = version === undefined ? "" : `?version=${version}`;
      if (mount.type !== "kv-v2" && version !== undefined) throw new PosternError({ code: "not_found", target: key });
      const text = await ask(`${encoded(mount.path)}${mount.type === "kv-v2" ? "/data" : ""}/${encoded(key)}${query}`, session);
      const data = membersOf(text)?.get("data") ?? "";
      if (mount.type === "conjur") return { value: variableIn(parsed(Variable, data)) };
      if (mount.type === "kv-v1") return { value: objectText(data, unavailable) };
      const members = membersOf(data);
      const { version: number, created_time: created } = parsed(Metadata, members?.get("metadata") ?? "");
      return { value: objectText(members?.get("data") ?? "", unavailable), version: number, ...createdAt(created) };
    },
  };
}

const encoded = (path: string): string => path.split("/").map(encodeURIComponent).join("/");

function tokenOf(session: VaultSession | undefined): Readonly<Record<string, string>> {
  return session === undefined ? {} : { "x-vault-token": tokenText(session.token) };
}

function namesOf({ subscriptionId, resourceGroup, virtualMachine, scaleSet, resourceId }: MachineNames): Readonly<Record<string, string>> {
  return {
    subscription_id: subscriptionId,
    resource_group_name: resourceGroup,
    ...(virtualMachine === undefined ? {} : { vm_name: virtualMachine }),
    ...(scaleSet === undefined ? {} : { vmss_name: scaleSet }),
    ...(resourceId === undefined ? {} : { resource_id: resourceId }),
  };
}

function refusalsOf(body: Uint8Array): readonly string[] {
  try {
    return v.parse(Refusal, JSON.parse(Buffer.from(body).toString("utf8"))).errors;
  } catch {
    return [];
  }
}

function objectText(text: string, unavailable: (because: string) => PosternError): SecretBytes {
  if (membersOf(text) === undefined) throw unavailable("answer_form");
  return SecretBytes.ofText(text);
}

function variableIn({ value, encoding }: v.InferOutput<typeof Variable>): SecretBytes {
  return encoding === undefined ? SecretBytes.ofText(value) : new SecretBytes(Buffer.from(value, encoding));
}

function createdAt(text: string): { readonly createdAt?: Instant } {
  try {
    return { createdAt: Temporal.Instant.from(text).epochMilliseconds };
  } catch {
    return {};
  }
}
