/** One way of asking Azure's library for a token, and what came of it. */

import { join } from "node:path";

export type TokenCase = { readonly scope: string } & (
  | { readonly credential: "default" }
  | { readonly credential: "managed"; readonly clientId?: string; readonly objectId?: string; readonly resourceId?: string }
  | {
      readonly credential: "workload";
      readonly tenantId: string;
      readonly clientId: string;
      readonly tokenFilePath: string;
      readonly authorityHost: string;
    }
  | {
      readonly credential: "secret";
      readonly tenantId: string;
      readonly clientId: string;
      readonly secret: string;
      readonly authorityHost: string;
    }
);

export interface Outcome {
  readonly token?: string;
  readonly expiresOn?: number;
  readonly error?: string;
}

/** Runs the case in a process of its own, with no other environment than the given one. */
export async function getToken(request: TokenCase, environment: Readonly<Record<string, string>>): Promise<Outcome> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "get-token.ts"), JSON.stringify(request)], {
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...environment },
    stdout: "pipe",
    stderr: "inherit",
  });
  const outcome: Outcome = JSON.parse(await new Response(child.stdout).text());
  return outcome;
}

/** The claims of a token, or of nothing when there is none. */
export function claimsOf(outcome: Outcome): Readonly<Record<string, unknown>> {
  if (outcome.token === undefined) throw new Error(`no token: ${outcome.error}`);
  const claims: unknown = JSON.parse(Buffer.from(outcome.token.split(".")[1] ?? "", "base64url").toString());
  return typeof claims === "object" ? { ...claims } : {};
}
