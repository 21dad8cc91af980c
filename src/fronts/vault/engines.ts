/** The engines there are, one line each. */

import type { Mount } from "../../core/broker";
import { approle } from "./approle";
import { azure } from "./azure";
import { conjurVariables } from "./conjur-variables";
import { cubbyhole } from "./cubbyhole";
import { createMatcher, type Engine, type MatchedRoute } from "./engine";
import { identity } from "./identity";
import { jwt } from "./jwt";
import { kv1 } from "./kv1";
import { kv2 } from "./kv2";
import { system } from "./sys";
import { token } from "./token";
import { userpass } from "./userpass";

const engines: readonly Engine[] = [system, token, approle, azure, userpass, jwt, conjurVariables, kv1, kv2, cubbyhole, identity];

const byType = new Map(engines.map((engine) => [engine.type, { engine, match: createMatcher(engine) }]));

/** The engine of a mount, with what finds its routes; undefined for a kind of mount that none answers for. */
export function engineOf(
  mount: Pick<Mount, "type" | "options">,
): { readonly engine: Engine; match(rest: string): MatchedRoute | undefined } | undefined {
  return byType.get(mount.type === "kv" ? `kv-v${mount.options.version ?? "1"}` : mount.type);
}
