/**
 * What the broker can do, as the fronts and the operator's commands see it: nouns in, nouns out, failures thrown.
 *
 * Every operation takes who asks first, passes the gate, and leaves one line in the audit before its answer. Ids arrive canonical (`model/ids.ts`).
 * The door that re-exports these types is `core/broker.ts`.
 */

import type { PolicyProblem } from "../model/failures";
import type { AccountName, Kind, ResourceId, RoleId } from "../model/ids";
import type { CredentialForm } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import type {
  Annotation,
  Caller,
  Grant,
  Instant,
  Permit,
  PolicyVersion,
  RequestContext,
  Resource,
  SecretExpiry,
  SecretVersionInfo,
} from "../model/types";
import type { AuthenticatorOperations } from "./authenticator-operations";
import type { BranchOperations } from "./branch-operations";
import type { ExportedAccount } from "./exports";
import type { HostFactoryOperations } from "./host-factory-operations";
import type { ImportedFacts, ImportOutcome } from "./imports";
import type { IssuedToken, PathOperations, PathQuestion, PathReport, TokenOversight } from "./mounts/operations";
import type { Judgement } from "./policy/assertions";
import type { RecordState } from "./policy/effect";
import type { RightsDifference } from "./policy/rights";

export type * from "./authenticator-operations";
export type * from "./branch-operations";
export type { ExportedAccount } from "./exports";
export type * from "./host-factory-operations";
export type { ImportedFacts, ImportOutcome } from "./imports";
export type * from "./mounts/operations";
export type { Judgement } from "./policy/assertions";
export type { RecordState } from "./policy/effect";
export type { RightGroup, RightsDifference } from "./policy/rights";

/** A session token in the form it was issued: the JSON text of protected, payload and signature. */
export interface Presented {
  readonly kind: "session";
  readonly token: SecretBytes;
}

export interface LoginRequest {
  /** `authn`, `authn-azure`. */
  readonly authenticator: string;
  /** The service of an external authenticator: `AzureAE1`. Absent for `authn`. */
  readonly service?: string;
  /** As claimed; need not exist. */
  readonly account: string;
  /** As claimed, canonical; only users and hosts can log in. Undefined when the claimed login cannot be a name at all. */
  readonly role: RoleId | undefined;
  /** What the client wrote, for the audit; cut and marked as unverified there. */
  readonly claimed: string;
  /** Undefined or empty: nothing was presented. */
  readonly credential: SecretBytes | undefined;
  /** What the credential of an external authenticator is. Default: a token. */
  readonly form?: CredentialForm;
}

export interface Session {
  /** The token text: `{"protected":"…","payload":"…","signature":"…"}`. */
  readonly token: SecretBytes;
  readonly role: RoleId;
  readonly expiresAt: Instant;
}

/** A role and the password or API key it shows for itself. */
export interface BasicProof {
  readonly account: string;
  readonly role: RoleId | undefined;
  readonly claimed: string;
  readonly secret: SecretBytes | undefined;
}

export interface ApiKeyAge {
  readonly role: RoleId;
  readonly rotatedAt: Instant;
}

export interface SecretRef {
  readonly id: ResourceId;
  /** The newest when absent. */
  readonly version?: number;
}

export interface SecretVersion {
  readonly id: ResourceId;
  readonly version: number;
  readonly createdAt: Instant;
  readonly value: SecretBytes;
  /** The annotation `conjur/mime_type`, unchecked. */
  readonly mimeType?: string;
}

export type PolicyMode = "create" | "update" | "replace";

export interface PolicyLoad {
  /** The branch: `acme:policy:root`. */
  readonly policy: RoleId;
  readonly mode: PolicyMode;
  readonly text: Uint8Array;
  /** The loader's own name of the text, for reports: `authn-azure.yml`. */
  readonly file?: string;
}

export interface PolicyOutcome {
  readonly version: number;
  /** New users and hosts with the keys made for them, in the order of the text. */
  readonly createdRoles: readonly { readonly id: RoleId; readonly apiKey: SecretBytes }[];
  readonly warnings: readonly string[];
}

/** What a load would do, told without doing it. Lists are sorted by id. */
export interface PolicyRehearsal {
  readonly created: readonly RecordState[];
  /** Records that were there before and would look different: also the owner of a new one, and who is granted something. */
  readonly updated: readonly { readonly before: RecordState; readonly after: RecordState }[];
  readonly deleted: readonly RecordState[];
  /** Ids in these lists whose names the caller may not learn; of such a record nothing else is told. */
  readonly hidden: ReadonlySet<ResourceId>;
}

export interface EffectivePolicyQuery {
  readonly policy: RoleId;
  /** How many levels of policies below this one are opened. */
  readonly depth: number;
  /** Most records; more are `malformed` (kind `argument`, where `limit`). */
  readonly limit: number;
  readonly format: "yaml" | "json";
}

/** Everything that shows of a resource to those who may see it. */
export interface ResourceView {
  readonly resource: Resource;
  readonly permits: readonly Permit[];
  readonly annotations: readonly Annotation[];
  /** Of a variable: the versions that can be read, oldest first. */
  readonly secretVersions: readonly SecretVersionInfo[];
  /** Of a variable: the version that is due to be replaced, and since when. */
  readonly secretExpiry?: SecretExpiry;
  /** Of a policy: its loads, newest first; `text` only for those who own the policy or hold `read` on it. */
  readonly policyVersions: readonly (PolicyVersion & { readonly text?: string })[];
  /** Of a user or host; empty when unrestricted. */
  readonly restrictedTo: readonly string[];
  /** Of a host factory. */
  readonly layers: readonly RoleId[];
  /** Of a host factory, for those who may use or change it: its tokens that have not ended, without the tokens. */
  readonly factoryTokens: readonly { readonly expiresAt: Instant; readonly networks: readonly string[] }[];
}

export interface ResourceQuery {
  readonly account?: AccountName;
  readonly kind?: Kind;
  /** Words that must all occur in identifier, annotation values or kind. */
  readonly search?: string;
  /** Owned by this role or by any role it holds. */
  readonly owner?: RoleId;
  /** As seen by this role, which the caller must hold. */
  readonly actingAs?: RoleId;
  readonly limit?: number;
  readonly offset?: number;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  /** How many there are without limit and offset. */
  readonly total: number;
}

export interface GrantQuery {
  readonly search?: string;
  readonly kind?: Kind;
  /** Keep only these members (`memberships`) . */
  readonly filter?: readonly ResourceId[];
  readonly limit?: number;
  readonly offset?: number;
}

export interface RoleView {
  readonly role: Resource;
  readonly members: readonly Grant[];
}

/** `child` is a member of `parent`. */
export interface RoleEdge {
  readonly parent: RoleId;
  readonly child: RoleId;
}

/** Everything that only reads, which is all that a machine's own agent offers. */
export interface SecretReader {
  /** Throws `unauthenticated`, or `forbidden` (reason `address`, or no reason when the role is gone). */
  identify(presented: Presented, context: RequestContext): Caller;
  /** Throws `not_found` (absent, hidden, empty), `forbidden`. */
  read(caller: Caller, secret: SecretRef): Promise<SecretVersion>;
  /** All or nothing. Throws `forbidden` for a visible one without the right before `not_found` for any other. */
  readMany(caller: Caller, ids: readonly ResourceId[]): Promise<ReadonlyMap<ResourceId, SecretVersion>>;
}

export interface Broker extends SecretReader, AuthenticatorOperations, BranchOperations, HostFactoryOperations {
  /** What is done by path: mounts, and what is kept and who logs in at them. */
  readonly paths: PathOperations;
  login(request: LoginRequest, context: RequestContext): Promise<Session>;
  /** The API key of a role that shows its password or API key. Throws `unauthenticated`. */
  exchangeForApiKey(proof: BasicProof, context: RequestContext): Promise<SecretBytes>;
  /** A new API key for the role that shows its present one; the old one dies at once. */
  rotateOwnApiKey(proof: BasicProof, context: RequestContext): Promise<SecretBytes>;
  /** A new API key for another role, by the right `update` on it. Rotating one's own this way is `unauthenticated` (reason `weak`). */
  rotateApiKey(caller: Caller, role: RoleId): Promise<SecretBytes>;
  /** When the role that shows its present key or password last got its key. */
  ownApiKeyAge(proof: BasicProof, context: RequestContext): Promise<ApiKeyAge>;
  /** The same of another role, by the right that rotating its key takes, and with the same failures. */
  apiKeyAge(caller: Caller, role: RoleId): Promise<ApiKeyAge>;
  /** Throws `malformed` (kind `validation`, where `password`) for a weak one, `forbidden` for hosts. */
  changePassword(proof: BasicProof, password: SecretBytes, context: RequestContext): Promise<void>;

  /** Audits that the caller asked who they are. */
  whoAmI(caller: Caller): Promise<void>;

  loadPolicy(caller: Caller, load: PolicyLoad): Promise<PolicyOutcome>;
  /** What `loadPolicy` would do; takes the same rights and fails in the same ways, but for a load under way. */
  rehearsePolicy(caller: Caller, load: PolicyLoad): Promise<PolicyRehearsal>;
  /** The branch as it is now, as policy text. Throws `forbidden` for a caller who does not hold the policy's owner. */
  fetchPolicy(caller: Caller, query: EffectivePolicyQuery): Promise<string>;

  /** Stores a new version; a value equal to the newest stores nothing. Throws `malformed` (kind `argument`, where `value`) when empty or white space, and (where `public_key`) for a public key that is none. */
  writeSecret(caller: Caller, id: ResourceId, value: SecretBytes): Promise<void>;

  /** Marks the newest version as due to be replaced, from now on. Throws `not_found` (`empty`) where there is none. */
  expireSecret(caller: Caller, id: ResourceId): Promise<void>;
  /** The public key lines of a user, sorted by the keys' names; or the line of one public key resource. None for what is not there: such keys are public. */
  publicKeys(id: ResourceId): readonly string[];

  showResource(caller: Caller, id: ResourceId): Promise<ResourceView>;
  listResources(caller: Caller, query: ResourceQuery): Promise<Page<ResourceView>>;
  countResources(caller: Caller, query: ResourceQuery): Promise<number>;
  /** Whether `role` (the caller when absent) has `privilege`; false too for a resource the caller cannot see. Throws `forbidden` for a role the caller does not hold. */
  check(caller: Caller, id: ResourceId, privilege: string, role?: RoleId): Promise<boolean>;
  /** All roles with the privilege, by ownership, permit or membership, sorted. */
  permittedRoles(caller: Caller, id: ResourceId, privilege: string): Promise<readonly RoleId[]>;

  showRole(caller: Caller, id: RoleId): Promise<RoleView>;
  /** All roles held, transitively and including itself, sorted. */
  heldRoles(caller: Caller, id: RoleId): Promise<readonly RoleId[]>;
  /** Direct grants in which the role is the member. */
  memberships(caller: Caller, id: RoleId, query: GrantQuery): Promise<Page<Grant>>;
  /** Direct grants of the role. */
  members(caller: Caller, id: RoleId, query: GrantQuery): Promise<Page<Grant>>;
  /** The memberships above the role, of its ancestors' other members, and below it: those whose `parent` the caller sees, sorted. */
  roleGraph(caller: Caller, id: RoleId): Promise<readonly RoleEdge[]>;
  addMember(caller: Caller, role: RoleId, member: RoleId): Promise<void>;
  removeMember(caller: Caller, role: RoleId, member: RoleId): Promise<void>;
}

/** What the operator of the machine may do through the admin socket, without an account's credential. */
export interface Operator {
  /** A caller that acts as the account's `user:admin`. Throws `not_found`. */
  caller(account: string, context: RequestContext): Caller;
  /** Makes the account with its `user:admin`. Throws `exists`, `malformed`. */
  createAccount(
    name: string,
    context: RequestContext,
    password?: SecretBytes,
  ): Promise<{ readonly apiKey: SecretBytes; readonly signingKeyPem: string }>;
  /** Removes an account with everything in it. Throws `not_found`. */
  deleteAccount(name: string, context: RequestContext): Promise<void>;
  /** A new password and API key for a user who lost theirs. Throws `not_found`, `malformed` for a weak one, `forbidden` for a host. */
  resetPassword(role: RoleId, password: SecretBytes, context: RequestContext): Promise<SecretBytes>;
  /** A token by path with every right, shown once. `ttlSeconds` 0: it never ends. Throws `sealed` where no account is behind the paths. */
  createRootToken(ttlSeconds: number, context: RequestContext): Promise<IssuedToken>;
  /** Tokens by path, as `TokenOversight` has it. */
  listTokens: TokenOversight["list"];
  lookUpToken: TokenOversight["lookUp"];
  revokeToken: TokenOversight["revoke"];
  /** Why a token, a role or some policies allow something at a path or not, as things are now. Throws `not_found`, `malformed`. */
  explainPath(question: PathQuestion, now: Instant): PathReport;
  accounts(): readonly AccountName[];
  /** Takes over facts of another server's account; what is not sound is refused by name and the rest is taken. Throws `not_found` for an unknown account. */
  importFacts(account: AccountName, facts: ImportedFacts, context: RequestContext): Promise<ImportOutcome>;
  /** The facts of an account, for another server. Throws `not_found`. */
  exportFacts(account: AccountName, context: RequestContext): Promise<ExportedAccount>;
  /** Prints an API key again. Throws `not_found`. */
  retrieveKey(role: RoleId, context: RequestContext): Promise<SecretBytes>;
  /** What a policy text would be told, without loading it: every problem and warning. `ok` when it would load. */
  checkPolicy(load: PolicyLoad, account: string): Promise<PolicyReport>;
  /** What loading these texts, one after another, would change for whom. Throws `not_found` for an unknown account. */
  forecastPolicy(loads: readonly PolicyLoad[], account: string): Promise<PolicyForecast>;
  /** Whether the assertions hold in the account as it is. Throws `policy_invalid` for a text that is none. */
  testPolicy(text: string, account: string): Promise<readonly Judgement[]>;
}

export type PolicyForecast =
  | {
      readonly ok: true;
      readonly created: readonly ResourceId[];
      readonly updated: readonly ResourceId[];
      readonly deleted: readonly ResourceId[];
      readonly rights: readonly RightsDifference[];
      readonly warnings: readonly string[];
    }
  /** `failed` is the place of the text that would not load. */
  | { readonly ok: false; readonly failed: number; readonly problems: readonly PolicyProblem[] };

export interface PolicyReport {
  readonly ok: boolean;
  readonly problems: readonly PolicyProblem[];
  readonly warnings: readonly string[];
}
