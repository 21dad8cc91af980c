/**
 * A place where the clouds' metadata services answer at their own addresses: a network namespace with 169.254.169.254 on its loopback, and a mount namespace where
 * the few names that matter lead there. Nothing leaves it.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Answer } from "./driver";

/** A client's own way to a cloud's metadata service and from there to the server. */
export interface CloudFlow {
  /** The client's driver, and the operation by which it connects. */
  readonly command: readonly string[];
  readonly connect: readonly [string, ...string[]];
  /** With SERVER_URL, SERVER_ACCOUNT and SERVER_CA_FILE put in for those words. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether it is slow in taking no for an answer: then it is not asked for what it may not have. */
  readonly isPersistent?: boolean;
}

export interface CloudFlowReport {
  readonly connected: Answer;
  readonly whoami: Answer;
  readonly secret: Answer;
  readonly hidden?: Answer;
  /** How often the cloud was asked for a proof, or to verify one. */
  readonly tokenRequests: number;
}

/** What comes of it when the client does its part. */
export const flowThatWorks: Partial<CloudFlowReport> = {
  connected: { result: "connected" },
  secret: { result: "test-secret" },
  tokenRequests: 1,
};

const wrappers = [
  ["unshare", "--net", "--mount"],
  ["unshare", "--net", "--mount", "--map-root-user"],
];
const names = `127.0.0.1 localhost accounts.google.com www.googleapis.com sts.eu-west-1.amazonaws.com
169.254.169.254 metadata metadata.google.internal
`;
const bring = 'ip link set lo up && ip address add 169.254.169.254/32 dev lo && mount --bind "$1" /etc/hosts && shift';

/** The command that makes such a place here, or undefined where nobody may. */
export function namespaceCommand(): readonly string[] | undefined {
  if (process.platform !== "linux" || Bun.which("unshare") === null || Bun.which("ip") === null) return undefined;
  return withHosts((hosts) => wrappers.find((wrapper) => Bun.spawnSync([...wrapper, "sh", "-c", bring, "sh", hosts]).success));
}

/** Plays the flow on a machine of that cloud, in a place made by `wrapper`. */
export function playFlow(wrapper: readonly string[], cloud: "azure" | "google" | "aws", flow: CloudFlow): Promise<CloudFlowReport> {
  return playIn<CloudFlowReport>(wrapper, `${cloud}-scene.ts`, flow);
}

/** Runs a scene in a place made by `wrapper`; what it prints, as JSON, is what came of it. */
export function playIn<Report>(wrapper: readonly string[], scene: string, flow: object): Promise<Report> {
  return withHosts(async (hosts) => {
    const program = [process.execPath, join(import.meta.dir, scene), JSON.stringify(flow)];
    const child = Bun.spawn([...wrapper, "sh", "-c", `${bring} && exec "$@"`, "sh", hosts, ...program], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [text, errors, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    if (code !== 0) throw new Error(`the scene ended with ${code}: ${errors.slice(-2000)}`);
    const report: Report = JSON.parse(text);
    return report;
  });
}

function withHosts<Result>(use: (file: string) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), "namespace-"));
  const file = join(folder, "hosts");
  writeFileSync(file, names);
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const result = use(file);
  if (result instanceof Promise) result.finally(remove);
  else remove();
  return result;
}
