/**
 * What KV version 2 tells and takes of keys beside their values, and of the mount as a whole.
 *
 * Source: vault-plugin-secrets-kv v0.24, path_metadata.go, path_config.go, custom_metadata.go; OpenBao's pages of lists.
 */

import type { KeyedRules, KeyedSettings, KeyedVersion, KeyedView, KeyRef } from "../../core/broker";
import { durationText } from "../../model/durations";
import { isoNanos } from "../timestamp";
import type { Call, EngineRoute } from "./engine";
import type { Fields } from "./fields";
import { argument } from "./kv-body";
import { listAnswer } from "./kv-list";
import { wrongAction } from "./kv2-wrong-path";
import { type Answer, framed } from "./wire";

export const metadataRoutes: readonly EngineRoute[] = [
  { path: "metadata", list, read: wrongAction, write: wrongAction, patch: wrongAction, delete: wrongAction },
  { path: "metadata/*", read: show, write, patch, delete: remove, list },
  { path: "detailed-metadata", list: listDetails },
  { path: "detailed-metadata/*", list: listDetails },
  { path: "config", read: showSettings, write: writeSettings },
];

/** What stands behind `data/`, `metadata/` and the like. */
export function keyOf({ mount, parameters: [key = ""] }: Call): KeyRef {
  return { mount: mount.path, key };
}

async function list(call: Call): Promise<Answer> {
  return listAnswer(call, await call.broker.paths.keyedMetadata.list(call.caller(), call.access(), keyOf(call)));
}

/** Source: OpenBao 2.x, builtin/logical/kv (path_metadata.go, detailed list). */
async function listDetails(call: Call): Promise<Answer> {
  const accessTo = (key: string) => ({ path: `${call.mount.path}/metadata/${key}`, action: "read" }) as const;
  const listed = await call.broker.paths.keyedMetadata.listWithViews(call.caller(), call.access(), keyOf(call), accessTo);
  const { data } = listAnswer(
    call,
    listed.map(({ name }) => name),
  );
  const keys = new Set(data.keys);
  const known = listed.flatMap(({ name, view }) => (view === undefined || !keys.has(name) ? [] : [[name, viewShape(view)] as const]));
  return { data: { ...data, key_info: Object.fromEntries(known) } };
}

async function show(call: Call): Promise<Answer> {
  return { data: viewShape(await call.broker.paths.keyedMetadata.show(call.caller(), call.access(), keyOf(call))) };
}

async function write(call: Call): Promise<Answer> {
  const fields = await call.fields();
  const metadata = fields.raw("custom_metadata");
  const rules = { ...rulesOf(fields), ...(metadata === undefined ? {} : { customMetadata: metadata === null ? null : textsOf(fields) }) };
  return setRules(call, fields, { ...rules, mustExist: false });
}

async function patch(call: Call): Promise<Answer> {
  const fields = await call.fields();
  const metadata = fields.raw("custom_metadata");
  const change = metadata === null ? { customMetadata: null } : metadata === undefined ? {} : { customMetadataPatch: patchOf(fields) };
  const age = fields.raw("delete_version_after") === null ? { deleteAfterSeconds: 0 } : {};
  return setRules(call, fields, { ...rulesOf(fields), ...age, ...change, mustExist: true });
}

async function setRules(call: Call, fields: Fields, rules: KeyedRules & { readonly mustExist: boolean }): Promise<Answer> {
  const set = await call.broker.paths.keyedMetadata.setRules(call.caller(), call.access(fields.all()), keyOf(call), rules);
  const isIgnored = rules.casRequired === false && set.casRequired;
  return isIgnored ? { warnings: ['"cas_required" set to false, but is mandated by backend config. This value will be ignored.'] } : {};
}

async function remove(call: Call): Promise<Answer> {
  await call.broker.paths.keyedMetadata.remove(call.caller(), call.access(), keyOf(call));
  return {};
}

async function showSettings(call: Call): Promise<Answer> {
  const settings = await call.broker.paths.keyedMetadata.settings(call.caller(), call.access(), call.mount.path);
  return {
    data: {
      cas_required: settings.casRequired,
      delete_version_after: durationText(settings.deleteAfterSeconds),
      max_versions: settings.versionsKept,
    },
  };
}

async function writeSettings(call: Call): Promise<Answer> {
  const fields = await call.fields();
  const settings: Partial<KeyedSettings> = { ...rulesOf(fields, "signed") };
  await call.broker.paths.keyedMetadata.setSettings(call.caller(), call.access(fields.all()), call.mount.path, settings);
  return {};
}

function rulesOf(fields: Fields, sign?: "signed"): Pick<KeyedRules, "versionsKept" | "casRequired" | "deleteAfterSeconds"> {
  const versionsKept = fields.whole("max_versions");
  const casRequired = fields.flag("cas_required");
  const deleteAfterSeconds = fields.seconds("delete_version_after", sign);
  if (versionsKept !== undefined && (versionsKept < 0 || versionsKept > 0xffff_ffff))
    throw argument("max_versions", "a whole number", 'Field validation failed: error converting input for field "max_versions"');
  return {
    ...(versionsKept === undefined ? {} : { versionsKept }),
    ...(casRequired === undefined ? {} : { casRequired }),
    ...(deleteAfterSeconds === undefined ? {} : { deleteAfterSeconds }),
  };
}

/** `custom_metadata` of a write: texts alone, within what the original takes. */
function textsOf(fields: Fields): Readonly<Record<string, string>> {
  const entries = Object.entries(patchOf(fields)).map(([name, value]): [string, string] => {
    if (value === null) throw argument("custom_metadata", "texts", unprintable(name, "expected a text"));
    return [name, value];
  });
  return Object.fromEntries(entries);
}

/** The same of a patch, where `null` removes. */
function patchOf(fields: Fields): Readonly<Record<string, string | null>> {
  const entries = Object.entries(fields.map("custom_metadata") ?? {}).map(([name, value]): [string, string | null] => {
    if (value !== null && typeof value !== "string")
      throw argument(
        "custom_metadata",
        "texts",
        `Field validation failed: error converting input for field "custom_metadata": value of ${JSON.stringify(name)} is no text`,
      );
    return [name, value];
  });
  const problems =
    entries.length > maxEntries
      ? [`${prefix}: payload must contain at most ${maxEntries} keys, provided ${entries.length}`]
      : entries.flatMap(problemsOf);
  if (problems.length > 0) throw argument("custom_metadata", "short texts", framed(...problems));
  return Object.fromEntries(entries);
}

const prefix = "custom_metadata validation failed";
const maxEntries = 64;
const maxNameBytes = 128;
const maxValueBytes = 512;
const unprintableCharacter = /[\p{C}\p{Zl}\p{Zp}]/u;

function problemsOf([name, value]: readonly [string, string | null]): readonly string[] {
  const quoted = JSON.stringify(name);
  const nameBytes = Buffer.byteLength(name);
  const valueBytes = value === null ? 1 : Buffer.byteLength(value);
  return [
    ...(nameBytes > 0 && nameBytes <= maxNameBytes
      ? []
      : [`${prefix}: length of key ${quoted} is ${nameBytes} but must be 0 < len(key) <= ${maxNameBytes}`]),
    ...(valueBytes > 0 && valueBytes <= maxValueBytes
      ? []
      : [`${prefix}: length of value for key ${quoted} is ${valueBytes} but must be 0 < len(value) <= ${maxValueBytes}`]),
    ...(unprintableCharacter.test(name) ? [unprintable(name, "key contains unprintable characters")] : []),
    ...(value !== null && unprintableCharacter.test(value) ? [unprintable(name, "value contains unprintable characters")] : []),
  ];
}

const unprintable = (name: string, what: string): string => `${prefix}: ${JSON.stringify(name)}: ${what}`;

const timeOf = (instant: number | undefined): string => (instant === undefined ? "" : isoNanos(instant));

/** A version as reads and writes tell it. */
export function versionShape({ version, createdAt, deletesAt, isDestroyed, customMetadata }: KeyedVersion): object {
  return {
    created_time: timeOf(createdAt),
    custom_metadata: customMetadata ?? null,
    deletion_time: timeOf(deletesAt),
    destroyed: isDestroyed,
    version,
  };
}

function viewShape({ createdAt, updatedAt, currentVersion, oldestVersion, versions, rules }: KeyedView): object {
  return {
    cas_required: rules.casRequired ?? false,
    created_time: timeOf(createdAt),
    current_version: currentVersion,
    custom_metadata: rules.customMetadata ?? null,
    delete_version_after: durationText(rules.deleteAfterSeconds ?? 0),
    max_versions: rules.versionsKept ?? 0,
    oldest_version: oldestVersion,
    updated_time: timeOf(updatedAt),
    versions: Object.fromEntries(
      versions.map((each) => [
        String(each.version),
        { created_time: timeOf(each.createdAt), deletion_time: timeOf(each.deletesAt), destroyed: each.isDestroyed },
      ]),
    ),
  };
}
