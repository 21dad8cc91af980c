/**
 * Looking at resources: lists, one of them, and who may do what with it.
 *
 * Source: Conjur 5.3.1, app/controllers/resources_controller.rb; the first of `check` and `permitted_roles` in the query names the action.
 */

import type { Context } from "hono";
import type { Broker, ResourceQuery } from "../../core/broker";
import { PosternError } from "../../model/failures";
import type { ResourceId } from "../../model/ids";
import type { Caller } from "../../model/types";
import { type Form, queryOf } from "../form";
import { print } from "../front";
import { type ConjurApp, type ConjurEnv, mustBeKnown } from "./access";
import { accountName, kindParameter, noRoute, resourceId } from "./names";
import { assumedRole, filled, knownRole, offsetOnlyLimit, pageOf, wantsCount } from "./query";
import { empty, jsonWire, resourceJson } from "./wire";

const defaultListLimit = 1000;
// What the command line's own paging asks for.
const allowedLargeLimit = 10_000;

export function addResources(app: ConjurApp, broker: Broker, listLimit = defaultListLimit): void {
  app.get("/resources", (c) => list(c, broker, {}, listLimit));
  app.get("/resources/:account", (c) => list(c, broker, c.req.param(), listLimit));
  app.get("/resources/:account/:kind", (c) => list(c, broker, c.req.param(), listLimit));

  app.get("/resources/:account/:kind/:id{.+}", async (c) => {
    const caller = mustBeKnown(c.get("caller"));
    const { account, kind, id } = c.req.param();
    const resource = resourceId(account, kind, id);
    const query = queryOf(c.req.url);
    if (query.has("check")) return check(broker, caller, resource, query);
    if (query.has("permitted_roles")) return print(jsonWire(200, await broker.permittedRoles(caller, resource, privilegeOf(query))));
    return print(jsonWire(200, resourceJson(await broker.showResource(caller, resource))));
  });
}

async function list(
  c: Context<ConjurEnv>,
  broker: Broker,
  path: { readonly account?: string; readonly kind?: string },
  listLimit: number,
): Promise<Response> {
  const caller = mustBeKnown(c.get("caller"));
  const form = queryOf(c.req.url);
  const kindText = path.kind ?? filled(form, "kind");
  const kind = kindText === undefined ? undefined : kindParameter(kindText);
  if (path.kind !== undefined && kind === undefined) throw noRoute();
  const isCount = wantsCount(form);
  const query = queryFor(form, caller, path.account);
  // There is nothing of a kind that does not exist.
  if (kindText !== undefined && kind === undefined) return print(jsonWire(200, isCount ? { count: 0 } : []));
  const full: ResourceQuery = kind === undefined ? query : { ...query, kind };
  if (isCount) return print(jsonWire(200, { count: await broker.countResources(caller, full) }));
  const page = await broker.listResources(caller, { ...full, ...boundedPage(form, listLimit) });
  return print(jsonWire(200, page.items.map(resourceJson)));
}

function queryFor(form: Form, caller: Caller, accountText: string | undefined): ResourceQuery {
  const text = accountText ?? filled(form, "account");
  const account = text === undefined ? undefined : accountName(text);
  const search = filled(form, "search");
  const owner = filled(form, "owner");
  const actingAs = assumedRole(form, ["acting_as", "role"], account ?? caller.account);
  return {
    ...(account === undefined ? {} : { account }),
    ...(search === undefined ? {} : { search }),
    ...(owner === undefined ? {} : { owner: knownRole(owner, account ?? caller.account) }),
    ...(actingAs === undefined ? {} : { actingAs }),
  };
}

/** The page asked for, which is never without a limit unless the operator lifted it (0). */
function boundedPage(form: Form, listLimit: number): { readonly limit?: number; readonly offset?: number } {
  const { limit, offset } = pageOf(form);
  if (limit !== undefined && listLimit > 0 && limit > listLimit && limit !== allowedLargeLimit)
    throw new PosternError({ code: "malformed", where: "limit", expected: `at most ${listLimit}`, kind: "argument" });
  if (offset === undefined && limit === undefined && listLimit === 0) return {};
  if (offset === undefined) return { limit: limit ?? listLimit };
  return { limit: limit ?? offsetOnlyLimit, offset };
}

/** 204 for yes and 404 for no, which also stands for what the caller cannot see. */
async function check(broker: Broker, caller: Caller, resource: ResourceId, query: Form): Promise<Response> {
  const privilege = privilegeOf(query);
  const role = assumedRole(query, ["role"], caller.account);
  return print(empty((await broker.check(caller, resource, privilege, role)) ? 204 : 404));
}

function privilegeOf(query: Form): string {
  const privilege = filled(query, "privilege") ?? filled(query, "permission");
  if (privilege === undefined) throw new PosternError({ code: "malformed", where: "privilege", expected: "a privilege", kind: "argument" });
  return privilege;
}
