/** Where one app of this machine is served: its socket or port, and the endpoint that lends it the machine's tokens. */

import type { AgentApp } from "../config/agent";
import { fronts } from "../fronts/registry";
import type { AgentMetrics } from "../metrics/agent-metrics";
import { PosternError } from "../model/failures";
import type { Clock, Logger, MachineIdentity, PrivateFiles, Random } from "../model/ports";
import type { RequestContext } from "../model/types";
import { ensureSocketFolder, giveSocket } from "../runtime/local-users";
import { createSocketFetch } from "../runtime/socket-client";
import { createListener, type Listener } from "../server/listener";
import type { RunningApp } from "./app";
import { type AskerMemo, type Askers, createAskers } from "./askers";
import { createNotes, dressFront, type Notes } from "./dressing";
import { createIdentityEndpoint } from "./identity-endpoint";
import { hasVaultHeader, isLocalRequest } from "./loopback-rules";
import type { LocalTrail } from "./trail";

export interface AppPlaceDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly files: PrivateFiles;
  readonly identity: MachineIdentity;
  readonly trail: LocalTrail;
  readonly notes: Notes;
  /** Who asks, for the trail. */
  readonly asking: AskerMemo;
  readonly meter: Pick<AgentMetrics, "rejected">;
}

export interface AppPlace {
  /** `unix:/run/postern/billing.sock`, then that of the identity endpoint, if there is one. */
  readonly urls: readonly string[];
  /** Takes nothing more; resolves when what is under way is answered. */
  close(): Promise<void>;
}

/** Throws `conflict` for a place that is taken, and `malformed` for what this machine does not have; nothing is open then. */
export async function openAppPlace(running: RunningApp, deps: AppPlaceDeps): Promise<AppPlace> {
  const { app } = running;
  await assertFree(app.socket?.path);
  const listeners = [await listenFor(running, deps)];
  const close = async (): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.stop()));
  };
  try {
    if (app.identityEndpoint !== undefined) listeners.push(lend(app, app.identityEndpoint, deps));
  } catch (error) {
    await close();
    throw error;
  }
  return { urls: listeners.map(({ url }) => url), close };
}

/** A socket that somebody answers at would be taken from them without a word. Throws `conflict`. */
async function assertFree(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  const answer = await createSocketFetch(path)(new Request("http://localhost/health")).catch(() => undefined);
  if (answer === undefined) return;
  throw new PosternError({ code: "conflict", what: `${path} is served by another process`, because: "address_in_use" });
}

async function listenFor({ app, reader, logins, challenges }: RunningApp, deps: AppPlaceDeps): Promise<Listener> {
  const { socket, tcp } = app;
  let port = 0;
  const askers = createAskers(() => port);
  const challenge = challenges === undefined ? {} : { challenge: (request: Request) => challenges.issue(askers.userOf(request)) };
  const dressed = fronts.map((front) => {
    const admits = (request: Request): boolean =>
      socket !== undefined || (isLocalRequest(request, port) && (front.name !== "vault" || hasVaultHeader(request)));
    return dressFront(front.reads(reader, logins), {
      notes: deps.notes,
      admits: counted(admits, deps),
      admitted: noting(askers, deps),
      ...challenge,
    });
  });
  if (socket !== undefined) ensureSocketFolder(socket.path);
  const listener = createListener({
    ...listening(deps),
    fronts: dressed,
    met: askers.met,
    config: { ...localOnly, listen: socket?.path ?? tcp?.listen ?? "" },
  });
  port = listener.port ?? 0;
  if (socket === undefined) return listener;
  try {
    giveSocket(socket.path, socket);
    return listener;
  } catch (error) {
    await listener.stop();
    throw error;
  }
}

function lend(app: AgentApp, settings: NonNullable<AgentApp["identityEndpoint"]>, deps: AppPlaceDeps): Listener {
  const { identity, trail } = deps;
  let port = 0;
  const secret = (): Uint8Array => deps.files.read(settings.secretFile, { maxBytes: 4096, readableByGroup: true }) ?? new Uint8Array(0);
  const endpoint = createIdentityEndpoint({ app: app.name, settings, identity, trail, secret });
  const askers = createAskers(() => port);
  const admits = counted((request) => isLocalRequest(request, port), deps);
  const listener = createListener({
    ...listening(deps),
    fronts: [dressFront(endpoint, { notes: createNotes(), admits, admitted: noting(askers, deps) })],
    met: askers.met,
    config: { ...localOnly, listen: settings.listen, dialect: "keyvault" },
  });
  port = listener.port ?? 0;
  return listener;
}

function noting(askers: Askers, { asking }: AppPlaceDeps): (request: Request, context: RequestContext) => void {
  return (request, context) => asking.note(context, () => askers.userOf(request));
}

function counted(admits: (request: Request) => boolean, { meter }: AppPlaceDeps): (request: Request) => boolean {
  return (request) => {
    const isAdmitted = admits(request);
    if (!isAdmitted) meter.rejected("local");
    return isAdmitted;
  };
}

const noLimit = { perSecond: 100_000, burst: 100_000 };
const localOnly = {
  trustedProxies: [],
  keyVaultHosts: [],
  // Every local client has the same address, so limits for each of them would be limits for all.
  limits: { requestsInFlightPerAddress: 4096, loginsPerAddress: noLimit, loginsPerIdentity: noLimit },
};

function listening({ clock, random, logger, meter }: AppPlaceDeps) {
  return {
    clock,
    random,
    logger,
    meter: { began: () => undefined, ended: () => undefined, rejected: meter.rejected },
    health: () => ({ status: "ready" as const }),
  };
}
