/** A server that answers as Vault does what an agent asks of it, says what it was asked, and can be told to refuse or to be away. */

import * as v from "valibot";

export interface FakeVault {
  readonly url: string;
  /** `PUT /v1/auth/azure/login`, in order. */
  readonly asked: readonly string[];
  /** The bodies of logins. */
  readonly logins: readonly Readonly<Record<string, string>>[];
  /** What is kept, by path; a value of the text of a JSON object, or versions of it. */
  readonly objects: Map<string, string>;
  readonly versions: Map<string, readonly string[]>;
  refuseLogins(status: number | undefined): void;
  /** Every token so far is none any more; `tells` says so in Vault's words, which not all versions have. */
  revokeAll(tells: boolean): void;
  /** Answers everything with this status. */
  fail(status: number | undefined): void;
  stop(): Promise<void>;
}

const created = "2025-11-10T08:00:00.123456789Z";

export function startFakeVault(): FakeVault {
  const asked: string[] = [];
  const logins: Record<string, string>[] = [];
  const objects = new Map<string, string>([
    ["old/app", '{"password":"kv one","n":1.0}'],
    ["conjur/app/text", '{"value":"s3cret"}'],
    ["conjur/app/bytes", '{"value":"/w==","encoding":"base64"}'],
  ]);
  const versions = new Map<string, readonly string[]>([
    ["secret/app/db", ['{"password":"first"}', '{"password":"hunter2","big":12345678901234567890}']],
  ]);
  let tokens = new Set<string>();
  let loginStatus: number | undefined;
  let status: number | undefined;
  let tells = true;

  const errors = (code: number, ...texts: readonly string[]): Response => Response.json({ errors: texts }, { status: code });
  const denied = (): Response =>
    tells ? errors(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n") : errors(403, "permission denied");

  async function logIn(request: Request): Promise<Response> {
    logins.push(v.parse(v.record(v.string(), v.string()), await request.json()));
    if (loginStatus !== undefined) return errors(loginStatus, "service principal not authorized");
    const token = `hvs.${logins.length}`;
    tokens.add(token);
    return Response.json({ auth: { client_token: token, lease_duration: 3600, renewable: true, policies: ["default"] } });
  }

  function mount(path: string): Response {
    if (path.startsWith("secret")) return Response.json({ data: { path: "secret/", type: "kv", options: { version: "2" } } });
    if (path.startsWith("old")) return Response.json({ data: { path: "old/", type: "kv", options: null } });
    if (path.startsWith("conjur")) return Response.json({ data: { path: "conjur/", type: "conjur", options: null } });
    if (path.startsWith("pki")) return Response.json({ data: { path: "pki/", type: "pki", options: null } });
    return errors(403, "preflight capability check returned 403, please ensure client's policies grant access to path");
  }

  function version(path: string, wanted: string | null): Response {
    const all = versions.get(path);
    const number = Number(wanted ?? all?.length ?? 0);
    const text = all?.[number - 1];
    if (text === undefined) return errors(404);
    return new Response(
      `{"data":{"data":${text},"metadata":{"created_time":"${created}","version":${number},"deletion_time":"","destroyed":false}}}`,
    );
  }

  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const url = new URL(request.url);
      const path = decodeURIComponent(url.pathname.slice("/v1/".length));
      asked.push(`${request.method} ${url.pathname}${url.search}`);
      if (status !== undefined) return errors(status);
      if (request.headers.get("x-vault-request") !== "true") return errors(400, "no header");
      if (/^auth\/[\w/-]+\/login$/.test(path)) return await logIn(request);
      if (!tokens.has(request.headers.get("x-vault-token") ?? "")) return denied();
      if (path === "auth/token/revoke-self") {
        tokens.delete(request.headers.get("x-vault-token") ?? "");
        return new Response(null, { status: 204 });
      }
      if (path.includes("\u2028")) return errors(400, "path contains unprintable characters");
      if (path === "auth/token/lookup-self") return Response.json({ data: {} });
      if (path.startsWith("sys/internal/ui/mounts/")) return mount(path.slice("sys/internal/ui/mounts/".length));
      if (path.startsWith("secret/data/forbidden")) return errors(403, "1 error occurred:\n\t* permission denied\n\n");
      if (path.startsWith("secret/data/")) return version(`secret/${path.slice("secret/data/".length)}`, url.searchParams.get("version"));
      const text = objects.get(path);
      return text === undefined ? errors(404) : new Response(`{"data":${text}}`);
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    asked,
    logins,
    objects,
    versions,
    refuseLogins(code) {
      loginStatus = code;
    },
    revokeAll(inWords) {
      tells = inWords;
      tokens = new Set();
    },
    fail(code) {
      status = code;
    },
    stop: () => server.stop(true),
  };
}
