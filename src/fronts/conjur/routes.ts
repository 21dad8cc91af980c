/**
 * The Conjur front: every route of the protocol that is offered, at server level 1.24.0. Also below `/api`.
 *
 * Logins, credentials, policies, resources and roles stand in the files of those names, reads in `reads.ts`. Source: Conjur 5.3.1, config/routes.rb.
 */

import type { Broker, SecretReader } from "../../core/broker";
import { SecretBytes } from "../../model/secret-bytes";
import { queryOf } from "../form";
import { type Front, type FrontApp, type FrontSettings, type HotRoute, type LocalLogin, print, wireOf } from "../front";
import { type ConjurApp, createApp, mustBeKnown } from "./access";
import { addAuthenticators } from "./authenticators";
import { addBranches } from "./branches";
import { addCredentials } from "./credentials";
import { failures } from "./errors";
import { addHostFactories } from "./host-factories";
import { addLogins, addRoleLogins } from "./login";
import { pathOf, resourceId } from "./names";
import { addPolicies } from "./policies";
import { addReads } from "./reads";
import { addResources } from "./resources";
import { addRoles } from "./roles";
import { empty, publicKeysWire, versionWire, whoamiWire } from "./wire";

export const conjur: Front = { name: "conjur", serve, reads };

function serve(broker: Broker, settings: FrontSettings = {}): FrontApp {
  const app = createApp();
  const hot = addReads(app, broker);
  addInformation(app, broker);
  addLogins(app, broker);
  addCredentials(app, broker);
  addAuthenticators(app, broker);
  addPolicies(app, broker);
  addResources(app, broker, settings.resourceListMax);
  addRoles(app, broker);
  if (settings.hostFactories !== false) addHostFactories(app, broker);
  addWrites(app, broker);
  addBranches(app, broker);
  return bound(app, hot);
}

function reads(reader: SecretReader, logins?: LocalLogin): FrontApp {
  const app = createApp();
  const hot = addReads(app, reader);
  if (logins !== undefined) addRoleLogins(app, logins);
  return bound(app, hot);
}

function bound(app: ConjurApp, hot: readonly HotRoute[]): FrontApp {
  return {
    name: conjur.name,
    app,
    hot,
    takesPolicy: (url) => pathOf(url).startsWith("/policies/"),
    refuse: (failure) => print(wireOf(failures, failure)),
  };
}

function addInformation(app: ConjurApp, broker: Broker): void {
  app.get("/", (c) => print(versionWire(c.req.header("accept"))));
  app.get("/whoami", async (c) => {
    const caller = mustBeKnown(c.get("caller"));
    await broker.whoAmI(caller);
    return print(whoamiWire(caller));
  });
}

function addWrites(app: ConjurApp, broker: Broker): void {
  app.post("/secrets/:account/:kind{variable|public_key}/:id{.+}", async (c) => {
    const caller = mustBeKnown(c.get("caller"));
    const { account, kind, id } = c.req.param();
    const resource = resourceId(account, kind, id);
    // The same URL with this member marks the value as due, and its body is no value.
    if (queryOf(c.req.url).has("expirations")) await broker.expireSecret(caller, resource);
    else await broker.writeSecret(caller, resource, new SecretBytes(new Uint8Array(await c.req.arrayBuffer())));
    return print(empty(201));
  });

  app.get("/public_keys/:account/:kind{user|public_key}/:id{.+}", (c) => {
    const { account, kind, id } = c.req.param();
    return print(publicKeysWire(broker.publicKeys(resourceId(account, kind, id))));
  });
}
