/**
 * The graph of a branch as policy text: what would have to be loaded to make it what it is, however it came to be. Without values, keys and public keys.
 *
 * A record stands in the nearest policy above it; a grant in that of its role, a permit in that of its resource. Owners, members and permitted roles are
 * written absolutely where they lie elsewhere. Loaded at the place it was fetched from, into an empty account, the text gives the same graph.
 * Source of the order and of what is left out: Conjur 5.3.1, app/domain/effective_policy.
 */

import { PosternError } from "../../model/failures";
import { accountOf, identifierOf, isRoleId, type Kind, kindOf, makeId, type ResourceId, type RoleId } from "../../model/ids";
import type { Permit, Resource } from "../../model/types";
import type { Graph } from "../graph";
import { createPace } from "../slices";
import type { PolicyMapping, PolicyNode, PolicyTag } from "./document";

export interface EffectiveOptions {
  /** How many levels of policies below the fetched one are opened; deeper ones are declared without their body. */
  readonly depth: number;
  /** Most records; more throw `malformed` (kind `argument`, where `limit`). */
  readonly limit: number;
  /** What is left out because its reader does not see it. */
  readonly isVisible: (id: ResourceId) => boolean;
}

/** Kinds in the order of a body. */
const bodyOrder: readonly Kind[] = ["user", "policy", "variable", "webservice", "host", "layer", "host_factory", "group"];

/** So many take some ten milliseconds. */
const recordsPerSlice = 500;

/** Attributes that are kept as annotations. */
const attributes: ReadonlyMap<string, string> = new Map([
  ["conjur/kind", "kind"],
  ["conjur/mime_type", "mime_type"],
  ["conjur/uidnumber", "uidnumber"],
  ["conjur/gidnumber", "gidnumber"],
]);

/** The statements of the root policy, or one `!policy` for any other branch. Large branches are told in slices. */
export async function effectiveStatements(graph: Graph, policy: RoleId, options: EffectiveOptions): Promise<readonly PolicyTag[]> {
  const account = accountOf(policy);
  const root = makeId(account, "policy", "root");
  const pace = createPace(recordsPerSlice);
  const all: Resource[] = [];
  for (const resource of graph.resources(account)) {
    await pace();
    const { id, owner } = resource;
    // The account's administrator, who owns itself, comes with the account and not by policy.
    if (bodyOrder.includes(kindOf(id)) && owner !== id && (id === policy || options.isVisible(id))) all.push(resource);
  }
  const places = createPlaces(all, root);
  const inBranch: Resource[] = [];
  for (const resource of all) {
    await pace();
    if (resource.id !== root && places.isWithin(resource.id, policy)) inBranch.push(resource);
  }
  if (inBranch.length > options.limit)
    throw new PosternError({
      code: "malformed",
      where: "limit",
      expected: `at most ${options.limit}`,
      kind: "argument",
      because: "policy_limit",
    });
  const byPolicy = Map.groupBy(inBranch, ({ id }) => places.policyOf(id));

  async function bodyOf(parent: RoleId, depth: number): Promise<readonly PolicyTag[]> {
    const records = sortedByKindAndId(byPolicy.get(parent) ?? []);
    const printed: PolicyTag[] = [];
    const grants: PolicyTag[] = [];
    const permits: PolicyTag[] = [];
    for (const record of records) {
      await pace();
      printed.push(await recordTag(record, parent, depth));
      grants.push(...grantsOf(record.id, parent));
      permits.push(...permitsOf(record.id, parent));
    }
    return printed.concat(grants, permits);
  }

  async function recordTag({ id, owner }: Resource, parent: RoleId, depth: number): Promise<PolicyTag> {
    const kind = kindOf(id);
    const defaultOwner = parent === root ? graph.resource(root)?.owner : parent;
    const members = new Map<string, PolicyNode>([["id", places.relative(id, parent)]]);
    if (owner !== defaultOwner) members.set("owner", absolute(owner));
    const layers = kind === "host_factory" && isRoleId(id) ? layersOf(id) : [];
    if (layers.length > 0)
      members.set(
        "layers",
        layers.map((layer) => reference(layer, parent)),
      );
    addAnnotations(members, id);
    const networks = isRoleId(id) ? (graph.restriction(id)?.networks ?? []) : [];
    if (networks.length > 0) members.set("restricted_to", [...networks].sort());
    if (kind === "policy" && isRoleId(id) && depth > 0) {
      const body = await bodyOf(id, depth - 1);
      if (body.length > 0) members.set("body", body);
    }
    return { tag: tagOf(kind), value: members };
  }

  function addAnnotations(members: Map<string, PolicyNode>, id: ResourceId): void {
    const annotations = [...graph.annotations(id)].sort((left, right) => (left.name < right.name ? -1 : 1));
    for (const { name, value } of annotations) {
      const attribute = attributes.get(name);
      if (attribute !== undefined) members.set(attribute, value);
    }
    const others: PolicyMapping = new Map(annotations.filter(({ name }) => !attributes.has(name)).map(({ name, value }) => [name, value]));
    if (others.size > 0) members.set("annotations", others);
  }

  function layersOf(factory: RoleId): readonly RoleId[] {
    const layers = [...graph.memberships(factory)].map(({ role }) => role).filter((role) => kindOf(role) === "layer");
    return layers.filter((layer) => places.policyOf(layer) === places.policyOf(factory)).sort();
  }

  /** Memberships in the role, but those that owners have by owning and factories by their layers. */
  function grantsOf(id: ResourceId, parent: RoleId): readonly PolicyTag[] {
    if (!isRoleId(id)) return [];
    const granted = [...graph.members(id)].filter(
      ({ member, ownership }) =>
        !ownership && options.isVisible(member) && !(kindOf(member) === "host_factory" && layersOf(member).includes(id)),
    );
    if (granted.length === 0) return [];
    const role = reference(id, parent);
    const members = granted
      .sort((left, right) => (left.member < right.member ? -1 : 1))
      .map(({ member, adminOption }): PolicyNode => {
        const named = reference(member, parent);
        return adminOption
          ? {
              tag: "member",
              value: new Map<string, PolicyNode>([
                ["role", named],
                ["admin", "true"],
              ]),
            }
          : named;
      });
    return [
      {
        tag: "grant",
        value: new Map<string, PolicyNode>([
          ["role", role],
          ["members", members],
        ]),
      },
    ];
  }

  function permitsOf(id: ResourceId, parent: RoleId): readonly PolicyTag[] {
    const byRole = Map.groupBy(
      [...graph.permitsOn(id)].filter(({ role }) => options.isVisible(role)),
      (permit: Permit) => permit.role,
    );
    return [...byRole]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([role, permits]) => ({
        tag: "permit",
        value: new Map<string, PolicyNode>([
          ["role", reference(role, parent)],
          ["privileges", permits.map(({ privilege }) => privilege).sort()],
          ["resource", reference(id, parent)],
        ]),
      }));
  }

  function reference(id: ResourceId, from: RoleId): PolicyTag {
    return places.policyOf(id) === from ? { tag: tagOf(kindOf(id)), value: places.relative(id, from) } : absolute(id);
  }

  if (policy === root) return bodyOf(root, options.depth);
  const record = graph.resource(policy);
  if (record === undefined) throw new PosternError({ code: "not_found", target: policy });
  return [await recordTag(record, places.policyOf(policy), options.depth + 1)];
}

function absolute(id: ResourceId): PolicyTag {
  return { tag: tagOf(kindOf(id)), value: `/${identifierOf(id)}` };
}

const tagOf = (kind: Kind): string => kind.replace("_", "-");

function sortedByKindAndId(records: readonly Resource[]): readonly Resource[] {
  const byKind = Map.groupBy(records, ({ id }) => kindOf(id));
  return bodyOrder.flatMap((kind) => (byKind.get(kind) ?? []).sort((left, right) => (left.id < right.id ? -1 : 1)));
}

interface Places {
  /** The nearest policy above a record; the root policy when there is none. */
  policyOf(id: ResourceId): RoleId;
  /** The id as a text in that policy writes it. */
  relative(id: ResourceId, policy: RoleId): string;
  isWithin(id: ResourceId, policy: RoleId): boolean;
}

/** Where records stand: by the path in their names, and users by what follows their last `@`, in which a policy's slashes are dashes. */
function createPlaces(all: readonly Resource[], root: RoleId): Places {
  const policies = new Map<string, RoleId>();
  const suffixes = new Map<string, RoleId>();
  for (const { id } of all) {
    if (!isRoleId(id) || kindOf(id) !== "policy" || id === root) continue;
    policies.set(identifierOf(id), id);
    suffixes.set(identifierOf(id).replaceAll("/", "-"), id);
  }

  function policyOf(id: ResourceId): RoleId {
    const identifier = identifierOf(id);
    if (kindOf(id) === "user") {
      for (let at = identifier.indexOf("@"); at >= 0; at = identifier.indexOf("@", at + 1)) {
        const found = suffixes.get(identifier.slice(at + 1));
        if (found !== undefined && at > 0) return found;
      }
      return root;
    }
    for (let end = identifier.lastIndexOf("/"); end > 0; end = identifier.lastIndexOf("/", end - 1)) {
      const found = policies.get(identifier.slice(0, end));
      if (found !== undefined) return found;
    }
    return root;
  }

  return {
    policyOf,
    relative(id, policy) {
      const identifier = identifierOf(id);
      if (policy === root) return identifier;
      if (kindOf(id) === "user") return identifier.slice(0, -(identifierOf(policy).length + 1));
      return identifier.slice(identifierOf(policy).length + 1);
    },
    isWithin(id, policy) {
      for (let each = id; ; each = policyOf(each)) {
        if (each === policy) return true;
        if (each === root) return policy === root;
      }
    },
  };
}
