/**
 * Userpass: people log in with a name and a password. Names are in lower case.
 *
 * A name that nobody has costs the same hash, gets the same answer and is locked after the same failures as one that somebody has.
 * Source: Vault 1.19, builtin/credential/userpass.
 */

import * as v from "valibot";
import { hashPassword, verifyPassword } from "../../crypto/digest";
import { PosternError } from "../../model/failures";
import type { PathAccess } from "../../model/paths";
import { SecretBytes } from "../../model/secret-bytes";
import { createTurns } from "../../model/turns";
import type { Caller, RequestContext } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import { isWithin } from "../networks";
import type { Projection } from "../projection";
import { createLockouts } from "./lockouts";
import { expectLogin, type MethodLogins, refusedLogin } from "./method-logins";
import { createMethodRoles, createRoleOperations, type MethodDeps } from "./method-roles";
import { leaseBounds, type Mount } from "./mount";
import type { IssuedToken } from "./token-operations";
import {
  changedParameters,
  noTokenParameters,
  parameterWarnings,
  type TokenParameters,
  type TokenParametersChange,
  TokenParametersDocument,
} from "./token-parameters";
import type { Tokens } from "./tokens";

export interface UserpassLogin {
  readonly mount: Mount;
  readonly path: string;
  readonly user: string;
  readonly password: SecretBytes | undefined;
}

export interface UserpassChange {
  readonly password?: SecretBytes;
  readonly token: TokenParametersChange;
}

export interface UserpassOperations {
  /** Throws `malformed` for what is wrong, `forbidden` while the name is locked. */
  login(login: UserpassLogin, context: RequestContext): Promise<IssuedToken>;
  list(caller: Caller, access: PathAccess, mount: Mount): Promise<readonly string[]>;
  /** What its tokens are like; undefined when there is no such user. */
  read(caller: Caller, access: PathAccess, mount: Mount, name: string): Promise<TokenParameters | undefined>;
  /** Makes the user where there is none, for which it takes a password. Gives what the writer should hear. */
  write(caller: Caller, access: PathAccess, mount: Mount, name: string, change: UserpassChange): Promise<readonly string[]>;
  /** Changes a user that is there. */
  change(caller: Caller, access: PathAccess, mount: Mount, name: string, change: UserpassChange): Promise<void>;
  remove(caller: Caller, access: PathAccess, mount: Mount, name: string): Promise<void>;
}

export interface UserpassDeps extends MethodDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly tokens: Tokens;
  readonly logins: MethodLogins;
}

const UserDocument = v.object({ passwordHash: v.string(), token: TokenParametersDocument });
type User = Readonly<v.InferOutput<typeof UserDocument>>;

const mountType = "userpass";
const wrong = "invalid username or password";
const longestPassword = 4096;
/** A hash takes 19 MiB; whoever comes when so many are being made waits for a turn. */
const hashesAtOnce = 8;
/** Some seconds of hashes. More would only hold on to connections and have all of them time out. */
const mostWaiting = 256;

export function createUserpassMethod(deps: UserpassDeps): UserpassOperations {
  const { projection, gate, mounts, tokens, logins } = deps;
  const users = createMethodRoles(deps, mountType, UserDocument);
  const shared = createRoleOperations(deps, mountType, users);
  const { demand } = shared;
  const lockouts = createLockouts();
  const inTurn = createTurns(hashesAtOnce, mostWaiting);

  tokens.onRenewal(mountType, (graph, { mountPath, roleName }) => {
    const mount = mounts.find(graph, mountPath);
    const user = mount === undefined ? undefined : users.find(graph, mount, roleName);
    if (user !== undefined) return user.token;
    throw new PosternError({ code: "forbidden", because: "role_missing", says: `user ${roleName} does not exist during renewal` });
  });

  /** Hashed before the write that stores it has its turn: others are not to wait for a password. */
  async function store(
    caller: Caller,
    mount: Mount,
    name: string,
    { password, token }: UserpassChange,
    mustExist: boolean,
  ): Promise<readonly string[]> {
    const passwordHash = password === undefined ? undefined : await inTurn(() => hashPassword(assertPassword(password)));
    const { now } = caller.context;
    return projection.write(mounts.account(projection.graph()), now, (graph) => {
      const before = users.find(graph, mount, name);
      if (before === undefined && mustExist)
        throw new PosternError({ code: "not_found", target: users.idOf(graph, mount, name), says: `username does not exist` });
      const hash = passwordHash ?? before?.passwordHash;
      if (hash === undefined) throw refusedPassword("missing password");
      const user: User = { passwordHash: hash, token: changedParameters(before?.token ?? noTokenParameters, token) };
      const warnings = parameterWarnings(user.token, leaseBounds(mount));
      return { changes: users.put(graph, mount, name, user, now), result: warnings };
    });
  }

  return {
    login({ mount, path, user: name, password }, context) {
      const { now, clientAddress } = context;
      return logins.run({ mount, path, claimed: name }, context, async (graph, progress) => {
        if (password === undefined || password.byteLength === 0) throw refusedLogin("password_missing", "missing password");
        const key = `${mount.accessor} ${name}`;
        const refuseLocked = (): void => {
          if (!lockouts.isLocked(key, now)) return;
          progress.checks.push({ check: "user_lockout", ok: false, detail: "too many wrong passwords of late" });
          throw new PosternError({ code: "forbidden", because: "user_lockout", says: "permission denied" });
        };
        refuseLocked();
        const user = users.find(graph, mount, name);
        const isRight = await inTurn(() => verifyPassword(password.byteLength > longestPassword ? nothing : password, user?.passwordHash));
        // Of many guesses at the same time, those that come after the fifth wrong one learn nothing, not even that they were right.
        refuseLocked();
        if (isRight) lockouts.succeeded(key);
        else lockouts.failed(key, user !== undefined, now);
        expectLogin(
          progress,
          { check: "password", ok: isRight, detail: isRight ? "the user's" : "not the user's, or no such user" },
          wrong,
        );
        // What was taken away or changed while the password was being judged is gone.
        const present = users.find(projection.graph(), mount, name);
        if (user === undefined || present === undefined || present.passwordHash !== user.passwordHash)
          throw refusedLogin("user_changed", wrong);
        const { boundCidrs } = present.token;
        if (boundCidrs.length > 0 && !isWithin(clientAddress, boundCidrs)) {
          progress.checks.push({ check: "token_bound_cidrs", ok: false, detail: `${clientAddress} against ${boundCidrs}` });
          throw new PosternError({ code: "forbidden", reason: "address", because: "token_bound_cidrs" });
        }
        return {
          role: users.idOf(graph, mount, name),
          roleName: name,
          parameters: present.token,
          displayName: name,
          meta: { username: name },
          alias: { name, metadata: {} },
        };
      });
    },

    list: shared.list,

    read: (caller, access, mount, name) =>
      gate.release(caller, demand("read", access, mount, name), (graph) => users.find(graph, mount, name)?.token),

    write: (caller, access, mount, name, change) =>
      gate.change(
        caller,
        { ...demand("write", access, mount, name), exists: (graph: Graph) => users.find(graph, mount, name) !== undefined },
        () => store(caller, mount, name, change, false),
      ),

    async change(caller, access, mount, name, change) {
      await gate.change(caller, demand("write", access, mount, name), () => store(caller, mount, name, change, true));
    },
    remove: shared.remove,
  };
}

/** Shown in place of what is too long to be a password. It proves nothing. */
const nothing = new SecretBytes(new Uint8Array(0));

function assertPassword(password: SecretBytes): SecretBytes {
  if (password.byteLength === 0) throw refusedPassword("missing password");
  if (password.byteLength > longestPassword) throw refusedPassword(`a password has at most ${longestPassword} bytes`);
  return password;
}

function refusedPassword(says: string): PosternError {
  return new PosternError({ code: "malformed", where: "password", expected: says, kind: "argument", because: "password", says });
}
