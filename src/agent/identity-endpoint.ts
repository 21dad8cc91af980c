/**
 * This machine's tokens for unmodified Azure libraries, in the shape of App Service: for containers that cannot reach the Arc agent, and for programs whose
 * libraries look for nothing else.
 *
 * Whoever gets a token here can act as the machine where that token counts. So nothing is offered unless it is configured, each app brings a secret of its
 * own, and only audiences that the configuration names are asked for, as it spells them.
 * Source: "How to use managed identities for App Service and Azure Functions", REST endpoint reference, api-version 2019-08-01.
 */

import { Hono } from "hono";
import { tokenText } from "../client/machine-token";
import type { IdentityEndpointSettings } from "../config/agent";
import { matchesApiKey, sha256Hex } from "../crypto/digest";
import { type FrontApp, type FrontEnv, print } from "../fronts/front";
import { PosternError } from "../model/failures";
import type { MachineIdentity, MachineToken } from "../model/ports";
import { SecretBytes } from "../model/secret-bytes";
import type { RequestContext } from "../model/types";
import type { LocalTrail } from "./trail";

export interface IdentityEndpointDeps {
  readonly app: string;
  readonly settings: IdentityEndpointSettings;
  readonly identity: MachineIdentity;
  readonly trail: LocalTrail;
  /** The bytes of the app's secret file now. */
  readonly secret: () => Uint8Array;
}

const tokenPath = "/msi/token";
const oldestVersion = "2019-08-01";
const maxToldLength = 256;
/** By all the names that an identity is selected with at any of Azure's endpoints: a name that is overlooked would get the token of another identity. */
const selectors = ["client_id", "clientid", "principal_id", "object_id", "mi_res_id", "msi_res_id"];

export function createIdentityEndpoint(deps: IdentityEndpointDeps): FrontApp {
  const { identity, trail, settings } = deps;
  const app = new Hono<FrontEnv>();
  app.notFound(() => refuse(404, "Not found"));
  app.onError((error, c) => {
    c.env.edge.report(error, c.env.context);
    return refuse(500, "The request failed");
  });
  app.all("*", async (c) => {
    // Some libraries write a slash at the end, or two at the start.
    if (c.req.path.replace(/^\/+/u, "/").replace(/\/$/u, "") !== tokenPath) return refuse(404, "Not found");
    if (c.req.method !== "GET") return refuse(405, "Method not allowed");
    if (!isOwnSecret(c.req.header("x-identity-header"))) {
      await refused(c.env.context, {}, "identity_header");
      return refuse(401, "The X-IDENTITY-HEADER header is missing or wrong");
    }
    const query = readQuery(c.req.url);
    if (query === undefined) return refuse(400, "A query parameter occurs more than once");
    const version = query.get("api-version") ?? "";
    if (!/^\d{4}-\d{2}-\d{2}$/u.test(version) || version < oldestVersion)
      return refuse(400, `api-version must be ${oldestVersion} or later`);
    return await hand(query, c.env.context);
  });

  async function hand(query: ReadonlyMap<string, string>, context: RequestContext): Promise<Response> {
    const resource = query.get("resource") ?? "";
    // There is one identity here, and who asks for a certain one may mean another.
    if (selectors.some((name) => (query.get(name) ?? "") !== "")) return refuse(400, "No identity can be selected here");
    const audience = settings.audiences.find((each) => canonical(each) === canonical(resource));
    const facts = { audience: audience ?? resource.slice(0, maxToldLength) };
    if (audience === undefined) {
      await refused(context, facts, "audience");
      return refuse(403, "The resource is not one that this machine hands out tokens for");
    }
    let token: MachineToken;
    try {
      token = await identity.credential(audience);
    } catch (error) {
      await trail.record({ ...decision(context), facts, error });
      return refuse(503, "The machine's own identity endpoint gives no token now", { "retry-after": "5" });
    }
    await trail.record({ ...decision(context), facts });
    const expiresOn = String(Math.floor(token.expiresAt / 1000));
    const body = { access_token: tokenText(token.token), expires_on: expiresOn, resource, token_type: "Bearer" };
    return print({ status: 200, headers: { "content-type": "application/json; charset=utf-8" }, body: JSON.stringify(body) });
  }

  function decision(context: RequestContext) {
    return { operation: "identity.lend" as const, app: deps.app, context };
  }

  async function refused(context: RequestContext, facts: Readonly<Record<string, string>>, because: string): Promise<void> {
    await trail.record({ ...decision(context), facts, error: new PosternError({ code: "forbidden", because }) });
  }

  function isOwnSecret(presented: string | undefined): boolean {
    const expected = Buffer.from(deps.secret()).toString("utf8").trim();
    return presented !== undefined && expected !== "" && matchesApiKey(SecretBytes.ofText(presented), sha256Hex(expected));
  }

  // The listener tells protocols apart by name; this one is Azure's.
  return { name: "keyvault", app, hot: [], takesPolicy: () => false, refuse: () => refuse(400, "The request is not acceptable") };
}

/** By names in small letters; undefined when one occurs twice. */
function readQuery(url: string): ReadonlyMap<string, string> | undefined {
  const query = [...new URL(url).searchParams].map(([name, value]) => [name.toLowerCase(), value] as const);
  const byName = new Map(query);
  return byName.size === query.length ? byName : undefined;
}

/** One spelling of an audience for all that mean it: with scheme and host in small letters and without a slash at the end. The rest counts to the letter. */
function canonical(audience: string): string {
  const [, origin, path = ""] = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]*)(.*)$/isu.exec(audience) ?? [];
  return origin === undefined ? audience : `${origin.toLowerCase()}${path.replace(/\/$/u, "")}`;
}

function refuse(statusCode: number, message: string, headers: Readonly<Record<string, string>> = {}): Response {
  return print({
    status: statusCode,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
    body: JSON.stringify({ statusCode, message }),
  });
}
