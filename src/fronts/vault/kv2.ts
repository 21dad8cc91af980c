/**
 * KV version 2: JSON objects in versions.
 *
 * Source: vault-plugin-secrets-kv v0.24, path_data.go, path_delete.go, path_destroy.go, path_subkeys.go.
 */

import type { KeyedReading, KeyedState } from "../../core/broker";
import type { Call, Engine } from "./engine";
import { argument, askedFor, casOf, dataOf, versionOf } from "./kv-body";
import { keyOf, metadataRoutes, versionShape } from "./kv2-metadata";
import { wrongPath } from "./kv2-wrong-path";
import { type Answer, rawJson, revealed } from "./wire";

export const kv2: Engine = {
  type: "kv-v2",
  routes: [
    { path: "data/*", read, write, patch, delete: deleteNewest },
    { path: "delete/*", write: (call) => setStates(call, "deleted", "No version number provided") },
    { path: "undelete/*", write: (call) => setStates(call, "readable", "No version number provided") },
    { path: "destroy/*", write: (call) => setStates(call, "destroyed", "no version number provided") },
    { path: "subkeys/*", read: subkeys },
    ...metadataRoutes,
  ],
  otherwise: wrongPath,
};

async function read(call: Call): Promise<Answer> {
  const asked = askedFor(call);
  const found = await call.broker.paths.keyed.read(call.caller(), call.access(asked.all()), { ...keyOf(call), ...versionOf(asked) });
  return reading("data", found);
}

async function subkeys(call: Call): Promise<Answer> {
  const asked = askedFor(call);
  const depth = asked.whole("depth") ?? 0;
  if (depth < 0) throw argument("depth", "a whole number of zero or more", 'value for "depth" must be non-negative');
  const ref = { ...keyOf(call), ...versionOf(asked), depth };
  return reading("subkeys", await call.broker.paths.keyed.subkeys(call.caller(), call.access(asked.all()), ref));
}

/** A version without a value is not there, and yet all else is told of it: clients print it. */
function reading(member: "data" | "subkeys", found: KeyedReading): Answer {
  const metadata = versionShape(found);
  if (found.value === undefined) return { status: 404, data: { [member]: null, metadata } };
  return { data: rawJson(`{"${member}":${revealed(found.value)},"metadata":${JSON.stringify(metadata)}}`) };
}

async function write(call: Call): Promise<Answer> {
  const fields = await call.fields();
  const value = await dataOf(call, fields);
  const cas = casOf(fields);
  const request = { ...keyOf(call), value, ...(cas === undefined ? {} : { cas }) };
  return { data: versionShape(await call.broker.paths.keyed.write(call.caller(), call.access(fields.all()), request)) };
}

async function patch(call: Call): Promise<Answer> {
  const fields = await call.fields();
  const value = await dataOf(call, fields);
  const cas = casOf(fields);
  const request = { ...keyOf(call), value, ...(cas === undefined ? {} : { cas }) };
  const patched = await call.broker.paths.keyed.patch(call.caller(), call.access(fields.all()), request);
  // A client takes an empty body, and nothing else, for a key that is not there.
  if (patched === undefined) return { status: 404, bare: "" };
  return { ...(patched.isWritten ? {} : { status: 404 }), data: versionShape(patched) };
}

async function deleteNewest(call: Call): Promise<Answer> {
  await call.broker.paths.keyed.deleteNewest(call.caller(), call.access(), keyOf(call));
  return {};
}

async function setStates(call: Call, state: KeyedState, saysWhenEmpty: string): Promise<Answer> {
  const fields = await call.fields();
  const versions = fields.wholes("versions") ?? [];
  if (versions.length === 0) throw argument("versions", "numbers of versions", saysWhenEmpty);
  await call.broker.paths.keyed.setStates(call.caller(), call.access(fields.all()), { ...keyOf(call), versions, state });
  return {};
}
