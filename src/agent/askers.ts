/** Which user of this machine asks at a port: for the trail, and for how much one of them may ask. On a socket the kernel has judged that already. */

import type { RequestContext } from "../model/types";
import { userOfPeer } from "../runtime/peer-user";

/** Of one port. */
export interface Askers {
  /** Told by the listener, with the port that a request came from. */
  met(request: Request, peerPort: number): void;
  /** The number of the user; undefined where the kernel does not tell. */
  userOf(request: Request): number | undefined;
}

export function createAskers(ownPort: () => number): Askers {
  const cameFrom = new WeakMap<Request, number>();
  return {
    met: (request, peerPort) => void cameFrom.set(request, peerPort),
    userOf(request) {
      const peerPort = cameFrom.get(request);
      return peerPort === undefined ? undefined : userOfPeer(ownPort(), peerPort);
    },
  };
}

/** The user behind a request that is under way, looked up when somebody wants to know. */
export interface AskerMemo {
  note(context: RequestContext, userOf: () => number | undefined): void;
  userOf(context: RequestContext): number | undefined;
}

export function createAskerMemo(): AskerMemo {
  const askers = new WeakMap<RequestContext, () => number | undefined>();
  return {
    note: (context, userOf) => void askers.set(context, userOf),
    userOf: (context) => askers.get(context)?.(),
  };
}
