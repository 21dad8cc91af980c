/**
 * Where a seal key can come from: one line per provider, named by what stands before the colon of a specification.
 *
 *   file:/etc/postern/seal.key · systemd:postern-seal · env:POSTERN_SEAL_KEY
 *
 * The recovery key (`recovery`) is no provider: nobody but a person has it.
 */

import { PosternError } from "../model/failures";
import { createEnvSeal } from "./env";
import { createFileSeal } from "./file";
import type { SealProvider, SealProviderDeps } from "./seal-provider";
import { createSystemdSeal } from "./systemd";

type Create = (specification: string, name: string, deps: SealProviderDeps) => SealProvider;

const providers: ReadonlyMap<string, Create> = new Map([
  ["file", createFileSeal],
  ["systemd", createSystemdSeal],
  ["env", createEnvSeal],
]);

/** Throws `malformed` for a specification that names no provider, and for what that provider refuses. */
export function createSealProvider(specification: string, deps: SealProviderDeps): SealProvider {
  const colon = specification.indexOf(":");
  const create = providers.get(specification.slice(0, Math.max(colon, 0)));
  const name = specification.slice(colon + 1);
  if (create === undefined || name === "") {
    const known = [...providers.keys()].map((kind) => `${kind}:…`).join(", ");
    throw new PosternError({ code: "malformed", where: `seal provider '${specification}'`, expected: `one of ${known}`, kind: "argument" });
  }
  return create(specification, name, deps);
}
