/**
 * The Vault front: one way for every request, from its path to the mount and the engine there, and back as an envelope.
 *
 * Paths belong to mounts, which come and go, so no router knows them: the mount with the longest path that fits has an engine, and the engine a table.
 * Source: Vault 1.19 and OpenBao 2.x, http/logical.go, vault/router.go.
 */

import { Hono } from "hono";
import type { Broker, Mount } from "../../core/broker";
import { PosternError } from "../../model/failures";
import type { Caller } from "../../model/types";
import { type Front, type FrontApp, type FrontEnv, type FrontSettings, print, refuseBy, wireOf } from "../front";
import { type Call, canonicalPath, type EngineRoute, type Handler } from "./engine";
import { engineOf } from "./engines";
import { failures } from "./errors";
import { type Action, type Exchange, exchangeOf } from "./exchange";
import { fieldsOf } from "./fields";
import { createTargets } from "./names";
import { addReads } from "./reads";
import { type Answer, answerWire } from "./wire";
import { wrappedAnswer } from "./wrapping";

export const vault: Front = {
  name: "vault",
  serve: (broker, settings = {}) =>
    bound((app) => {
      const askedBy = createTargets();
      app.all("*", async (c) => answer(exchangeOf(c.req.raw, c.env, askedBy), broker, settings));
    }),
  reads: (reader) => bound((app) => addReads(app, reader)),
};

function bound(add: (app: Hono<FrontEnv>) => void): FrontApp {
  const app = new Hono<FrontEnv>();
  app.onError((error, c) => refuseBy(failures, error, c.env));
  add(app);
  return { name: vault.name, app, hot: [], takesPolicy: () => false, refuse: (failure) => print(wireOf(failures, failure)) };
}

async function answer(exchange: Exchange, broker: Broker, settings: FrontSettings): Promise<Response> {
  const found = routeOf(exchange, broker);
  const isOpen = holds(found.route?.open, exchange.action);
  const identified = isOpen ? undefined : broker.paths.tokens.identify(exchange.token, exchange.context);
  const caller = identified instanceof Promise ? await identified : identified;
  if (caller?.token?.isLastUse !== true) return answerTo(caller, exchange, found, broker, settings);
  try {
    return await answerTo(caller, exchange, found, broker, settings);
  } finally {
    await broker.paths.tokens.leave(caller);
  }
}

async function answerTo(
  caller: Caller | undefined,
  exchange: Exchange,
  found: Found,
  broker: Broker,
  settings: FrontSettings,
): Promise<Response> {
  const isOpen = holds(found.route?.open, exchange.action);
  const call = callOf(exchange, { broker, settings, ...found }, caller);
  const handler = handlerOf(exchange, found.route);
  if (handler === undefined && isOpen) throw new PosternError({ code: "unsupported", what: exchange.action, kind: "method" });
  const given = handler === undefined ? await unanswered(call, found) : await handled(call, handler, caller);
  const mountType = found.mount?.type ?? "";
  const told = await wrappedAnswer(given, exchange, { broker, mountType, caller });
  return print(answerWire(told, exchange.context, mountType));
}

interface Found {
  readonly mount: Mount | undefined;
  readonly rest: string;
  readonly route: EngineRoute | undefined;
  readonly parameters: readonly string[];
}

function routeOf({ path }: Exchange, broker: Broker): Found {
  const whole = path.endsWith("/") ? path.slice(0, -1) : path;
  const mount = mountOf(whole, broker);
  if (mount === undefined) return { mount, rest: whole, route: undefined, parameters: [] };
  const rest = whole.slice(mount.path.length + 1);
  const matched = engineOf(mount)?.match(rest);
  return { mount, rest, route: matched?.route, parameters: matched?.parameters ?? [] };
}

/** What tells whether the broker answers at all must not ask the broker. */
function mountOf(path: string, broker: Broker): Mount | undefined {
  return path === "sys" || path.startsWith("sys/") ? systemMount : broker.paths.mounts.at(path);
}

const systemMount: Mount = {
  path: "sys",
  type: "system",
  accessor: "",
  uuid: "",
  createdAt: 0,
  isFixed: true,
  description: "",
  defaultLeaseSeconds: 0,
  maxLeaseSeconds: 0,
  options: {},
  listingVisibility: "",
  identityTokenKey: "",
};

/** `HEAD` is answered where an engine says so by reading it, and nowhere else. */
function handlerOf({ action, isHead, path }: Exchange, route: EngineRoute | undefined): Handler | undefined {
  return isHead && path !== "sys/health" ? undefined : route?.[action];
}

function callOf(
  exchange: Exchange,
  found: Found & { readonly broker: Broker; readonly settings: FrontSettings },
  caller: Caller | undefined,
): Call {
  const { broker, route, mount, rest, parameters } = found;
  const path = route === undefined ? exchange.path : canonicalPath(exchange.path, rest, { route, parameters });
  return {
    ...exchange,
    ...found,
    path,
    mount: mount ?? systemMount,
    caller() {
      if (caller === undefined) throw new PosternError({ code: "internal", what: "a caller where none is needed" });
      return caller;
    },
    async callerIfAny() {
      if (exchange.token === undefined) return undefined;
      const guest = await broker.paths.tokens.identify(exchange.token, exchange.context);
      // What it asks for of the token's own it has by now.
      await broker.paths.tokens.leave(guest);
      return guest;
    },
    access: (body) => ({
      path,
      action: exchange.action,
      ...(path === exchange.path ? {} : { written: exchange.path }),
      ...(holds(route?.sudo, exchange.action) ? { sudo: true } : {}),
      ...(body === undefined ? {} : { parameters: body }),
      ...(exchange.wrapSeconds === undefined ? {} : { wrapSeconds: exchange.wrapSeconds }),
    }),
    fields: async () => fieldsOf(await exchange.body()),
  };
}

const holds = (said: true | readonly Action[] | undefined, action: Action): boolean =>
  said !== undefined && (said === true || said.includes(action));

/**
 * What is wrong with a request is told to those alone who may make it. Handlers read it before the gate decides; so where one of them finds it wrong, the
 * rules are asked all the same, and whoever may not do this at this path hears that and nothing else.
 */
async function handled(call: Call, handler: Handler, caller: Caller | undefined): Promise<Answer> {
  try {
    return await handler(call);
  } catch (error) {
    if (caller !== undefined && isUndecided(error))
      await call.broker.paths.mounts.probe(caller, call.access(await readable(call)), "may be new");
    throw error;
  }
}

const isUndecided = (error: unknown): boolean =>
  error instanceof PosternError &&
  error.failure.decision === undefined &&
  (error.failure.code === "malformed" || error.failure.code === "unsupported");

/** The body, as far as it is one. */
async function readable({ action, body }: Call): Promise<Readonly<Record<string, unknown>> | undefined> {
  if (action !== "write" && action !== "patch") return undefined;
  try {
    return await body();
  } catch {
    return undefined;
  }
}

/** What nothing answers is told to those alone whose rules would have let them do it. */
async function unanswered(call: Call, { mount, route, rest }: Found): Promise<Answer> {
  const { broker, action } = call;
  await broker.paths.mounts.probe(call.caller(), call.access());
  if (mount === undefined) {
    const says = `no handler for route "${rest}". route entry not found.`;
    throw new PosternError({ code: "not_found", target: rest, because: "no_mount", says });
  }
  if (route !== undefined) throw new PosternError({ code: "unsupported", what: action, kind: "method" });
  const otherwise = engineOf(mount)?.engine.otherwise;
  if (otherwise !== undefined) return otherwise(call);
  throw new PosternError({ code: "unsupported", what: "path" });
}
