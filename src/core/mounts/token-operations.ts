/** What can be done with tokens, as the fronts see it. */

import type { RoleId } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { SecretBytes } from "../../model/secret-bytes";
import type { Caller, Instant, RequestContext } from "../../model/types";

/** A token that was just made, or renewed: the one time that it is shown. */
export interface IssuedToken {
  /** Absent where it is not shown again. */
  readonly token?: SecretBytes;
  readonly view: TokenView;
  readonly warnings: readonly string[];
}

/** What may be told of a token to those who may look it up. */
export interface TokenView {
  readonly digest: string;
  readonly accessor: string;
  readonly kind: "service" | "batch";
  readonly role: RoleId;
  readonly policies: readonly string[];
  /** Held by its role in the graph, beside its own. */
  readonly identityPolicies: readonly string[];
  readonly path: string;
  readonly meta: Readonly<Record<string, string>> | null;
  readonly displayName: string;
  readonly uses: number;
  readonly usesLeft: number;
  readonly isOrphan: boolean;
  readonly createdAt: Instant;
  readonly creationTtlSeconds: number;
  /** 0: never. */
  readonly expiresAt: Instant;
  /** What is left of its life at this request; 0 where it never ends. */
  readonly ttlSeconds: number;
  readonly explicitMaxSeconds: number;
  readonly periodSeconds: number;
  readonly isRenewable: boolean;
  readonly renewedAt?: Instant;
  readonly boundCidrs: readonly string[];
  readonly tokenRole?: string;
  /** Empty for tokens that no login made. */
  readonly entityId: string;
}

/** Which token is meant: the one that asks, another one that is shown, or the one of an accessor. */
export type TokenRef =
  | { readonly by: "self" /** Of a batch token, which is kept nowhere, all that can be told is in here. */; readonly token?: SecretBytes }
  | { readonly by: "token"; readonly token: SecretBytes }
  | { readonly by: "accessor"; readonly accessor: string };

/** What a new token is to be. Times in seconds; absent: as its parent or role has it. */
export interface TokenRequest {
  readonly id?: SecretBytes;
  readonly policies: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
  readonly ttlSeconds?: number;
  readonly explicitMaxSeconds?: number;
  readonly periodSeconds?: number;
  readonly noParent?: boolean;
  readonly noDefaultPolicy?: boolean;
  readonly displayName?: string;
  readonly uses?: number;
  readonly isRenewable?: boolean;
  /** As written: `service`, `batch`, empty. */
  readonly kind?: string;
  readonly entityAlias?: string;
  /** The token role that it is made by. */
  readonly roleName?: string;
  /** Made at the path that gives no parent. */
  readonly isOrphanPath?: boolean;
}

export interface TokenOperations {
  /**
   * Who shows a token, with their rights; counts the use. Throws `unauthenticated` (because `token_missing`, `token_unknown`), `forbidden` (reason
   * `address`). A promise only where a use must be written down.
   */
  identify(token: SecretBytes | undefined, context: RequestContext): Caller | Promise<Caller>;
  /** To be called when all is done that a caller came for: a token whose last use it was goes then, with what it kept. Throws nothing. */
  leave(caller: Caller): Promise<void>;
  create(caller: Caller, access: PathAccess, request: TokenRequest): Promise<IssuedToken>;
  /** Throws `unauthenticated` (says `bad token`), `malformed` (says `invalid accessor`). */
  lookUp(caller: Caller, access: PathAccess, which: TokenRef): Promise<TokenView>;
  /** `wantedSeconds` 0: as its role has it. Throws `malformed` for what cannot be renewed. */
  renew(caller: Caller, access: PathAccess, which: TokenRef, wantedSeconds: number): Promise<IssuedToken>;
  /** Ends it with all that it made; true when there was one. `orphaning`: what it made lives on. */
  revoke(caller: Caller, access: PathAccess, which: TokenRef, orphaning?: boolean): Promise<boolean>;
  /** Sorted. */
  accessors(caller: Caller, access: PathAccess): Promise<readonly string[]>;
  /** What a token could do at some paths, in their order: those of the asking one, or of another. */
  capabilities(caller: Caller, access: PathAccess, which: TokenRef, paths: readonly string[]): Promise<readonly (readonly string[])[]>;
  /** Ends every token that the logins at a path made: `auth/azure/login`. */
  revokePrefix(caller: Caller, access: PathAccess, prefix: string): Promise<void>;
}
