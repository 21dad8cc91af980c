/** What is known of keys beside their values: their versions, the rules each was given, which of them lie in a folder, and what holds for a mount as a whole. */

import { PosternError } from "../../model/failures";
import { accountOf, identifierOf, makeId, type ResourceId } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { Caller, Change, Instant, SecretRules } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import type { Projection } from "../projection";
import { createPace } from "../slices";
import { byText, type Order, sortedPage } from "../sorted-page";
import { branchChanges, newResource } from "./documents";
import { nameOfSegment } from "./escaped-names";
import { type KeyedPlaces, type KeyedSettings, type KeyRef, mistakenFor } from "./keyed-places";
import { existsIn, type KeyedVersion, shownVersion } from "./keyed-secrets";

export type { KeyedSettings } from "./keyed-places";

/** A key with all that is known of its versions, oldest first. */
export interface KeyedView {
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
  /** 0: it has rules and no version yet. */
  readonly currentVersion: number;
  /** 0: no version had to make room yet. */
  readonly oldestVersion: number;
  readonly versions: readonly KeyedVersion[];
  readonly rules: Pick<SecretRules, "versionsKept" | "casRequired" | "deleteAfterSeconds" | "customMetadata">;
}

/** One name of a list, with what it is a name of; a folder has no view, and what the caller may not be shown has none either. */
export interface KeyedListing {
  readonly name: string;
  readonly view?: KeyedView;
}

/** What is to change of a key's rules; absent members stay. 0 and `false` leave it to the mount. */
export interface KeyedRules {
  readonly versionsKept?: number;
  readonly casRequired?: boolean;
  readonly deleteAfterSeconds?: number;
  /** Takes the place of the notes there are; `null`: of which none are to remain. */
  readonly customMetadata?: Readonly<Record<string, string>> | null;
  /** Lays these over them; `null` removes one. */
  readonly customMetadataPatch?: Readonly<Record<string, string | null>>;
}

export interface KeyedMetadataOperations {
  /** Throws `not_found`. */
  show(caller: Caller, access: PathAccess, ref: KeyRef): Promise<KeyedView>;
  /** Makes a key without versions where there is none, or, where it must be there, throws `not_found`. Tells whether writes must name the version they follow. */
  setRules(
    caller: Caller,
    access: PathAccess,
    ref: KeyRef,
    rules: KeyedRules & { readonly mustExist: boolean },
  ): Promise<{ readonly casRequired: boolean }>;
  /** Removes the key with all its versions. Does nothing where there is none. */
  remove(caller: Caller, access: PathAccess, ref: KeyRef): Promise<void>;
  /** What lies in a folder, sorted by bytes, folders with a slash at the end. `key` is the folder; empty: the mount itself. */
  list(caller: Caller, access: PathAccess, ref: KeyRef): Promise<readonly string[]>;
  /** The same with all that is known of each key that the caller could be shown alone, by `accessTo`; of folders nothing. */
  listWithViews(caller: Caller, access: PathAccess, ref: KeyRef, accessTo: (key: string) => PathAccess): Promise<readonly KeyedListing[]>;
  settings(caller: Caller, access: PathAccess, mount: string): Promise<KeyedSettings>;
  setSettings(caller: Caller, access: PathAccess, mount: string, settings: Partial<KeyedSettings>): Promise<void>;
}

/** Of one key, however many requests they came with. */
const mostNotes = 64;

export interface KeyedMetadataDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly places: KeyedPlaces;
}

export function createKeyedMetadata({ projection, gate, places }: KeyedMetadataDeps): KeyedMetadataOperations {
  const present = projection.graph;

  function ruleChanges(graph: Graph, { mount, key }: KeyRef, change: KeyedRules, now: Instant): readonly Change[] {
    const id = places.idOf(graph, { mount, key });
    const branch = places.branchOf(graph, mount);
    const made = graph.resource(id) === undefined ? [...branchChanges(graph, branch, now), ...newResource(id, branch, now)] : [];
    const rules = rulesAfter(id, graph.secretRules(id), change, { createdAt: existsIn(graph, id) ? createdAt(graph, id) : now, now });
    return [...made, { type: "put_secret_rules", rules }];
  }

  return {
    show: (caller, access, ref) =>
      gate.release(
        caller,
        { operation: "secret.metadata.show", access, resource: places.idOf(present(), ref), ...mistakenFor(access, ref) },
        (graph) => {
          places.assertMount(graph, ref.mount);
          const id = places.idOf(graph, ref);
          if (!existsIn(graph, id)) throw new PosternError({ code: "not_found", target: id, because: "no_value" });
          return viewOf(graph, id, places.keeping(graph, id)?.versionsKept ?? 0);
        },
      ),

    setRules(caller, access, ref, { mustExist, ...change }) {
      const { now } = caller.context;
      const id = places.idOf(present(), ref);
      const exists = (graph: Graph): boolean => existsIn(graph, id);
      return gate.change(caller, { operation: "secret.metadata.write", access, resource: id, exists }, () =>
        projection.write(places.account(present()), now, (graph) => {
          places.assertMount(graph, ref.mount);
          if (mustExist && !exists(graph)) throw new PosternError({ code: "not_found", target: id, because: "no_value" });
          if (access.action === "write" && !gate.allowsPath(caller, access, exists(graph)))
            throw new PosternError({ code: "forbidden", because: "changed_meanwhile" });
          const changes = Object.keys(change).length === 0 ? [] : ruleChanges(graph, ref, change, now);
          return { changes, result: { casRequired: places.settings(graph, ref.mount).casRequired } };
        }),
      );
    },

    remove(caller, access, ref) {
      const { now } = caller.context;
      const id = places.idOf(present(), ref);
      return gate.change(caller, { operation: "secret.remove", access, resource: id }, () =>
        projection.write(places.account(present()), now, (graph) => {
          places.assertMount(graph, ref.mount);
          return { changes: removalOf(graph, id), result: undefined };
        }),
      );
    },

    list: (caller, access, ref) =>
      gate.release(caller, { operation: "secret.list", access, ...mistakenFor(access, ref) }, async (graph) => {
        places.assertMount(graph, ref.mount);
        const { items } = await sortedPage(namesIn(graph, places.folderOf(graph, ref)), { order: byBytes });
        return items;
      }),

    listWithViews: (caller, access, ref, accessTo) =>
      gate.release(caller, { operation: "secret.list", access }, async (graph) => {
        places.assertMount(graph, ref.mount);
        const { items } = await sortedPage(namesIn(graph, places.folderOf(graph, ref)), { order: byBytes });
        const pace = createPace();
        const listed: KeyedListing[] = [];
        for (const name of items) {
          await pace();
          const key = ref.key === "" ? name : `${ref.key}/${name}`;
          const isTold = !name.endsWith("/") && gate.allowsPath(caller, accessTo(key), true);
          const id = isTold ? places.idOf(graph, { mount: ref.mount, key }) : undefined;
          listed.push(id === undefined ? { name } : { name, view: viewOf(graph, id, places.keeping(graph, id)?.versionsKept ?? 0) });
        }
        return listed;
      }),

    settings: (caller, access, mount) =>
      gate.release(caller, { operation: "mount.settings.show", access }, (graph) => {
        places.assertMount(graph, mount);
        return places.settings(graph, mount);
      }),

    setSettings(caller, access, mount, change) {
      const { now } = caller.context;
      return gate.change(caller, { operation: "mount.settings.write", access }, () =>
        projection.write(places.account(present()), now, (graph) => {
          places.assertMount(graph, mount);
          return { changes: places.putSettings(graph, mount, { ...places.settings(graph, mount), ...change }, now), result: undefined };
        }),
      );
    },
  };
}

/** The changes that remove everything kept below a mount, and what it is set to. There may be very many keys, so others are served in between. */
export async function removalOfMount(graph: Graph, mount: string, places: KeyedPlaces): Promise<readonly Change[]> {
  const pace = createPace();
  const changes: Change[] = [];
  const folders = [places.folderOf(graph, { mount, key: "" })];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const { name, isFolder } of graph.folder(folder)) {
      const child = childOf(folder, name);
      if (isFolder) folders.push(child);
      else changes.push(...removalOf(graph, child));
      await pace();
    }
  }
  changes.push(...places.removeSettings(graph, mount));
  return changes;
}

const childOf = (folder: ResourceId, name: string): ResourceId => makeId(accountOf(folder), "variable", `${identifierOf(folder)}/${name}`);

/** Refuses a mount over what is kept there already: whoever may mount is not for that reason somebody who may read it. */
export function assertNothingBelow(graph: Graph, mount: string, places: KeyedPlaces): void {
  if (isEmpty(graph.folder(places.folderOf(graph, { mount, key: "" })))) return;
  const says = `variables with values are already kept below ${mount}/`;
  throw new PosternError({ code: "conflict", what: mount, because: "path_in_use", says });
}

/** A variable that a policy declares, or speaks of, stays as one without a value: who may use it was not this door's to say. */
function removalOf(graph: Graph, id: ResourceId): readonly Change[] {
  const resource = graph.resource(id);
  if (resource === undefined || !existsIn(graph, id)) return [];
  const isSpokenOf = resource.policy !== undefined || !isEmpty(graph.permitsOn(id)) || !isEmpty(graph.annotations(id));
  if (!isSpokenOf) return [{ type: "remove_resource", id }];
  return [
    ...graph.secretVersions(id).map(({ version }): Change => ({ type: "remove_secret_version", resource: id, version })),
    { type: "remove_secret_rules", resource: id },
  ];
}

function isEmpty(some: Iterable<unknown>): boolean {
  for (const _ of some) return false;
  return true;
}

function viewOf(graph: Graph, id: ResourceId, versionsKept: number): KeyedView {
  const versions = graph.secretVersions(id);
  const { versionsKept: own, casRequired, deleteAfterSeconds, customMetadata, updatedAt } = graph.secretRules(id) ?? {};
  const newest = versions.at(-1);
  const currentVersion = newest?.version ?? 0;
  return {
    createdAt: createdAt(graph, id),
    updatedAt: Math.max(updatedAt ?? 0, newest?.createdAt ?? 0),
    currentVersion,
    oldestVersion: currentVersion >= versionsKept || (versions[0]?.version ?? 0) > 1 ? (versions[0]?.version ?? 0) : 0,
    versions: versions.map((each) => shownVersion(graph, each)),
    rules: {
      ...(own === undefined ? {} : { versionsKept: own }),
      ...(casRequired === undefined ? {} : { casRequired }),
      ...(deleteAfterSeconds === undefined ? {} : { deleteAfterSeconds }),
      ...(customMetadata === undefined ? {} : { customMetadata }),
    },
  };
}

const createdAt = (graph: Graph, id: ResourceId): Instant =>
  graph.secretRules(id)?.createdAt ?? graph.resource(id)?.createdAt ?? graph.secretVersions(id)[0]?.createdAt ?? 0;

function rulesAfter(
  resource: ResourceId,
  before: SecretRules | undefined,
  change: KeyedRules,
  { createdAt: since, now }: { readonly createdAt: Instant; readonly now: Instant },
): SecretRules {
  const versionsKept = change.versionsKept ?? before?.versionsKept ?? 0;
  const casRequired = change.casRequired ?? before?.casRequired ?? false;
  const deleteAfterSeconds = change.deleteAfterSeconds ?? before?.deleteAfterSeconds ?? 0;
  const customMetadata = metadataAfter(before?.customMetadata, change);
  return {
    resource,
    createdAt: since,
    updatedAt: now,
    ...(versionsKept === 0 ? {} : { versionsKept }),
    ...(casRequired ? { casRequired } : {}),
    ...(deleteAfterSeconds === 0 ? {} : { deleteAfterSeconds }),
    ...(customMetadata === undefined ? {} : { customMetadata }),
  };
}

function metadataAfter(before: SecretRules["customMetadata"], change: KeyedRules): SecretRules["customMetadata"] {
  const members = new Map(Object.entries((change.customMetadata === undefined ? before : change.customMetadata) ?? {}));
  for (const [name, value] of Object.entries(change.customMetadataPatch ?? {})) {
    if (value === null) members.delete(name);
    else members.set(name, value);
  }
  if (members.size > mostNotes) throw tooManyNotes(members.size);
  return members.size === 0 ? undefined : Object.fromEntries(members);
}

function tooManyNotes(count: number): PosternError {
  const says = `custom_metadata validation failed: payload must contain at most ${mostNotes} keys, provided ${count}`;
  return new PosternError({
    code: "malformed",
    where: "custom_metadata",
    expected: `at most ${mostNotes} members`,
    kind: "argument",
    says,
  });
}

function* namesIn(graph: Graph, folder: string): Generator<string> {
  for (const { name, isFolder } of graph.folder(folder)) {
    // An identifier that no path leads to is no key.
    const named = nameOfSegment(name);
    if (named !== undefined) yield isFolder ? `${named}/` : named;
  }
}

const surrogate = /[\uD800-\uDFFF]/;

/** As UTF-8, whose order is that of the texts themselves unless there is a surrogate in one. */
export const byBytes: Order<string> = (left, right) =>
  surrogate.test(left) || surrogate.test(right) ? Buffer.compare(Buffer.from(left), Buffer.from(right)) : byText(left, right);
