/**
 * Authenticators themselves: which there are, whether they are well, switched on and off; and as records, in version 2 of the interface.
 *
 * Source: Conjur 5.3.1, app/controllers/authenticate_controller.rb and authenticators_v2_controller.rb; conjur-api-go 0.15, authenticator_v2.go.
 */

import * as v from "valibot";
import type { AuthenticatorId, AuthenticatorRef, AuthenticatorView, Broker } from "../../core/broker";
import { PosternError } from "../../model/failures";
import { identifierOf, identifierProblem, kindOf } from "../../model/ids";
import { type FailureTable, print } from "../front";
import { type ConjurApp, mustBeKnown } from "./access";
import { dataOf, typed, typesByWord, valuesOf, wordOf } from "./authenticator-data";
import { statusFailures } from "./authenticator-status";
import { switchFailures } from "./errors";
import { accountName, assertSegment, noRoute, roleId } from "./names";
import {
  AnnotationsMember,
  beginVersionTwo,
  NameMember,
  OwnerMember,
  versionTwoBody,
  versionTwoFailures,
  versionTwoPage,
  versionTwoProblem,
  versionTwoWire,
} from "./v2";
import { authenticatorsWire, empty, jsonWire, switchOf } from "./wire";

/** What the one authenticator of a type without services is called. */
const singularName = "default";
const singularTypes: ReadonlySet<string> = new Set(["gcp"]);

const NewAuthenticator = v.intersect([
  typed,
  v.strictObject({
    type: v.string(),
    name: NameMember,
    enabled: v.optional(v.boolean(), true),
    owner: v.optional(OwnerMember),
    annotations: v.optional(AnnotationsMember),
    data: v.optional(v.unknown()),
  }),
]);
const Switch = v.strictObject({ enabled: v.boolean() });

export function addAuthenticators(app: ConjurApp, broker: Broker): void {
  app.get("/authenticators", () => print(authenticatorsWire(broker.listAuthenticators())));

  // `service` is absent for an authenticator that has none.
  app.on("PATCH", ["/:authenticator{authn[^/]*}/:account", "/:authenticator{authn-[^/]+}/:service/:account"], async (c) => {
    const caller = mustBeKnown(c.get("caller"));
    const enabled = switchOf(new Uint8Array(await c.req.arrayBuffer()), c.req.header("content-type"));
    c.set("failures", switchFailures);
    await broker.setAuthenticatorEnabled(caller, authenticatorIn(c.req.param()), enabled);
    return print(empty(204));
  });

  app.on("GET", ["/:authenticator{authn[^/]*}/:account/status", "/:authenticator{authn-[^/]+}/:service/:account/status"], async (c) => {
    const caller = mustBeKnown(c.get("caller"));
    const ref = authenticatorIn(c.req.param());
    c.set("failures", statusFailures(ref, caller.role));
    await broker.authenticatorStatus(caller, ref);
    return print(jsonWire(200, { status: "ok" }));
  });

  addRecords(app, broker);
}

function addRecords(app: ConjurApp, broker: Broker): void {
  app.get("/authenticators/:account", async (c) => {
    const caller = beginVersionTwo(c);
    const account = accountName(c.req.param("account"));
    const { limit, offset, query } = versionTwoPage(c.req.url);
    const word = query.one("type");
    const authenticator = word === undefined ? undefined : typesByWord.get(word);
    if (word !== undefined && authenticator === undefined) throw argument("type", `one of ${[...typesByWord.keys()].join(", ")}`);
    const wanted = { account, limit, offset, ...(authenticator === undefined ? {} : { authenticator }) };
    const { items, total } = await broker.queryAuthenticators(caller, wanted);
    return print(versionTwoWire(200, { authenticators: items.map(authenticatorJson), count: total }));
  });

  app.post("/authenticators/:account", async (c) => {
    const caller = beginVersionTwo(c);
    const account = accountName(c.req.param("account"));
    const { type, name, enabled, owner, annotations = {}, data } = await versionTwoBody(c, NewAuthenticator);
    const id = idOf(account, type, name);
    if (id === undefined) throw argument("name", singularTypes.has(type) ? singularName : "a name");
    c.set("failures", failuresOf(type, name, id));
    const view = await broker.createAuthenticator(caller, {
      id,
      enabled,
      ...(owner === undefined ? {} : { owner: roleId(account, owner.kind, owner.id) }),
      annotations: new Map(Object.entries(annotations)),
      values: valuesOf(data),
    });
    return print(versionTwoWire(201, authenticatorJson(view)));
  });

  // The Go client names the one authenticator of such a type by its type alone.
  const record = ["/authenticators/:account/:type/:name", "/authenticators/:account/:type{gcp}"];

  app.on("GET", record, async (c) => {
    const caller = beginVersionTwo(c);
    const { id, table } = recordIn(c.req.param());
    c.set("failures", table);
    return print(versionTwoWire(200, authenticatorJson(await broker.showAuthenticator(caller, id))));
  });

  app.on("PATCH", record, async (c) => {
    const caller = beginVersionTwo(c);
    const { id, table } = recordIn(c.req.param());
    const { enabled } = await versionTwoBody(c, Switch);
    c.set("failures", table);
    return print(versionTwoWire(200, authenticatorJson(await broker.switchAuthenticator(caller, id, enabled))));
  });

  app.on("DELETE", record, async (c) => {
    const caller = beginVersionTwo(c);
    const { id, table } = recordIn(c.req.param());
    c.set("failures", table);
    await broker.removeAuthenticator(caller, id);
    return print(empty(204));
  });
}

function authenticatorIn(path: Readonly<Record<string, string>>): AuthenticatorRef {
  const { authenticator = "", service, account = "" } = path;
  assertSegment(account);
  return { account, authenticator, ...(service === undefined ? {} : { service }) };
}

function recordIn(path: Readonly<Record<string, string>>): { readonly id: AuthenticatorId; readonly table: FailureTable } {
  const { account = "", type = "", name = singularName } = path;
  const id = identifierProblem(name) === undefined && !name.includes("/") ? idOf(accountName(account), type, name) : undefined;
  if (id === undefined) throw noRoute();
  return { id, table: failuresOf(type, name, id) };
}

/** Undefined where there can be no such authenticator. */
function idOf(account: AuthenticatorId["account"], word: string, name: string): AuthenticatorId | undefined {
  const authenticator = typesByWord.get(word);
  if (authenticator === undefined) return undefined;
  if (singularTypes.has(word)) return name === singularName ? { account, authenticator } : undefined;
  return { account, authenticator, service: name };
}

/** What is missing or taken is the authenticator, where it is one of the things that it consists of. */
function failuresOf(type: string, name: string, { account, authenticator, service }: AuthenticatorId): FailureTable {
  const place = `conjur/${service === undefined ? authenticator : `${authenticator}/${service}`}`;
  const isItself = (target: string) => target === `${account}:webservice:${place}` || target === `${account}:policy:${place}`;
  return {
    ...versionTwoFailures,
    not_found: (failure) =>
      isItself(failure.target)
        ? versionTwoProblem(404, `Authenticator '${name}' of type '${type}' not found in account '${account}'`)
        : versionTwoFailures.not_found(failure),
    exists: () => versionTwoProblem(409, `Authenticator '${name}' of type '${type}' already exists`),
  };
}

function authenticatorJson({ id, owner, enabled, annotations, values }: AuthenticatorView): Readonly<Record<string, unknown>> {
  return {
    type: wordOf(id.authenticator),
    branch: `conjur/${id.authenticator}`,
    name: id.service ?? singularName,
    enabled,
    owner: { id: identifierOf(owner), kind: kindOf(owner) },
    // The Go client's own tests take what is empty for absent.
    ...(Object.keys(values).length === 0 ? {} : { data: dataOf(values) }),
    ...(annotations.length === 0 ? {} : { annotations: Object.fromEntries(annotations.map(({ name, value }) => [name, value])) }),
  };
}

function argument(where: string, expected: string): PosternError {
  return new PosternError({ code: "malformed", where, expected, kind: "argument" });
}
