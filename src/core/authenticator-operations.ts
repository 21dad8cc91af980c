/** What the core does with authenticators beside logging in by them: a part of the broker's interface. */

import type { AccountName, RoleId } from "../model/ids";
import type { Invitation } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import type { Annotation, Caller, RequestContext } from "../model/types";
import type { LoginRequest, Page } from "./operations";

/** `authn-azure/AzureAE1`, and what of it is on. Names are sorted. */
export interface AuthenticatorList {
  readonly installed: readonly string[];
  readonly configured: readonly string[];
  readonly enabled: readonly string[];
}

/** An authenticator of one account: `authn`, or `authn-azure` with its service. */
export interface AuthenticatorRef {
  readonly account: string;
  readonly authenticator: string;
  readonly service?: string;
}

/** As `AuthenticatorRef`, of an account whose name is canonical. */
export interface AuthenticatorId extends AuthenticatorRef {
  readonly account: AccountName;
}

/** An authenticator as its account's policies have it. */
export interface AuthenticatorView {
  readonly id: AuthenticatorId;
  /** Of its webservice. */
  readonly owner: RoleId;
  readonly enabled: boolean;
  /** Of its webservice. */
  readonly annotations: readonly Annotation[];
  /** Values of its variables, by their names, as far as the caller may read them. Secret ones are never among them. */
  readonly values: Readonly<Record<string, string>>;
}

/** An authenticator to be made, with its policy, its webservices, its groups `apps` and `operators`, and its variables. */
export interface AuthenticatorRequest {
  readonly id: AuthenticatorId;
  readonly enabled: boolean;
  /** Of its policy and its webservice; when absent the policy above, and the policy. */
  readonly owner?: RoleId;
  readonly annotations: ReadonlyMap<string, string>;
  /** By the names of the variables. */
  readonly values: ReadonlyMap<string, SecretBytes>;
}

export interface AuthenticatorQuery {
  readonly account: AccountName;
  /** `authn-azure`. */
  readonly authenticator?: string;
  readonly limit: number;
  readonly offset: number;
}

export interface AuthenticatorOperations {
  listAuthenticators(): AuthenticatorList;
  /** How people begin to sign in by the account's services of one type, by service. What is off, incomplete or unreachable is left out. */
  invitations(account: string, authenticator: string): Promise<ReadonlyMap<string, Invitation>>;
  /** The API key of a role that shows its password to an authenticator that takes passwords. Throws as `login` does. */
  exchangePassword(request: LoginRequest, context: RequestContext): Promise<SecretBytes>;
  /** By `update` on its webservice. Throws `unauthenticated` without the account or the webservice. */
  setAuthenticatorEnabled(caller: Caller, ref: AuthenticatorRef, enabled: boolean): Promise<void>;
  /** Throws what is wrong: `forbidden`, `not_found`, `unsupported`, or any failure whose `because` says it. */
  authenticatorStatus(caller: Caller, ref: AuthenticatorRef): Promise<void>;

  /** Those whose webservices the caller sees, sorted. */
  queryAuthenticators(caller: Caller, query: AuthenticatorQuery): Promise<Page<AuthenticatorView>>;
  showAuthenticator(caller: Caller, id: AuthenticatorId): Promise<AuthenticatorView>;
  /** By `create` on the policy of its type, such as `conjur/authn-azure`. Throws `exists`, and `not_found` also for an owner the caller does not see. */
  createAuthenticator(caller: Caller, request: AuthenticatorRequest): Promise<AuthenticatorView>;
  /** As `setAuthenticatorEnabled`, but `not_found` where that is `unauthenticated`. */
  switchAuthenticator(caller: Caller, id: AuthenticatorId, enabled: boolean): Promise<AuthenticatorView>;
  /** With all that its policy holds, by `delete` on that policy. Throws `conflict` when it owns something elsewhere. */
  removeAuthenticator(caller: Caller, id: AuthenticatorId): Promise<void>;
}
