/**
 * Host factories: tokens for machines to come, and the hosts that those make with them.
 *
 * Source: Conjur 5.3.1, app/controllers/host_factory_tokens_controller.rb and host_factories_controller.rb.
 */

import type { Broker, HostFactoryTokenRequest } from "../../core/broker";
import { PosternError } from "../../model/failures";
import type { AccountName } from "../../model/ids";
import { SecretBytes } from "../../model/secret-bytes";
import type { Instant } from "../../model/types";
import { print } from "../front";
import { instantOf } from "../timestamp";
import { type ConjurApp, mustBeKnown, rawToken } from "./access";
import { factoryTokenFailures } from "./errors";
import { roleParameter } from "./names";
import { type Parameters, parametersOf } from "./parameters";
import { createdHostWire, empty, hostFactoryTokensWire } from "./wire";

export function addHostFactories(app: ConjurApp, broker: Broker): void {
  app.post("/host_factory_tokens", async (c) => {
    const caller = mustBeKnown(c.get("caller"));
    const request = tokenRequest(await parametersOf(c), caller.account);
    return print(hostFactoryTokensWire(await broker.createHostFactoryTokens(caller, request)));
  });

  app.delete("/host_factory_tokens/:token", async (c) => {
    const caller = mustBeKnown(c.get("caller"));
    c.set("failures", factoryTokenFailures);
    await broker.revokeHostFactoryToken(caller, SecretBytes.ofText(c.req.param("token")));
    return print(empty(204));
  });

  app.post("/host_factories/hosts", async (c) => {
    const token = rawToken(c.req.header("authorization"));
    const parameters = await parametersOf(c);
    const id = parameters.one("id") ?? "";
    // Each attempt may be a guess at a token.
    c.env.edge.admitLogin(c.env.context, `host_factories:${id}`);
    const annotations = parameters.map("annotations");
    const host = await broker.createHost({ token, id, annotations }, c.env.context);
    return print(createdHostWire(host));
  });
}

function tokenRequest(parameters: Parameters, account: AccountName): HostFactoryTokenRequest {
  const factory = required(parameters, "host_factory");
  const expiration = required(parameters, "expiration");
  const role = roleParameter(factory, account);
  if (role === undefined) throw argument("host_factory", "the id of a host factory");
  const networks = parameters.all("cidr").filter((text) => text !== "");
  return { factory: role, expiresAt: instant(expiration), count: countOf(parameters.one("count")), networks };
}

function required(parameters: Parameters, name: string): string {
  const text = parameters.one(name) ?? "";
  if (text === "") throw new PosternError({ code: "malformed", where: name, expected: "a value", kind: "missing" });
  return text;
}

function instant(text: string): Instant {
  const found = instantOf(text);
  if (found === undefined) throw argument("expiration", "a date and time such as 2025-11-10T10:00:00Z");
  return found;
}

function countOf(text: string | undefined): number {
  if (text === undefined || text === "") return 1;
  if (!/^[0-9]{1,9}$/.test(text)) throw argument("count", "a positive integer");
  return Number(text);
}

function argument(where: string, expected: string): PosternError {
  return new PosternError({ code: "malformed", where, expected, kind: "argument" });
}
