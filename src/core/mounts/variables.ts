/** Variables of policies by path, under the rights that their caller has in the graph: `{"value": …}`, whichever door they were written through. */

import { accountOf, identifierOf, kindOf, makeId, type ResourceId } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { SecretBytes } from "../../model/secret-bytes";
import type { Caller } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import type { Projection } from "../projection";
import type { Secrets } from "../secrets";
import { createPace } from "../slices";
import { sortedPage } from "../sorted-page";
import { escapedName, nameOfSegment } from "./escaped-names";
import { byBytes } from "./keyed-metadata";
import { variableObject, variableValue } from "./keyed-values";
import type { Mounts } from "./mounts";

export interface VariableOperations {
  /** The text of a JSON object. Throws as any read of the variable. */
  read(caller: Caller, access: PathAccess, name: string): Promise<SecretBytes>;
  /** Makes the next version, as any write of the variable, of an object that it would be read as. Throws `malformed` for another. */
  write(caller: Caller, access: PathAccess, name: string, object: SecretBytes): Promise<void>;
  /** Variables and folders of them that the caller sees in a folder, sorted by bytes; empty: at the top. */
  list(caller: Caller, access: PathAccess, folder: string): Promise<readonly string[]>;
}

export interface VariablesDeps {
  readonly projection: Pick<Projection, "graph">;
  readonly gate: Gate;
  readonly mounts: Pick<Mounts, "account">;
  readonly secrets: Pick<Secrets, "read" | "write">;
}

export function createVariables({ projection, gate, mounts, secrets }: VariablesDeps): VariableOperations {
  const idOf = (name: string): ResourceId => makeId(mounts.account(projection.graph()), "variable", escapedName(name));

  async function namesIn(graph: Graph, caller: Caller, folder: string): Promise<ReadonlySet<string>> {
    const prefix = folder === "" ? "" : `${escapedName(folder)}/`;
    const account = mounts.account(graph);
    const pace = createPace();
    const names = new Set<string>();
    for (const id of graph.seenBy(caller.role)) {
      await pace();
      if (kindOf(id) !== "variable" || accountOf(id) !== account || !identifierOf(id).startsWith(prefix)) continue;
      const [segment = "", deeper] = identifierOf(id).slice(prefix.length).split("/", 2);
      const name = nameOfSegment(segment);
      if (name !== undefined) names.add(deeper === undefined ? name : `${name}/`);
    }
    return names;
  }

  return {
    read: async (caller, access, name) => variableObject((await secrets.read(caller, { id: idOf(name) }, access)).value),
    write: (caller, access, name, object) => secrets.write(caller, idOf(name), variableValue(object), access),
    list: (caller, access, folder) =>
      gate.release(caller, { operation: "secret.list", unless: access }, async (graph) => {
        const { items } = await sortedPage(await namesIn(graph, caller, folder), { order: byBytes });
        return items;
      }),
  };
}
