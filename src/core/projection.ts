/**
 * Keeps the graph equal to the store's log: at start, and after every commit. The only place that holds the present graph, and the only
 * way to write: writes are made one after another, each planned on the graph that its predecessor left.
 */

import { PosternError } from "../model/failures";
import { type AccountName, accountOf, type ResourceId } from "../model/ids";
import type { Store } from "../model/ports";
import type { Change, Commit, Instant, Revision } from "../model/types";
import { emptyGraph, type Graph } from "./graph";

/** What a write wants stored, and what its caller gets once it is. No changes: nothing is stored. */
export interface Write<Result> {
  readonly changes: readonly Change[];
  readonly result: Result;
}

export interface Projection {
  graph(): Graph;
  /** Throws `integrity` for an account whose facts were changed behind Postern's back; nothing of it is answered. */
  assertSound(account: string): void;
  /** Runs `plan` on the newest graph and stores its changes before anybody else's. The graph has them when the promise resolves. */
  write<Result>(account: AccountName, now: Instant, plan: (graph: Graph) => Write<Result> | Promise<Write<Result>>): Promise<Result>;
  /** Stores changes that were planned on an earlier graph. Throws `conflict` when facts of the account changed since. */
  commit(account: AccountName, now: Instant, changes: readonly Change[], expected: Revision): Promise<void>;
  /** Has `look` told of every commit from now on, in the turn in which the graph has it. It is to be quick: a load has many changes. */
  watch(look: (changes: readonly Change[]) => void): void;
}

export async function createProjection(store: Store): Promise<Projection> {
  const loaded = await store.load();
  const damaged = new Set<string>(loaded.damaged);
  let graph = emptyGraph().withAll(loaded.commits);
  let last: Promise<unknown> = Promise.resolve();
  const watching: ((changes: readonly Change[]) => void)[] = [];

  /** One after another; a failed write does not hold up the next. */
  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = last.then(work, work);
    last = turn.catch(() => undefined);
    return turn;
  }

  function assertSound(account: string): void {
    if (damaged.has(account)) throw new PosternError({ code: "integrity", what: `account ${account}`, because: "facts_mac" });
  }

  async function append(account: AccountName, now: Instant, changes: readonly Change[], expected: Revision): Promise<void> {
    assertSound(account);
    if (changes.length === 0) return;
    let next = graph;
    // Folded before it counts, because a large commit takes many turns: values and rights must change in the same one.
    const foretold = async (commit: Commit): Promise<void> => {
      next = await graph.withInSlices(commit);
    };
    await store.commit(changes, { account, expected, now, foretold });
    graph = next;
    for (const look of watching) look(changes);
  }

  return {
    graph: () => graph,
    assertSound,
    write: (account, now, plan) =>
      inTurn(async () => {
        const base = graph;
        const { changes, result } = await plan(base);
        await append(account, now, changes, base.revision);
        return result;
      }),
    commit: (account, now, changes, expected) => inTurn(() => append(account, now, changes, expected)),
    watch: (look) => watching.push(look),
  };
}

/** The account a resource belongs to, checked to be sound. */
export function soundAccount(projection: Projection, id: ResourceId): AccountName {
  const account = accountOf(id);
  projection.assertSound(account);
  return account;
}
