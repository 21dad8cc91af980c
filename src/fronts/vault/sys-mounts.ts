/**
 * Mounts and methods: `sys/mounts`, `sys/auth`, and their settings.
 *
 * Source: Vault 1.19, vault/logical_system.go, api/sys_mounts.go for what clients read.
 */

import type { LeaseBounds, Mount, MountClass, MountSettings } from "../../core/broker";
import { PosternError } from "../../model/failures";
import type { Call, EngineRoute } from "./engine";
import { type Fields, fieldsOf } from "./fields";
import { methodTypes, secretTypes } from "./mount-types";
import type { Answer } from "./wire";

export const mountRoutes: readonly EngineRoute[] = [
  { path: "mounts", read: (call) => list(call, "secret") },
  {
    path: "mounts/*",
    read: (call) => show(call, "secret"),
    write: (call) => write(call, "secret"),
    delete: (call) => remove(call, "secret"),
  },
  { path: "auth", read: (call) => list(call, "auth") },
  {
    path: "auth/*",
    sudo: ["write", "delete"],
    read: (call) => show(call, "auth"),
    write: (call) => write(call, "auth"),
    delete: (call) => remove(call, "auth"),
  },
];

async function list(call: Call, kind: MountClass): Promise<Answer> {
  const { mounts } = call.broker.paths;
  const found = await mounts.list(call.caller(), call.access(), kind);
  return { data: Object.fromEntries(found.map((mount) => [`${named(mount)}/`, mountShape(mount)])), isDoubled: true };
}

/** The path of the mount, and whether its settings alone are meant: `azure/tune`. */
function meant({ parameters: [rest = ""] }: Call, kind: MountClass): { readonly path: string; readonly isTune: boolean } {
  const isTune = rest.endsWith("/tune");
  const path = isTune ? rest.slice(0, -"/tune".length) : rest;
  return { path: kind === "auth" ? `auth/${path}` : path, isTune };
}

async function show(call: Call, kind: MountClass): Promise<Answer> {
  const { mounts } = call.broker.paths;
  const { path, isTune } = meant(call, kind);
  const mount = await mounts.show(call.caller(), call.access(), path);
  if (mount === undefined || (isElsewhere(path, kind) && !isTune)) throw missing(path, kind);
  return { data: isTune ? tuneShape(mount, mounts.leaseBounds(mount)) : mountShape(mount), isDoubled: true };
}

async function write(call: Call, kind: MountClass): Promise<Answer> {
  const { path, isTune } = meant(call, kind);
  const body = await call.body();
  const fields = fieldsOf(body);
  const { mounts } = call.broker.paths;
  if (isTune) {
    await mounts.tune(call.caller(), call.access(body), path, settingsOf(fields));
    return {};
  }
  if (isElsewhere(path, kind)) throw argument("path", "a path outside of auth/", "path is already in use at auth/");
  const { type, version } = typeOf(fields, kind);
  const { options = {}, ...settings } = { ...settingsOf(fieldsOf(fields.map("config") ?? {})), ...settingsOf(fields) };
  const all = { ...settings, options: version === undefined ? options : { ...options, version } };
  await mounts.enable(call.caller(), call.access(body), { path, type, settings: all });
  return {};
}

async function remove(call: Call, kind: MountClass): Promise<Answer> {
  const { path, isTune } = meant(call, kind);
  if (isTune) throw new PosternError({ code: "unsupported", what: "delete", kind: "method" });
  if (isElsewhere(path, kind)) throw argument("path", "a path outside of auth/", `cannot unmount "${path}/"`);
  await call.broker.paths.mounts.disable(call.caller(), call.access(), path);
  return {};
}

/** A method among the mounts of secrets: only its settings are to be had there, for it takes more to make it and to remove it. */
const isElsewhere = (path: string, kind: MountClass): boolean => kind === "secret" && path.startsWith("auth/");

function missing(path: string, kind: MountClass): PosternError {
  const says = kind === "auth" ? `No auth engine at ${path.slice("auth/".length)}/` : `No secret engine mount at ${path}/`;
  return new PosternError({ code: "malformed", where: "path", expected: "a mount", kind: "argument", because: "no_mount", says });
}

/** Which engine is meant, and of `kv` the version: every spelling ends in the same two. */
function typeOf(fields: Fields, kind: MountClass): { readonly type: string; readonly version?: string } {
  const said = fields.text("type") ?? "";
  if (said === "") throw argument("type", "the kind of mount", "backend type must be specified as a string");
  if (kind === "auth") {
    if (methodTypes.includes(said)) return { type: said };
    throw argument("type", "a kind of method", `plugin not found in the catalog: ${said}`);
  }
  const spelled = { "kv-v1": "1", "kv-v2": "2", generic: "1" }[said];
  if (spelled === undefined && !secretTypes.includes(said))
    throw argument("type", "a kind of mount", `plugin not found in the catalog: ${said}`);
  const version = spelled ?? fieldsOf(fields.map("options") ?? {}).text("version") ?? "1";
  if (version !== "1" && version !== "2") throw argument("options", "version 1 or 2", `unsupported kv version: ${version}`);
  return { type: "kv", version };
}

function settingsOf(fields: Fields): Partial<MountSettings> {
  const description = fields.text("description");
  const defaultLeaseSeconds = fields.seconds("default_lease_ttl");
  const maxLeaseSeconds = fields.seconds("max_lease_ttl");
  const listingVisibility = fields.text("listing_visibility");
  const options = fields.pairs("options");
  const identityTokenKey = fields.text("identity_token_key");
  if (listingVisibility !== undefined && !["", "hidden", "unauth"].includes(listingVisibility))
    throw argument("listing_visibility", "unauth, hidden or nothing", "invalid listing visibility type");
  return {
    ...(description === undefined ? {} : { description }),
    ...(defaultLeaseSeconds === undefined ? {} : { defaultLeaseSeconds }),
    ...(maxLeaseSeconds === undefined ? {} : { maxLeaseSeconds }),
    ...(listingVisibility === undefined ? {} : { listingVisibility }),
    ...(options === undefined ? {} : { options }),
    ...(identityTokenKey === undefined ? {} : { identityTokenKey }),
  };
}

/** `auth/azure` → `azure`: methods are listed without what they all begin with. */
export const named = ({ path }: Mount): string => (path.startsWith("auth/") ? path.slice("auth/".length) : path);

export function mountShape(mount: Mount): object {
  const isMethod = mount.path.startsWith("auth/");
  return {
    type: mount.type,
    description: mount.description,
    accessor: mount.accessor,
    uuid: mount.uuid,
    local: mount.type === "cubbyhole",
    seal_wrap: false,
    external_entropy_access: false,
    options: Object.keys(mount.options).length === 0 ? null : mount.options,
    config: {
      default_lease_ttl: mount.defaultLeaseSeconds,
      max_lease_ttl: mount.maxLeaseSeconds,
      force_no_cache: false,
      ...(isMethod ? { token_type: "default-service" } : {}),
      ...(mount.listingVisibility === "" ? {} : { listing_visibility: mount.listingVisibility }),
      ...(mount.identityTokenKey === "" ? {} : { identity_token_key: mount.identityTokenKey }),
    },
    plugin_version: "",
    running_plugin_version: runningVersion,
    running_sha256: "",
    deprecation_status: "supported",
  };
}

const runningVersion = "v1.19.5+builtin.vault";

function tuneShape(mount: Mount, { defaultSeconds, maxSeconds }: LeaseBounds): object {
  return {
    description: mount.description,
    default_lease_ttl: defaultSeconds,
    max_lease_ttl: maxSeconds,
    force_no_cache: false,
    ...(Object.keys(mount.options).length === 0 ? {} : { options: mount.options }),
    ...(mount.path.startsWith("auth/") ? { token_type: "default-service" } : {}),
    ...(mount.listingVisibility === "" ? {} : { listing_visibility: mount.listingVisibility }),
    ...(mount.identityTokenKey === "" ? {} : { identity_token_key: mount.identityTokenKey }),
  };
}

function argument(where: string, expected: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where, expected, kind: "argument", says });
}
