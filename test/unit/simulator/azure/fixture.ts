/** A simulator with a fixed clock and seeded ids, and the few things every test of it does. */

import { generateRsa } from "../../../../src/crypto/signing";
import {
  type AzureSimulator,
  type AzureSimulatorOptions,
  createAzureSimulator,
  type SimulatedMachine,
} from "../../../../src/simulator/azure/simulator";

/** 2026-09-21T14:13:20Z */
export const fixedNow = 1_790_000_000_000;
export const arm = "https://management.azure.com/";
export const metadata = { Metadata: "true" };

// One set for all simulators of a test file: making RSA keys is what takes long.
const signingKeys = await Promise.all([1, 2, 3, 4].map(() => generateRsa()));

export function startSimulator(options: Partial<AzureSimulatorOptions> = {}): Promise<AzureSimulator> {
  return createAzureSimulator({ clock: { now: () => fixedNow, monotonicMs: () => 0 }, random: seededRandom(7), signingKeys, ...options });
}

/** xorshift32: not random, and the same each time. */
export function seededRandom(seed: number): { bytes(count: number): Uint8Array } {
  let state = seed;
  return {
    bytes: (count) =>
      Uint8Array.from({ length: count }, () => {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        return state & 0xff;
      }),
  };
}

/** Asks a machine's metadata endpoint: `/metadata/identity/oauth2/token` with the query, unless a path is given. */
export function askImds(
  machine: SimulatedMachine,
  query: Readonly<Record<string, string>>,
  options: { readonly headers?: Readonly<Record<string, string>>; readonly path?: string; readonly method?: string } = {},
): Promise<Response> {
  const path = options.path ?? "/metadata/identity/oauth2/token";
  return fetch(`${machine.url}${path}?${new URLSearchParams(query)}`, {
    headers: options.headers ?? metadata,
    method: options.method ?? "GET",
  });
}

/** The body of a JSON answer as an object of unknown members. */
export async function jsonOf(answer: Response): Promise<Readonly<Record<string, unknown>>> {
  return objectOf(await answer.text());
}

/** Header or claims of a token. */
export function part(token: unknown, index: 0 | 1): Readonly<Record<string, unknown>> {
  return objectOf(Buffer.from(String(token).split(".")[index] ?? "", "base64url").toString());
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new Error("expected a JSON object");
  return { ...value };
}
