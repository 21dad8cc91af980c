/** A network and mount namespace of a test's own, in which the real addresses and folders of Azure's agents are free. */

import { execute, type Outcome } from "./binary";

export interface Namespace {
  /** The words before a command that is to run inside. */
  readonly enter: readonly string[];
  run(command: readonly string[]): Outcome;
  remove(): void;
}

/** Why there can be none here; undefined when there can. */
export const noNamespaces: string | undefined = (() => {
  if (process.platform !== "linux") return "it takes Linux";
  if (process.getuid?.() !== 0) return "it takes root, for users and groups of its own";
  const missing = ["unshare", "nsenter", "ip", "setpriv", "curl"].filter((name) => Bun.which(name) === null);
  if (missing.length > 0) return `it takes ${missing.join(", ")}`;
  const tried = execute(["unshare", "--net", "--mount", "true"], { cwd: "/" });
  return tried.code === 0 ? undefined : `namespaces are not permitted here: ${tried.stderr.trim()}`;
})();

/** `script` prepares it, as root inside. */
export async function createNamespace(script: string): Promise<Namespace> {
  const holder = Bun.spawn(
    ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-eu", "-c", `${script}\necho ready\nexec sleep 600`],
    {
      stdout: "pipe",
      stderr: "inherit",
    },
  );
  const reader = holder.stdout.getReader();
  const first = await reader.read();
  reader.releaseLock();
  if (
    !Buffer.from(first.value ?? new Uint8Array(0))
      .toString()
      .includes("ready")
  )
    throw new Error("the namespace could not be prepared");
  const enter = ["nsenter", "--target", String(holder.pid), "--net", "--mount"];
  return {
    enter,
    run: (command) => execute([...enter, ...command], { cwd: "/" }),
    remove: () => holder.kill("SIGKILL"),
  };
}
