/**
 * What a machine's own agent offers to Vault's clients: reads of secrets, and what clients ask around them. Nobody logs in: on a socket its app is known, and
 * on a port the token is what the agent gave the app. The token by which the agent reads is never told.
 *
 * Source: Vault 1.19, vault-plugin-secrets-kv v0.24, path_data.go and passthrough.go; command/agentproxyshared for what an agent answers by itself.
 */

import type { Hono } from "hono";
import type { SecretVersion } from "../../core/broker";
import { PosternError } from "../../model/failures";
import { type FrontEnv, type LocalMount, type LocalPaths, print, type Reader } from "../front";
import { isoNanos } from "../timestamp";
import { type Exchange, exchangeOf } from "./exchange";
import { createTargets } from "./names";
import { health, leader, sealStatus } from "./sys-standing";
import { type Answer, answerWire, rawJson, revealed, variableShape } from "./wire";

const standing: Readonly<Record<string, typeof health>> = { "sys/health": health, "sys/seal-status": sealStatus, "sys/leader": leader };
const preflightPrefix = "sys/internal/ui/mounts/";

export function addReads(app: Hono<FrontEnv>, reader: Reader): void {
  const askedBy = createTargets();
  app.all("*", async (c) => {
    const exchange = exchangeOf(c.req.raw, c.env, askedBy);
    return print(answerWire(await answer(exchange, reader), exchange.context, "kv"));
  });
}

async function answer(exchange: Exchange, reader: Reader): Promise<Answer> {
  const { path, action, isHead, context, token } = exchange;
  const open = standing[path];
  if (open !== undefined && action === "read") return open({ ...exchange, settings: {} });
  const { local } = reader;
  if (local === undefined) throw new PosternError({ code: "not_found", target: path });
  const caller = await local.identify(token, context);
  if (action !== "read" || isHead) throw new PosternError({ code: "unsupported", what: action, kind: "method" });
  if (exchange.wrapSeconds !== undefined)
    throw argument("X-Vault-Wrap-TTL", "no wish to wrap", "response wrapping is not offered by an agent");
  if (path === "auth/token/lookup-self") return lookUp(exchange);
  const asker = { exchange, reader, local, caller };
  if (path.startsWith(preflightPrefix)) return preflight(asker, path.slice(preflightPrefix.length));
  return read(asker);
}

interface Asker {
  readonly exchange: Exchange;
  readonly reader: Reader;
  readonly local: LocalPaths;
  readonly caller: Awaited<ReturnType<LocalPaths["identify"]>>;
}

/** Clients decide by it where the versions of a secret are. */
async function preflight({ local, caller }: Asker, path: string): Promise<Answer> {
  const { path: mount, type } = await local.mountOf(caller, path);
  const options = type === "conjur" ? null : { version: type === "kv-v2" ? "2" : "1" };
  return { data: { path: `${mount}/`, type: type === "conjur" ? type : "kv", options, description: "", config: {} } };
}

async function read({ exchange, reader, local, caller }: Asker): Promise<Answer> {
  const { path } = exchange;
  const mount = await local.mountOf(caller, path);
  const key = path.slice(mount.path.length + 1);
  if (mount.type === "kv-v2") {
    const found = await reader.read(caller, { id: secretAt(mount, belowData(key)), ...versionOf(exchange) });
    return { data: { data: rawJson(revealed(found.value)), metadata: metadataOf(found) } };
  }
  const { value } = await reader.read(caller, { id: secretAt(mount, key) });
  return { data: mount.type === "conjur" ? variableShape(value) : rawJson(revealed(value)) };
}

function secretAt(mount: LocalMount, key: string) {
  if (key === "") throw new PosternError({ code: "unsupported", what: "path" });
  return mount.secretAt(key);
}

function belowData(key: string): string {
  if (key.startsWith("data/")) return key.slice("data/".length);
  throw new PosternError({ code: "unsupported", what: "path" });
}

function versionOf({ query }: Exchange): { readonly version?: number } {
  const said = query.one("version");
  if (said === undefined || said === "" || said === "0") return {};
  if (/^[1-9]\d{0,8}$/.test(said)) return { version: Number(said) };
  throw argument(
    "version",
    "a whole number",
    'Field validation failed: error converting input for field "version": expected a whole number',
  );
}

function argument(where: string, expected: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where, expected, kind: "argument", says });
}

function metadataOf({ version, createdAt }: SecretVersion): object {
  return { created_time: isoNanos(createdAt), custom_metadata: null, deletion_time: "", destroyed: false, version };
}

/** No token is shown: what acts for the app here is the agent's, and nobody else's to have. */
function lookUp({ context }: Exchange): Answer {
  const nowSeconds = Math.floor(context.now / 1000);
  return {
    data: {
      accessor: "",
      creation_time: nowSeconds,
      creation_ttl: 0,
      display_name: "agent",
      entity_id: "",
      expire_time: null,
      explicit_max_ttl: 0,
      id: "",
      meta: null,
      num_uses: 0,
      orphan: true,
      path: "auth/token/agent",
      policies: ["default"],
      renewable: false,
      ttl: 0,
      type: "service",
    },
  };
}
