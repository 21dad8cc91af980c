/** A listener of Vault's dialect on loopback whose front answers with what it was asked. */

import type { FrontApp, FrontBindings } from "../../../../src/fronts/front";
import { createListener, type Listener, type ListenerConfig } from "../../../../src/server/listener";
import { now } from "../../../fronts/fake-broker";

export interface EchoListener {
  readonly listener: Listener;
  readonly rejected: readonly string[];
  readonly warnings: readonly string[];
  /** Holds the answers to `/v1/held` back until they are let go. */
  release(): void;
}

/** The size of the answer to `/v1/large`. */
export const largeBytes = 8 << 20;

export function listenWithEcho(config: Partial<ListenerConfig> = {}): EchoListener {
  const rejected: string[] = [];
  const warnings: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  let counter = 0;
  const front: FrontApp = {
    name: "vault",
    hot: [],
    takesPolicy: () => false,
    refuse: (failure) => Response.json({ refused: failure.code }, { status: failure.code === "too_large" ? 413 : 400 }),
    app: {
      async fetch(request, bindings) {
        const { pathname, search } = new URL(request.url);
        if (pathname === "/v1/held") await promise;
        if (pathname === "/v1/large") return new Response(Buffer.alloc(largeBytes, "x"));
        return Response.json([request.method, pathname + search, await request.text(), addressIn(bindings)]);
      },
      request: () => new Response(null, { status: 404 }),
    },
  };
  const listener = createListener({
    fronts: [front],
    clock: { now: () => now, monotonicMs: () => performance.now() },
    random: { bytes: (count) => Buffer.alloc(count, String(counter++)) },
    logger: { debug: () => {}, info: () => {}, warn: (event) => void warnings.push(event), error: (event) => void warnings.push(event) },
    meter: { began: () => {}, ended: () => {}, rejected: (reason) => void rejected.push(reason) },
    health: () => ({ status: "ready" }),
    config: { listen: "127.0.0.1:0", trustedProxies: [], keyVaultHosts: [], dialect: "vault", ...config },
  });
  return { listener, rejected, warnings, release: resolve };
}

function addressIn(bindings: FrontBindings | object | undefined): string | undefined {
  return bindings !== undefined && "context" in bindings ? bindings.context.clientAddress : undefined;
}
