/** Asks a Postern on this machine through its admin socket, or one in the same process, which are the same to the caller. */

import { join } from "node:path";
import * as v from "valibot";
import { PosternError } from "../model/failures";
import { type AdminFailure, type AdminOperation, adminSocketName, FailureBody, type InputOf, type OutputOf, printBody } from "./admin-wire";

/** Carries a request to the admin application: over the socket, or to its `fetch` in the same process. */
export type AdminTransport = (request: Request) => Response | Promise<Response>;

export type AdminAnswer<Output> = { readonly ok: true; readonly output: Output } | { readonly ok: false; readonly error: AdminFailure };

export interface AdminClient {
  /** Throws `upstream_unavailable` when nobody answers, `internal` for an answer of another form than agreed. */
  call<Operation extends AdminOperation>(operation: Operation, input: InputOf<Operation>): Promise<AdminAnswer<OutputOf<Operation>>>;
  /** Text of one of the pages for other programs: `/health`, `/ready`, `/metrics`. */
  page(path: string): Promise<{ readonly ok: boolean; readonly text: string }>;
}

/** Where the admin socket of a data folder is. */
export function adminSocketPath(dataFolder: string): string {
  return join(dataFolder, adminSocketName);
}

// The name is never resolved: a socket has no address.
const origin = "http://postern.local";

export function createAdminClient(transport: AdminTransport): AdminClient {
  return {
    async call(operation, input) {
      const request = new Request(`${origin}${operation.path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: printBody(typeof input === "object" && input !== null ? input : {}),
      });
      const response = await transport(request);
      const body: unknown = await response.json().catch((cause: unknown) => {
        throw unexpected(operation.path, cause);
      });
      if (response.ok) return { ok: true, output: parse(operation.output, body, operation.path) };
      return { ok: false, error: parse(FailureBody, body, operation.path).error };
    },
    async page(path) {
      const response = await transport(new Request(`${origin}${path}`));
      return { ok: response.ok, text: await response.text() };
    },
  };
}

function parse<Schema extends v.GenericSchema>(schema: Schema, body: unknown, path: string): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, body);
  if (!parsed.success) throw unexpected(path);
  return parsed.output;
}

function unexpected(path: string, cause?: unknown): PosternError {
  const what = `the server's answer to ${path} has not the form of this version; is it another version of Postern?`;
  return new PosternError({ code: "internal", what, because: "admin_answer" }, cause === undefined ? undefined : { cause });
}
