/** The facts of an account as another server could take them over. Only the operator of this machine can ask for them, and the trail says that it was done. */

import { PosternError } from "../model/failures";
import { type AccountName, isRoleId, type ResourceId } from "../model/ids";
import type { Instant, RequestContext } from "../model/types";
import type { Gate } from "./gate";
import type { Graph } from "./graph";
import type { ImportedFacts } from "./imports";
import type { Projection } from "./projection";
import { isReadable } from "./secret-versions";

export interface ExportedAccount {
  readonly facts: ImportedFacts;
  /** Variables and public keys that have a value; each is read by itself, with a line of its own in the trail. */
  readonly valued: readonly ResourceId[];
  /** `authn-azure/AzureAE1` */
  readonly authenticators: readonly string[];
}

export interface ExportsDeps {
  readonly projection: Pick<Projection, "graph">;
  readonly gate: Gate;
}

export function createExports({ projection, gate }: ExportsDeps) {
  return async (account: AccountName, context: RequestContext): Promise<ExportedAccount> => {
    const about = { operation: "account.export" as const, account };
    try {
      const graph = projection.graph();
      if (graph.account(account) === undefined)
        throw new PosternError({ code: "not_found", target: `account ${account}`, because: "account" });
      await gate.accept(context, about);
      return accountOf(graph, account, context.now);
    } catch (error) {
      throw await gate.refuse(context, about, error);
    }
  };
}

function accountOf(graph: Graph, account: AccountName, now: Instant): ExportedAccount {
  const resources = [...graph.resources(account)];
  const ids = resources.map(({ id }) => id);
  const roles = ids.filter(isRoleId);
  return {
    facts: {
      resources,
      grants: roles.flatMap((role) => [...graph.members(role)]),
      permits: ids.flatMap((id) => [...graph.permitsOn(id)]),
      annotations: ids.flatMap((id) => [...graph.annotations(id)]),
      restrictions: roles.flatMap((role) => graph.restriction(role) ?? []),
    },
    valued: ids.filter((id) => {
      const newest = graph.secretVersions(id).at(-1);
      return newest !== undefined && isReadable(newest, now);
    }),
    authenticators: [...graph.authenticatorSwitches()]
      .filter((each) => each.account === account && each.enabled)
      .map(({ authenticator }) => authenticator),
  };
}
