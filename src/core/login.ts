/**
 * From a proof to a session: which checks, in which order, and what a refusal tells whom.
 *
 * The order is Conjur's (5.3.1, authn_azure/authenticator.rb), for its statuses depend on it: a role that exists and lacks `authenticate` is
 * `forbidden`, everything else `unauthenticated`. A login that fails early does the same work as one that fails late, so that neither
 * the answer nor its time tells whether a role exists.
 */

import type { AuditedOperation } from "../model/audited-operations";
import { type Failure, PosternError } from "../model/failures";
import { type AccountName, kindOf, makeId, type ResourceId, type RoleId } from "../model/ids";
import type { Attestation, Authenticator, AuthenticatorSettings, CredentialForm, Meter } from "../model/ports";
import type { Check, RequestContext } from "../model/types";
import { administratorOf } from "./administrator";
import type { Authenticators } from "./authenticators";
import type { Credentials } from "./credentials";
import { explainRefusal } from "./explain";
import type { Gate } from "./gate";
import type { Graph } from "./graph";
import { checkAddress } from "./networks";
import type { BasicProof, LoginRequest, Session } from "./operations";
import type { Projection } from "./projection";
import { checkRestrictions } from "./restrictions";
import { loginOf, roleOfLogin, type Sessions } from "./sessions";

export interface Login {
  login(request: LoginRequest, context: RequestContext): Promise<Session>;
  /** The role that shows its password or API key. Not subject to address restrictions, as Conjur's login is not. Audits failures under `operation`. */
  prove(proof: BasicProof, context: RequestContext, operation: AuditedOperation): Promise<RoleId>;
  /** The role that shows its password to an authenticator that takes passwords. Audits failures under `operation`. */
  proveTo(request: LoginRequest, context: RequestContext, operation: AuditedOperation): Promise<RoleId>;
}

export interface LoginDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly sessions: Sessions;
  readonly credentials: Credentials;
  readonly authenticators: Authenticators;
  readonly meter: Meter;
}

/** What a login has found out so far; the audit gets it whichever way it ends. */
interface Progress {
  readonly checks: Check[];
  attributes: Readonly<Record<string, string>>;
  /** What an unproven proof says it is of, where the request says nothing. */
  named?: string;
  /** What the proof's settings say of the session's life. */
  sessionSeconds?: number;
}

/** A login by an external authenticator, as far as it is known who is asked for what. */
interface LoginTarget {
  readonly request: LoginRequest;
  readonly context: RequestContext;
  readonly progress: Progress;
  readonly graph: Graph;
  readonly account: AccountName;
  /** `authn-azure/AzureAE1`. */
  readonly name: string;
  readonly settings: AuthenticatorSettings;
  readonly webservice: ResourceId;
}

export function createLogin(deps: LoginDeps): Login {
  const { projection, gate, sessions, credentials, authenticators, meter } = deps;

  /** Adds a check; a failed one ends the login. */
  function step(progress: Progress, check: Check): void {
    progress.checks.push(check);
    if (!check.ok) throw unauthenticated(check.check, progress);
  }

  function knownAccount(graph: Graph, name: string, progress: Progress): AccountName {
    projection.assertSound(name);
    const account = graph.account(name);
    step(progress, { check: "account", ok: account !== undefined, detail: account === undefined ? "no such account" : account.name });
    if (account === undefined) throw unauthenticated("account", progress);
    return account.name;
  }

  function knownRole(graph: Graph, role: RoleId | undefined, progress: Progress): RoleId {
    const known = role !== undefined && isLoginKind(role) && graph.role(role) !== undefined;
    step(progress, { check: "role", ok: known, detail: known ? role : "no such user or host" });
    if (role === undefined) throw unauthenticated("role", progress);
    return role;
  }

  async function byApiKey(request: LoginRequest, context: RequestContext, progress: Progress): Promise<RoleId> {
    const graph = projection.graph();
    const proven = await credentials.provesApiKey(request.role, request.credential);
    knownAccount(graph, request.account, progress);
    const role = knownRole(graph, request.role, progress);
    step(progress, { check: "credential", ok: proven, detail: proven ? "API key" : "not the API key of the role" });
    step(progress, checkAddress(graph, role, context.clientAddress));
    return role;
  }

  async function byAuthenticator(request: LoginRequest, context: RequestContext, progress: Progress): Promise<RoleId> {
    const graph = projection.graph();
    const authenticator = authenticators.installed(request.authenticator);
    step(progress, { check: "installed", ok: authenticator !== undefined, detail: request.authenticator });
    if (authenticator === undefined) throw unauthenticated("installed", progress);
    const account = knownAccount(graph, request.account, progress);
    const name = request.service === undefined ? request.authenticator : `${request.authenticator}/${request.service}`;
    step(progress, { check: "enabled", ok: authenticators.isEnabled(graph, account, name), detail: name });
    const webservice = makeId(account, "webservice", `conjur/${name}`);
    const settings = authenticators.settings(graph, account, name, authenticator);
    const target: LoginTarget = { request, context, progress, graph, account, name, settings, webservice };
    return authenticator.namesRoles === true ? byNamingProof(target, authenticator) : byClaimedRole(target, authenticator);
  }

  /** Who asks says who they are; the proof must bear it out. */
  async function byClaimedRole(target: LoginTarget, authenticator: Authenticator): Promise<RoleId> {
    const { request, context, progress, graph, account, settings, webservice } = target;
    try {
      knownRole(graph, request.role, progress);
      step(progress, { check: "webservice", ok: graph.resource(webservice) !== undefined, detail: webservice });
    } catch (refusal) {
      // The same verification that a known role would get: its time must not tell the two apart. Of a password that would be a guess at somebody's.
      if (authenticator.takesPasswords !== true) await verifyQuietly(authenticator, request, settings, context);
      throw refusal;
    }
    const role = knownRole(graph, request.role, { checks: [], attributes: {} });
    admit(graph, role, target);
    // Before anybody else is asked: what an administrator types here by mistake is nobody's business.
    if (authenticator.restrictions.refusesAdministrator === true && role === administratorOf(account))
      step(progress, { check: "administrator", ok: false, detail: `${role} does not log in this way` });
    if (await goesOnWithKey(role, authenticator, target)) return role;
    const attestation = await verified(authenticator, target);
    // What policy took away while somebody else was asked is gone.
    const newest = projection.graph();
    if (newest !== graph) admit(newest, knownRole(newest, role, progress), target);
    return restricted(role, authenticator, attestation, target);
  }

  /** Whether the webservice lets the role in, from where it asks. */
  function admit(graph: Graph, role: RoleId, { webservice, context, progress }: LoginTarget): void {
    requireAuthenticate(graph, role, webservice, progress);
    step(progress, checkAddress(graph, role, context.clientAddress));
  }

  /** Whoever showed their password once was given their API key, and shows that from then on. */
  async function goesOnWithKey(role: RoleId, authenticator: Authenticator, { request, progress }: LoginTarget): Promise<boolean> {
    if (authenticator.takesPasswords !== true) return false;
    const isKey = await credentials.provesApiKey(role, request.credential);
    if (isKey) progress.checks.push({ check: "credential", ok: true, detail: "API key" });
    return isKey;
  }

  /** The proof may say whose it is, so it is verified before anybody is looked up. */
  async function byNamingProof(target: LoginTarget, authenticator: Authenticator): Promise<RoleId> {
    const { request, progress, account, webservice } = target;
    const attestation = await verified(authenticator, target);
    const graph = projection.graph();
    const { login } = attestation;
    if (login !== undefined) progress.named = login;
    const isForAccount = attestation.account === undefined || attestation.account === account;
    step(progress, { check: "proof_account", ok: isForAccount, detail: attestation.account ?? account });
    const isNamedOnce = (login === undefined) !== (request.claimed === "");
    const detail =
      login === undefined ? "the proof names nobody, so the request must" : `the proof names ${cut(login)}, so the request may not`;
    step(progress, { check: "identity_named_once", ok: isNamedOnce, detail });
    const role = knownRole(graph, login === undefined ? request.role : roleOfLogin(account, login), progress);
    step(progress, { check: "webservice", ok: graph.resource(webservice) !== undefined, detail: webservice });
    admit(graph, role, target);
    return restricted(role, authenticator, attestation, target);
  }

  function restricted(role: RoleId, authenticator: Authenticator, attestation: Attestation, { request, progress }: LoginTarget): RoleId {
    const rules = attestation.restrictions ?? authenticator.restrictions;
    const verdict = checkRestrictions(
      projection.graph(),
      role,
      { type: request.authenticator, service: request.service ?? "" },
      rules,
      attestation,
    );
    progress.checks.push(...verdict.checks);
    if (verdict.because !== undefined) throw unauthenticated(verdict.because, progress, verdict.remedy);
    return role;
  }

  function requireAuthenticate(graph: Graph, role: RoleId, webservice: ResourceId, progress: Progress): void {
    const allowed = gate.allows(graph, role, "authenticate", webservice);
    if (allowed) {
      progress.checks.push({ check: "authenticate", ok: true, detail: webservice });
      return;
    }
    const { checks, remedy } = explainRefusal(graph, role, "authenticate", webservice);
    const failure: Failure = { code: "forbidden", because: "authenticate", checks: [...progress.checks, ...checks] };
    throw new PosternError(remedy === undefined ? failure : { ...failure, remedy });
  }

  async function verified(authenticator: Authenticator, target: LoginTarget): Promise<Attestation> {
    const { context, progress, settings, graph, account, name: service } = target;
    const { credential } = target.request;
    for (const { name, required } of authenticator.settings) {
      if (required)
        step(progress, {
          check: `setting_${name.replaceAll("-", "_")}`,
          ok: settings[name] !== undefined,
          detail: `variable ${name} of the authenticator`,
        });
    }
    const empty = authenticators.emptySetting({ graph, account, name: service }, authenticator, settings);
    if (empty !== undefined)
      step(progress, {
        check: `setting_${empty.replaceAll("-", "_")}`,
        ok: false,
        detail: `variable ${empty} is declared and has no value`,
      });
    if (credential === undefined || credential.byteLength === 0) {
      if (authenticator.takesPasswords === true) step(progress, { check: "credential_presented", ok: false, detail: "no password" });
      progress.checks.push({ check: "credential_presented", ok: false });
      throw new PosternError({
        code: "malformed",
        where: "jwt",
        expected: "a token",
        kind: "missing",
        because: "credential_presented",
        checks: progress.checks,
      });
    }
    try {
      const attestation = await authenticator.verify({ ...formOf(target.request), value: credential }, settings, context.now);
      progress.checks.push(...attestation.checks);
      const warnings = attestation.warnings.join(",");
      // Of a proof that may say anything, the audit keeps what is evidence; what decided is in the checks.
      const attributes = authenticator.restrictions.permitted === "any" ? {} : attestation.attributes;
      progress.attributes = { ...attestation.evidence, ...attributes, ...(warnings === "" ? {} : { warnings }) };
      if (attestation.sessionSeconds !== undefined) progress.sessionSeconds = attestation.sessionSeconds;
      return attestation;
    } catch (error) {
      throw withEarlierChecks(error, progress.checks);
    }
  }

  return {
    async login(request, context) {
      const progress: Progress = { checks: [], attributes: {} };
      const about = { operation: "login" as const, authenticator: nameOf(request), account: cut(request.account) };
      let role: RoleId;
      let session: Session;
      try {
        role = await (request.authenticator === "authn" ? byApiKey : byAuthenticator)(request, context, progress);
        session = await sessions.issue(role, soundAccountOf(role, request), context.now, progress.sessionSeconds);
      } catch (error) {
        meter.login(meterLabel(request), false);
        const claimed = cut(request.claimed === "" ? (progress.named ?? "") : request.claimed);
        const said = claimed === "" ? about : { ...about, claimed };
        throw await gate.refuse(context, { ...said, attributes: progress.attributes }, error);
      }
      meter.login(meterLabel(request), true);
      await gate.accept(context, { ...about, role, attributes: progress.attributes });
      return session;
    },

    async proveTo(request, context, operation) {
      const progress: Progress = { checks: [], attributes: {} };
      try {
        const takes = authenticators.installed(request.authenticator)?.takesPasswords === true;
        step(progress, { check: "takes_passwords", ok: takes, detail: request.authenticator });
        return await byAuthenticator(request, context, progress);
      } catch (error) {
        const about = { operation, authenticator: nameOf(request), account: cut(request.account), claimed: cut(request.claimed) };
        throw await gate.refuse(context, { ...about, attributes: progress.attributes }, error);
      }
    },

    async prove(proof, context, operation) {
      const progress: Progress = { checks: [], attributes: {} };
      try {
        const graph = projection.graph();
        const proven = await credentials.provesEither(proof.role, proof.secret);
        knownAccount(graph, proof.account, progress);
        const role = knownRole(graph, proof.role, progress);
        step(progress, {
          check: "credential",
          ok: proven,
          detail: proven ? "password or API key" : "neither the password nor the API key of the role",
        });
        return role;
      } catch (error) {
        throw await gate.refuse(
          context,
          { operation, authenticator: "authn", account: cut(proof.account), claimed: cut(proof.claimed) },
          error,
        );
      }
    },
  };

  /** One of the few words a metric may carry, whatever the client wrote. */
  function meterLabel({ authenticator }: LoginRequest): string {
    return authenticator === "authn" || authenticators.installed(authenticator) !== undefined ? authenticator : "unknown";
  }

  function soundAccountOf(role: RoleId, request: LoginRequest): AccountName {
    const account = projection.graph().account(request.account);
    if (account === undefined || !role.startsWith(`${account.name}:`))
      throw new PosternError({ code: "unauthenticated", because: "account" });
    return account.name;
  }
}

async function verifyQuietly(
  authenticator: Authenticator,
  request: LoginRequest,
  settings: AuthenticatorSettings,
  context: RequestContext,
): Promise<void> {
  const { credential } = request;
  const isComplete = authenticator.settings.every(({ name, required }) => !required || settings[name] !== undefined);
  if (!isComplete || credential === undefined || credential.byteLength === 0) return;
  await authenticator.verify({ ...formOf(request), value: credential }, settings, context.now).catch(() => undefined);
}

function unauthenticated(because: string, progress: Progress, remedy?: string): PosternError {
  return new PosternError({ code: "unauthenticated", because, checks: [...progress.checks], ...(remedy === undefined ? {} : { remedy }) });
}

/** The authenticator knows its own checks only; those before it belong to the same story. */
function withEarlierChecks(error: unknown, earlier: readonly Check[]): unknown {
  if (!(error instanceof PosternError)) return error;
  return new PosternError({ ...error.failure, checks: [...earlier, ...(error.failure.checks ?? [])] }, { cause: error });
}

/** A password is somebody's: the role's own name goes with it. */
function formOf({ form = { kind: "token" }, role, claimed }: LoginRequest): CredentialForm {
  return form.kind === "secret" ? { ...form, login: role === undefined ? claimed : loginOf(role) } : form;
}

const isLoginKind = (role: RoleId): boolean => kindOf(role) === "user" || kindOf(role) === "host";
const nameOf = (request: LoginRequest): string =>
  request.service === undefined ? request.authenticator : `${request.authenticator}/${request.service}`;
const cut = (text: string): string => text.slice(0, 256);
