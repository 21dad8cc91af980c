/** `postern server`: serves until it is asked to end. */

import type { Command } from "commander";
import { settingFlags } from "../../config/config";
import { reasonOf } from "../../server/server";
import { type Cli, createCommand, onRun } from "../command";
import { exitCodes } from "../exit-codes";
import { serveUntilStopped } from "../serving";

export function serverCommand(cli: Cli): Command {
  const command = createCommand(
    "server",
    "serve; SIGTERM ends it cleanly, SIGHUP reads the certificates again",
    "postern server --data /var/lib/postern --seal file:/etc/postern/seal.key --listen 0.0.0.0:8443 --tls-cert server.pem --tls-key server.key",
    settingFlags().map(({ name }) => name),
  );
  return onRun(command, cli, async ({ io, load, print }) => {
    const { config } = load();
    const server = await cli.world.startServer(config);
    const { readiness } = server;
    if (readiness.state !== "ready") {
      const reason = "reason" in readiness ? `${readiness.state}: ${readiness.reason}` : readiness.state;
      const detail = "detail" in readiness && readiness.detail !== undefined ? ` (${readiness.detail})` : "";
      io.err(`postern: ${reason}${detail}\n`);
      const code = readiness.state === "failed" ? exitCodes.integrity : exitCodes.sealed;
      if (readiness.state === "failed" || config.exitIfSealed) {
        await server.stop();
        return code;
      }
    }
    print({ listening: server.urls }, server.urls.map((url) => `Listening on ${url}\n`).join(""));
    await serveUntilStopped(cli.world, {
      status: () => (readiness.state === "ready" ? `listening on ${server.urls.join(", ")}` : `not ready: ${reasonOf(readiness)}`),
      reload: () => server.reload(),
      stop: () => server.stop(),
    });
    return exitCodes.done;
  });
}
