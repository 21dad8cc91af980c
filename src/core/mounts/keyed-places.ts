/**
 * Where keys live: the key `app/db` of the mount `secret` is the variable `secret/app/db` of the account, so both doors read and write one history. And what
 * the place says about its versions.
 */

import * as v from "valibot";
import { PosternError } from "../../model/failures";
import { type AccountName, accountOf, identifierOf, kindOf, makeId, type ResourceId, type RoleId } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { Change, Instant, SecretRules } from "../../model/types";
import type { Demand } from "../gate";
import type { Graph } from "../graph";
import type { Keeping } from "../secret-versions";
import type { Documents } from "./documents";
import { escapedName } from "./escaped-names";
import type { Mount, Mounts } from "./mounts";

/** A key as a path names it: `{ mount: "secret", key: "app/db" }`. */
export interface KeyRef {
  readonly mount: string;
  readonly key: string;
}

/** What a mount is set to for all its keys. */
export interface KeyedSettings {
  /** 0: what is usual. */
  readonly versionsKept: number;
  readonly casRequired: boolean;
  /** 0: no version is deleted by its age; below: not even where a key says so. */
  readonly deleteAfterSeconds: number;
}

export interface KeyedPlaces {
  account(graph: Graph): AccountName;
  /** The variable of a key, whether it is there or not. Throws `malformed` for a name that cannot be one. */
  idOf(graph: Graph, ref: KeyRef): ResourceId;
  /** The folder of a list: of `{ mount: "secret", key: "" }` the mount itself. */
  folderOf(graph: Graph, ref: KeyRef): ResourceId;
  branchOf(graph: Graph, mount: string): RoleId;
  /** Throws `not_found` when there is no such mount, or it keeps no keys. */
  assertMount(graph: Graph, path: string): void;
  settings(graph: Graph, mount: string): KeyedSettings;
  putSettings(graph: Graph, mount: string, settings: KeyedSettings, now: Instant): readonly Change[];
  removeSettings(graph: Graph, mount: string): readonly Change[];
  /** Of a variable in a mount; undefined for one that lives elsewhere. */
  keeping(graph: Graph, id: ResourceId): Keeping | undefined;
}

const Settings = v.object({ versionsKept: v.number(), casRequired: v.boolean(), deleteAfterSeconds: v.number() });
const usual: KeyedSettings = { versionsKept: 0, casRequired: false, deleteAfterSeconds: 0 };
const usualVersionsKept = 10;
const longestKeyBytes = 512;
const maxKnown = 4096;

export function createKeyedPlaces({ mounts, documents }: { readonly mounts: Mounts; readonly documents: Documents }): KeyedPlaces {
  const kind = documents.kind(Settings);
  /** What the most recent keys are called: their names are checked once. */
  const known = new Map<string, ResourceId>();
  const documentOf = (graph: Graph, mount: string): ResourceId =>
    makeId(mounts.account(graph), "configuration", `${identifierOf(settingsBranch(mounts.account(graph)))}/${mount}`);

  function settings(graph: Graph, mount: string): KeyedSettings {
    return kind.find(graph, documentOf(graph, mount)) ?? usual;
  }

  return {
    account: mounts.account,

    idOf(graph, { mount, key }) {
      const account = mounts.account(graph);
      // No name of any of the three has a line's end in it.
      const place = `${account}\n${mount}\n${key}`;
      const found = known.get(place);
      if (found !== undefined) return found;
      if (Buffer.byteLength(key) > longestKeyBytes) throw tooLong();
      const id = makeId(account, "variable", `${mount}/${escapedName(key)}`);
      if (known.size >= maxKnown) known.clear();
      known.set(place, id);
      return id;
    },

    folderOf: (graph, { mount, key }) => makeId(mounts.account(graph), "variable", key === "" ? mount : `${mount}/${escapedName(key)}`),

    branchOf: (graph, mount) => makeId(mounts.account(graph), "policy", mount),

    assertMount(graph, path) {
      const mount = mounts.find(graph, path);
      if (mount?.path === path && mount.type === keyed) return;
      throw new PosternError({ code: "not_found", target: path, because: "no_mount" });
    },

    settings,

    putSettings(graph, mount, next, now) {
      const place = { id: documentOf(graph, mount), branch: settingsBranch(mounts.account(graph)) };
      return documents.put(graph, place, next, now);
    },

    removeSettings: (graph, mount) => documents.remove(graph, documentOf(graph, mount)),

    keeping(graph, id) {
      if (kindOf(id) !== "variable" || !mounts.answersFor(graph, accountOf(id))) return undefined;
      const mount = mounts.find(graph, identifierOf(id));
      if (mount?.type !== keyed) return undefined;
      if (!isVersioned(mount)) return { versionsKept: 1, casRequired: false, isReplacing: true };
      return keepingBy(settings(graph, mount.path), graph.secretRules(id));
    },
  };
}

/** Rules that were written for keys without versions miss those that have some, by the one segment between mount and key. */
export function mistakenFor({ path }: PathAccess, { mount, key }: KeyRef): Pick<Demand, "mistakenFor"> {
  const tail = path.endsWith("/") && key !== "" ? `${key}/` : key;
  const without = `${mount}/${tail}`;
  if (path === without) return {};
  const segment = path.slice(mount.length + 1, path.length - tail.length);
  const hint = `the policies of this token allow "${without}" and not "${path}": in a versioned K/V secrets engine, paths in policies need "${segment}" after the mount`;
  return { mistakenFor: { path: without, hint } };
}

/** The type of mounts that keep keys. */
export const keyed = "kv";

export const isVersioned = ({ options }: Pick<Mount, "options">): boolean => options.version === "2";

/** What holds of a key: the greater number, either's demand, the shorter time. */
function keepingBy(mount: KeyedSettings, key: SecretRules | undefined): Keeping {
  const versionsKept = Math.max(mount.versionsKept, key?.versionsKept ?? 0) || usualVersionsKept;
  const casRequired = mount.casRequired || key?.casRequired === true;
  const times = [mount.deleteAfterSeconds, key?.deleteAfterSeconds ?? 0].filter((seconds) => seconds > 0);
  if (mount.deleteAfterSeconds < 0 || times.length === 0) return { versionsKept, casRequired };
  return { versionsKept, casRequired, deleteAfterSeconds: Math.min(...times) };
}

/** Apart from the configurations of methods, which may be called as a mount is. */
const settingsBranch = (account: AccountName): RoleId => makeId(account, "policy", "vault/settings");

function tooLong(): PosternError {
  const says = `a key is at most ${longestKeyBytes} bytes`;
  return new PosternError({ code: "malformed", where: "path", expected: says, kind: "argument", says });
}
