/** Tokens as the operator of the machine sees them: by their accessors, without a token of their own. What they look at and end is in the audit. */

import { PosternError } from "../../model/failures";
import type { AccountName } from "../../model/ids";
import type { Instant, RequestContext } from "../../model/types";
import { administratorOf } from "../administrator";
import type { Gate } from "../gate";
import type { Projection } from "../projection";
import { byText, sortedPage } from "../sorted-page";
import type { Mounts } from "./mounts";
import type { StoredToken } from "./token-document";
import type { TokenLedger } from "./token-ledger";
import type { TokenView } from "./token-operations";
import type { Tokens } from "./tokens";

export interface TokenQuery {
  readonly offset: number;
  readonly limit: number;
  /** Those alone that were made there, or below: `auth/azure` has those of `auth/azure/login`. */
  readonly path?: string;
}

export interface TokenPage {
  readonly items: readonly TokenView[];
  /** Of all that were asked for, on this page or not. */
  readonly total: number;
}

export interface TokenOversight {
  /** The newest first. Batch tokens are kept nowhere, and so in no list. */
  list(query: TokenQuery, context: RequestContext): Promise<TokenPage>;
  /** Throws `not_found` for an accessor of no token that lives. */
  lookUp(accessor: string, context: RequestContext): Promise<TokenView>;
  /** Ends it with all that it made, and tells what it was. Throws as `lookUp`. */
  revoke(accessor: string, context: RequestContext): Promise<TokenView>;
}

export interface TokenOversightDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly mounts: Mounts;
  readonly ledger: TokenLedger;
  readonly tokens: Pick<Tokens, "view">;
}

export function createTokenOversight({ projection, gate, mounts, ledger, tokens }: TokenOversightDeps): TokenOversight {
  function soundAccount(): AccountName {
    const account = mounts.account(projection.graph());
    projection.assertSound(account);
    return account;
  }

  function existing(accessor: string, now: Instant): StoredToken {
    const token = ledger.byAccessor(accessor, now);
    if (token === undefined) throw new PosternError({ code: "not_found", target: "a token of this accessor", because: "accessor_unknown" });
    return token;
  }

  return {
    async list({ offset, limit, path }, context) {
      const account = soundAccount();
      await gate.accept(context, { operation: "token.accessors", account, role: administratorOf(account) });
      const isWanted = (token: StoredToken): boolean => path === undefined || token.path === path || token.path.startsWith(`${path}/`);
      const { items, total } = await sortedPage(ledger.all(context.now), { order: newestFirst, isWanted, offset, limit });
      return { items: items.map((token) => tokens.view(token, context.now)), total };
    },

    async lookUp(accessor, context) {
      const account = soundAccount();
      const token = existing(accessor, context.now);
      await gate.accept(context, { operation: "token.look_up", account, role: administratorOf(account), accessor });
      return tokens.view(token, context.now);
    },

    async revoke(accessor, context) {
      const account = soundAccount();
      const token = existing(accessor, context.now);
      await gate.accept(context, { operation: "token.revoke", account, role: administratorOf(account), accessor });
      await ledger.end(token.digest);
      return tokens.view(token, context.now);
    },
  };
}

function newestFirst(left: StoredToken, right: StoredToken): number {
  return right.createdAt - left.createdAt || byText(left.accessor, right.accessor);
}
