/** A client of Vault's on a virtual machine of Azure, in a place of its own: what it is to do there, and what came of it. */

import type { Answer } from "./driver";
import { playIn } from "./namespace";
import type { Ended } from "./shell";

export interface VaultFlow {
  /** The client's driver, or the client itself where lines are played. */
  readonly command: readonly string[];
  /** With words such as SERVER_URL and ROOT_TOKEN, which the place fills in; so in calls and lines. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether the method is set up before; its roles are `dev-role-azure`, `short-lived`, whose tokens live for three
   * seconds at a time, and `elsewhere`, which takes machines of another place. */
  readonly isSetUp: boolean;
  readonly calls?: readonly (readonly [string, ...unknown[]])[];
  /** Lines of a shell, in which the client is called `vault`. */
  readonly lines?: readonly string[];
}

export interface VaultFlowReport {
  readonly answers: readonly Answer[];
  readonly outputs: readonly Ended[];
  /** How often the Resource Manager was asked. */
  readonly asked: number;
  /** How often the machine was asked for a token. */
  readonly tokenRequests: number;
}

export function playVaultFlow(wrapper: readonly string[], flow: VaultFlow): Promise<VaultFlowReport> {
  return playIn<VaultFlowReport>(wrapper, "vault-azure-scene.ts", flow);
}
