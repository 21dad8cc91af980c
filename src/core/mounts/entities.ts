/**
 * Who is behind a token, for those who ask about themselves. Entities are kept nowhere: one follows from the mount that knows a caller and the name it knows
 * them by, and what there is to tell of it is what their token remembers.
 */

import { sha256Hex } from "../../crypto/digest";
import { PosternError } from "../../model/failures";
import type { PathAccess } from "../../model/paths";
import type { Caller, Instant } from "../../model/types";
import type { Gate } from "../gate";
import { uuidOf } from "./mount";
import { identityOf, type TokenIdentity } from "./token-document";
import type { TokenLedger } from "./token-ledger";
import { entityNameOf } from "./tokens";

export interface Entity {
  readonly id: string;
  readonly name: string;
  /** When the token was made that is shown: no earlier time is known. */
  readonly createdAt: Instant;
  readonly aliasId: string;
  readonly known: Pick<TokenIdentity, "alias" | "mountAccessor" | "mountPath" | "mountType">;
}

export interface EntityOperations {
  /** The caller's own, by its id or its name. Throws `not_found` for any other, and for a caller whom no mount knows. */
  show(caller: Caller, access: PathAccess, by: { readonly id: string } | { readonly name: string }): Promise<Entity>;
}

export function createEntities({ gate, ledger }: { readonly gate: Gate; readonly ledger: TokenLedger }): EntityOperations {
  return {
    show: (caller, access, by) =>
      gate.release(caller, { operation: "entity.show", access }, () => {
        const token = ledger.shown(caller.token?.digest ?? "", caller.context.now);
        const known = token === undefined ? undefined : identityOf(token);
        const id = known?.entityId ?? "";
        const isOwn = "id" in by ? by.id === id : by.name === entityNameOf(id);
        if (token === undefined || known === undefined || !isOwn) throw new PosternError({ code: "not_found", target: "an entity" });
        const aliasId = uuidOf(sha256Hex(`postern alias ${id}`));
        return { id, name: entityNameOf(id), createdAt: token.createdAt, aliasId, known };
      }),
  };
}
