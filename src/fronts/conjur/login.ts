/**
 * Logging in: an API key or a machine's own token for a session token. Needs no session, and tells apart as little as it can.
 *
 * Source: Conjur 5.3.1, config/routes.rb and app/controllers/authenticate_controller.rb.
 */

import type { Context } from "hono";
import type { Broker, LoginRequest } from "../../core/broker";
import { PosternError } from "../../model/failures";
import { SecretBytes } from "../../model/secret-bytes";
import { queryOf } from "../form";
import { type LocalLogin, print } from "../front";
import { type ConjurApp, type ConjurEnv, isBasic } from "./access";
import { loginFailures } from "./errors";
import { assertSegment, roleOfLogin } from "./names";
import { apiKeyWire, basicOf, empty, identityTokenOf, jwtOf, providersWire, sessionWire } from "./wire";

/** An authenticator, its service and the login as the path has them. */
interface LoginPath {
  readonly authenticator: string;
  readonly service?: string;
  readonly account: string;
  /** Empty where the token itself shall say who it is of. */
  readonly login: string;
}

/** The logins of those who say who they are. */
export function addRoleLogins(app: ConjurApp, broker: LocalLogin): void {
  app.post("/authn/:account/:login/authenticate", async (c) => {
    const request = begin(c, { authenticator: "authn", ...c.req.param() });
    // The body is the key itself, to the byte, whatever type the client gives it.
    return finish(c, broker, { ...request, credential: new SecretBytes(await bodyOf(c)) });
  });

  app.post("/:authenticator{authn-[^/]+}/:service/:account/:login/authenticate", async (c) => {
    const request = begin(c, c.req.param());
    return finish(c, broker, { ...request, ...proofIn(request.authenticator, await bodyOf(c)) });
  });
}

export function addLogins(app: ConjurApp, broker: Broker): void {
  // First, for it takes no login in the path.
  addOidc(app, broker);
  addRoleLogins(app, broker);

  // A password for an API key, with which its holder goes on.
  app.on("GET", ["/:authenticator{authn-[^/]+}/:account/login", "/:authenticator{authn-[^/]+}/:service/:account/login"], async (c) => {
    const { authenticator, account = "", service } = c.req.param();
    const header = c.req.header("authorization") ?? "";
    const basic = isBasic(header) ? basicOf(header) : undefined;
    const path = { authenticator, account, login: basic?.login ?? "", ...(service === undefined ? {} : { service }) };
    const request = begin(c, path);
    if (basic === undefined) throw new PosternError({ code: "unauthenticated", because: "basic_missing" });
    const proof = { credential: new SecretBytes(basic.secret), form: { kind: "secret" } } as const;
    return print(apiKeyWire(await broker.exchangePassword({ ...request, ...proof }, c.env.context)));
  });

  // One segment fewer: those whose token says whose it is, and for all others a login without a service, which no such service answers.
  app.post("/:authenticator{authn-[^/]+}/:first/:second/authenticate", async (c) => {
    const { authenticator, first, second } = c.req.param();
    const path = namedByToken.has(authenticator)
      ? { authenticator, service: first, account: second, login: "" }
      : { authenticator, account: first, login: second };
    const request = begin(c, path);
    return finish(c, broker, { ...request, ...proofIn(authenticator, await bodyOf(c)) });
  });

  app.post("/:authenticator{authn-gcp}/:account/authenticate", async (c) => {
    const request = begin(c, { ...c.req.param(), login: "" });
    return finish(c, broker, { ...request, credential: tokenIn(await bodyOf(c)) });
  });
}

const namedByToken = new Set(["authn-jwt"]);

/** Identity tokens, and sign-ins of people: their client asks for the providers, opens one's page, and brings the code it comes back with. */
function addOidc(app: ConjurApp, broker: Broker): void {
  const places = ["/authn-oidc/:account/authenticate", "/authn-oidc/:service/:account/authenticate"];

  app.on("POST", places, async (c) => {
    const request = begin(c, oidcPath(c.req.param()));
    const token = identityTokenOf(await bodyOf(c)) ?? bearerOf(c.req.header("authorization"));
    return finish(c, broker, { ...request, credential: token === undefined ? undefined : SecretBytes.ofText(token) });
  });

  app.on("GET", places, async (c) => {
    const request = begin(c, oidcPath(c.req.param()));
    const query = queryOf(c.req.url);
    const [code, nonce, verifier] = ["code", "nonce", "code_verifier"].map((name) => query.one(name) ?? "");
    // All three or none: a code without what its client kept back is nobody's.
    const isWhole = code !== undefined && code !== "" && nonce !== undefined && nonce !== "" && verifier !== undefined && verifier !== "";
    const proof: Pick<LoginRequest, "credential" | "form"> = isWhole
      ? { credential: SecretBytes.ofText(code), form: { kind: "code", nonce, verifier } }
      : { credential: undefined };
    return finish(c, broker, { ...request, ...proof });
  });

  // A login in the path would be a name without a proof.
  app.post("/authn-oidc/:service/:account/:login/authenticate", () => print(empty(404)));

  app.get("/authn-oidc/:account/providers", async (c) => {
    const { account } = c.req.param();
    assertSegment(account);
    return print(providersWire(await broker.invitations(account, "authn-oidc")));
  });
}

function oidcPath({ account = "", service }: Readonly<Record<string, string>>): LoginPath {
  return { authenticator: "authn-oidc", account, login: "", ...(service === undefined ? {} : { service }) };
}

function bearerOf(header: string | undefined): string | undefined {
  return /^Bearer ([\w.-]+)$/u.exec(header ?? "")?.[1];
}

/** Reads the path, and counts the attempt before its body is looked at. */
function begin(c: Context<ConjurEnv>, path: LoginPath): Omit<LoginRequest, "credential"> {
  c.set("failures", loginFailures);
  const { authenticator, service, account, login } = path;
  assertSegment(account);
  const role = login === "" ? undefined : roleOfLogin(account, login);
  // Whoever the token is of is not known yet; all of them together must not share one bucket, so each address has its own.
  const claimed = login === "" ? `${account}:${authenticator} from ${c.env.context.clientAddress}` : `${account}:${login}`;
  c.env.edge.admitLogin(c.env.context, role ?? claimed);
  return { authenticator, account, role, claimed: login, ...(service === undefined ? {} : { service }) };
}

async function finish(c: Context<ConjurEnv>, broker: LocalLogin, request: LoginRequest): Promise<Response> {
  const session = await broker.login(request, c.env.context);
  return print(sessionWire(session, c.req.header("accept-encoding")));
}

/** What a body proves: for a directory it is the password, to the byte; for AWS it is the signed request itself, whatever its type; for all others the form's token. */
function proofIn(authenticator: string, body: Uint8Array): Pick<LoginRequest, "credential" | "form"> {
  if (authenticator === "authn-ldap") return { credential: new SecretBytes(body), form: { kind: "secret" } };
  if (authenticator === "authn-iam") return { credential: new SecretBytes(body), form: { kind: "signed_request" } };
  return { credential: tokenIn(body) };
}

function tokenIn(body: Uint8Array): SecretBytes | undefined {
  const jwt = jwtOf(body);
  return jwt === undefined ? undefined : SecretBytes.ofText(jwt);
}

async function bodyOf(c: Context<ConjurEnv>): Promise<Uint8Array> {
  return new Uint8Array(await c.req.arrayBuffer());
}
