/**
 * API keys and passwords: fetching one's own, changing them. Shown again here is what a login shows, so attempts count as logins.
 *
 * A session token alone never changes its own role's credentials (GHSA-qhjf-g9gm-64jq). Source: Conjur 5.3.1, app/controllers/credentials_controller.rb.
 */

import type { Context } from "hono";
import type { BasicProof, Broker } from "../../core/broker";
import { PosternError } from "../../model/failures";
import type { RoleId } from "../../model/ids";
import { SecretBytes } from "../../model/secret-bytes";
import type { Caller } from "../../model/types";
import { queryOf } from "../form";
import { print } from "../front";
import { type ConjurApp, type ConjurEnv, isBasic, mustBeKnown } from "./access";
import { rotationFailures } from "./errors";
import { accountName, assertSegment, roleOfLogin, roleParameter } from "./names";
import { apiKeyAgeWire, apiKeyWire, basicOf, empty } from "./wire";

const apiKeyPath = "/:authenticator{authn[^/]*}/:account/api_key";

export function addCredentials(app: ConjurApp, broker: Broker): void {
  app.get("/authn/:account/login", async (c) => {
    const proof = begin(c, c.req.param("account"));
    return print(apiKeyWire(await broker.exchangeForApiKey(proof, c.env.context)));
  });

  app.put("/authn/:account/password", async (c) => {
    const proof = begin(c, c.req.param("account"));
    assertSelf(proof, roleAsked(c, c.req.param("account")));
    await broker.changePassword(proof, new SecretBytes(new Uint8Array(await c.req.arrayBuffer())), c.env.context);
    return print(empty(204));
  });

  // One key, whichever authenticator it is asked of.
  app.put(apiKeyPath, async (c) => {
    const account = c.req.param("account");
    const other = otherRole(c, account);
    if (other !== undefined) return print(apiKeyWire(await broker.rotateApiKey(other.caller, other.role)));
    return print(apiKeyWire(await broker.rotateOwnApiKey(ownProof(c, account), c.env.context)));
  });

  app.get(apiKeyPath, async (c) => {
    const account = c.req.param("account");
    const other = otherRole(c, account);
    if (other !== undefined) return print(apiKeyAgeWire(await broker.apiKeyAge(other.caller, other.role)));
    return print(apiKeyAgeWire(await broker.ownApiKeyAge(ownProof(c, account), c.env.context)));
  });
}

/** The role of the query: what the client wrote, and the id it means, if it can mean one. */
interface RoleAsked {
  readonly text: string;
  readonly role: RoleId | undefined;
}

/** The caller and the other role whose key a token's bearer asks for; undefined where it is one's own key that is asked for. */
function otherRole(c: Context<ConjurEnv>, account: string): { readonly caller: Caller; readonly role: RoleId } | undefined {
  const asked = roleAsked(c, account);
  if (asked === undefined || isBasic(c.req.header("authorization") ?? "")) return undefined;
  const caller = mustBeKnown(c.get("caller"));
  c.set("failures", rotationFailures(caller.role, asked.text));
  if (asked.role === undefined) throw new PosternError({ code: "not_found", target: asked.text });
  return { caller, role: asked.role };
}

/** What proves that the key asked for is one's own. With a token and no role it is one's own as well, and the token too weak a proof. */
function ownProof(c: Context<ConjurEnv>, account: string): BasicProof {
  if (c.get("caller") !== undefined) throw new PosternError({ code: "unauthenticated", reason: "weak", because: "own_key_needs_own_key" });
  const proof = begin(c, account);
  assertSelf(proof, roleAsked(c, account));
  return proof;
}

function roleAsked(c: Context<ConjurEnv>, account: string): RoleAsked | undefined {
  const text = queryOf(c.req.url).one("role") ?? "";
  return text === "" ? undefined : { text, role: roleParameter(text, accountName(account)) };
}

/** Reads the `Basic` header and counts the attempt. Throws `unauthenticated` without one. */
function begin(c: Context<ConjurEnv>, account: string): BasicProof {
  assertSegment(account);
  const header = c.req.header("authorization") ?? "";
  const basic = isBasic(header) ? basicOf(header) : undefined;
  if (basic === undefined) throw new PosternError({ code: "unauthenticated", because: "basic_missing" });
  const role = roleOfLogin(account, basic.login);
  c.env.edge.admitLogin(c.env.context, role ?? `${account}:${basic.login}`);
  return { account, role, claimed: basic.login, secret: new SecretBytes(basic.secret) };
}

/** Basic proves one role, and acts for no other. */
function assertSelf(proof: BasicProof, asked: RoleAsked | undefined): void {
  if (asked === undefined || (asked.role !== undefined && asked.role === proof.role)) return;
  throw new PosternError({ code: "unauthenticated", because: "basic_of_another_role" });
}
