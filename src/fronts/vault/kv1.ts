/**
 * KV version 1: one JSON object at a path, replaced as a whole.
 *
 * Source: vault-plugin-secrets-kv v0.24, passthrough.go.
 */

import { secondsOf } from "../../model/durations";
import { membersOf } from "../../model/json-text";
import { SecretBytes } from "../../model/secret-bytes";
import type { Call, Engine } from "./engine";
import { argument, bodyText } from "./kv-body";
import { listAnswer } from "./kv-list";
import { type Answer, rawJson, revealed } from "./wire";

export const kv1: Engine = {
  type: "kv-v1",
  routes: [
    { path: "", list, write: () => Promise.reject(argument("path", "a key", "missing path")) },
    { path: "*", read, write, delete: remove, list },
  ],
};

const refOf = ({ mount, rest }: Call) => ({ mount: mount.path, key: rest });

async function read(call: Call): Promise<Answer> {
  const { broker, mount } = call;
  const { value } = await broker.paths.keyed.read(call.caller(), call.access(), refOf(call));
  const text = value === undefined ? "{}" : revealed(value);
  return { data: rawJson(text), leaseSeconds: leaseOf(text) ?? broker.paths.mounts.leaseBounds(mount).defaultSeconds };
}

async function write(call: Call): Promise<Answer> {
  const text = await bodyText(call);
  if (text === undefined || membersOf(text)?.size === 0) throw argument("body", "a JSON object", "missing data fields");
  const value = SecretBytes.ofText(text);
  await call.broker.paths.keyed.write(call.caller(), call.access(await call.body()), { ...refOf(call), value });
  return {};
}

async function remove(call: Call): Promise<Answer> {
  await call.broker.paths.keyedMetadata.remove(call.caller(), call.access(), refOf(call));
  return {};
}

async function list(call: Call): Promise<Answer> {
  return listAnswer(call, await call.broker.paths.keyedMetadata.list(call.caller(), call.access(), refOf(call)));
}

/** How soon a client should read again, when the object itself says so. */
function leaseOf(text: string): number | undefined {
  // Names may be written with escapes.
  if (!/ttl|lease|\\/.test(text)) return undefined;
  const members = membersOf(text);
  const said = members?.get("ttl") ?? members?.get("lease");
  const value: unknown = said === undefined ? undefined : JSON.parse(said);
  const seconds = typeof value === "number" ? Math.trunc(value) : typeof value === "string" ? secondsOf(value) : undefined;
  return seconds !== undefined && Number.isSafeInteger(seconds) && seconds >= 0 ? seconds : undefined;
}
