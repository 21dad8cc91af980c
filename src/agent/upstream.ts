/**
 * The primary as one app's role sees it: logs in with the machine's token as that role, and reads as that role.
 *
 * One machine token, one login for each app: the role of every app is bound to this machine at the primary, so an unmodified primary
 * decides what each app may read, and the agent never asks with a right that is not the app's.
 */

import type { VaultMount } from "../client/vault-client";
import { failureOf } from "../model/failures";
import type { ResourceId } from "../model/ids";
import type { Clock } from "../model/ports";
import type { Turns } from "../model/turns";
import type { Primary, PrimarySession, PrimaryValue } from "./primary";

export interface Upstream {
  /** Throws `unauthenticated` when the primary refuses the role itself, `forbidden` and `not_found` for the secret, `upstream_unavailable`. */
  read(id: ResourceId, version?: number): Promise<PrimaryValue>;
  /** Absent where secrets have no paths. Throws as `read`. */
  readonly mountOf?: (path: string) => Promise<VaultMount>;
  /** Gives up the session there is, where the primary would keep it. Never throws. */
  leave(): Promise<void>;
}

export interface UpstreamOptions {
  readonly clock: Clock;
  /** Shared by all apps: none of them can flood the primary from here. */
  readonly turns: Turns;
}

/** A session is left before its end: what is under way must still arrive. */
const usedShare = 0.75;

export function createUpstream<Session extends PrimarySession>(primary: Primary<Session>, { clock, turns }: UpstreamOptions): Upstream {
  let current: { readonly session: Session; readonly leaveAtMs: number } | undefined;
  let flight: Promise<Session> | undefined;

  async function logIn(): Promise<Session> {
    const session = await primary.logIn();
    current = { session, leaveAtMs: clock.monotonicMs() + session.lifetimeMs * usedShare };
    return session;
  }

  function session(): Promise<Session> {
    if (current !== undefined && clock.monotonicMs() < current.leaveAtMs) return Promise.resolve(current.session);
    flight ??= logIn().finally(() => {
      flight = undefined;
    });
    return flight;
  }

  async function ask<Answer>(question: (session: Session) => Promise<Answer>): Promise<Answer> {
    const used = await session();
    try {
      return await question(used);
    } catch (error) {
      if (failureOf(error).code !== "unauthenticated") throw error;
      // The primary may have other signing keys by now, or the session was revoked; only a second refusal means the role.
      if (current?.session === used) current = undefined;
      return await question(await session());
    }
  }

  async function leave(): Promise<void> {
    const left = current?.session;
    current = undefined;
    // One that the primary does not hear of ends by itself.
    if (left !== undefined) await primary.leave?.(left).catch(() => undefined);
  }

  const { mountOf } = primary;
  return {
    leave,
    read: (id, version) => turns(() => ask((used) => primary.read(used, id, version))),
    ...(mountOf === undefined ? {} : { mountOf: (path: string) => turns(() => ask((used) => mountOf(used, path))) }),
  };
}
