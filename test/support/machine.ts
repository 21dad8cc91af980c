/** Machine identities over the simulated Azure, with the real way out and the real disk, and a pause that takes no time. */

import { createMachineIdentity, type SourceOptions } from "../../src/authenticators/azure/machine-identity";
import type { MachineFiles, MachineIdentity } from "../../src/model/ports";
import { createHttpClient } from "../../src/runtime/http-client";
import { createMachineFiles } from "../../src/runtime/machine-files";
import { createLogKeeper } from "./fake-issuer";
import { seededRandom, type TestClock } from "./house";

export interface TestMachine {
  readonly identity: MachineIdentity;
  readonly log: ReturnType<typeof createLogKeeper>;
  /** The pauses that were taken, in milliseconds. */
  readonly pauses: readonly number[];
}

export interface TestMachineOptions {
  readonly clock: TestClock;
  readonly environment?: Readonly<Record<string, string>>;
  readonly files?: Partial<MachineFiles>;
  readonly extraRoots?: readonly string[];
  /** What the operator opened for requests to Entra ID. */
  readonly allowOutbound?: readonly string[];
  /** Whether a caller's patience ends: pauses of exactly five seconds then pass, else they never end. */
  readonly impatient?: boolean;
  /** How long one exchange with a local endpoint may take, in place of five seconds. */
  readonly timeoutMs?: number;
}

/** A caller waits this long; other pauses are between two requests. */
const patienceMs = 5000;

export function createTestMachine(options: SourceOptions, test: TestMachineOptions): TestMachine {
  const { clock } = test;
  const log = createLogKeeper();
  const pauses: number[] = [];
  const common = { clock, logger: log };
  const identity = createMachineIdentity(options, {
    ...common,
    environment: test.environment ?? {},
    files: { ...createMachineFiles(), ...test.files },
    http: createHttpClient({ ...common, allowOutbound: test.allowOutbound ?? [], extraRoots: test.extraRoots ?? [] }),
    // A proxy is set for everybody else.
    openLocal(prefix) {
      const client = createHttpClient({ ...common, allowOutbound: [prefix] });
      return { ...client, send: (request, limits) => client.send(request, { ...limits, timeoutMs: test.timeoutMs ?? limits.timeoutMs }) };
    },
    random: seededRandom(3),
    async pause(ms) {
      if (ms === patienceMs) return test.impatient === true ? undefined : await new Promise<void>(() => undefined);
      pauses.push(ms);
      clock.advance(ms);
    },
  });
  return { identity, log, pauses };
}

/** Why there was no token, or `token`. */
export async function outcomeOf(identity: MachineIdentity, audience: string): Promise<string> {
  try {
    await identity.credential(audience);
    return "token";
  } catch (error) {
    return error instanceof Error ? error.message : "no error";
  }
}
