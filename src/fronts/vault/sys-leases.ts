/**
 * Leases, of which there are none: nothing that is kept here is handed out for a time. What clients ask of them is answered as for leases that have ended; and
 * by a prefix the tokens of a method can be revoked, which are leases to operators.
 *
 * Source: Vault 1.19, vault/logical_system.go (leases).
 */

import { PosternError } from "../../model/failures";
import type { Call, EngineRoute } from "./engine";
import { argument } from "./fields";
import type { Answer } from "./wire";

export const leaseRoutes: readonly EngineRoute[] = [
  { path: "leases/lookup", write: (call) => absent(call, "invalid lease") },
  { path: "leases/lookup/*", sudo: true, list: none },
  ...["leases/renew", "renew"].flatMap((path) => each(path, (call) => absent(call, "lease not found"))),
  ...["leases/revoke", "revoke"].flatMap((path) => each(path, revoke)),
  ...["leases/revoke-prefix", "leases/revoke-force", "revoke-prefix", "revoke-force"].map(
    (path): EngineRoute => ({ path: `${path}/*`, sudo: true, write: revokePrefix }),
  ),
];

/** The lease is named in the body or in the path. */
function each(path: string, write: (call: Call) => Promise<Answer>): readonly EngineRoute[] {
  return [
    { path, write },
    { path: `${path}/*`, write },
  ];
}

async function named(call: Call): Promise<void> {
  const fields = await call.fields();
  await call.broker.paths.mounts.probe(call.caller(), call.access(fields.all()));
  const id = call.parameters[0] ?? fields.text("lease_id") ?? fields.text("url_lease_id") ?? "";
  if (id === "") throw argument("lease_id", "lease_id must be specified");
}

async function absent(call: Call, says: string): Promise<Answer> {
  await named(call);
  throw argument("lease_id", says);
}

async function revoke(call: Call): Promise<Answer> {
  await named(call);
  return {};
}

async function none(call: Call): Promise<Answer> {
  await call.broker.paths.mounts.probe(call.caller(), call.access());
  throw new PosternError({ code: "not_found", target: "leases" });
}

async function revokePrefix(call: Call): Promise<Answer> {
  const [prefix = ""] = call.parameters;
  await call.broker.paths.tokens.revokePrefix(call.caller(), call.access(), prefix);
  return {};
}
