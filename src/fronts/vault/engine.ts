/**
 * What an engine of Vault's is here: a table of paths below its mount, each with what may be done there. The handlers parse, ask the broker, and print.
 */

import type { Broker, Mount } from "../../core/broker";
import type { PathAccess } from "../../model/paths";
import type { Caller } from "../../model/types";
import type { FrontSettings } from "../front";
import type { Action, Exchange } from "./exchange";
import type { Fields } from "./fields";
import type { Answer } from "./wire";

/** One request at one engine. */
export interface Call extends Exchange {
  readonly broker: Broker;
  readonly settings: FrontSettings;
  readonly mount: Mount;
  /** The path below the mount, without slashes at either end. */
  readonly rest: string;
  /** What stood for the `:name`s and the `*` of the route, in order. */
  readonly parameters: readonly string[];
  /** Who shows the token. Not for what is open. */
  caller(): Caller;
  /** The same where no token is needed: undefined without one. Throws for one that is none. */
  callerIfAny(): Promise<Caller | undefined>;
  /** What is about to be done here, for the gate. `parameters` are the top-level members of the body, of a read those of the query. */
  access(parameters?: Readonly<Record<string, unknown>>): PathAccess;
  /** The body as fields. */
  fields(): Promise<Fields>;
}

export type Handler = (call: Call) => Answer | Promise<Answer>;

export interface EngineRoute extends Partial<Readonly<Record<Action, Handler>>> {
  /** Below the mount: `config`, `role/:name`, `data/*`. A `*` stands last, for one segment or more. */
  readonly path: string;
  /** Needs no token: whatever is done here, or the actions named. Everywhere else who asks is known before their body is read. */
  readonly open?: true | readonly Action[];
  /** What stands for its `:name` or `*` is one thing in capitals and without, and the rules for it are those of its name in lower case. */
  readonly foldsNames?: true;
  /** Needs `sudo` beside the capability: for the actions named, or all. */
  readonly sudo?: true | readonly Action[];
}

export interface Engine {
  /** As in `Mount.type`; of `kv` with its version, `kv-v2`. */
  readonly type: string;
  readonly routes: readonly EngineRoute[];
  /** The answer to paths that are none of the routes, for a caller who might do there what they asked; absent: that the path is not supported. */
  otherwise?(call: Call): Answer | Promise<Answer>;
}

export interface MatchedRoute {
  readonly route: EngineRoute;
  readonly parameters: readonly string[];
}

/** Finds the first route that a path below the mount fits. */
export function createMatcher(engine: Engine): (rest: string) => MatchedRoute | undefined {
  const patterns = engine.routes.map((route) => ({ route, segments: route.path.split("/") }));
  const exact = new Map(engine.routes.filter(({ path }) => !/[:*]/.test(path)).map((route) => [route.path, { route, parameters: [] }]));
  return (rest) => {
    const found = exact.get(rest);
    if (found !== undefined) return found;
    const segments = rest.split("/");
    for (const { route, segments: pattern } of patterns) {
      const parameters = fit(pattern, segments);
      if (parameters !== undefined) return { route, parameters };
    }
    return undefined;
  };
}

/** The path that a request is for, by the names in it that do not depend on case: `auth/approle/role/CI/role-id` → `auth/approle/role/ci/role-id`. */
export function canonicalPath(path: string, rest: string, { route, parameters }: MatchedRoute): string {
  if (route.foldsNames !== true) return path;
  const folded = parameters.map((parameter) => parameter.toLowerCase());
  const canonical = route.path.replace(/:\w+|\*/g, () => folded.shift() ?? "");
  const end = path.endsWith("/") ? "/" : "";
  return `${path.slice(0, path.length - rest.length - end.length)}${canonical}${end}`;
}

function fit(pattern: readonly string[], segments: readonly string[]): readonly string[] | undefined {
  const parameters: string[] = [];
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index];
    if (segment === undefined || segment === "") return undefined;
    if (part === "*") return [...parameters, segments.slice(index).join("/")];
    if (part.startsWith(":")) parameters.push(segment);
    else if (part !== segment) return undefined;
  }
  return pattern.length === segments.length ? parameters : undefined;
}
