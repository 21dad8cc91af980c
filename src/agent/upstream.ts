/**
 * The primary as one app's role sees it: logs in with the machine's token as that role, and reads as that role.
 *
 * One machine token, one login for each app: the host of every app is bound to this machine by its annotations at the primary, so an unmodified primary
 * decides what each app may read, and the agent never asks with a right that is not the app's.
 */

import type { ConjurClient, ConjurSession, ConjurValue } from "../client/conjur-client";
import { failureOf } from "../model/failures";
import type { ResourceId } from "../model/ids";
import type { Clock, MachineIdentity } from "../model/ports";
import type { Turns } from "../model/turns";

export interface Upstream {
  /** Throws `unauthenticated` when the primary refuses the role itself, `forbidden` and `not_found` for the secret, `upstream_unavailable`. */
  read(id: ResourceId, version?: number): Promise<ConjurValue>;
}

export interface UpstreamOptions {
  readonly client: ConjurClient;
  readonly identity: MachineIdentity;
  readonly clock: Clock;
  /** Shared by all apps: none of them can flood the primary from here. */
  readonly turns: Turns;
  readonly account: string;
  readonly service: string;
  readonly audience: string;
  /** `host/apps/billing`. */
  readonly login: string;
}

/** A session is left before its end: what is under way must still arrive. */
const usedShare = 0.75;

export function createUpstream({ client, identity, clock, turns, account, service, audience, login }: UpstreamOptions): Upstream {
  let current: { readonly session: ConjurSession; readonly leaveAtMs: number } | undefined;
  let flight: Promise<ConjurSession> | undefined;

  async function logIn(): Promise<ConjurSession> {
    const { token } = await identity.credential(audience);
    const session = await client.loginByAzure({ service, account, login, token });
    current = { session, leaveAtMs: clock.monotonicMs() + session.lifetimeMs * usedShare };
    return session;
  }

  function session(): Promise<ConjurSession> {
    if (current !== undefined && clock.monotonicMs() < current.leaveAtMs) return Promise.resolve(current.session);
    flight ??= logIn().finally(() => {
      flight = undefined;
    });
    return flight;
  }

  async function read(id: ResourceId, version: number | undefined): Promise<ConjurValue> {
    const used = await session();
    try {
      return await client.readSecret(used, id, version);
    } catch (error) {
      if (failureOf(error).code !== "unauthenticated") throw error;
      // The primary may have other signing keys by now; only a second refusal means the role.
      if (current?.session === used) current = undefined;
      return await client.readSecret(await session(), id, version);
    }
  }

  return { read: (id, version) => turns(() => read(id, version)) };
}
