/**
 * Looking at roles and changing who holds them. The query names the action; of several, the first in this order: graph, all, memberships, members.
 *
 * Source: Conjur 5.3.1, app/controllers/roles_controller.rb.
 */

import type { Context } from "hono";
import type { Broker, GrantQuery, Page } from "../../core/broker";
import type { RoleId } from "../../model/ids";
import { accountOf } from "../../model/ids";
import type { Caller, Grant } from "../../model/types";
import { type Form, queryOf } from "../form";
import { print } from "../front";
import { type ConjurApp, type ConjurEnv, mustBeKnown } from "./access";
import { kindParameter, noRoute, roleId } from "./names";
import { filled, filterOf, namesCount, offsetOnlyLimit, pageOf, requiredRole } from "./query";
import { empty, grantJson, jsonWire, roleJson } from "./wire";

const rolePath = "/roles/:account/:kind/:id{.+}";

export function addRoles(app: ConjurApp, broker: Broker): void {
  app.get(rolePath, async (c) => {
    const { caller, role, query } = roleRequest(c, c.req.param());
    if (query.has("graph")) return print(jsonWire(200, await broker.roleGraph(caller, role)));
    if (query.has("all")) return held(broker, caller, role, query);
    if (query.has("memberships")) return grants(query, role, (asked) => broker.memberships(caller, role, asked));
    if (query.has("members")) return grants(query, role, (asked) => broker.members(caller, role, asked));
    return print(jsonWire(200, roleJson(await broker.showRole(caller, role))));
  });

  app.post(rolePath, async (c) => {
    const { caller, role, query } = memberRequest(c, c.req.param());
    await broker.addMember(caller, role, requiredRole(query, "member", accountOf(role)));
    return print(empty(204));
  });

  app.delete(rolePath, async (c) => {
    const { caller, role, query } = memberRequest(c, c.req.param());
    await broker.removeMember(caller, role, requiredRole(query, "member", accountOf(role)));
    return print(empty(204));
  });
}

interface RolePath {
  readonly account: string;
  readonly kind: string;
  readonly id: string;
}

interface RoleRequest {
  readonly caller: Caller;
  readonly role: RoleId;
  readonly query: Form;
}

function roleRequest(c: Context<ConjurEnv>, path: RolePath): RoleRequest {
  return { caller: mustBeKnown(c.get("caller")), role: roleId(path.account, path.kind, path.id), query: queryOf(c.req.url) };
}

/** Throws `not_found` unless the query says that it is about members. */
function memberRequest(c: Context<ConjurEnv>, path: RolePath): RoleRequest {
  const request = roleRequest(c, path);
  if (!request.query.has("members")) throw noRoute();
  return request;
}

async function held(broker: Broker, caller: Caller, role: RoleId, query: Form): Promise<Response> {
  const filter = filterOf(query, accountOf(role));
  const roles = await broker.heldRoles(caller, role);
  const kept = filter === undefined ? roles : roles.filter((one) => filter.includes(one));
  return print(jsonWire(200, namesCount(query) ? { count: kept.length } : kept));
}

async function grants(query: Form, role: RoleId, ask: (asked: GrantQuery) => Promise<Page<Grant>>): Promise<Response> {
  const kindText = filled(query, "kind");
  const kind = kindText === undefined ? undefined : kindParameter(kindText);
  const search = filled(query, "search");
  const filter = filterOf(query, accountOf(role));
  const { limit, offset } = pageOf(query);
  const length = limit ?? (offset === undefined ? undefined : offsetOnlyLimit);
  const page = await ask({
    ...(kind === undefined ? {} : { kind }),
    ...(search === undefined ? {} : { search }),
    ...(filter === undefined ? {} : { filter }),
    ...(length === undefined ? {} : { limit: length }),
    ...(offset === undefined ? {} : { offset }),
  });
  const isNone = kindText !== undefined && kind === undefined;
  if (namesCount(query)) return print(jsonWire(200, { count: isNone ? 0 : page.total }));
  return print(jsonWire(200, isNone ? [] : page.items.map(grantJson)));
}
