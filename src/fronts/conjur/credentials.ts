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
import { queryOf } from "../form";
import { print } from "../front";
import { type ConjurApp, type ConjurEnv, isBasic, mustBeKnown } from "./access";
import { rotationFailures } from "./errors";
import { accountName, assertSegment, roleOfLogin, roleParameter } from "./names";
import { apiKeyWire, basicOf, empty } from "./wire";

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
  app.put("/:authenticator{authn[^/]*}/:account/api_key", async (c) => {
    const asked = roleAsked(c, c.req.param("account"));
    const header = c.req.header("authorization") ?? "";
    if (asked !== undefined && !isBasic(header)) return rotateOther(c, broker, asked);
    // With a token and no role this is one's own key again, for which the token is too weak a proof.
    if (c.get("caller") !== undefined)
      throw new PosternError({ code: "unauthenticated", reason: "weak", because: "own_key_needs_own_key" });
    const proof = begin(c, c.req.param("account"));
    assertSelf(proof, asked);
    return print(apiKeyWire(await broker.rotateOwnApiKey(proof, c.env.context)));
  });
}

/** The role of the query: what the client wrote, and the id it means, if it can mean one. */
interface RoleAsked {
  readonly text: string;
  readonly role: RoleId | undefined;
}

async function rotateOther(c: Context<ConjurEnv>, broker: Broker, asked: RoleAsked): Promise<Response> {
  const caller = mustBeKnown(c.get("caller"));
  c.set("failures", rotationFailures(caller.role, asked.text));
  if (asked.role === undefined) throw new PosternError({ code: "not_found", target: asked.text });
  return print(apiKeyWire(await broker.rotateApiKey(caller, asked.role)));
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
