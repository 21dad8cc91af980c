/**
 * The nouns that everybody uses: facts and the changes that make them, who asks, and what a decision looks like.
 */

import type { AuditedOperation } from "./audited-operations";
import type { AccountName, ResourceId, RoleId } from "./ids";
import type { PathRights } from "./paths";
import type { SecretBytes } from "./secret-bytes";

/** A point in time: milliseconds since 1970-01-01 UTC. */
export type Instant = number;

/** Position in the log of changes: 1 is the first commit, 0 the empty store. */
export type Revision = number;

/** Names one decision of the gate, in the audit and on the operator's screen: `d-7k2m9x4p1q`. */
export type DecisionId = string;

/** Where a fact was declared: in which load of its policy branch, and where in that text. Lines and columns count from 1. */
export interface Origin {
  readonly version: number;
  readonly line: number;
  readonly column: number;
}

/** What every stored fact remembers of the policy load that made it; both absent when an API call made it. */
interface Declared {
  /** The policy branch that was the target of the load: `acme:policy:root`. */
  readonly policy?: RoleId;
  readonly origin?: Origin;
}

export interface Account {
  readonly name: AccountName;
  readonly createdAt: Instant;
}

/** Anything rights are held on. One whose kind is a role kind is also a role, of the same id. */
export interface Resource extends Declared {
  readonly id: ResourceId;
  readonly owner: RoleId;
  readonly createdAt: Instant;
}

/** `member` holds `role`. `ownership` marks the membership that comes with owning a role; it exists beside an explicit one. */
export interface Grant extends Declared {
  readonly role: RoleId;
  readonly member: RoleId;
  readonly adminOption: boolean;
  readonly ownership: boolean;
}

export interface Permit extends Declared {
  readonly role: RoleId;
  readonly privilege: string;
  readonly resource: ResourceId;
}

export interface Annotation extends Declared {
  readonly resource: ResourceId;
  readonly name: string;
  readonly value: string;
}

/** The networks a user or host may come from, normalised: `10.0.0.7/32`, `2001:db8::/32`. Never empty: no restriction, no fact. */
export interface NetworkRestriction {
  readonly role: RoleId;
  readonly networks: readonly string[];
}

/** What a user or host proves itself with. The digest decides; the key itself is kept sealed beside it (`Change.apiKey`). */
export interface Credential {
  readonly role: RoleId;
  /** Lower-case hex SHA-256 of the API key. */
  readonly apiKeyDigest: string;
  /** An Argon2id hash string, for users who chose a password. */
  readonly passwordHash?: string;
  readonly rotatedAt: Instant;
}

/** Lets whoever shows the token make hosts by the factory. The token itself is nowhere kept. */
export interface HostFactoryToken {
  readonly factory: RoleId;
  /** Lower-case hex SHA-256 of the token. */
  readonly digest: string;
  readonly createdAt: Instant;
  readonly expiresAt: Instant;
  /** Where the token counts, normalised like a restriction's; empty: anywhere. */
  readonly networks: readonly string[];
}

/** One kept version of a secret, without its value. `revision` is the commit that wrote it, and part of what its seal is bound to. */
export interface SecretVersionInfo {
  readonly resource: ResourceId;
  readonly version: number;
  readonly createdAt: Instant;
  readonly revision: Revision;
  /** From then on it is not given out, until it is put back; may lie in the future. */
  readonly deletesAt?: Instant;
  /** Its value is gone for good; what remains is that there was one. */
  readonly destroyed?: true;
}

/** What one secret was set to about its versions, beside what the place where it lives says. Absent members leave it to that place. */
export interface SecretRules {
  readonly resource: ResourceId;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
  readonly versionsKept?: number;
  /** A write must name the version that it follows. */
  readonly casRequired?: true;
  /** So long after it was written, a version is deleted. */
  readonly deleteAfterSeconds?: number;
  /** What its keepers noted of it, for themselves: `{ "owner": "payments" }`. No rights follow from it. */
  readonly customMetadata?: Readonly<Record<string, string>>;
}

/** That a version's value is due to be replaced. Told to those who look; it stops no reading. */
export interface SecretExpiry {
  readonly resource: ResourceId;
  readonly version: number;
  readonly expiresAt: Instant;
}

/** One load of a policy branch, without its text. `version` counts from 1 per branch. */
export interface PolicyVersion {
  readonly policy: RoleId;
  readonly version: number;
  readonly createdAt: Instant;
  /** The role that loaded it. */
  readonly role: RoleId;
  readonly clientAddress: string;
  /** Lower-case hex SHA-256 of the text. */
  readonly sha256: string;
  /** The name of the file it came from, when the loader said one. */
  readonly file?: string;
}

/** The switch that turns an authenticator on in one account: `authn-azure/AzureAE1`. */
export interface AuthenticatorSwitch {
  readonly account: AccountName;
  /** `authn-azure/AzureAE1`: the webservice below `conjur/`. */
  readonly authenticator: string;
  readonly enabled: boolean;
}

/**
 * One step of the log. A `put` makes or replaces the fact of the same key; removing an absent fact does nothing.
 * Values (`value`, `apiKey`, `text`) go in with a change and are sealed by the store; they never come out of the log again.
 */
export type Change =
  | { readonly type: "put_account"; readonly account: Account }
  | { readonly type: "remove_account"; readonly account: AccountName }
  | { readonly type: "put_resource"; readonly resource: Resource }
  /** Removes the resource and everything that hangs on it: grants and permits both ways, annotations, restriction, credential, versions, rules, host-factory tokens. Not what it owns. */
  | { readonly type: "remove_resource"; readonly id: ResourceId }
  | { readonly type: "put_grant"; readonly grant: Grant }
  | { readonly type: "remove_grant"; readonly role: RoleId; readonly member: RoleId; readonly ownership: boolean }
  | { readonly type: "put_permit"; readonly permit: Permit }
  | { readonly type: "remove_permit"; readonly role: RoleId; readonly privilege: string; readonly resource: ResourceId }
  | { readonly type: "put_annotation"; readonly annotation: Annotation }
  | { readonly type: "remove_annotation"; readonly resource: ResourceId; readonly name: string }
  | { readonly type: "put_restriction"; readonly restriction: NetworkRestriction }
  | { readonly type: "remove_restriction"; readonly role: RoleId }
  /**
   * `apiKey` is absent when only the password changes: the sealed copy then stays. `apiKeyRevision` is filled in by the store: the commit that wrote
   * the sealed copy.
   */
  | { readonly type: "put_credential"; readonly credential: Credential; readonly apiKey?: SecretBytes; readonly apiKeyRevision?: Revision }
  | { readonly type: "remove_credential"; readonly role: RoleId }
  /** `revision` is filled in by the store. `value` is present on the way in only. */
  | {
      readonly type: "put_secret_version";
      readonly resource: ResourceId;
      readonly version: number;
      readonly createdAt: Instant;
      readonly revision?: Revision;
      readonly value?: SecretBytes;
    }
  /** Removes the version with its state: as if it had never been, but that its number is not given again while a later one is kept. */
  | { readonly type: "remove_secret_version"; readonly resource: ResourceId; readonly version: number }
  /** Says all that holds of the version's state; a version that is not there has none. `destroyed` removes the sealed value, and no later state brings it back. */
  | {
      readonly type: "put_version_state";
      readonly resource: ResourceId;
      readonly version: number;
      readonly deletesAt?: Instant;
      readonly destroyed?: true;
    }
  | { readonly type: "put_secret_rules"; readonly rules: SecretRules }
  | { readonly type: "remove_secret_rules"; readonly resource: ResourceId }
  /** One for each resource: the next replaces it, and removing the resource removes it. */
  | { readonly type: "put_secret_expiry"; readonly expiry: SecretExpiry }
  /** `text` is present on the way in only. `textRevision` is filled in by the store when there was one. */
  | { readonly type: "put_policy_version"; readonly policyVersion: PolicyVersion; readonly text?: string; readonly textRevision?: Revision }
  | { readonly type: "remove_policy_version"; readonly policy: RoleId; readonly version: number }
  | { readonly type: "put_authenticator_switch"; readonly authenticatorSwitch: AuthenticatorSwitch }
  | { readonly type: "put_host_factory_token"; readonly token: HostFactoryToken }
  | { readonly type: "remove_host_factory_token"; readonly factory: RoleId; readonly digest: string };

/** Changes that were stored together. All of them concern one account. */
export interface Commit {
  readonly revision: Revision;
  readonly account: AccountName;
  readonly at: Instant;
  readonly changes: readonly Change[];
}

/** What the listener knows of a request before anybody looked into it. */
export interface RequestContext {
  /** Random, or the client's own `X-Request-Id` when it is a safe word. */
  readonly requestId: string;
  /** The one time of this request; everything that is signed, expires or is judged by a clock uses it. */
  readonly now: Instant;
  /** Which front asked: `conjur`. */
  readonly dialect: string;
  /** The address rights are judged by, canonical: `203.0.113.9`, `2001:db8::1`. A Unix socket counts as `127.0.0.1`. */
  readonly clientAddress: string;
  /** The other end of the connection, when proxies stand between: absent when equal to `clientAddress`. */
  readonly peerAddress?: string;
  readonly userAgent?: string;
}

/** Somebody whose proof was accepted, asking now. */
export interface Caller {
  readonly account: AccountName;
  readonly role: RoleId;
  readonly context: RequestContext;
  /** When the proof was accepted, and until when it counts. */
  readonly issuedAt: Instant;
  readonly expiresAt: Instant;
  /** How the role was proven: `session`, `token` (a stored one), `operator` (the admin socket). */
  readonly proof: "session" | "token" | "operator";
  /** What the caller may do by path. Absent: nothing. */
  readonly rights?: PathRights;
  /** The stored token that was shown. */
  readonly token?: HeldToken;
}

/** How a token is known: never the token itself. */
export interface HeldToken {
  /** Lower-case hex digest, its key in the store; of a batch token of its text. */
  readonly digest: string;
  /** Empty for a batch token. */
  readonly accessor: string;
  readonly kind: "service" | "batch";
  /** It came of a login: the graph's rights of its role are its own. Those of a token that another made count only where its rules allow as much. */
  readonly actsAsRole?: true;
  /** It may be used no more after this, and is to be done away with then. */
  readonly isLastUse?: true;
}

/** One check on the way to a decision, in the order made. The first with `ok: false` decided. */
export interface Check {
  /** Snake case, stable, what operators grep for: `restricted_to`, `resource_group`, `authenticate`. */
  readonly check: string;
  readonly ok: boolean;
  /** What was expected and what was seen; never a credential. */
  readonly detail?: string;
  /** The fact that decided, as the policy declares it. */
  readonly origin?: Origin & { readonly policy: RoleId; readonly file?: string };
}

/** One line of the audit: a decision, whom it concerned, and what decided it. Values, tokens and keys have no member here. */
export interface AuditRecord {
  readonly decision: DecisionId;
  readonly at: Instant;
  /** `login`, `secret.read`, `policy.load`: noun and verb of the broker. */
  readonly operation: AuditedOperation;
  readonly allowed: boolean;
  readonly context: RequestContext;
  /** Absent while nobody is proven. */
  readonly role?: RoleId;
  /** What an unproven caller says it is, cut at 256 characters. */
  readonly claimed?: string;
  readonly authenticator?: string;
  readonly account?: string;
  readonly resource?: ResourceId;
  /** Where something was asked for by path: `secret/data/app`. */
  readonly path?: string;
  /** Which token asked, by its accessor; of what the operator looks up or ends, that one. */
  readonly accessor?: string;
  readonly version?: number;
  readonly privilege?: string;
  /** How many resources one line stands for, when it is not one. */
  readonly count?: number;
  /** The rule that allowed it: `owner acme:policy:db`, `permit execute to acme:group:secrets/consumers`. */
  readonly rule?: string;
  /** The revision of the facts the decision was made on. */
  readonly revision: Revision;
  /** Of a refusal: failure code, the check that failed, all checks in order, and the smallest change of policy that would have allowed it. */
  readonly failure?: string;
  readonly because?: string;
  readonly checks?: readonly Check[];
  readonly remedy?: string;
  /** What a machine's proof said about it, as far as it was verified: `{ "subscription-id": "…", "oid": "…" }`. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** A line as it is read from a trail, which may be older than this program: its operation may be one that there is no more. */
export type AuditedRecord = Omit<AuditRecord, "operation"> & { readonly operation: string };

/** One row that a load or a request changed, after the fact. */
export interface RowEvent {
  readonly operation: "add" | "change" | "remove";
  /** `resource`; or `role`; or `role` with `member` or `owner`; or `resource` with `role` and `privilege`; or `resource` with `annotation`. */
  readonly subject: Readonly<Partial<Record<"resource" | "role" | "member" | "owner" | "privilege" | "annotation", string>>>;
}

/** What became of the rows of an account: for sinks that tell each of them. */
export interface RowsChanged {
  readonly context: RequestContext;
  /** Who changed them. */
  readonly role: RoleId;
  /** The branch that was loaded and the number of the load; absent for a single request. */
  readonly policy?: RoleId;
  readonly version?: number;
  readonly rows: readonly RowEvent[];
}
