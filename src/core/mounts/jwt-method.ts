/**
 * The method `jwt`: a token of somebody else's issuer, whose claims a role of this mount demands. The role is chosen by whoever logs in; what it takes is not.
 *
 * Nothing of a token is believed before its signature is: not even who should have issued it is looked up by what it says.
 */

import type { JsonObject } from "../../crypto/strict-json";
import { failureOf, PosternError } from "../../model/failures";
import type { PathAccess } from "../../model/paths";
import type { SignedToken, SignedTokens } from "../../model/ports";
import type { SecretBytes } from "../../model/secret-bytes";
import type { Caller, RequestContext } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import { isWithin } from "../networks";
import type { Projection } from "../projection";
import { addresseeProblem, boundClaimProblem, evidenceIn, identityIn, stillHolds, timeProblem } from "./jwt-claims";
import {
  algorithmsOf,
  assertConfig,
  changedJwtRole,
  type JwtConfig,
  JwtConfigDocument,
  type JwtRole,
  type JwtRoleChange,
  JwtRoleDocument,
  keysOf,
} from "./jwt-role";
import { expectLogin, type LoginProgress, type MethodLogins, refusedLogin } from "./method-logins";
import { createMethodConfiguration, createMethodRoles, createRoleOperations, type MethodDeps, methodName } from "./method-roles";
import { leaseBounds, type Mount } from "./mount";
import type { IssuedToken } from "./token-operations";
import { parameterWarnings } from "./token-parameters";
import type { Tokens } from "./tokens";

export type { JwtConfig, JwtRole, JwtRoleChange } from "./jwt-role";

export interface JwtLogin {
  readonly mount: Mount;
  readonly path: string;
  /** Empty: the mount's default. */
  readonly role: string;
  readonly jwt: SecretBytes | undefined;
}

export interface JwtOperations {
  login(login: JwtLogin, context: RequestContext): Promise<IssuedToken>;
  readConfig(caller: Caller, access: PathAccess, mount: Mount): Promise<JwtConfig | undefined>;
  writeConfig(caller: Caller, access: PathAccess, mount: Mount, config: JwtConfig): Promise<void>;
  list(caller: Caller, access: PathAccess, mount: Mount): Promise<readonly string[]>;
  read(caller: Caller, access: PathAccess, mount: Mount, name: string): Promise<JwtRole | undefined>;
  /** Makes the role where there is none. Gives what the writer should hear. */
  write(caller: Caller, access: PathAccess, mount: Mount, name: string, change: JwtRoleChange): Promise<readonly string[]>;
  remove(caller: Caller, access: PathAccess, mount: Mount, name: string): Promise<void>;
}

export interface JwtDeps extends MethodDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly tokens: Tokens;
  readonly logins: MethodLogins;
  readonly signedTokens: SignedTokens;
}

const mountType = "jwt";

export function createJwtMethod(deps: JwtDeps): JwtOperations {
  const { projection, gate, mounts, tokens, logins, signedTokens } = deps;
  const roles = createMethodRoles(deps, mountType, JwtRoleDocument);
  const shared = createRoleOperations(deps, mountType, roles);
  const { demand } = shared;
  const configurations = createMethodConfiguration(deps, mountType, JwtConfigDocument);

  tokens.onRenewal(mountType, (graph, { mountPath, roleName, evidence }) => {
    const mount = mounts.find(graph, mountPath);
    const role = mount === undefined ? undefined : roles.find(graph, mount, roleName);
    if (role === undefined)
      throw new PosternError({ code: "forbidden", because: "role_missing", says: `role ${roleName} does not exist during renewal` });
    if (stillHolds(evidence, role)) return role.token;
    const says = "the token's claims no longer satisfy the role";
    throw new PosternError({ code: "forbidden", because: "bound_claims", says });
  });

  async function verified(jwt: SecretBytes, config: JwtConfig, progress: LoginProgress): Promise<SignedToken> {
    try {
      const token = await signedTokens.verify(jwt, keysOf(config), algorithmsOf(config, signedTokens));
      progress.checks.push(...token.checks);
      return token;
    } catch (error) {
      const failure = failureOf(error);
      if (failure.code !== "unauthenticated") throw error;
      const says = `error validating token: ${failure.because ?? "not signed by a key that counts"}`;
      throw new PosternError(
        { ...refusedLogin(failure.because ?? "signature", says).failure, checks: failure.checks ?? [] },
        { cause: error },
      );
    }
  }

  /** Everything that a signed token must say. Throws the first thing that does not hold. */
  function judge(claims: JsonObject, role: JwtRole, { boundIssuer }: JwtConfig, now: number, progress: LoginProgress): void {
    const say = (check: string, problem: string | undefined): void =>
      expectLogin(progress, { check, ok: problem === undefined, ...(problem === undefined ? {} : { detail: problem }) }, problem ?? "");
    const isIssuer = boundIssuer === "" || claims.iss === boundIssuer;
    say("issuer", isIssuer ? undefined : "error validating token: invalid issuer (iss) claim");
    const time = timeProblem(claims, role, now);
    say("token_times", time === undefined ? undefined : `error validating token: ${time}`);
    say("addressee", addresseeProblem(claims, role));
    say("bound_claims", boundClaimProblem(claims, role));
  }

  return {
    login({ mount, path, role: asked, jwt }, context) {
      const { now, clientAddress } = context;
      return logins.run({ mount, path, claimed: asked }, context, async (graph, progress) => {
        const config = configurations.find(graph, mount);
        if (config === undefined) throw refusedLogin("not_configured", "could not load configuration");
        const name = (asked === "" ? config.defaultRole : asked).toLowerCase();
        if (name === "") throw refusedLogin("role_missing", "missing role");
        const role = isName(name) ? roles.find(graph, mount, name) : undefined;
        const shown = JSON.stringify((asked === "" ? config.defaultRole : asked).slice(0, 256));
        expectLogin(progress, { check: "role", ok: role !== undefined, detail: name.slice(0, 256) }, `role ${shown} could not be found`);
        if (role === undefined) throw refusedLogin("role", `role ${shown} could not be found`);
        if (jwt === undefined || jwt.byteLength === 0) throw refusedLogin("token_missing", "missing token");
        const { boundCidrs } = role.token;
        if (boundCidrs.length > 0 && !isWithin(clientAddress, boundCidrs)) {
          progress.checks.push({ check: "token_bound_cidrs", ok: false, detail: `${clientAddress} against ${boundCidrs}` });
          throw new PosternError({ code: "forbidden", reason: "address", because: "token_bound_cidrs" });
        }
        const { claims } = await verified(jwt, config, progress);
        progress.attributes = evidenceTexts(claims);
        // What was taken away or changed while somebody was asked for keys is gone.
        const present = roles.find(projection.graph(), mount, name);
        const newest = configurations.find(projection.graph(), mount);
        if (present === undefined || newest !== config) throw refusedLogin("role_changed", `role ${shown} could not be found`);
        judge(claims, present, config, now, progress);
        const identity = identityIn(claims, present);
        if ("problem" in identity) throw refusedLogin("user_claim", identity.problem);
        const { user, metadata } = identity;
        return {
          role: roles.idOf(graph, mount, name),
          roleName: name,
          parameters: present.token,
          displayName: user,
          meta: { ...metadata, role: name },
          alias: { name: user, metadata },
          evidence: evidenceIn(claims, present),
        };
      });
    },

    readConfig: (caller, access, mount) =>
      gate.release(caller, { operation: "jwt.read_config", access, about: { authenticator: methodName(mount) } }, (graph) =>
        configurations.find(graph, mount),
      ),

    async writeConfig(caller, access, mount, config) {
      const { now } = caller.context;
      const about = { resource: configurations.idOf(projection.graph(), mount), authenticator: methodName(mount) };
      await gate.change(caller, { operation: "jwt.write_config", access, about }, () => {
        assertConfig(config, signedTokens);
        return projection.write(mounts.account(projection.graph()), now, (graph) => ({
          changes: configurations.put(graph, mount, config, now),
          result: undefined,
        }));
      });
    },

    list: shared.list,
    read: shared.read,

    write(caller, access, mount, name, change) {
      const { now } = caller.context;
      const exists = (graph: Graph): boolean => roles.find(graph, mount, name) !== undefined;
      return gate.change(caller, { ...demand("write", access, mount, name), exists }, () =>
        projection.write(mounts.account(projection.graph()), now, (graph) => {
          const role = changedJwtRole(roles.find(graph, mount, name), change);
          const warnings = parameterWarnings(role.token, leaseBounds(mount));
          return { changes: roles.put(graph, mount, name, role, now), result: warnings };
        }),
      );
    },
    remove: shared.remove,
  };
}

/** Names of roles, as the paths of their routes have them. */
export const isName = (text: string): boolean => /^\w(?:[\w.-]{0,254}\w)?$/.test(text);

function evidenceTexts(claims: JsonObject): Readonly<Record<string, string>> {
  const names = ["iss", "sub", "aud", "jti"];
  return Object.fromEntries(names.flatMap((name) => (typeof claims[name] === "string" ? [[name, claims[name].slice(0, 256)]] : [])));
}
