/**
 * Who asks: the token of a request, before its route is looked up. An unknown path is therefore 401 without a token and 404 with one.
 *
 * Source: Conjur 5.3.1, lib/rack/authenticator wiring in config/application.rb (which paths need a token), conjur-rack 5 (the header's form).
 */

import { Hono, type MiddlewareHandler } from "hono";
import type { Presented, SecretReader } from "../../core/broker";
import { PosternError } from "../../model/failures";
import { SecretBytes } from "../../model/secret-bytes";
import type { Caller, RequestContext } from "../../model/types";
import { type FailureTable, type FrontEnv, print, refuseBy } from "../front";
import { failures, tokenFailures } from "./errors";
import { assertDecodable, pathOf } from "./names";
import { base64Bytes, empty } from "./wire";

export interface ConjurEnv extends FrontEnv {
  Variables: {
    /** Absent on open paths, and on those where a token may be missing. */
    caller?: Caller;
    /** How failures print at this stage of the request; the common table when absent. */
    failures?: FailureTable;
  };
}

export type ConjurApp = Hono<ConjurEnv>;

/** An app without routes: it knows the raw path as its only path, and how to answer failures. */
export function createApp(): ConjurApp {
  const app = new Hono<ConjurEnv>({ getPath: (request) => pathOf(request.url) });
  app.notFound(() => print(empty(404)));
  app.onError((error, c) => refuseBy(c.get("failures") ?? failures, error, c.env));
  return app;
}

/** Identifies the caller where a token is demanded or given. Routes registered before it do that themselves. */
export function requireToken(reader: SecretReader): MiddlewareHandler<ConjurEnv> {
  return async (c, next) => {
    const access = accessOf(c.req.path);
    const header = c.req.header("authorization");
    if (access === "required" || (access === "optional" && header !== undefined && !isBasic(header))) {
      c.set("failures", tokenFailures);
      // Version 2 of the interface has refusals without a body.
      if (header === undefined && c.req.header("accept") === versionTwo) return print(empty(401));
      c.set("caller", identify(reader, header, c.env.context));
      c.set("failures", failures);
    }
    assertDecodable(c.req.path);
    return next();
  };
}

/** The type of requests and answers in version 2 of the interface, which is chosen by it. Source: Conjur 5.3.1, config/initializers/mime_types.rb. */
export const versionTwo = "application/x.secretsmgr.v2beta+json";

/** The caller of a token header. Throws `unauthenticated`, `forbidden`. */
export function identify(reader: SecretReader, header: string | null | undefined, context: RequestContext): Caller {
  return reader.identify(presentedIn(header), context);
}

/** The identified caller, where the path let a request through without one. Throws `unauthenticated`. */
export function mustBeKnown(caller: Caller | undefined): Caller {
  if (caller === undefined) throw new PosternError({ code: "unauthenticated", because: "token_missing" });
  return caller;
}

export function isBasic(header: string): boolean {
  return /^basic /i.test(header);
}

type Access = "open" | "optional" | "required";

/** Whether a raw path needs a token. */
export function accessOf(path: string): Access {
  if (openPaths.has(path) || path.startsWith("/assets/")) return "open";
  if (loginPath.test(path) || providersPath.test(path)) return "open";
  return authenticatorPath.test(path) || path.startsWith("/public_keys/") ? "optional" : "required";
}

const openPaths: ReadonlySet<string> = new Set(["/", "/authenticators", "/host_factories/hosts"]);
const loginPath = /^\/authn(?:-[^/]+)?\/.+\/authenticate$/;
const authenticatorPath = /^\/authn(?:-[^/]+)?\/./;
const providersPath = /^\/authn-oidc\/.+\/providers$/;

/** The token of a header that holds it as it is: `Token token="3x0…"`. Undefined when there is none. */
export function rawToken(header: string | undefined): SecretBytes | undefined {
  const end = header?.lastIndexOf('"') ?? -1;
  if (header === undefined || !header.startsWith(tokenPrefix) || end <= tokenPrefix.length) return undefined;
  return SecretBytes.ofText(header.slice(tokenPrefix.length, end));
}

/** `Token token="<base64 of the JSON>"`, up to the last quote. */
function presentedIn(header: string | null | undefined): Presented {
  if (header === null || header === undefined) throw refused("token_missing");
  const end = header.lastIndexOf('"');
  if (!header.startsWith(tokenPrefix) || end < tokenPrefix.length) throw refused("token_malformed");
  const bytes = base64Bytes(header.slice(tokenPrefix.length, end));
  // The broker reads the rest of the JSON, and remembers having done so.
  if (bytes === undefined || bytes[0] !== openingBrace) throw refused("token_malformed");
  return { kind: "session", token: new SecretBytes(bytes) };
}

const tokenPrefix = 'Token token="';
const openingBrace = 0x7b;

function refused(because: string): PosternError {
  return new PosternError({ code: "unauthenticated", because });
}
