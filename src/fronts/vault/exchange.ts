/**
 * A request of Vault's protocol, read once: what is to be done, where, by whose token, with which body. Nothing of it is judged here.
 *
 * Source: Vault 1.19, http/logical.go (verbs), http/handler.go (token and namespace headers).
 */

import { secondsOf } from "../../model/durations";
import { PosternError } from "../../model/failures";
import type { PathAccess } from "../../model/paths";
import { SecretBytes } from "../../model/secret-bytes";
import type { RequestContext } from "../../model/types";
import { type Form, formOf, textOf } from "../form";
import type { Edge, FrontBindings } from "../front";
import { jsonOf } from "../json";
import type { Asked } from "./names";

export type Action = PathAccess["action"];

export interface Exchange {
  readonly context: RequestContext;
  readonly edge: Edge;
  readonly action: Action;
  /** `HEAD`: the status alone is asked for. */
  readonly isHead: boolean;
  /** Canonical; of a list with a slash at the end. */
  readonly path: string;
  readonly query: Form;
  /** Absent: none was shown. */
  readonly token: SecretBytes | undefined;
  /** The answer is to be wrapped, and for how long. */
  readonly wrapSeconds: number | undefined;
  readonly hasRequestHeader: boolean;
  /** The body as it came. Read once. */
  bytes(): Promise<Uint8Array>;
  /** The body as an object; of an empty one an empty object. Throws `malformed`. */
  body(): Promise<Readonly<Record<string, unknown>>>;
}

/** Throws `malformed`, `unsupported`, and `not_found` for a namespace, of which there are none. `askedBy` reads URLs. */
export function exchangeOf(request: Request, { context, edge }: FrontBindings, askedBy: (url: string) => Asked): Exchange {
  const { headers } = request;
  const { path, endsInSlash, query } = askedBy(request.url);
  assertRootNamespace(headers.get("x-vault-namespace"));
  const action = actionOf(request.method, query);
  if (action === "patch") assertMergePatch(headers.get("content-type"));
  if (endsInSlash && (action === "write" || action === "patch"))
    throw argument("path", "a path without a slash at the end", "cannot write to a path ending in '/'");
  let read: Promise<Uint8Array> | undefined;
  const bytes = (): Promise<Uint8Array> => {
    read ??= request.bytes();
    return read;
  };
  const isForm = headers.get("content-type")?.toLowerCase().startsWith("application/x-www-form-urlencoded") === true;
  return {
    context,
    edge,
    action,
    isHead: request.method === "HEAD",
    path: action === "list" ? `${path}/` : path,
    query,
    token: tokenOf(headers),
    wrapSeconds: wrapSecondsOf(headers.get("x-vault-wrap-ttl")),
    hasRequestHeader: headers.get("x-vault-request") !== null,
    bytes,
    body: async () => bodyOf(await bytes(), isForm),
  };
}

const actions: Readonly<Record<string, Action>> = {
  GET: "read",
  HEAD: "read",
  PUT: "write",
  POST: "write",
  PATCH: "patch",
  DELETE: "delete",
  LIST: "list",
};

/** Any word but a plain no makes a list of a `GET`: clients write `true` and `1`. */
function actionOf(method: string, query: Form): Action {
  const action = actions[method];
  if (action === undefined) throw new PosternError({ code: "unsupported", what: `${method} requests`, kind: "method" });
  const list = query.one("list")?.toLowerCase();
  return action === "read" && list !== undefined && !["", "0", "f", "false"].includes(list) ? "list" : action;
}

function tokenOf(headers: Headers): SecretBytes | undefined {
  const bearer = /^bearer +(.*)$/i.exec(headers.get("authorization") ?? "")?.[1]?.trim();
  const token = headers.get("x-vault-token") ?? bearer;
  if (token === undefined || token === "") return undefined;
  // The runtime joins repeated headers: no one is to choose between two tokens.
  if (!/^[!-+\--~]{1,4096}$/.test(token))
    throw argument("X-Vault-Token", "one token of printable characters", "the token must be one, of printable characters");
  return SecretBytes.ofText(token);
}

function assertRootNamespace(namespace: string | null): void {
  if (namespace === null || ["", "/", "root", "root/"].includes(namespace.trim())) return;
  throw new PosternError({ code: "not_found", target: "namespace", because: "namespace", says: "namespace not found" });
}

function wrapSecondsOf(header: string | null): number | undefined {
  if (header === null || header === "") return undefined;
  const seconds = secondsOf(header);
  if (seconds === undefined || seconds < 0)
    throw argument("X-Vault-Wrap-TTL", "a duration", "error parsing X-Vault-Wrap-TTL header: expected a duration of zero or more");
  return seconds === 0 ? undefined : seconds;
}

const mergePatch = "application/merge-patch+json";

function assertMergePatch(type: string | null): void {
  const provided = type?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (provided === mergePatch) return;
  if (!/^[\w.+-]+\/[\w.+-]+$/.test(provided))
    throw argument("Content-Type", mergePatch, `PATCH requires Content-Type of ${mergePatch}, provided none that is one`);
  const says = `PATCH requires Content-Type of ${mergePatch}, provided ${provided}`;
  throw new PosternError({ code: "unsupported", what: provided, kind: "encoding", says });
}

function bodyOf(bytes: Uint8Array, isForm: boolean): Readonly<Record<string, unknown>> {
  const text = textOf(bytes, "body").trim();
  if (text === "") return {};
  if (isForm && !text.startsWith("{") && !text.startsWith("[")) return formBody(bytes);
  const value = parsed(bytes);
  // Go's clients write this where there is nothing to say.
  if (value === null) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw argument("body", "a JSON object", "failed to decode JSON input: expected an object");
  return Object.fromEntries(Object.entries(value));
}

/** Refused in the words that clients know. */
export function parsed(bytes: Uint8Array): unknown {
  try {
    return jsonOf(bytes);
  } catch (error) {
    if (!(error instanceof PosternError) || error.failure.code !== "malformed") throw error;
    const { expected } = error.failure;
    const isTooComplex = expected.startsWith("JSON of at most");
    throw new PosternError({
      ...error.failure,
      says: isTooComplex
        ? `refused JSON input due to high complexity: expected ${expected}`
        : `failed to decode JSON input: expected ${expected}`,
    });
  }
}

function formBody(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const form = formOf(bytes);
  return Object.fromEntries(form.names().map((name) => [name, form.one(name)]));
}

function argument(where: string, expected: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where, expected, kind: "argument", says });
}
