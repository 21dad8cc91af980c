/**
 * The operator's door: what the commands do, over the admin socket, which only the user of the server can open. There is no other way to it: whoever comes
 * over TCP is refused, whatever port the application was bound to.
 *
 * Everything that changes something or shows a secret goes through the broker, and so through the gate and the audit. What touches the keyring or the audit
 * itself is written down here.
 */

import { Hono } from "hono";
import * as v from "valibot";
import type { AuditTrail } from "../audit/audit-log";
import {
  type AdminOperation,
  type AdminReadiness,
  type AdminSealStatus,
  type AdminStatus,
  type AdminToken,
  adminFailure,
  adminOperations,
  type InputOf,
  type OutputOf,
  printBody,
} from "../client/admin-wire";
import type { Broker, Operator, PolicyLoad, RightGroup, TokenView } from "../core/broker";
import { createDecisionIds } from "../core/decisions";
import type { KeyringControl } from "../keyring/keyring";
import type { Metrics } from "../metrics/metrics";
import { type Failure, type FailureCode, failureOf, PosternError } from "../model/failures";
import { accountOf, parseAccount, parseId, parseIdentifier, parseRoleId } from "../model/ids";
import type { Clock, Logger, Random } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import type { AuditRecord, RequestContext } from "../model/types";
import { explainDecision } from "./explanation";
import { factsOf, rowsOf } from "./imported-facts";
import { explainedPath, presentRights } from "./path-report";

export interface AdminDeps {
  /** Both may throw `sealed` until there is a store. */
  readonly broker: Broker;
  readonly operator: Operator;
  readonly audit: AuditTrail;
  readonly keyring: Pick<KeyringControl, "status" | "rotateRoot" | "rotateScope" | "addRecipient" | "removeRecipient">;
  /** Unseals the keyring, by the recovery key or the configured seals, and opens the store on it. */
  readonly unseal: (recoveryKey?: SecretBytes) => Promise<unknown>;
  /** Begins to wrap old values under a new generation of a scope key. */
  readonly rewrap: () => void;
  readonly metrics: Pick<Metrics, "text" | "contentType">;
  /** Reads the certificates again. */
  readonly reload: () => void;
  /** What the server is and how it does; the seal and the accounts are asked here. */
  readonly condition: () => Omit<AdminStatus, "seal" | "accounts">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface AdminApp {
  /** `isLocal` says that the request came over a Unix socket, or from this process itself. */
  fetch(request: Request, origin: { readonly isLocal: boolean }): Promise<Response>;
}

interface AdminEnv {
  Bindings: { readonly isLocal: boolean };
}

/** What a handler gets beside its input. */
interface Asked {
  readonly context: RequestContext;
}

export function createAdminApp(deps: AdminDeps): AdminApp {
  const { broker, operator, audit, keyring, metrics, condition, clock, random, logger } = deps;
  const nextDecision = createDecisionIds(random);
  const app = new Hono<AdminEnv>();

  app.use(async (c, next) => {
    if (!c.env.isLocal) return c.body(null, 403);
    await next();
    c.header("cache-control", "no-store");
    return undefined;
  });
  app.onError((error) => refuse(error, logger));
  app.notFound((c) => refuse(new PosternError({ code: "not_found", target: c.req.path }), logger));

  app.get("/health", (c) => c.json({ status: "ok" }));
  app.get("/ready", (c) => {
    const readiness = readinessOf();
    return c.json(readiness, readiness.ready ? 200 : 503);
  });
  app.get("/metrics", async (c) => c.text(await metrics.text(), 200, { "content-type": metrics.contentType }));

  function handle<Operation extends AdminOperation>(
    operation: Operation,
    act: (input: InputOf<Operation>, asked: Asked) => OutputOf<Operation> | Promise<OutputOf<Operation>>,
  ): void {
    app.post(operation.path, async (c) => {
      const input = parseBody(operation, await c.req.text());
      const output = await act(input, { context: contextNow() });
      return c.body(printBody(typeof output === "object" && output !== null ? output : {}), 200, { "content-type": "application/json" });
    });
  }

  function contextNow(): RequestContext {
    return { requestId: Buffer.from(random.bytes(8)).toString("hex"), now: clock.now(), dialect: "operator", clientAddress: "127.0.0.1" };
  }

  function sealStatus(): AdminSealStatus {
    const { state, recipients, scopes, deployment, epoch } = keyring.status();
    return {
      state: state.state,
      warnings: state.state === "unsealed" ? [...state.warnings] : [],
      ...(state.state === "sealed" ? { reason: state.reason } : {}),
      ...(state.state === "sealed" && state.detail !== undefined ? { detail: state.detail } : {}),
      ...(deployment === undefined ? {} : { deployment }),
      ...(epoch === undefined ? {} : { epoch }),
      recipients: recipients.map(({ provider, state: own }) => ({ provider, state: own })),
      scopes: scopes.map((scope) => ({ ...scope })),
    };
  }

  function readinessOf(): AdminReadiness {
    const { readiness } = condition();
    const seal = sealStatus();
    const isAudited = seal.state !== "unsealed" || audit.available();
    const reasons = [
      ...(seal.state === "unsealed" ? [] : [seal.state === "sealed" ? `sealed: ${seal.reason}` : seal.state]),
      ...(isAudited ? [] : ["audit_unavailable"]),
      ...readiness.reasons,
    ];
    return { ready: readiness.ready && reasons.length === 0, reasons, warnings: [...seal.warnings, ...readiness.warnings] };
  }

  /** Writes the line of something that does not pass the gate. */
  async function written(asked: Asked, about: Pick<AuditRecord, "operation"> & Partial<AuditRecord>): Promise<void> {
    const { context } = asked;
    const revision = condition().store?.revision ?? 0;
    await audit.append({ decision: nextDecision(), at: context.now, allowed: true, context, revision, ...about });
  }

  handle(adminOperations.status, () => {
    const seal = sealStatus();
    const accounts = seal.state === "unsealed" && condition().store !== undefined ? [...operator.accounts()] : [];
    return { ...condition(), readiness: readinessOf(), seal, accounts };
  });

  handle(adminOperations.unseal, async ({ recoveryKey }, asked) => {
    const wasSealed = keyring.status().state.state !== "unsealed";
    await deps.unseal(recoveryKey);
    const status = sealStatus();
    if (status.state === "unsealed" && wasSealed) await written(asked, { operation: "keyring.unseal" });
    return status;
  });
  handle(adminOperations.rotateRoot, async ({ recoveryKey }, asked) => {
    await written(asked, { operation: "keyring.rotate_root" });
    return keyring.rotateRoot(recoveryKey);
  });
  handle(adminOperations.rotateScope, async ({ account }, asked) => {
    const name = parseAccount(account);
    await written(asked, { operation: "keyring.rotate_scope", account: name });
    const rotated = await keyring.rotateScope(name);
    deps.rewrap();
    return rotated;
  });
  handle(adminOperations.addRecipient, async ({ provider }, asked) => {
    await written(asked, { operation: "keyring.add_recipient" });
    return keyring.addRecipient(provider);
  });
  handle(adminOperations.removeRecipient, async ({ provider }, asked) => {
    await written(asked, { operation: "keyring.remove_recipient" });
    await keyring.removeRecipient(provider);
    return {};
  });

  handle(adminOperations.createAccount, ({ name, password }, { context }) => operator.createAccount(name, context, password));
  handle(adminOperations.deleteAccount, async ({ name }, { context }) => {
    await operator.deleteAccount(name, context);
    return {};
  });
  handle(adminOperations.resetPassword, async ({ role, password }, { context }) => ({
    apiKey: await operator.resetPassword(parseRoleId(role), password, context),
  }));
  handle(adminOperations.importFacts, async (input, { context }) => {
    const { facts, refused } = factsOf(input);
    const outcome = await operator.importFacts(parseAccount(input.account), facts, context);
    return {
      added: outcome.added,
      newRecords: [...outcome.newRecords],
      unchanged: outcome.unchanged,
      refused: [...refused, ...outcome.refused],
      createdRoles: outcome.createdRoles.map((role) => ({ ...role })),
    };
  });
  handle(adminOperations.exportFacts, async ({ account }, { context }) =>
    rowsOf(await operator.exportFacts(parseAccount(account), context)),
  );
  handle(adminOperations.setAuthenticator, async ({ account, authenticator, enabled }, { context }) => {
    const [type = "", ...service] = authenticator.split("/");
    const ref = { account, authenticator: type, ...(service.length === 0 ? {} : { service: service.join("/") }) };
    await broker.setAuthenticatorEnabled(operator.caller(account, context), ref, enabled);
    return {};
  });
  handle(adminOperations.reload, () => {
    deps.reload();
    return {};
  });
  handle(adminOperations.createRootToken, async ({ ttlSeconds }, { context }) => {
    const { token } = await operator.createRootToken(ttlSeconds, context);
    if (token === undefined) throw new PosternError({ code: "internal", what: "a root token" });
    return { token };
  });
  handle(adminOperations.listTokens, async (query, { context }) => {
    const { items, total } = await operator.listTokens(query, context);
    return { total, tokens: items.map(tokenShape) };
  });
  handle(adminOperations.lookUpToken, async ({ accessor }, { context }) => tokenShape(await operator.lookUpToken(accessor, context)));
  handle(adminOperations.revokeToken, async ({ accessor }, { context }) => tokenShape(await operator.revokeToken(accessor, context)));
  handle(adminOperations.retrieveKey, async ({ role }, { context }) => ({
    apiKey: await operator.retrieveKey(parseRoleId(role), context),
  }));

  handle(adminOperations.loadPolicy, async (input, { context }) => {
    const { version, createdRoles, warnings } = await broker.loadPolicy(operator.caller(input.account, context), policyLoad(input));
    return { version, createdRoles: createdRoles.map((role) => ({ ...role })), warnings: [...warnings] };
  });
  handle(adminOperations.checkPolicy, async (input) => {
    const { ok, problems, warnings } = await operator.checkPolicy(policyLoad(input), input.account);
    return { ok, problems: [...problems], warnings: [...warnings] };
  });

  handle(adminOperations.forecastPolicy, async ({ account, texts }) => {
    const loads = texts.map((text) => policyLoad({ account, ...text }));
    const forecast = await operator.forecastPolicy(loads, account);
    if (!forecast.ok) return { ...forecast, problems: [...forecast.problems] };
    const groups = (all: readonly RightGroup[]) =>
      all.map((each) => ({ ...each, privileges: [...each.privileges], resources: [...each.resources] }));
    return {
      ok: true as const,
      created: [...forecast.created],
      updated: [...forecast.updated],
      deleted: [...forecast.deleted],
      rights: forecast.rights.map(({ roles, gained, lost }) => ({ roles: [...roles], gained: groups(gained), lost: groups(lost) })),
      warnings: [...forecast.warnings],
    };
  });
  handle(adminOperations.testPolicy, async ({ account, text }) => ({
    judgements: (await operator.testPolicy(text, account)).map((each) => ({ ...each, why: [...each.why] })),
  }));

  handle(adminOperations.setVariable, async ({ id, value }, { context }) => {
    const variable = parseId(id);
    await broker.writeSecret(operator.caller(accountOf(variable), context), variable, value);
    return {};
  });
  handle(adminOperations.getVariable, async ({ id, version }, { context }) => {
    const variable = parseId(id);
    const caller = operator.caller(accountOf(variable), context);
    const read = await broker.read(caller, { id: variable, ...(version === undefined ? {} : { version }) });
    return { id: read.id, version: read.version, createdAt: read.createdAt, value: read.value };
  });

  handle(adminOperations.why, async ({ decision }, asked) => {
    const record = await audit.findDecision(decision);
    if (record === undefined) throw new PosternError({ code: "not_found", target: `decision ${decision}` });
    await written(asked, { operation: "audit.read" });
    const present = presentRights(operator, record, asked.context.now);
    const now = present === undefined ? "" : `\nAs things are now:\n\n${explainedPath(present)}`;
    return { text: `${explainDecision(record)}${now}`, record: { ...record, ...(present === undefined ? {} : { present }) } };
  });
  handle(adminOperations.whyPath, async (question, asked) => {
    const report = operator.explainPath(question, asked.context.now);
    const about = report.role === undefined ? {} : { resource: report.role, account: accountOf(report.role) };
    await written(asked, { operation: "path.explain", path: report.path, ...about });
    return { text: explainedPath(report), report: { ...report } };
  });
  handle(adminOperations.whyLogin, async (attempt, asked) => {
    const record = await audit.findRefusedLogin(attempt);
    if (record === undefined) throw new PosternError({ code: "not_found", target: `a refused login of ${attempt.login}` });
    await written(asked, { operation: "audit.read" });
    return { text: explainDecision(record), record: { ...record } };
  });
  handle(adminOperations.verifyAudit, async (options, asked) => {
    await written(asked, { operation: "audit.verify" });
    const report = await audit.verify(options);
    return { ...report, files: [...report.files], findings: [...report.findings] };
  });

  return { fetch: async (request, origin) => app.fetch(request, origin) };
}

function parseBody<Operation extends AdminOperation>(operation: Operation, text: string): InputOf<Operation> {
  const json = v.safeParse(v.pipe(v.string(), v.parseJson()), text === "" ? "{}" : text);
  if (!json.success) throw new PosternError({ code: "malformed", where: "body", expected: "JSON" });
  const parsed = v.safeParse(operation.input, json.output);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  // The message names what was expected; what was presented may be a secret.
  throw new PosternError({
    code: "malformed",
    where: v.getDotPath(issue) ?? "body",
    expected: issue.expected === "never" ? "no such member" : (issue.expected ?? "another value"),
    kind: "argument",
  });
}

/** What of a token goes over the socket. */
function tokenShape(view: TokenView): AdminToken {
  const { accessor, role, displayName, path, createdAt, expiresAt, ttlSeconds, uses, usesLeft, isOrphan, isRenewable } = view;
  const plain = { accessor, role, displayName, path, createdAt, expiresAt, ttlSeconds, uses, usesLeft, isOrphan, isRenewable };
  const lists = { policies: [...view.policies], identityPolicies: [...view.identityPolicies], boundCidrs: [...view.boundCidrs] };
  return { ...plain, ...lists, meta: view.meta === null ? null : { ...view.meta } };
}

function policyLoad(input: InputOf<typeof adminOperations.loadPolicy>): PolicyLoad {
  const { account, branch, mode, text, file } = input;
  const policy = parseIdentifier(parseAccount(account), "policy", branch);
  return { policy, mode, text, ...(file === undefined ? {} : { file }) };
}

/** What is the operator's to set is told as such. */
function operatorsFailure(error: unknown): Failure {
  const failure = failureOf(error);
  if (failure.code !== "sealed" || failure.reason !== "no_path_account") return failure;
  const expected = "the account that clients of HashiCorp Vault work in: there is not exactly one";
  return { code: "malformed", where: "vault.account", expected, kind: "argument" };
}

function refuse(error: unknown, logger: Logger): Response {
  const failure = operatorsFailure(error);
  if (failure.code === "internal") logger.error("admin_request_failed", { what: failure.what, because: failure.because });
  return Response.json({ error: adminFailure(failure) }, { status: statusOf(failure), headers: { "cache-control": "no-store" } });
}

function statusOf({ code }: Failure): number {
  return statuses[code];
}

const statuses: { readonly [Code in FailureCode]: number } = {
  malformed: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  exists: 409,
  conflict: 409,
  policy_invalid: 422,
  unsupported: 405,
  too_large: 413,
  throttled: 429,
  read_only: 503,
  upstream_unavailable: 502,
  storage_full: 507,
  sealed: 503,
  integrity: 500,
  stale: 503,
  not_replicated: 503,
  internal: 500,
};
