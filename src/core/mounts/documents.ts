/**
 * Documents: what a mount, a method or a policy by path is set to, as one JSON text that is sealed like any secret and belongs to a resource of the graph.
 *
 * So they have the one write path, the one history and the one seal, and whoever may see them is a question to the graph. Only the newest version is kept.
 */

import * as v from "valibot";
import { PosternError } from "../../model/failures";
import { accountOf, identifierOf, isRoleId, makeId, type ResourceId, type RoleId } from "../../model/ids";
import type { Store } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import type { Change, Instant, Revision } from "../../model/types";
import { administratorOf } from "../administrator";
import type { Graph } from "../graph";
import { byText } from "../sorted-page";

/** What one kind of documents says. */
export interface DocumentKind<Value> {
  /** Undefined when there is none. The same object until it changes; not to be altered. Throws `integrity`. */
  find(graph: Graph, id: ResourceId): Value | undefined;
}

export interface Documents {
  /** A kind of documents, by what they must look like. Made once for each kind: it remembers what it read. */
  kind<Value>(schema: v.GenericSchema<unknown, Value>): DocumentKind<Value>;
  /** The changes that make `value` the document, and the resource itself below its branch where there is none yet. */
  put(graph: Graph, place: DocumentPlace, value: object, now: Instant): readonly Change[];
  /** The changes that remove the resource with its document; none when it is not there. */
  remove(graph: Graph, id: ResourceId): readonly Change[];
}

export interface DocumentPlace {
  readonly id: ResourceId;
  /** The branch that owns it: `acme:policy:vault/policy`. Made, with those above it, when it is not there. */
  readonly branch: RoleId;
}

interface Remembered<Value> {
  readonly version: number;
  readonly revision: Revision;
  readonly value: Value;
}

/** Documents are what administrators wrote, and some are walked over: a few more than are remembered would all be opened each time. */
const maxRemembered = 100_000;

export function createDocuments(store: Pick<Store, "secretValue">): Documents {
  return {
    kind(schema) {
      const remembered = new Map<ResourceId, Remembered<v.InferOutput<typeof schema>>>();
      return {
        find(graph, id) {
          const newest = graph.secretVersions(id).at(-1);
          if (newest === undefined) return undefined;
          const { version, revision } = newest;
          const known = remembered.get(id);
          if (known?.version === version && known.revision === revision) return known.value;
          const text = store.secretValue(id, version);
          if (text === undefined) return undefined;
          const value = understood(schema, text, id);
          if (remembered.size >= maxRemembered) remembered.clear();
          remembered.set(id, { version, revision, value });
          return value;
        },
      };
    },

    put(graph, { id, branch }, value, now) {
      const versions = graph.secretVersions(id);
      const made = graph.resource(id) === undefined ? [...branchChanges(graph, branch, now), ...newResource(id, branch, now)] : [];
      return [
        ...made,
        {
          type: "put_secret_version",
          resource: id,
          version: (versions.at(-1)?.version ?? 0) + 1,
          createdAt: now,
          value: SecretBytes.ofText(JSON.stringify(value)),
        },
        ...versions.map(({ version }): Change => ({ type: "remove_secret_version", resource: id, version })),
      ];
    },

    remove: (graph, id) => (graph.resource(id) === undefined ? [] : [{ type: "remove_resource", id }]),
  };
}

/** Last parts of the names of what a branch owns, sorted: of `acme:policy:vault/policy` → `app`, `db`. Each name once. */
export function namesIn(graph: Graph, branch: RoleId): readonly string[] {
  const prefix = `${identifierOf(branch)}/`;
  const names = new Set<string>();
  for (const id of graph.ownedBy(branch)) if (identifierOf(id).startsWith(prefix)) names.add(identifierOf(id).slice(prefix.length));
  return [...names].sort(byText);
}

/** What makes a branch and all above it that are not there: `acme:policy:vault/policy` → also `acme:policy:vault`. */
export function branchChanges(graph: Graph, branch: RoleId, now: Instant): readonly Change[] {
  const account = accountOf(branch);
  const segments = identifierOf(branch).split("/");
  let owner = administratorOf(account);
  return segments.flatMap((_, index) => {
    const id = makeId(account, "policy", segments.slice(0, index + 1).join("/"));
    const changes = graph.resource(id) === undefined ? newResource(id, owner, now) : [];
    owner = id;
    return changes;
  });
}

/** A resource nobody has declared, with the grant that owning a role brings. */
export function newResource(id: ResourceId, owner: RoleId, now: Instant): readonly Change[] {
  const resource: Change = { type: "put_resource", resource: { id, owner, createdAt: now } };
  return isRoleId(id)
    ? [resource, { type: "put_grant", grant: { role: id, member: owner, adminOption: true, ownership: true } }]
    : [resource];
}

function understood<Value>(schema: v.GenericSchema<unknown, Value>, text: SecretBytes, id: ResourceId): Value {
  const parsed = v.safeParse(schema, JSON.parse(Buffer.from(text.reveal()).toString("utf8")));
  if (parsed.success) return parsed.output;
  throw new PosternError({ code: "integrity", what: `the document of ${id}`, because: "document_shape" });
}
