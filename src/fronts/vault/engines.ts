/** The engines there are, one line each. */

import { approle } from "./approle";
import { azure } from "./azure";
import { createMatcher, type Engine, type MatchedRoute } from "./engine";
import { jwt } from "./jwt";
import { system } from "./sys";
import { token } from "./token";
import { userpass } from "./userpass";

const engines: readonly Engine[] = [system, token, approle, azure, userpass, jwt];

const byType = new Map(engines.map((engine) => [engine.type, { engine, match: createMatcher(engine) }]));

/** The engine of a mount, with what finds its routes; undefined for a kind of mount that none answers for. */
export function engineOf(type: string): { readonly engine: Engine; match(rest: string): MatchedRoute | undefined } | undefined {
  return byType.get(type);
}
