/**
 * How the server stands, for whoever asks: health, seal, leader. Answered without a token and without an envelope.
 *
 * Source: Vault 1.19, http/sys_health.go, sys_seal.go, sys_leader.go, sys_init.go.
 */

import { PosternError } from "../../model/failures";
import type { Standing } from "../front";
import type { Call, EngineRoute, Handler } from "./engine";
import type { Answer } from "./wire";

/** The version whose answers these are: tools decide by it what they may ask. A plain one, for a suffix breaks their comparisons. */
const version = "1.19.5";
const clusterName = "postern";

export const standingRoutes: readonly EngineRoute[] = [
  { path: "health", open: true, read: health },
  { path: "seal-status", open: true, read: sealStatus },
  { path: "leader", open: true, read: leader },
  { path: "init", open: true, read: initialised, write: onMachine("the server is initialised on its own machine, by: postern init") },
  { path: "unseal", open: true, write: onMachine("the server is unsealed on its own machine, by: postern seal unseal") },
  { path: "seal", open: true, write: onMachine("the server is sealed on its own machine, by ending it: its keys are in its memory alone") },
  ...everywhere("rekey", "the root key is replaced on the server's own machine, by: postern seal rotate root"),
  ...everywhere("rekey-recovery-key", "the recovery key is replaced on the server's own machine, by: postern seal rotate root"),
  ...everywhere("generate-root", "a root token is made on the server's own machine, by: postern vault token"),
  { path: "replication/status", open: true, read: replication },
];

function standingOf(settings: Call["settings"]): Standing {
  return settings.standing?.() ?? { state: "ready" };
}

/** What of a request these answers depend on. */
export type StandingCall = Pick<Call, "settings" | "query" | "context" | "isHead">;

export function health(call: StandingCall): Answer {
  const { state, deployment } = standingOf(call.settings);
  const isSealed = state !== "ready";
  const status = statusOf(call, state);
  const cluster = isSealed || deployment === undefined ? {} : { cluster_name: clusterName, cluster_id: deployment };
  const bare = {
    initialized: state !== "uninitialised",
    sealed: isSealed,
    standby: false,
    performance_standby: false,
    replication_performance_mode: "disabled",
    replication_dr_mode: "disabled",
    server_time_utc: Math.floor(call.context.now / 1000),
    version,
    enterprise: false,
    ...cluster,
    echo_duration_ms: 0,
    clock_skew_ms: 0,
    replication_primary_canary_age_ms: 0,
  };
  return { status, bare: call.isHead ? "" : bare };
}

/** Each state has its status, and a query member that replaces it. */
function statusOf({ query }: StandingCall, state: Standing["state"]): number {
  const [member, usual] = state === "ready" ? ["activecode", 200] : state === "uninitialised" ? ["uninitcode", 501] : ["sealedcode", 503];
  const said = query.one(String(member));
  if (said === undefined) return Number(usual);
  const status = Number(said);
  if (/^\d{3}$/.test(said) && status >= 200 && status <= 599) return status;
  throw new PosternError({
    code: "malformed",
    where: String(member),
    expected: "a status",
    kind: "argument",
    says: `invalid status code in ${member}`,
  });
}

export function sealStatus({ settings }: StandingCall): Answer {
  const { state, deployment } = standingOf(settings);
  const isSealed = state !== "ready";
  const cluster = isSealed || deployment === undefined ? {} : { cluster_name: clusterName, cluster_id: deployment };
  const bare = {
    type: "postern",
    initialized: state !== "uninitialised",
    sealed: isSealed,
    t: 1,
    n: 1,
    progress: 0,
    nonce: "",
    version,
    build_date: "",
    migration: false,
    ...cluster,
    recovery_seal: true,
    storage_type: "libsql",
  };
  return { bare };
}

function initialised({ settings }: Call): Answer {
  return { bare: { initialized: standingOf(settings).state !== "uninitialised" } };
}

function replication(): Answer {
  return { data: { dr: { mode: "disabled" }, performance: { mode: "disabled" } } };
}

export function leader({ settings }: StandingCall): Answer {
  if (standingOf(settings).state !== "ready") throw new PosternError({ code: "sealed", reason: "standing" });
  const bare = {
    ha_enabled: false,
    is_self: false,
    active_time: "0001-01-01T00:00:00Z",
    leader_address: "",
    leader_cluster_address: "",
    performance_standby: false,
    performance_standby_last_remote_wal: 0,
  };
  return { bare };
}

/** Keys are made, shown and used on the machine itself, by its own commands. Clients print both sentences, and match the first. */
function onMachine(hint: string): Handler {
  return () => Promise.reject(new PosternError({ code: "forbidden", because: "admin_socket_only", says: "permission denied", hint }));
}

/** At every path below. */
function everywhere(path: string, hint: string): readonly EngineRoute[] {
  const refuse = onMachine(hint);
  return [{ path: `${path}/*`, open: true, read: refuse, write: refuse, delete: refuse }];
}
