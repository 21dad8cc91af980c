/**
 * Another Conjur server, read through its API as an administrator: everything that an account consists of and the API shows.
 *
 * Source: Conjur 5.3.1, config/routes.rb; every server since 5.0 answers these.
 */

import * as v from "valibot";
import { PosternError } from "../model/failures";
import type { Clock, HttpAnswer, HttpClient, HttpLimits } from "../model/ports";
import { SecretBytes } from "../model/secret-bytes";

export interface ConjurApiOptions {
  readonly http: HttpClient;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** `https://conjur.example.com`, also with a path before the API's own. */
  readonly url: string;
  readonly account: string;
  /** `admin`, `host/importer`. */
  readonly login: string;
  readonly apiKey: SecretBytes;
  /** Certificates (PEM) that alone vouch for the server. */
  readonly roots?: string;
}

export interface ConjurApi {
  /** Every resource that the login sees, in pages. */
  resources(): AsyncIterable<readonly ApiResource[]>;
  /** Throws `upstream_unavailable` like all others; none for a role that is not shown. */
  members(role: string): Promise<readonly ApiGrant[]>;
  /** Values by full id; those without a value are absent. */
  values(ids: readonly string[]): Promise<FetchedValues>;
  /** The lines of a user's public keys. */
  publicKeys(user: string): Promise<readonly string[]>;
  /** Authenticators that are switched on: `authn-azure/AzureAE1`. */
  enabledAuthenticators(): Promise<readonly string[]>;
}

/** `unreadable`: there may be one, but not for this login. */
export type FetchedValues = ReadonlyMap<string, SecretBytes | "unreadable">;

const Policy = v.optional(v.nullable(v.string()));
const Resource = v.object({
  id: v.string(),
  owner: v.string(),
  created_at: v.string(),
  policy: Policy,
  permissions: v.optional(v.array(v.object({ privilege: v.string(), role: v.string(), policy: Policy })), []),
  annotations: v.optional(v.array(v.object({ name: v.string(), value: v.string(), policy: Policy })), []),
  restricted_to: v.optional(v.array(v.string()), []),
  secrets: v.optional(v.array(v.object({ version: v.number() })), []),
});
const GrantRow = v.object({
  role: v.string(),
  member: v.string(),
  admin_option: v.optional(v.boolean(), false),
  ownership: v.optional(v.boolean(), false),
  policy: Policy,
});
export type ApiResource = v.InferOutput<typeof Resource>;
export type ApiGrant = v.InferOutput<typeof GrantRow>;

// A server may take no more than it was told to (CONJUR_API_RESOURCE_LIST_LIMIT_MAX); then smaller pages do.
const pageSizes = [1000, 100, 10, 1] as const;
const valuesAtOnce = 8;
const limits: HttpLimits = { maxBytes: 64 * 2 ** 20, timeoutMs: 60_000, connectTimeoutMs: 10_000 };
// A session lives eight minutes by default; a new one is due well before.
const sessionMs = 240_000;

export function createConjurApi(options: ConjurApiOptions): ConjurApi {
  const { http, clock, account, login } = options;
  const base = options.url.replace(/\/+$/u, "");
  const bounds = options.roots === undefined ? limits : { ...limits, roots: options.roots };
  const part = encodeURIComponent;
  let session: { readonly header: string; readonly sinceMs: number } | undefined;

  async function token(): Promise<string> {
    if (session !== undefined && clock.monotonicMs() - session.sinceMs < sessionMs) return session.header;
    const path = `/authn/${part(account)}/${part(login)}/authenticate`;
    const text = Buffer.from(options.apiKey.reveal()).toString("utf8");
    const answer = await http.send({ url: `${base}${path}`, method: "POST", headers: { accept: "*/*" }, body: { text } }, bounds);
    if (answer.status !== 200) throw refused(path, answer.status);
    session = { header: `Token token="${Buffer.from(answer.body).toString("base64")}"`, sinceMs: clock.monotonicMs() };
    return session.header;
  }

  async function ask(path: string, headers: Readonly<Record<string, string>> = {}): Promise<HttpAnswer> {
    const authorization = await token();
    const first = await http.send({ url: `${base}${path}`, headers: { ...headers, authorization } }, bounds);
    if (first.status !== 401) return first;
    // Sessions may be shorter there than they are by default.
    session = undefined;
    return http.send({ url: `${base}${path}`, headers: { ...headers, authorization: await token() } }, bounds);
  }

  async function json<Schema extends v.GenericSchema>(path: string, schema: Schema): Promise<v.InferOutput<Schema>> {
    const answer = await ask(path);
    if (answer.status !== 200) throw refused(path, answer.status);
    return parsed(schema, answer, path);
  }

  function parsed<Schema extends v.GenericSchema>(schema: Schema, answer: HttpAnswer, path: string): v.InferOutput<Schema> {
    try {
      return v.parse(schema, JSON.parse(Buffer.from(answer.body).toString("utf8")));
    } catch {
      // The answer may hold values, so nothing of it is quoted.
      throw new PosternError({ code: "upstream_unavailable", upstream: base, because: `not the form of ${path.split("?", 1)[0]}` });
    }
  }

  function refused(path: string, status: number): PosternError {
    return new PosternError({ code: "upstream_unavailable", upstream: base, because: `${path.split("?", 1)[0]}: status ${status}` });
  }

  /** `/secrets/myorg/variable/db%2Fpassword` */
  function pathOf(route: string, id: string): string {
    const [of = "", kind = "", ...identifier] = id.split(":");
    return `/${route}/${part(of)}/${part(kind)}/${identifier.join(":").split("/").map(part).join("/")}`;
  }

  /** One by one, where the server has not all of them together. */
  async function single(id: string): Promise<SecretBytes | "unreadable" | undefined> {
    const path = pathOf("secrets", id);
    const answer = await ask(path, { accept: "*/*" });
    if (answer.status === 200) return new SecretBytes(answer.body);
    if (answer.status === 404) return undefined;
    if (answer.status === 403) return "unreadable";
    throw refused(path, answer.status);
  }

  return {
    async *resources() {
      let offset = 0;
      let first: string | undefined;
      for (const size of pageSizes) {
        for (;;) {
          const path = `/resources/${part(account)}?limit=${size}&offset=${offset}`;
          const answer = await ask(path);
          if (answer.status === 422 && size > 1) break;
          if (answer.status !== 200) throw refused(path, answer.status);
          const page = parsed(v.array(Resource), answer, path);
          if (page.length === 0) return;
          // A server that knows no offset would give the same for ever.
          if (page[0]?.id === first)
            throw new PosternError({ code: "upstream_unavailable", upstream: base, because: "the same page of records twice" });
          first = page[0]?.id;
          offset += page.length;
          yield page;
        }
      }
    },
    async members(role) {
      const path = `${pathOf("roles", role)}?members`;
      const answer = await ask(path);
      if (answer.status === 404) return [];
      if (answer.status !== 200) throw refused(path, answer.status);
      return parsed(v.array(GrantRow), answer, path);
    },
    async values(ids) {
      // Several in one answer are JSON, so only those without a comma in their names, and each may have to be asked for by itself after all.
      const path = `/secrets?variable_ids=${ids.map(part).join(",")}`;
      const answer = ids.some((id) => id.includes(",")) ? undefined : await ask(path);
      const found = new Map<string, SecretBytes | "unreadable">();
      if (answer?.status === 200) {
        const texts = parsed(v.record(v.string(), v.string()), answer, path);
        for (const [id, text] of Object.entries(texts)) found.set(id, SecretBytes.ofText(text));
        return found;
      }
      for (let at = 0; at < ids.length; at += valuesAtOnce) {
        const some = ids.slice(at, at + valuesAtOnce);
        for (const [index, value] of (await Promise.all(some.map(single))).entries()) {
          const id = some[index];
          if (id !== undefined && value !== undefined) found.set(id, value);
        }
      }
      return found;
    },
    async publicKeys(user) {
      const answer = await ask(pathOf("public_keys", user), { accept: "*/*" });
      if (answer.status !== 200) return [];
      const text = Buffer.from(answer.body).toString("utf8");
      return text.split("\n").filter((line) => line.trim() !== "");
    },
    async enabledAuthenticators() {
      const { enabled } = await json("/authenticators", v.object({ enabled: v.array(v.string()) }));
      return enabled.filter((name) => name !== "authn");
    },
  };
}
