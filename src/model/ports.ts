/**
 * The interfaces between folders. Each is implemented by the folder it is named for and handed in by `server/compose.ts`.
 */

import type { AccountName, ResourceId, RoleId } from "./ids";
import type { SecretBytes } from "./secret-bytes";
import type { TokenStore } from "./token-store";
import type { AuditRecord, Change, Check, Commit, Instant, Revision, RowsChanged } from "./types";

export type * from "./azure-ports";
export type * from "./outbound-ports";
export type * from "./signed-tokens";
export type * from "./token-store";

export interface Clock {
  /** Wall-clock time. Read once a request, by the listener; background work reads it itself. */
  now(): Instant;
  /** Milliseconds that never jump, from an arbitrary start: for durations and deadlines. */
  monotonicMs(): number;
}

export interface Random {
  /** Fresh random bytes of the platform's generator. */
  bytes(count: number): Uint8Array;
}

/** A file of one fixed length, overwritten as a whole and in place: for a mark that moves with every commit. */
export interface PrivateCell {
  /** Hands the bytes to the kernel: they survive the end of the process, not of the machine. */
  write(bytes: Uint8Array): void;
  /** Makes the last `write` durable. */
  sync(): void;
  close(): void;
}

/** How a file may be less than private and still be read. */
export interface ReadOptions {
  /** Default 1 MiB; a longer file throws `too_large`. */
  readonly maxBytes?: number;
  /** Others may read it (never write), as in a folder that is itself closed to them. */
  readonly readableByOthers?: boolean;
  /** Its group may read it. */
  readonly readableByGroup?: boolean;
  /** It may belong to anybody, because the caller knows the folder. */
  readonly anyOwner?: boolean;
}

/**
 * Small files that nobody else may read or change. Links are not followed, and owner and mode are checked on the open descriptor: what is not a regular
 * file, belongs to neither this user nor root, or is open to group or others is refused with `malformed` (because `file_not_private`). A full disk throws
 * `storage_full`, a read-only one `read_only`, anything else `internal`. Synchronous: the files are small, and nothing may come between two steps.
 */
export interface PrivateFiles {
  /** The content, or undefined when there is no such file. */
  read(path: string, options?: ReadOptions): Uint8Array | undefined;
  /** Replaces the file atomically and durably, mode 0600: after a crash it is the old one or the new one. */
  replace(path: string, bytes: Uint8Array): void;
  /** Makes the folder and its parents, mode 0700, or closes an existing one to others. True when an existing one had to be closed. */
  ensureFolder(path: string): boolean;
  /** Makes an empty file, mode 0600, or closes an existing one to others. True when an existing one had to be closed. */
  ensureFile(path: string): boolean;
  /** Size in bytes, without opening it; undefined when absent. */
  size(path: string): number | undefined;
  /** Names the file system it is on; undefined when absent. */
  device(path: string): number | undefined;
  /** Opens an existing file as a cell. */
  openCell(path: string): PrivateCell;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** One JSON line per event: a name in snake case and fields, never a sentence. */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** What a sealed thing is bound to. Opening it under any other context fails. */
export interface SealContext {
  /** `secret`, `api_key`, `policy_text`. */
  readonly purpose: string;
  readonly account: AccountName;
  readonly kind: string;
  /** The resource's identifier, without account and kind. */
  readonly id: string;
  readonly version: number;
  /** The commit that wrote it: an old row put back where its successor belongs does not open. */
  readonly revision: Revision;
}

/** A sealed thing as it is stored. `wrap` is the content key under the scope key named by the other two; it alone changes in a re-wrap. */
export interface Sealed {
  readonly scopeKey: string;
  readonly generation: number;
  readonly wrap: Uint8Array;
  readonly body: Uint8Array;
}

export type KeyringState =
  | { readonly state: "uninitialised" }
  /** `seal_key_missing`, `seal_key_mismatch`, `keyring_integrity`, `provider_unavailable`; `detail` names the record or provider. */
  | { readonly state: "sealed"; readonly reason: string; readonly detail?: string }
  | { readonly state: "unsealed"; readonly warnings: readonly string[] };

/** A MAC and the epoch of the key that made it. */
export interface MacTag {
  readonly epoch: number;
  readonly tag: Uint8Array;
}

export interface Keyring {
  state(): KeyringState;
  /** Seals under the account's scope key. Synchronous. Throws `sealed`. */
  seal(plain: Uint8Array, context: SealContext): Sealed;
  /** Throws `integrity` when anything does not hold, `sealed` without keys. */
  open(sealed: Sealed, context: SealContext): Uint8Array;
  /** The same content key under the newest generation of its scope key; undefined when it is there already. */
  rewrap(sealed: Sealed, context: SealContext): Sealed | undefined;
  /** HMAC-SHA-256 over the parts, each with its length before it. `purpose`: `facts`, `audit`, `high_water`. */
  /** `epoch`: of an earlier root key, where what it made must be made again; absent: the newest. Throws `integrity` for one that never was. */
  mac(purpose: string, parts: readonly Uint8Array[], epoch?: number): MacTag;
  /** Whether `tag` is that of the parts, in constant time. False for an unknown epoch. */
  verifyMac(purpose: string, parts: readonly Uint8Array[], tag: MacTag): boolean;
  /** Makes the keys of a new account, durably, before its first value is sealed. Does nothing when they exist. */
  ensureAccount(account: AccountName): Promise<void>;
  /** Forgets the keys of an account and its node secrets, durably: what was sealed under them opens nowhere any more. Does nothing when there are none. */
  removeAccount(account: AccountName): Promise<void>;
  /** A secret of this node alone, sealed in the keyring's own file, outside the replicated store: a token signer's private key. */
  nodeSecret(account: AccountName, name: string): Uint8Array | undefined;
  putNodeSecret(account: AccountName, name: string, plain: Uint8Array): Promise<void>;
}

/** A token that says who this machine is, for one audience. */
export interface MachineToken {
  readonly token: SecretBytes;
  readonly expiresAt: Instant;
}

/** The identity that the platform gave this machine. */
export interface MachineIdentity {
  /** Who hands it out: `imds`, `arc`, `app-service`, `workload`. */
  readonly source: string;
  /** Whether somebody answers there at all; asks for no token. */
  available(): Promise<boolean>;
  /**
   * A token that is good for some minutes at least. One is kept for each audience and renewed at half of its life; any number of callers make one request.
   * Throws `upstream_unavailable` whose `because` says what came instead: `http_400_invalid_request`, `connect`, `token_audience`, `identity_mismatch`.
   */
  credential(audience: string): Promise<MachineToken>;
}

/** What the platform leaves on this machine's disk for whoever may use its identity. */
export interface MachineFiles {
  /**
   * A challenge: the bytes of a file directly in the folder, for the caller to clear. No link is followed on the way, and folder and file are judged on
   * their open descriptors: throws `malformed` (because `challenge_folder`) unless the folder can be changed by its owner alone and those above it by root,
   * this user, and its owner and group; because `challenge_file` unless the file is a regular one with one name, of at most 4096 bytes, of the folder's owner or root, that its owner alone can write;
   * `challenge_file_not_permitted` when this user may not read it.
   */
  readChallenge(folder: string, name: string): Uint8Array;
  /** A file of a volume that the platform mounts, which may be a link within it; undefined when there is none. Throws `too_large`. */
  readMounted(path: string, maxBytes: number): Uint8Array | undefined;
  exists(path: string): boolean;
}

/** A folder in which one group reads files that this process makes. */
export interface ChallengeFolder {
  /** Makes a new file that the group may read, and gives its path. */
  write(name: string, content: string): string;
  remove(name: string): void;
}

/** What a store tells at start: every surviving commit in order of revision; a snapshot shows as commits with the original revisions inside. */
export interface LoadedStore {
  readonly revision: Revision;
  readonly commits: readonly Commit[];
  /** Accounts whose MAC does not hold; none of their commits is among `commits`. They are refused as a whole. */
  readonly damaged: readonly AccountName[];
}

export type RecordKind = "api_key" | "policy_text";

export interface Store {
  load(): Promise<LoadedStore>;
  /**
   * Makes the changes durable as one commit and returns it as the log keeps it: revisions filled in, values left out.
   *
   * Throws `conflict` when facts of the account changed after `expected`; new secret versions alone do not count as facts, and a commit of nothing but
   * `put_secret_version` and `remove_secret_version` conflicts with changed facts all the same. Throws `storage_full`, `read_only`, `sealed`; after an I/O error nothing is accepted any more (`internal`) until reopened.
   */
  commit(
    changes: readonly Change[],
    options: {
      readonly account: AccountName;
      readonly expected: Revision;
      readonly now: Instant;
      /** Told what will be returned, before it is durable: for what takes long to derive from it. When it fails, nothing is stored. */
      readonly foretold?: (commit: Commit) => Promise<void>;
    },
  ): Promise<Commit>;
  /** Commits after `revision`, oldest first, without values. Ends at the newest one. */
  changesAfter(revision: Revision): AsyncIterable<Commit>;
  /** The opened value of a kept version, or undefined when there is none. Synchronous: sealed values are in memory. Throws `integrity`. */
  secretValue(id: ResourceId, version: number): SecretBytes | undefined;
  /** The sealed copy of a role's API key (`api_key`, key = role id) or the text of a policy version (`policy_text`, key = `<policy id>@<version>`). */
  record(kind: RecordKind, key: string): Promise<SecretBytes | undefined>;
  position(): { readonly revision: Revision; readonly syncedAt: Instant };
  /** Tokens, which are no facts: they have no place in the log, and go with their account. */
  readonly tokens: TokenStore;
  /** Checkpoints and lets go of the file. */
  close(): Promise<void>;
}

/** What an authenticator is shown, and as what. */
export type Credential = CredentialForm & { readonly value: SecretBytes };

/**
 * `token`: a JWT. `secret`: a password or API key, of whoever the request claims to be. `signed_request`: the headers of a request that was signed for
 * somebody else's service, as JSON. `code`: an authorization code, with what its client kept back since the sign-in began.
 */
export type CredentialForm =
  | { readonly kind: "token" | "signed_request" }
  | { readonly kind: "secret"; readonly login?: string }
  | { readonly kind: "code"; readonly nonce: string; readonly verifier: string };

/** Where a person's sign-in begins, and what its client must bring back with the code. */
export interface Invitation {
  /** For a list to choose from. */
  readonly name: string;
  /** Of the page to open in a browser. */
  readonly address: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** Values of the variables under an authenticator's webservice, by their names in `Authenticator.settings`; undeclared or empty ones are absent. */
export type AuthenticatorSettings = Readonly<Record<string, string | undefined>>;

/** What a proof says about who presented it, verified. */
export interface Attestation {
  /** The principal, stable for its life: for Azure the lower-case object id. */
  readonly subject: string;
  /** By attribute name: `subscription-id`, `resource-group`, `user-assigned-identity`, `system-assigned-identity`. Only attributes the proof carries. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly expiresAt: Instant;
  /** Further verified facts for the audit, never compared: `tid`, `aud`, `xms_mirid`. */
  readonly evidence: Readonly<Record<string, string>>;
  /** Checks passed, in order, for the audit. */
  readonly checks: readonly Check[];
  /** Something the operator should hear about this login: `audience_is_arm`. */
  readonly warnings: readonly string[];
  /** Whose proof it is, when it says so itself: `host/apps/web`, `alice`. */
  readonly login?: string;
  /** The account that the proof is for, when it names one. */
  readonly account?: string;
  /** In place of the authenticator's own rules, where settings decide them. */
  readonly restrictions?: RestrictionRules;
  /** How long the session may live, where settings say so; the broker's own bound holds all the same. */
  readonly sessionSeconds?: number;
}

/** How the annotations of a role restrict the attributes of a proof. Data, judged by the core. */
export interface RestrictionRules {
  /** Every role must carry these. */
  readonly required: readonly string[];
  /** `any`: whatever the proof says may be restricted on, but for `forbidden`. */
  readonly permitted: readonly string[] | "any";
  /** At most one of each list. */
  readonly exclusive: readonly (readonly string[])[];
  /** Compared without regard to case (the proving platform's own identifiers). */
  readonly ignoreCase: boolean;
  /** Names that restrict nothing, though any may. */
  readonly forbidden?: readonly string[];
  /** Which annotations count: `authn-azure/NAME` and `authn-azure/SERVICE/NAME` (default), one of the two alone, or none. */
  readonly form?: "general" | "service" | "none";
  /** At least one of these must be there; `any`: at least one at all. */
  readonly oneOf?: readonly string[] | "any";
  /** An annotation without a value is refused instead of passed over, and a name may have slashes. */
  readonly isStrict?: boolean;
  /** The role's identifier must end in the values of these attributes, as whole segments: `["account-id", "role-name"]` → `…/123456789012/app`. */
  readonly loginEndsIn?: readonly string[];
  /** The account's administrator does not log in this way. */
  readonly refusesAdministrator?: boolean;
  /** The attribute that an annotation's name stands for, where it is another one. */
  readonly aliases?: Readonly<Record<string, string>>;
}

/** Proves attributes; never chooses what they entitle to. */
export interface Authenticator {
  /** `authn-azure`: also the first part of its webservice's name and of its annotations. */
  readonly type: string;
  /** Variables it reads under its webservice, required ones first. */
  readonly settings: readonly { readonly name: string; readonly required: boolean; readonly isSecret?: boolean }[];
  /** Annotations of its webservice that are settings too, by their own names: `ldap-authn/base_dn`. */
  readonly annotations?: readonly string[];
  /** It takes passwords, and API keys in their place: whoever proved themselves once goes on with their key. */
  readonly takesPasswords?: boolean;
  /** Whether an account has several, each with a service (default), one without, or both. */
  readonly service?: "none" | "optional";
  readonly restrictions: RestrictionRules;
  /** The proof may say whose it is: it is verified before anybody is looked up. */
  readonly namesRoles?: boolean;
  /** A setting that is declared and has no value is an error, and not the same as one that is not declared. */
  readonly refusesEmptySettings?: boolean;
  /** There is nothing that a status could tell, and none is asked for. */
  readonly lacksStatus?: boolean;
  /** Throws `unauthenticated` (with `because` and the checks made) or `upstream_unavailable`. `expired` only for a proof that verifies but for its end. */
  verify(credential: Credential, settings: AuthenticatorSettings, now: Instant): Promise<Attestation>;
  /** Whether it could verify something now: throws like `verify`, saying what is missing. */
  status(settings: AuthenticatorSettings, now: Instant): Promise<void>;
  /** How people begin to sign in. Undefined where the settings are not for people; throws like `verify`. */
  invite?(settings: AuthenticatorSettings, service: string): Promise<Invitation | undefined>;
}

/** The audit trail. One line per decision. */
export interface AuditLog {
  /**
   * Resolves when the line is with the kernel (or on the disk, when so configured). Rejects with `internal` (because `audit_unavailable`) when no sink
   * takes it in `required` mode; the answer must then stay.
   */
  append(record: AuditRecord): Promise<void>;
  /** Tells, after the fact, which rows a change touched. For sinks that have a line for each; the trail has told the decision. Never fails. */
  rowsChanged?(event: RowsChanged): void;
  /** Whether a line could be written now; asked before a change of state begins. */
  available(): boolean;
  close(): Promise<void>;
}

/** A place that takes lines of text, in order. */
export interface LineSink {
  /** As the operator wrote it: `tcp://logs.example:601`. */
  readonly place: string;
  /** Resolves to how many of them, from the first on, are out of this process's hands; rejects when none is. One write at a time. */
  write(lines: readonly string[]): Promise<number>;
  close(): void;
}

/** Counts and durations, declared once in `metrics/metrics.ts`. */
export interface Meter {
  decision(operation: string, allowed: boolean): void;
  login(authenticator: string, allowed: boolean): void;
}

/** What a signer of session tokens can do; the private key stays inside. */
export interface SessionSigner {
  /** Lower-case hex SHA-256 of the DER SubjectPublicKeyInfo. */
  readonly keyId: string;
  readonly algorithm: "EdDSA" | "RS256";
  readonly publicKeyPem: string;
  /** EdDSA resolves at once; RS256 is made off the serving thread. */
  sign(data: Uint8Array): Promise<Uint8Array> | Uint8Array;
  verify(data: Uint8Array, signature: Uint8Array): boolean;
}

/** Pure functions run off the serving thread, so that a long one does not stall other requests. Input and output are plain values. */
export interface Offload {
  run(task: string, input: unknown): Promise<unknown>;
}

export type { RoleId };
