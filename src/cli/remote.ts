/** The way to the server of a connection: over the network as its operator said, or by the socket of this machine's agent. */

import { createMachineIdentity } from "../authenticators/azure/machine-identity";
import { type ConjurClient, createConjurClient } from "../client/conjur-client";
import { createSocketHttp } from "../client/socket-http";
import { processEnvironment } from "../config/config";
import { type Connection, serverUrl } from "../config/connection";
import type { Clock, HttpClient, Logger, MachineIdentity } from "../model/ports";
import { createHttpClient } from "../runtime/http-client";
import { createMachineFiles } from "../runtime/machine-files";
import { createRandom } from "../runtime/random";
import { createSocketFetch } from "../runtime/socket-client";

export interface Remote {
  readonly client: ConjurClient;
  /** Asks the server for anything; where its client cannot. */
  readonly http: HttpClient;
  /** Of connections that log in by it. Throws `malformed` and `unsupported` for what this machine is told and cannot be. */
  identity(): MachineIdentity;
}

export interface RemoteDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

export function openRemote(connection: Connection, { clock, logger }: RemoteDeps): Remote {
  const { url, roots, proof } = connection;
  const common = { clock, logger };
  const http = proof.kind === "socket" ? createSocketHttp(proof.path, createSocketFetch(proof.path)) : overNetwork(connection, common);
  return {
    http,
    client: createConjurClient({ http, url, ...(roots === undefined || proof.kind === "socket" ? {} : { roots }) }),
    identity() {
      const identity = createMachineIdentity(proof.kind === "azure" ? proof.identity : {}, {
        ...common,
        random: createRandom(),
        pause,
        environment: processEnvironment(),
        files: createMachineFiles(),
        http: createHttpClient({ ...common, allowOutbound: [], ...proxyOf(connection) }),
        openLocal: (prefix) => createHttpClient({ ...common, allowOutbound: [prefix] }),
      });
      return { ...identity, credential: (audience) => holding(identity.credential(audience)) };
    },
  };
}

/** The server's address may be private: whoever logs in names it. */
function overNetwork(connection: Connection, common: RemoteDeps): HttpClient {
  const { origin, pathname } = serverUrl(connection.url, "--url");
  return createHttpClient({
    ...common,
    allowOutbound: [`${origin}${pathname}`],
    ...proxyOf(connection),
  });
}

function proxyOf({ httpsProxy }: Connection): { readonly proxy?: { readonly https: string } } {
  return httpsProxy === undefined ? {} : { proxy: { https: httpsProxy } };
}

/** A pause that keeps nobody from ending the process. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

const longMs = 60_000;

/** Its pauses keep no process alive, so that none goes on for a token that nobody waits for; while somebody does, this keeps it. */
async function holding<Value>(wanted: Promise<Value>): Promise<Value> {
  const hold = setInterval(() => undefined, longMs);
  try {
    return await wanted;
  } finally {
    clearInterval(hold);
  }
}
