/** One app of this machine: its cache, its copy, its callers, and the reader that every front asks. */

import { createConjurClient } from "../client/conjur-client";
import { createVaultClient } from "../client/vault-client";
import type { AgentApp, AgentConfig } from "../config/agent";
import { matchesApiKey, sha256Hex } from "../crypto/digest";
import type { LocalLogin, Reader } from "../fronts/front";
import type { AgentMetrics } from "../metrics/agent-metrics";
import { PosternError } from "../model/failures";
import { type AccountName, parseAccount, parseIdentifier, type ResourceId, type RoleId } from "../model/ids";
import type { Clock, HttpClient, Keyring, Logger, MachineIdentity, PrivateFiles, Random } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import type { Turns } from "../model/turns";
import type { Caller } from "../model/types";
import { openChallengeFolder } from "../runtime/challenge-folder";
import type { AskerMemo } from "./askers";
import { type Challenges, createChallenges } from "./challenges";
import { createCopyKeeping } from "./copy-keeping";
import type { Notes } from "./dressing";
import type { Line } from "./line";
import { createLocalCallers } from "./local-caller";
import { createLocalCopy, type LocalCopy } from "./local-copy";
import { createLocalPaths } from "./local-paths";
import { createConjurPrimary, createVaultPrimary } from "./primary";
import { createSecretCache, createStaleBounds, type SecretCache } from "./secret-cache";
import type { LocalTrail } from "./trail";
import { createUpstream, type Upstream } from "./upstream";

export interface RunningApp {
  readonly app: AgentApp;
  readonly reader: Reader;
  readonly logins: LocalLogin;
  /** On a port with challenges. */
  readonly challenges?: Challenges;
  /** Asks the primary anew for all that is kept or shall be. */
  refresh(): Promise<void>;
  /** Of what may be served without the primary now; undefined for nothing. */
  oldestAgeMs(): number | undefined;
  /** Writes the copy, if there is one. */
  save(): void;
  /** Writes the copy for the last time and ends its challenges: the copy is another's from here on, and what is still under way changes it no more. */
  close(): void;
  /** Gives up its session at the primary. Never throws. */
  leave(): Promise<void>;
}

export interface RunningAppDeps {
  readonly config: AgentConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly files: PrivateFiles;
  readonly http: HttpClient;
  readonly identity: MachineIdentity;
  readonly line: Line;
  readonly turns: Turns;
  readonly notes: Notes;
  readonly asking: AskerMemo;
  readonly trail: LocalTrail;
  readonly meter: Pick<AgentMetrics, "rejected">;
  readonly pause: (ms: number) => Promise<void>;
  /** Absent: no copy is kept. */
  readonly keyring?: Keyring;
  readonly copyFolder: string;
  /** What names this machine; empty where nothing does. */
  readonly machine: string;
  readonly primaryRoots?: string;
}

export function createRunningApp(app: AgentApp, deps: RunningAppDeps): RunningApp {
  const { config, clock, logger, pause, notes } = deps;
  const account = parseAccount(config.primary.account);
  const role = parseIdentifier(account, "host", app.login.slice("host/".length));
  const copy = copyOf(app, account, deps);
  const keeping = createCopyKeeping({ app: app.name, copy, state: () => cache.state(), logger, pause });
  const upstream = upstreamOf(app, deps);
  const cache = createSecretCache({
    app: app.name,
    upstream,
    line: deps.line,
    clock,
    logger,
    pause,
    freshMs: config.freshMs,
    maxStaleMs: createStaleBounds(config.maxStaleMs, config.maxStaleByName),
    ...initialOf(copy),
    changed: keeping.changed,
  });

  const kept = app.keep.map((name) => parseIdentifier(account, "variable", name));
  const served = readerOf(app, { account, role, cache, notes, deps });
  return {
    app,
    ...served,
    refresh: () => cache.refresh(kept),
    oldestAgeMs() {
      const ages = cache.state().kept.map(({ ageMs }) => ageMs);
      return ages.length === 0 ? undefined : Math.max(...ages);
    },
    save: keeping.save,
    close() {
      keeping.close();
      served.challenges?.close();
    },
    leave: upstream.leave,
  };
}

function upstreamOf({ role }: AgentApp, { config, http, identity, clock, turns, primaryRoots }: RunningAppDeps): Upstream {
  const { url, account, service, audience, vault } = config.primary;
  const reached = { http, url, ...(primaryRoots === undefined ? {} : { roots: primaryRoots }) };
  if (vault !== undefined) {
    const { namespace, ...method } = vault;
    const client = createVaultClient({ ...reached, ...(namespace === undefined ? {} : { namespace }) });
    return createUpstream(createVaultPrimary({ client, identity, audience, role, ...method }), { clock, turns });
  }
  const conjur = { client: createConjurClient(reached), identity, audience, account, service, login: role };
  return createUpstream(createConjurPrimary(conjur), { clock, turns });
}

function copyOf(
  app: AgentApp,
  account: AccountName,
  { config, keyring, files, clock, logger, copyFolder, machine }: RunningAppDeps,
): LocalCopy | undefined {
  if (keyring === undefined) return undefined;
  const { url, vault } = config.primary;
  const boundTo = { login: app.login, primary: vault?.namespace === undefined ? url : `${url} ${vault.namespace}`, machine };
  return createLocalCopy({ files, keyring, clock, logger, folder: copyFolder, account, app: app.name, boundTo });
}

function initialOf(copy: LocalCopy | undefined): { readonly initial?: NonNullable<ReturnType<LocalCopy["load"]>> } {
  const initial = copy?.load();
  return initial === undefined ? {} : { initial };
}

interface ReaderParts {
  readonly account: AccountName;
  readonly role: RoleId;
  readonly cache: SecretCache;
  readonly notes: Notes;
  readonly deps: RunningAppDeps;
}

function readerOf(app: AgentApp, { account, role, cache, notes, deps }: ReaderParts): Pick<RunningApp, "reader" | "logins" | "challenges"> {
  const { trail, files } = deps;
  const { tcp } = app;
  const challenges =
    tcp?.challenge === undefined
      ? undefined
      : createChallenges({ ...deps, folder: openChallengeFolder(tcp.challenge.folder, tcp.challenge.group) });
  const callers = createLocalCallers({
    app: app.name,
    account,
    role,
    login: app.login,
    random: deps.random,
    clock: deps.clock,
    ...(tcp === undefined ? {} : { proves: (secret) => challenges?.spend(secret) === true || holdsToken(files, tcp.tokenFile, secret) }),
  });

  async function read(caller: Caller, id: ResourceId, version?: number): ReturnType<Reader["read"]> {
    const decision = { operation: "secret.read" as const, app: app.name, context: caller.context, role, resource: id };
    try {
      if (caller.account !== account || !id.startsWith(`${account}:variable:`)) throw new PosternError({ code: "not_found", target: id });
      const served = await cache.read(id, version);
      await trail.record({ ...decision, facts: { source: served.source, age: String(Math.floor(served.ageMs / 1000)) } });
      notes.serve(caller.context, served);
      const { value, mimeType, origin } = served;
      // Conjur's protocol tells neither number nor time of a version; nothing here shows them then.
      const told = { version: origin?.version ?? version ?? 0, createdAt: origin?.createdAt ?? caller.context.now - served.ageMs };
      return { id, value, ...told, ...(mimeType === undefined ? {} : { mimeType }) };
    } catch (error) {
      notes.refuse(caller.context, error);
      await trail.record({ ...decision, error });
      throw error;
    }
  }

  async function login(...[request, context]: Parameters<LocalLogin["login"]>): ReturnType<LocalLogin["login"]> {
    const decision = { operation: "login" as const, app: app.name, context, ...(request.role === undefined ? {} : { role: request.role }) };
    try {
      const session = await callers.login(request, context);
      await trail.record(decision);
      return session;
    } catch (error) {
      await trail.record({ ...decision, error });
      throw error;
    }
  }

  return {
    logins: { login },
    ...(challenges === undefined ? {} : { challenges }),
    reader: {
      identify: callers.identify,
      local: createLocalPaths({ app: app.name, account, cache, notes, trail, identify: callers.identifyByPlace }),
      read: (caller, { id, version }) => read(caller, id, version),
      async readMany(caller, ids) {
        const values = await Promise.all(ids.map(async (id) => [id, await read(caller, id)] as const));
        return new Map(values);
      },
    },
  };
}

/** The file is read at every login, so that a new token counts at once. */
function holdsToken(files: PrivateFiles, path: string | undefined, secret: SecretBytes): boolean {
  if (path === undefined) return false;
  const bytes = files.read(path, { maxBytes: 4096, readableByGroup: true }) ?? new Uint8Array(0);
  const expected = Buffer.from(bytes).toString("utf8").trim();
  return expected !== "" && matchesApiKey(secret, sha256Hex(expected));
}
