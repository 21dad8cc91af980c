/**
 * The commands that ask a server as one of its own, over a whole Postern and a simulated Arc server in this process: real connections, a real disk for what is
 * kept, and one time for all that only tests move.
 */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { openOfflineCopy } from "../../src/cli/offline-copy";
import { openRemote } from "../../src/cli/remote";
import type { CliWorld } from "../../src/cli/world";
import { createPrivateFiles } from "../../src/runtime/files";
import { createAgentHouse, machineName } from "./agent-house";
import { service } from "./azure-house";
import { type CliOptions, createCliBench, type Outcome } from "./cli-bench";
import { createLogKeeper } from "./fake-issuer";
import { seededRandom } from "./house";

/** Where nobody listens. */
const nowhere = "http://127.0.0.1:9";

export async function createClientBench() {
  const house = await createAgentHouse();
  const { clock, simulator, primary, folder } = house;
  const bench = createCliBench(() => {
    throw new Error("nobody asks an admin socket here");
  });
  const state = join(folder, "state");
  const common = { clock, logger: createLogKeeper() };
  let isCut = false;
  let serverAheadMs = 0;
  let seed = 40;
  let machine = "machine-1";

  const world: Partial<CliWorld> = {
    clock,
    files: createPrivateFiles(),
    remote(connection) {
      const live = openRemote(connection, common);
      const dead = openRemote({ ...connection, url: nowhere }, common);
      return {
        identity: live.identity,
        get client() {
          return (isCut ? dead : live).client;
        },
        get http() {
          const { http } = isCut ? dead : live;
          // The listener says the real time, which is not that of the tests.
          const date = new Date(clock.now() + serverAheadMs).toUTCString();
          return {
            ...http,
            send: async (...[request, limits]: Parameters<typeof http.send>) => {
              const url = isCut ? request.url.replace(connection.url, nowhere) : request.url;
              const answer = await http.send({ ...request, url }, limits);
              return { ...answer, headers: { ...answer.headers, date } };
            },
          };
        },
      };
    },
    remove(path) {
      rmSync(path, { recursive: true, force: true });
      return true;
    },
    openCopy: (options, complain) =>
      openOfflineCopy(options, {
        files: createPrivateFiles(),
        clock,
        random: seededRandom(++seed),
        logger: { ...createLogKeeper(), warn: complain, error: complain },
        machine,
      }),
  };

  return {
    house,
    clock,
    primary,
    state,
    folder,
    /** Words are separated by single spaces. */
    run: (line: string, options: CliOptions = {}): Promise<Outcome> =>
      bench.run(line, {
        ...options,
        environment: { XDG_STATE_HOME: state, ...options.environment },
        world: { ...world, ...options.world },
      }),
    /** What follows `login` for a role with this machine's identity. */
    asMachine: (role: string): string =>
      `login --url ${primary.listener.url} --account acme --login ${role} --service ${service} --identity-source arc --identity-endpoint ${simulator.machine(machineName).url}/metadata/identity/oauth2/token --identity-tokens ${simulator.tokensFolder}`,
    cut(next: boolean): void {
      isCut = next;
    },
    /** The server's clock against that of this machine. */
    skew(ms: number): void {
      serverAheadMs = ms;
    },
    world,
    moveTo(other: string): void {
      machine = other;
    },
    close: () => house.close(),
  };
}
