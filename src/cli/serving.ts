/** What commands that serve have in common: they tell the service manager, read certificates and settings again when asked, and end cleanly. */

import type { CliWorld } from "./world";

export interface Served {
  /** One line for the service manager: `listening on https://0.0.0.0:8443`. */
  status(): string;
  /** Throws nothing: what is wrong with the new settings is told, and the old ones stay. */
  reload(): void | Promise<void>;
  /** Finishes what is under way. */
  stop(): Promise<void>;
}

/** Resolves when the process was asked to end and `served` has. */
export async function serveUntilStopped(world: CliWorld, served: Served): Promise<void> {
  const { serviceManager } = world;
  serviceManager.ready(served.status());
  await world.untilStopped(async () => {
    serviceManager.reloading();
    await served.reload();
    serviceManager.ready(served.status());
  });
  serviceManager.stopping();
  await served.stop();
}
