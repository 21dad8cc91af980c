/**
 * What goes over the admin socket: every operation with its request and its answer, for both ends of it.
 *
 * Bodies are JSON. Secrets are base64 in it, and `SecretBytes` on both sides; this is the only place where they change form.
 */

import * as v from "valibot";
import type { Failure, PolicyProblem } from "../model/failures";
import { SecretBytes } from "../model/secret-bytes";

/** One operation: where it is and what goes in and out. */
export interface AdminOperation<Input extends v.GenericSchema = v.GenericSchema, Output extends v.GenericSchema = v.GenericSchema> {
  readonly path: string;
  readonly input: Input;
  readonly output: Output;
}

export type InputOf<Operation extends AdminOperation> = v.InferOutput<Operation["input"]>;
export type OutputOf<Operation extends AdminOperation> = v.InferOutput<Operation["output"]>;

/** A refusal as the operator hears it. */
export type AdminFailure = v.InferOutput<typeof FailureBody>["error"];

export type AdminToken = v.InferOutput<typeof Token>;

/** The file name of the admin socket in the data folder. */
export const adminSocketName = "admin.sock";

const Secret = v.pipe(
  // The library's own form of base64 is never empty; a secret may be.
  v.union([v.literal(""), v.pipe(v.string(), v.base64())], "a secret in base64"),
  v.transform((text) => new SecretBytes(Buffer.from(text, "base64"))),
);
const Bytes = v.pipe(
  v.union([v.literal(""), v.pipe(v.string(), v.base64())], "bytes in base64"),
  v.transform((text): Uint8Array => Buffer.from(text, "base64")),
);
const Name = v.pipe(v.string(), v.nonEmpty("a name"), v.maxLength(1100));
const Count = v.pipe(v.number(), v.integer(), v.minValue(0));
const Problem = v.object({
  message: v.string(),
  line: v.exactOptional(v.number()),
  column: v.exactOptional(v.number()),
  advice: v.exactOptional(v.string()),
});
const Nothing = v.strictObject({});
/** A token without its text. Times are epoch milliseconds; an end of 0 is none. */
const Token = v.object({
  accessor: v.string(),
  role: v.string(),
  displayName: v.string(),
  path: v.string(),
  policies: v.array(v.string()),
  identityPolicies: v.array(v.string()),
  meta: v.nullable(v.record(v.string(), v.string())),
  createdAt: v.number(),
  expiresAt: v.number(),
  ttlSeconds: v.number(),
  uses: Count,
  usesLeft: Count,
  isOrphan: v.boolean(),
  isRenewable: v.boolean(),
  boundCidrs: v.array(v.string()),
});
const byAccessor = v.strictObject({ accessor: Name });
/** The facts of an account, by full ids. */
const facts = {
  resources: v.array(v.strictObject({ id: v.string(), owner: v.string(), createdAt: v.number(), policy: v.exactOptional(v.string()) })),
  grants: v.array(
    v.strictObject({
      role: v.string(),
      member: v.string(),
      adminOption: v.boolean(),
      ownership: v.boolean(),
      policy: v.exactOptional(v.string()),
    }),
  ),
  permits: v.array(v.strictObject({ role: v.string(), privilege: v.string(), resource: v.string(), policy: v.exactOptional(v.string()) })),
  annotations: v.array(v.strictObject({ resource: v.string(), name: v.string(), value: v.string(), policy: v.exactOptional(v.string()) })),
  restrictions: v.array(v.strictObject({ role: v.string(), networks: v.array(v.string()) })),
};
/** One account in an archive: its facts, the values it had, and the authenticators that were switched on. */
export const ArchivedAccount = v.strictObject({
  name: Name,
  facts: v.strictObject(facts),
  values: v.record(v.string(), Secret),
  authenticators: v.array(v.string()),
});
const Mac = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/u, "64 hex digits"));

const PolicyText = v.strictObject({
  account: Name,
  /** `root`, `apps/db`. */
  branch: Name,
  mode: v.picklist(["create", "update", "replace"]),
  text: Bytes,
  file: v.exactOptional(v.string()),
});

const RightGroup = v.object({ privileges: v.array(v.string()), resources: v.array(v.string()), through: v.string() });

const SealStatus = v.object({
  state: v.picklist(["uninitialised", "sealed", "unsealed"]),
  reason: v.exactOptional(v.string()),
  detail: v.exactOptional(v.string()),
  warnings: v.array(v.string()),
  deployment: v.exactOptional(v.string()),
  epoch: v.exactOptional(v.number()),
  recipients: v.array(v.object({ provider: v.string(), state: v.string() })),
  scopes: v.array(v.object({ account: v.string(), scope: v.string(), generation: v.number(), kept: v.number(), seals: v.number() })),
});

const Readiness = v.object({ ready: v.boolean(), reasons: v.array(v.string()), warnings: v.array(v.string()) });

const Status = v.object({
  version: v.string(),
  readiness: Readiness,
  seal: SealStatus,
  accounts: v.array(v.string()),
  store: v.exactOptional(v.object({ revision: v.number(), syncedAt: v.number() })),
  rewrap: v.exactOptional(v.object({ done: v.number(), total: v.number() })),
  certificate: v.exactOptional(v.object({ notAfter: v.number(), daysLeft: v.number() })),
  listeners: v.array(v.string()),
});

const AuditReport = v.object({
  ok: v.boolean(),
  lines: Count,
  files: v.array(v.string()),
  firstSequence: Count,
  lastSequence: Count,
  lastMac: Mac,
  findings: v.array(
    v.object({
      sequence: Count,
      kind: v.string(),
      detail: v.string(),
      file: v.exactOptional(v.string()),
      line: v.exactOptional(v.number()),
    }),
  ),
  found: Count,
});

export type AdminStatus = v.InferOutput<typeof Status>;
export type AdminReadiness = v.InferOutput<typeof Readiness>;
export type AdminSealStatus = v.InferOutput<typeof SealStatus>;

export const adminOperations = {
  status: operation("/status", Nothing, Status),
  unseal: operation("/seal/unseal", v.strictObject({ recoveryKey: v.exactOptional(Secret) }), SealStatus),
  rotateRoot: operation(
    "/seal/rotate-root",
    v.strictObject({ recoveryKey: v.exactOptional(Secret) }),
    v.object({ epoch: v.number(), recoveryKey: v.exactOptional(Secret) }),
  ),
  rotateScope: operation(
    "/seal/rotate-scope",
    v.strictObject({ account: Name }),
    v.object({ scopeKey: v.string(), generation: v.number() }),
  ),
  addRecipient: operation("/seal/add", v.strictObject({ provider: Name }), v.object({ recoveryKey: v.exactOptional(Secret) })),
  removeRecipient: operation("/seal/remove", v.strictObject({ provider: Name }), v.object({})),
  createAccount: operation(
    "/accounts/create",
    v.strictObject({ name: v.string(), password: v.exactOptional(Secret) }),
    v.object({ apiKey: Secret, signingKeyPem: v.string() }),
  ),
  deleteAccount: operation("/accounts/delete", v.strictObject({ name: v.string() }), v.object({})),
  resetPassword: operation("/roles/reset-password", v.strictObject({ role: Name, password: Secret }), v.object({ apiKey: Secret })),
  importFacts: operation(
    "/import/facts",
    v.strictObject({ account: Name, ...facts }),
    v.object({
      added: Count,
      newRecords: v.array(v.string()),
      unchanged: Count,
      refused: v.array(v.object({ what: v.string(), reason: v.string() })),
      createdRoles: v.array(v.object({ id: v.string(), apiKey: Secret })),
    }),
  ),
  exportFacts: operation(
    "/export/facts",
    v.strictObject({ account: Name }),
    v.object({ ...facts, valued: v.array(v.string()), authenticators: v.array(v.string()) }),
  ),
  setAuthenticator: operation(
    "/authenticators/set",
    v.strictObject({ account: Name, authenticator: Name, enabled: v.boolean() }),
    v.object({}),
  ),
  reload: operation("/reload", Nothing, v.object({})),
  createRootToken: operation("/vault/root-token", v.strictObject({ ttlSeconds: Count }), v.object({ token: Secret })),
  listTokens: operation(
    "/tokens/list",
    v.strictObject({ offset: Count, limit: v.pipe(Count, v.minValue(1), v.maxValue(1000)), path: v.exactOptional(Name) }),
    v.object({ total: Count, tokens: v.array(Token) }),
  ),
  lookUpToken: operation("/tokens/look-up", byAccessor, Token),
  revokeToken: operation("/tokens/revoke", byAccessor, Token),
  retrieveKey: operation("/roles/retrieve-key", v.strictObject({ role: Name }), v.object({ apiKey: Secret })),
  loadPolicy: operation(
    "/policies/load",
    PolicyText,
    v.object({ version: v.number(), createdRoles: v.array(v.object({ id: v.string(), apiKey: Secret })), warnings: v.array(v.string()) }),
  ),
  checkPolicy: operation(
    "/policies/check",
    PolicyText,
    v.object({ ok: v.boolean(), problems: v.array(Problem), warnings: v.array(v.string()) }),
  ),
  forecastPolicy: operation(
    "/policies/forecast",
    v.strictObject({ account: Name, texts: v.array(v.omit(PolicyText, ["account"])) }),
    v.variant("ok", [
      v.object({
        ok: v.literal(true),
        created: v.array(v.string()),
        updated: v.array(v.string()),
        deleted: v.array(v.string()),
        rights: v.array(v.object({ roles: v.array(v.string()), gained: v.array(RightGroup), lost: v.array(RightGroup) })),
        warnings: v.array(v.string()),
      }),
      v.object({ ok: v.literal(false), failed: Count, problems: v.array(Problem) }),
    ]),
  ),
  testPolicy: operation(
    "/policies/test",
    v.strictObject({ account: Name, text: v.string() }),
    v.object({ judgements: v.array(v.object({ line: Count, text: v.string(), holds: v.boolean(), why: v.array(v.string()) })) }),
  ),
  setVariable: operation("/variables/set", v.strictObject({ id: Name, value: Secret }), v.object({})),
  getVariable: operation(
    "/variables/get",
    v.strictObject({ id: Name, version: v.exactOptional(v.pipe(Count, v.minValue(1))) }),
    v.object({ id: v.string(), version: v.number(), createdAt: v.number(), value: Secret }),
  ),
  why: operation(
    "/audit/why",
    v.strictObject({ decision: Name }),
    v.object({ text: v.string(), record: v.record(v.string(), v.unknown()) }),
  ),
  /** The newest refusal of a login. */
  whyLogin: operation(
    "/audit/why-login",
    v.strictObject({ account: Name, login: Name }),
    v.object({ text: v.string(), record: v.record(v.string(), v.unknown()) }),
  ),
  /** Why a token, a role or some policies allow something at a path or not, as things are now. */
  whyPath: operation(
    "/paths/why",
    v.strictObject({
      about: v.variant("by", [
        v.strictObject({ by: v.literal("accessor"), accessor: Name }),
        v.strictObject({ by: v.literal("role"), role: Name }),
        v.strictObject({ by: v.literal("policies"), names: v.pipe(v.array(Name), v.minLength(1, "a policy"), v.maxLength(256)) }),
      ]),
      path: v.string(),
      capability: v.picklist(["create", "read", "update", "patch", "delete", "list"]),
      sudo: v.exactOptional(v.boolean()),
    }),
    v.object({ text: v.string(), report: v.record(v.string(), v.unknown()) }),
  ),
  verifyAudit: operation(
    "/audit/verify",
    v.strictObject({
      knownHead: v.exactOptional(v.strictObject({ sequence: Count, mac: Mac })),
      from: v.exactOptional(v.pipe(Count, v.minValue(1))),
    }),
    AuditReport,
  ),
} as const;

export const FailureBody = v.object({
  error: v.object({
    code: v.string(),
    message: v.string(),
    decision: v.exactOptional(v.string()),
    problems: v.exactOptional(v.array(Problem)),
  }),
});

/** JSON text of a body, secrets and bytes in base64. The only way by which a secret becomes text on purpose. */
export function printBody(body: object): string {
  return JSON.stringify(body, function (this: Readonly<Record<string, unknown>>, name, value: unknown) {
    const before = this[name];
    const bytes = before instanceof SecretBytes ? before.reveal() : before;
    return bytes instanceof Uint8Array ? Buffer.from(bytes).toString("base64") : value;
  });
}

/** What the operator is told of a failure. Other than the client of a front, they may know why. */
export function adminFailure(failure: Failure): AdminFailure {
  const because = failure.because === undefined ? "" : ` (${failure.because})`;
  return {
    code: failure.code,
    message:
      failure.code === "malformed" && failure.because === "configuration"
        ? failure.expected
        : `${sentences[failure.code](failure)}${because}`,
    ...(failure.decision === undefined ? {} : { decision: failure.decision }),
    ...(failure.code === "policy_invalid" ? { problems: failure.problems.map(plainProblem) } : {}),
  };
}

const sentences: { readonly [Code in Failure["code"]]: (failure: Failure) => string } = {
  malformed: (failure) => (failure.code === "malformed" ? `${failure.where}: expected ${failure.expected}` : ""),
  unauthenticated: () => "the proof was not accepted",
  forbidden: () => "not allowed",
  not_found: (failure) =>
    failure.code === "not_found" ? `not found: ${failure.target}${failure.empty === true ? " has no value" : ""}` : "",
  exists: (failure) => (failure.code === "exists" ? `exists already: ${failure.target}` : ""),
  conflict: (failure) => (failure.code === "conflict" ? `in use or changed meanwhile: ${failure.what}` : ""),
  policy_invalid: () => "the policy is not valid",
  unsupported: (failure) => (failure.code === "unsupported" ? `not supported: ${failure.what}` : ""),
  too_large: (failure) => (failure.code === "too_large" ? `too large: ${failure.what}` : ""),
  throttled: (failure) => (failure.code === "throttled" ? `too many at once; try again in ${failure.retryAfterSeconds} seconds` : ""),
  read_only: () => "the store cannot be written to",
  upstream_unavailable: (failure) => (failure.code === "upstream_unavailable" ? `not reachable: ${failure.upstream}` : ""),
  storage_full: () => "the disk is full",
  sealed: (failure) => (failure.code === "sealed" ? `sealed: ${failure.reason}` : ""),
  integrity: (failure) => (failure.code === "integrity" ? `damaged or changed by a foreign hand: ${failure.what}` : ""),
  stale: () => "what is here is too old to be served",
  not_replicated: () => "not kept on this node",
  internal: (failure) => (failure.code === "internal" ? `failed: ${failure.what}` : ""),
};

function plainProblem({ message, line, column, advice }: PolicyProblem): v.InferOutput<typeof Problem> {
  return {
    message,
    ...(line === undefined ? {} : { line }),
    ...(column === undefined ? {} : { column }),
    ...(advice === undefined ? {} : { advice }),
  };
}

function operation<Input extends v.GenericSchema, Output extends v.GenericSchema>(
  path: string,
  input: Input,
  output: Output,
): AdminOperation<Input, Output> {
  return { path, input, output };
}
