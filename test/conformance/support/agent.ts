/** A machine's agent as somebody runs it: the compiled binary over a file of its own. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { shippedProgram } from "../../support/operator";

export interface MachineAgent {
  /** Where it listens, in the order of the apps in its file: `unix:/run/app.sock`, `http://127.0.0.1:PORT`. */
  readonly addresses: readonly string[];
  /** Ends it in order; its exit code. */
  stop(): Promise<number>;
}

/** Starts it in `home` and waits until each of its `apps` can be asked. */
export async function startAgent(home: string, { text, apps }: { readonly text: string; readonly apps: number }): Promise<MachineAgent> {
  const file = join(home, "agent.toml");
  writeFileSync(file, text);
  const agent = Bun.spawn([...shippedProgram, "agent", "--config", file], { stdout: "pipe", stderr: "ignore" });
  const giveUp = (): void => agent.kill("SIGKILL");
  process.once("exit", giveUp);
  let printed = "";
  let addresses: readonly string[] = [];
  for await (const piece of agent.stdout) {
    printed += Buffer.from(piece).toString("utf8");
    addresses = [...printed.matchAll(/^Listening on (\S+)$/gmu)].map(([, address = ""]) => address);
    if (addresses.length === apps) break;
  }
  if (addresses.length !== apps) throw new Error(`the agent ended with ${await agent.exited} and listened at ${addresses.length} places`);
  return {
    addresses,
    async stop() {
      agent.kill("SIGTERM");
      const code = await agent.exited;
      process.off("exit", giveUp);
      return code;
    },
  };
}
