/** What every login at a method does alike: it is proven, it gets a token, and one line of the audit tells of it before the token leaves. */

import { type Failure, failureOf, PosternError } from "../../model/failures";
import type { Meter } from "../../model/ports";
import type { Check, RequestContext } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import type { Projection } from "../projection";
import { methodName } from "./method-roles";
import type { Mount } from "./mount";
import type { Mounts } from "./mounts";
import type { IssuedToken } from "./token-operations";
import type { TokenGrant, Tokens } from "./tokens";

/** A login at a method: where, and as whom it says it is. */
export interface MethodLogin {
  readonly mount: Mount;
  /** `auth/userpass/login/alice`. */
  readonly path: string;
  /** The name that is claimed, before anything is proven. */
  readonly claimed: string;
}

/** What a login has found out so far; the audit gets it whichever way it ends. */
export interface LoginProgress {
  readonly checks: Check[];
  attributes: Readonly<Record<string, string>>;
}

export type ProvenLogin = Omit<TokenGrant, "mount" | "path">;

export interface MethodLogins {
  /** `prove` throws what is wrong; what it found out goes into the audit either way. */
  run(
    login: MethodLogin,
    context: RequestContext,
    prove: (graph: Graph, progress: LoginProgress) => ProvenLogin | Promise<ProvenLogin>,
  ): Promise<IssuedToken>;
}

export interface MethodLoginsDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly mounts: Mounts;
  readonly tokens: Tokens;
  readonly meter: Meter;
}

export function createMethodLogins({ projection, gate, mounts, tokens, meter }: MethodLoginsDeps): MethodLogins {
  return {
    async run({ mount, path, claimed }, context, prove) {
      const progress: LoginProgress = { checks: [], attributes: {} };
      const graph = projection.graph();
      const account = mounts.account(graph);
      const about = { operation: "login" as const, authenticator: methodName(mount), account, path };
      try {
        projection.assertSound(account);
        const proven = await prove(graph, progress);
        const issued = await tokens.issue({ ...proven, mount, path }, context);
        meter.login(mount.type, true);
        const { accessor } = issued.view;
        const known = accessor === "" ? {} : { accessor };
        await gate.accept(context, { ...about, ...known, role: proven.role, attributes: progress.attributes });
        return issued;
      } catch (error) {
        meter.login(mount.type, false);
        const said = claimed === "" ? about : { ...about, claimed: claimed.slice(0, 256) };
        throw await gate.refuse(context, { ...said, attributes: progress.attributes }, withChecks(error, progress.checks));
      }
    },
  };
}

/** Notes a check; a failed one ends the login with this sentence. */
export function expectLogin(progress: LoginProgress, check: Check, says: string): void {
  progress.checks.push(check);
  if (!check.ok) throw refusedLogin(check.check, says);
}

/** A refusal that is told as bad input: what clients of these methods expect, and do not try again. */
export function refusedLogin(because: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where: "login", expected: says, kind: "argument", because, says });
}

function withChecks(error: unknown, made: readonly Check[]): unknown {
  if (!(error instanceof PosternError)) return error;
  const failure: Failure = failureOf(error);
  return new PosternError({ ...failure, checks: [...made, ...(failure.checks ?? [])] }, { cause: error });
}
