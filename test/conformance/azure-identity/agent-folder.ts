/** Cases that need the folder in which Azure's libraries read the challenges of an Arc server: they run in a mount namespace with an empty one. */

import type { SimulatedIdentity } from "../../../src/simulator/azure/simulator";
import type { Outcome } from "./token-case";

export interface ArcReport {
  readonly outcomes: Readonly<Record<string, Outcome>>;
  readonly identities: { readonly system: SimulatedIdentity; readonly assigned: SimulatedIdentity; readonly resourceId: string };
  readonly challenges: number;
}

/** `cases`: the program that plays them and prints the report. Where namespaces are not allowed, the simulator itself refuses a folder that somebody uses. */
export async function runArcCases(cases: string): Promise<ArcReport> {
  const program = [process.execPath, cases];
  const inside = ["sh", "-c", 'mount -t tmpfs none /var/opt && exec "$@"', "sh", ...program];
  for (const command of [
    ["unshare", "-m", ...inside],
    ["unshare", "-Urm", ...inside],
  ]) {
    const canMount = Bun.spawnSync([...command.slice(0, command.indexOf("sh")), "sh", "-c", "mount -t tmpfs none /var/opt"]).success;
    if (canMount) return report(command);
  }
  return report(program);
}

async function report(command: readonly string[]): Promise<ArcReport> {
  const child = Bun.spawn([...command], { stdout: "pipe", stderr: "inherit" });
  const [text, exitCode] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  if (exitCode !== 0) throw new Error(`the Arc cases ended with exit code ${exitCode}`);
  const found: ArcReport = JSON.parse(text);
  return found;
}
