/**
 * Mounts: what answers below which path of an account, and with which settings. Some are always there; the others are documents of the account.
 */

import type { AuditedOperation } from "../../model/audited-operations";
import { PosternError } from "../../model/failures";
import { type AccountName, identifierOf, kindOf, makeId, type ResourceId, type RoleId } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { Random } from "../../model/ports";
import type { Caller, Change } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import type { Projection, Write } from "../projection";
import { byText } from "../sorted-page";
import type { Documents } from "./documents";
import {
  fixedMounts,
  type LeaseBounds,
  leaseBounds,
  type Mount,
  MountDocument,
  type MountRequest,
  type MountSettings,
  newMount,
  pathProblem,
} from "./mount";

export type { LeaseBounds, Mount, MountRequest, MountSettings } from "./mount";

export interface MountOperations {
  /** The mount with the longest path that a path lies at or below; undefined when there is none. Asks for no right: what answers asks for its own. */
  at(path: string): Mount | undefined;
  /** How long what a mount hands out lives. */
  leaseBounds(mount: Mount): LeaseBounds;
  /**
   * For what is decided by nothing else: throws the refusal, or returns when the rules would have allowed it. `mayBeNew`: where it is not known whether what
   * is written is there already, and a right to either is enough.
   */
  probe(caller: Caller, access: PathAccess, mayBeNew?: "may be new"): Promise<void>;
  /** Those for secrets or those of methods, sorted by path. */
  list(caller: Caller, access: PathAccess, kind: MountClass): Promise<readonly Mount[]>;
  /** Those that a caller may know of without a right on the list itself: what the rules reach; for nobody in particular, what is named to everybody. */
  visible(caller: Caller | undefined): readonly Mount[];
  /** The mount at or above a path, for a caller whose rules reach something in it. Throws `forbidden` (because `preflight`), also when there is none. */
  preflight(caller: Caller, path: string): Promise<Mount>;
  /** Undefined when nothing is mounted exactly there. */
  show(caller: Caller, access: PathAccess, path: string): Promise<Mount | undefined>;
  /** Throws `conflict` (because `path_in_use`) when the path, or one above or below it, is taken; `malformed` for a path that cannot be one. */
  enable(caller: Caller, access: PathAccess, request: MountRequest): Promise<void>;
  /** Throws `not_found` when there is none, `malformed` (because `kv_downgrade`) for what cannot be undone. */
  tune(caller: Caller, access: PathAccess, path: string, settings: Partial<MountSettings>): Promise<void>;
  /** Removes the mount with all that is kept at it. Does nothing when there is none. Throws `malformed` (because `fixed_mount`). */
  disable(caller: Caller, access: PathAccess, path: string): Promise<void>;
}

export type MountClass = "secret" | "auth";

/** What else goes when a mount does. `changes` are stored with the mount's own; `afterwards` runs when they are. */
export interface MountEnd {
  changes?(graph: Graph, mount: Mount): readonly Change[] | Promise<readonly Change[]>;
  afterwards?(mount: Mount): Promise<void>;
}

/** What the rest of the core asks, on a graph it holds. */
export interface Mounts extends MountOperations {
  /** The account behind the paths. Throws `sealed` (reason `no_path_account`) when none is named and there is not exactly one. */
  account(graph: Graph): AccountName;
  /** Whether that account is the one behind the paths. */
  answersFor(graph: Graph, account: AccountName): boolean;
  find(graph: Graph, path: string): Mount | undefined;
  /** None where there is no account behind the paths. */
  ofType(graph: Graph, type: string): readonly Mount[];
  /** All, those that are always there among them; none where there is no account behind the paths. */
  every(graph: Graph): readonly Mount[];
  /** Registers what must hold of a mount's settings, new or changed; it throws what does not. */
  onSettings(check: (graph: Graph, mount: Mount) => void): void;
  /** Registers what must hold for a mount to be made; it throws what does not. */
  onBegin(begin: (graph: Graph, mount: Mount) => void): void;
  /** Registers what goes with a mount. Called once by each noun that keeps something there. */
  onEnd(end: MountEnd): void;
}

export interface MountsDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly documents: Documents;
  readonly random: Random;
  /** The account behind the paths, when it is named. */
  readonly accountName: string | undefined;
}

/** What was made of one frame of the graph. */
interface Known {
  readonly frame: object;
  readonly byPath: ReadonlyMap<string, Mount>;
  /** The mounts of paths that were asked for lately. */
  readonly found: Map<string, Mount>;
}

const maxFound = 4096;
const longestFound = 512;

export function createMounts({ projection, gate, documents, random, accountName }: MountsDeps): Mounts {
  const kind = documents.kind(MountDocument);
  const begins: ((graph: Graph, mount: Mount) => void)[] = [];
  const ends: MountEnd[] = [];
  const checks: ((graph: Graph, mount: Mount) => void)[] = [];
  let known: Known | undefined;
  let behind: { readonly frame: object; readonly account: AccountName | undefined } | undefined;

  function accountIn(graph: Graph): AccountName | undefined {
    if (behind?.frame !== graph.frame) behind = { frame: graph.frame, account: foundAccount(graph) };
    return behind.account;
  }

  function foundAccount(graph: Graph): AccountName | undefined {
    if (accountName !== undefined) return graph.account(accountName)?.name;
    const [only, ...others] = graph.accounts();
    return others.length === 0 ? only?.name : undefined;
  }

  function account(graph: Graph): AccountName {
    const only = accountIn(graph);
    if (only === undefined) throw new PosternError({ code: "sealed", reason: "no_path_account" });
    return only;
  }

  const all = (graph: Graph): ReadonlyMap<string, Mount> => present(graph).byPath;

  /** Made again when anything but variables changed: the documents themselves are remembered. */
  function present(graph: Graph): Known {
    const name = account(graph);
    projection.assertSound(name);
    if (known?.frame === graph.frame) return known;
    const byPath = new Map(fixedMounts(graph.account(name)?.createdAt ?? 0).map((mount) => [mount.path, mount]));
    for (const id of graph.ownedBy(branchOf(name))) {
      // Somebody's variable may bear such a name.
      const isMount = kindOf(id) === "configuration" && identifierOf(id).startsWith(namePrefix);
      const document = isMount ? kind.find(graph, id) : undefined;
      if (document !== undefined) byPath.set(document.path, { ...document, isFixed: false });
    }
    known = { frame: graph.frame, byPath, found: new Map() };
    return known;
  }

  function find(graph: Graph, path: string): Mount | undefined {
    const { byPath, found } = present(graph);
    const before = found.get(path);
    if (before !== undefined) return before;
    for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
      const mount = byPath.get(path.slice(0, end));
      if (mount === undefined) continue;
      if (found.size >= maxFound) found.clear();
      // Anybody may ask for anything: what is remembered of it is bounded in number and in length.
      if (path.length <= longestFound) found.set(path, mount);
      return mount;
    }
    return undefined;
  }

  function put(graph: Graph, mount: Mount, now: number): readonly Change[] {
    for (const check of checks) check(graph, mount);
    const { isFixed: _, ...document } = mount;
    const name = account(graph);
    return documents.put(graph, { id: documentOf(name, mount.path), branch: branchOf(name) }, document, now);
  }

  const every = (graph: Graph): readonly Mount[] => (accountIn(graph) === undefined ? [] : [...all(graph).values()]);

  function assertFree(graph: Graph, path: string): void {
    for (const taken of all(graph).keys()) {
      if (taken === path || taken.startsWith(`${path}/`) || path.startsWith(`${taken}/`))
        throw new PosternError({
          code: "conflict",
          what: taken,
          because: "path_in_use",
          says: `path is already in use at ${shortPath(taken)}/`,
        });
    }
  }

  /** The rules that reach into the mount; those of a method are told by their whole path. */
  function isReached({ rights }: Caller, mount: Mount): boolean {
    return rights !== undefined && (rights.isRoot || rights.reaches(`${mount.path}/`));
  }

  const changed = (access: PathAccess, operation: AuditedOperation, path: string) => ({
    operation,
    access,
    about: { resource: documentOf(account(projection.graph()), path) },
  });

  return {
    account,
    answersFor: (graph, name) => accountIn(graph) === name,
    find,
    every,
    ofType: (graph, type) => every(graph).filter((mount) => mount.type === type),
    onSettings: (check) => checks.push(check),
    onBegin: (begin) => begins.push(begin),
    onEnd: (end) => ends.push(end),
    at: (path) => find(projection.graph(), path),
    leaseBounds,

    probe(caller, access, mayBeNew) {
      const isNew = mayBeNew !== undefined && gate.allowsPath(caller, access, false);
      return gate.release(caller, { operation: "path.probe", access, exists: () => !isNew }, () => undefined);
    },

    list: (caller, access, wanted) =>
      gate.release(caller, { operation: "mount.list", access }, (graph) =>
        sorted(all(graph).values()).filter((mount) => classOf(mount) === wanted),
      ),

    visible(caller) {
      const mounts = sorted(all(projection.graph()).values());
      return mounts.filter((mount) => (caller === undefined ? mount.listingVisibility === "unauth" : isReached(caller, mount)));
    },

    preflight(caller, path) {
      return gate.release(caller, { operation: "mount.preflight", about: { path } }, (graph) => {
        const mount = find(graph, path);
        // What may be read of variables the graph says, and no rule need reach there; that the mount is there is known of every account.
        const isGraphs = mount?.type === "conjur" && caller.rights !== undefined;
        if (mount !== undefined && (isGraphs || isReached(caller, mount))) return mount;
        throw new PosternError({
          code: "forbidden",
          because: "preflight",
          says: `preflight capability check returned 403, please ensure client's policies grant access to path "${path}/"`,
        });
      });
    },

    show: (caller, access, path) => gate.release(caller, { operation: "mount.show", access }, (graph) => all(graph).get(path)),

    enable(caller, access, request) {
      const { now } = caller.context;
      const { path } = request;
      return gate.change(caller, changed(access, "mount.enable", path), () => {
        const problem = pathProblem(path);
        if (problem !== undefined)
          throw new PosternError({ code: "malformed", where: "path", expected: problem, kind: "argument", says: problem });
        return projection.write(account(projection.graph()), now, (graph) => {
          assertFree(graph, path);
          const mount = newMount(request, { now, random, taken: new Set([...all(graph).values()].map(({ accessor }) => accessor)) });
          for (const begin of begins) begin(graph, mount);
          return { changes: put(graph, mount, now), result: undefined };
        });
      });
    },

    tune(caller, access, path, settings) {
      const { now } = caller.context;
      return gate.change(caller, changed(access, "mount.tune", path), () =>
        projection.write(account(projection.graph()), now, (graph) => {
          const mount = all(graph).get(path);
          if (mount === undefined) throw new PosternError({ code: "not_found", target: path, because: "no_mount" });
          if (mount.isFixed) throw fixed(path, "tune");
          return { changes: put(graph, tuned(mount, settings), now), result: undefined };
        }),
      );
    },

    async disable(caller, access, path) {
      const { now } = caller.context;
      const gone = await gate.change(caller, changed(access, "mount.disable", path), () =>
        projection.write(account(projection.graph()), now, async (graph): Promise<Write<Mount | undefined>> => {
          const mount = all(graph).get(path);
          if (mount === undefined) return { changes: [], result: undefined };
          if (mount.isFixed) throw fixed(path, "unmount");
          const parts: (readonly Change[])[] = [];
          for (const end of ends) parts.push((await end.changes?.(graph, mount)) ?? []);
          return { changes: [...parts.flat(), ...documents.remove(graph, documentOf(account(graph), path))], result: mount };
        }),
      );
      if (gone !== undefined) for (const end of ends) await end.afterwards?.(gone);
    },
  };
}

const namePrefix = "vault/mount/";
const branchOf = (account: AccountName): RoleId => makeId(account, "policy", "vault/mount");
const documentOf = (account: AccountName, path: string): ResourceId => makeId(account, "configuration", `${namePrefix}${path}`);

export const classOf = ({ path }: Pick<Mount, "path">): MountClass => (path.startsWith("auth/") ? "auth" : "secret");

/** `auth/azure` → `azure`: as a list of methods names it, and as names of their roles begin. */
export const shortPath = (path: string): string => (path.startsWith("auth/") ? path.slice("auth/".length) : path);

const sorted = (mounts: Iterable<Mount>): readonly Mount[] => [...mounts].sort((left, right) => byText(left.path, right.path));

function tuned(mount: Mount, settings: Partial<MountSettings>): Mount {
  const options = { ...mount.options, ...settings.options };
  const { version = "1" } = options;
  if (mount.type === "kv" && version !== "1" && version !== "2")
    throw new PosternError({
      code: "malformed",
      where: "version",
      expected: "1 or 2",
      kind: "argument",
      because: "kv_version",
      says: `unsupported kv version: ${version.slice(0, 32)}`,
    });
  if (mount.type === "kv" && mount.options.version === "2" && version !== "2")
    throw new PosternError({
      code: "malformed",
      where: "version",
      expected: "2",
      kind: "argument",
      because: "kv_downgrade",
      says: "cannot downgrade mount from version 2",
    });
  return { ...mount, ...settings, options };
}

function fixed(path: string, verb: string): PosternError {
  const says = `cannot ${verb} "${shortPath(path)}/"`;
  return new PosternError({
    code: "malformed",
    where: "path",
    expected: "a mount that was made",
    kind: "argument",
    because: "fixed_mount",
    says,
  });
}
