/**
 * What a mount of KV version 2 says to who takes it for one of version 1. Clients take a 404 with warnings for an answer, and show them.
 *
 * Source: vault-plugin-secrets-kv v0.24, backend.go (pathInvalid); Vault 1.19, api/logical.go.
 */

import type { Call } from "./engine";
import type { Action } from "./exchange";
import type { Answer } from "./wire";

const roots: ReadonlySet<string> = new Set(["data", "metadata", "delete", "undelete", "destroy"]);
const verbs: Readonly<Record<Action, string>> = { read: "get", write: "put", patch: "patch", delete: "delete", list: "list" };

/** For a caller who was found to be allowed to do there what they asked. */
export function wrongPath({ rest, action }: Call): Answer {
  const warning = roots.has(rest)
    ? "Non-listing operations on the root of a K/V v2 mount are not supported."
    : "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. " +
      `If using the Vault CLI, use 'vault kv ${verbs[action]}' for this operation.`;
  return { status: 404, data: null, warnings: [warning] };
}

/** The same where something else can be done at the path. */
export async function wrongAction(call: Call): Promise<Answer> {
  await call.broker.paths.mounts.probe(call.caller(), call.access());
  return wrongPath(call);
}
