/**
 * A client's own way to Azure's metadata service, on a machine where http://169.254.169.254 answers: a network namespace of its own with that address on its
 * loopback, and the simulator behind it on port 80. Nothing leaves the namespace.
 */

import { join } from "node:path";
import type { Answer } from "./driver";

export interface AzureFlow {
  /** The client's driver, and the operation by which it connects. */
  readonly command: readonly string[];
  readonly connect: readonly [string, ...string[]];
  /** With SERVER_URL, SERVER_ACCOUNT and SERVER_CA_FILE put in for those words. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether it is slow in taking no for an answer: then it is not asked for what it may not have. */
  readonly isPersistent?: boolean;
}

export interface AzureFlowReport {
  readonly connected: Answer;
  readonly whoami: Answer;
  readonly secret: Answer;
  readonly hidden?: Answer;
  /** How often the metadata service was asked for a token. */
  readonly tokenRequests: number;
}

/** What comes of it when the client does its part. */
export const flowThatWorks: Partial<AzureFlowReport> = {
  connected: { result: "connected" },
  secret: { result: "test-secret" },
  tokenRequests: 1,
};

const wrappers = [
  ["unshare", "--net"],
  ["unshare", "--net", "--map-root-user"],
];
const bring = "ip link set lo up && ip address add 169.254.169.254/32 dev lo";

/** The command that makes such a namespace here, or undefined where nobody may. */
export function namespaceCommand(): readonly string[] | undefined {
  if (process.platform !== "linux" || Bun.which("unshare") === null || Bun.which("ip") === null) return undefined;
  return wrappers.find((wrapper) => Bun.spawnSync([...wrapper, "sh", "-c", bring]).success);
}

/** Plays the flow in a namespace made by `wrapper`. */
export async function playAzureFlow(wrapper: readonly string[], flow: AzureFlow): Promise<AzureFlowReport> {
  const program = [process.execPath, join(import.meta.dir, "azure-flow-scene.ts"), JSON.stringify(flow)];
  const child = Bun.spawn([...wrapper, "sh", "-c", `${bring} && exec "$@"`, "sh", ...program], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [text, errors, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`the scene ended with ${code}: ${errors.slice(-2000)}`);
  const report: AzureFlowReport = JSON.parse(text);
  return report;
}
