/**
 * Branches and the members of groups, in version 2 of the interface.
 *
 * Whoever may not do something with a branch is told that there is none. Limits of names are the interface's own, narrower than what a policy may say.
 * Source: Conjur 5.3.1, app/controllers/branches_controller.rb and group_memberships_controller.rb, app/domain/validation.rb; conjur-api-go 0.15,
 * branch_v2.go and group_membership_v2.go.
 */

import * as v from "valibot";
import type { BranchView, Broker } from "../../core/broker";
import { PosternError } from "../../model/failures";
import { type AccountName, identifierOf, kindOf, type ResourceId, type RoleId } from "../../model/ids";
import { decodeOnce } from "../form";
import { type FailureTable, print } from "../front";
import type { ConjurApp } from "./access";
import { accountName, noRoute, roleId } from "./names";
import {
  AnnotationsMember,
  beginVersionTwo,
  branchMissing,
  IdMember,
  NameMember,
  OwnerMember,
  versionTwoBody,
  versionTwoFailures,
  versionTwoPage,
  versionTwoProblem,
  versionTwoWire,
} from "./v2";
import { empty } from "./wire";

const deepest = 15;
const longestPath = 950;
const memberKinds = ["user", "host", "group"] as const;

const Path = v.pipe(
  v.string(),
  v.regex(/^(?:\/|\/?[A-Za-z0-9_-]+(?:\/[A-Za-z0-9_-]+)*)$/, "a path of letters, digits, '-' and '_'"),
  v.maxLength(longestPath, `at most ${longestPath} characters`),
  v.check((path) => path.split("/").length <= deepest, `at most ${deepest} levels deep`),
);
const optional = {
  owner: v.optional(OwnerMember),
  annotations: v.optional(AnnotationsMember),
};
const NewBranch = v.strictObject({ name: NameMember, branch: Path, ...optional });
// Earlier Go clients send the whole branch, and its path in the place of the branch above.
const ChangedBranch = v.strictObject({ name: v.optional(NameMember), branch: v.optional(Path), ...optional });
const Member = v.strictObject({ kind: v.picklist(memberKinds), id: IdMember });

export function addBranches(app: ConjurApp, broker: Broker): void {
  app.post("/branches/:account", async (c) => {
    const caller = beginVersionTwo(c);
    const account = accountName(c.req.param("account"));
    const { name, branch, owner, annotations } = await versionTwoBody(c, NewBranch);
    const parent = branchId(account, branch);
    if (depthOf(parent) + 1 > deepest) throw tooDeep();
    c.set("failures", branchFailures(parent));
    const request = { parent, name, ...ownerIn(account, owner), annotations: mapOf(annotations) };
    return print(versionTwoWire(201, branchJson(await broker.createBranch(caller, request))));
  });

  app.get("/branches/:account", async (c) => {
    const caller = beginVersionTwo(c);
    const account = accountName(c.req.param("account"));
    const { limit, offset } = versionTwoPage(c.req.url);
    const { items, total } = await broker.listBranches(caller, { account, limit, offset });
    return print(versionTwoWire(200, { branches: items.map(branchJson), count: total }));
  });

  app.get("/branches/:account/:id{.+}", async (c) => {
    const caller = beginVersionTwo(c);
    const branch = branchIn(c.req.param());
    c.set("failures", branchFailures(branch));
    return print(versionTwoWire(200, branchJson(await broker.showBranch(caller, branch))));
  });

  app.patch("/branches/:account/:id{.+}", async (c) => {
    const caller = beginVersionTwo(c);
    const account = accountName(c.req.param("account"));
    const branch = branchIn(c.req.param());
    const { name, branch: path, owner, annotations } = await versionTwoBody(c, ChangedBranch);
    assertSame(branch, name, path);
    c.set("failures", branchFailures(branch));
    const change = { ...ownerIn(account, owner), annotations: mapOf(annotations) };
    return print(versionTwoWire(200, branchJson(await broker.updateBranch(caller, branch, change))));
  });

  app.delete("/branches/:account/:id{.+}", async (c) => {
    const caller = beginVersionTwo(c);
    const branch = branchIn(c.req.param());
    c.set("failures", branchFailures(branch));
    await broker.removeBranch(caller, branch);
    return print(empty(204));
  });

  // A group's name may have slashes of its own, as they are or escaped, so the router cannot take the path apart.
  app.post("/groups/:account/:rest{.+}", async (c) => {
    const caller = beginVersionTwo(c, memberFailures);
    const account = accountName(c.req.param("account"));
    const { group } = memberPath(c.req.path, /^\/groups\/[^/]+\/(?<group>.+)\/members$/);
    const { kind, id } = await versionTwoBody(c, Member);
    await broker.addGroupMember(caller, roleId(account, "group", group), roleId(account, kind, id));
    return print(versionTwoWire(201, { kind, id }));
  });

  app.delete("/groups/:account/:rest{.+}", async (c) => {
    const caller = beginVersionTwo(c, memberFailures);
    const account = accountName(c.req.param("account"));
    const { group, kind, id } = memberPath(c.req.path, /^\/groups\/[^/]+\/(?<group>.+?)\/members\/(?<kind>[^/]+)\/(?<id>.+)$/);
    const known = memberKinds.find((each) => each === kind);
    if (known === undefined) throw argument("kind", memberKinds.join(", "));
    await broker.removeGroupMember(caller, roleId(account, "group", group), roleId(account, known, id));
    return print(empty(204));
  });
}

/** The root goes by several names, and a path may begin at it. */
function branchId(account: AccountName, path: string): RoleId {
  const relative = path.startsWith("/") ? path.slice(1) : path;
  return roleId(account, "policy", relative === "" ? "root" : relative);
}

function branchIn(path: { readonly account: string; readonly id: string }): RoleId {
  return branchId(accountName(path.account), path.id);
}

function depthOf(branch: RoleId): number {
  return identifierOf(branch) === "root" ? 0 : identifierOf(branch).split("/").length;
}

function tooDeep(): PosternError {
  return argument("branch", `at most ${deepest} levels deep with what is made in it`);
}

/** A branch is not renamed or moved: what the body says of its name must be what it is. */
function assertSame(branch: RoleId, name: string | undefined, path: string | undefined): void {
  const { name: ownName, branch: above } = nameParts(branch);
  const given = path?.replace(/^\//, "") ?? "";
  if (path !== undefined && ![identifierOf(branch), above.replace(/^\//, "")].includes(given))
    throw argument("branch", "that of the branch");
  if (name !== undefined && name !== ownName) throw argument("name", "that of the branch");
}

function ownerIn(account: AccountName, owner: v.InferOutput<typeof OwnerMember> | undefined): { readonly owner?: RoleId } {
  return owner === undefined ? {} : { owner: roleId(account, owner.kind, owner.id) };
}

function mapOf(annotations: Readonly<Record<string, string>> | undefined): ReadonlyMap<string, string> {
  return new Map(Object.entries(annotations ?? {}));
}

function memberPath(path: string, pattern: RegExp): { readonly group: string; readonly kind: string; readonly id: string } {
  const found = pattern.exec(path)?.groups;
  if (found === undefined) throw noRoute();
  const part = (name: string): string => decodeOnce(found[name] ?? "", name);
  return { group: part("group"), kind: part("kind"), id: part("id") };
}

function nameParts(id: ResourceId): { readonly name: string; readonly branch: string } {
  const identifier = identifierOf(id);
  const slash = identifier.lastIndexOf("/");
  return slash < 0 ? { name: identifier, branch: "/" } : { name: identifier.slice(slash + 1), branch: identifier.slice(0, slash) };
}

function branchJson({ id, owner, annotations }: BranchView): Readonly<Record<string, unknown>> {
  return {
    ...nameParts(id),
    owner: { kind: kindOf(owner), id: identifierOf(owner) },
    annotations: Object.fromEntries(annotations.map(({ name, value }) => [name, value])),
  };
}

/** While something is done with a branch: who may not does not learn that it is there. */
function branchFailures(branch: RoleId): FailureTable {
  return { ...versionTwoFailures, forbidden: () => branchMissing(branch) };
}

const memberFailures: FailureTable = {
  ...versionTwoFailures,
  exists: ({ target }) => versionTwoProblem(409, `CONJ00180W ${target} is a member of the group already`),
};

function argument(where: string, expected: string): PosternError {
  return new PosternError({ code: "malformed", where, expected, kind: "argument" });
}
