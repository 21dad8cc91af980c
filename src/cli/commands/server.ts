/** `postern server`: serves until it is asked to end. */

import { resolve } from "node:path";
import type { Command } from "commander";
import { type AdminFailure, adminOperations } from "../../client/admin-wire";
import { createAdminClient } from "../../client/client";
import { settingFlags } from "../../config/config";
import { SecretBytes } from "../../model/secret-bytes";
import { type RunningServer, reasonOf } from "../../server/server";
import { type Cli, createCommand, onRun, optionOf, secretText, usage } from "../command";
import { exitCodeOf, exitCodes } from "../exit-codes";
import { withoutLineEnd } from "../input";
import type { CliIo } from "../io";
import { serveUntilStopped } from "../serving";

export function serverCommand(cli: Cli): Command {
  const command = createCommand(
    "server",
    "serve; SIGTERM ends it cleanly, SIGHUP reads the certificates again",
    "postern server --data /var/lib/postern --seal file:/etc/postern/seal.key --listen 0.0.0.0:8443 --tls-cert server.pem --tls-key server.key",
    settingFlags().map(({ name }) => name),
  )
    .option("--create-account <name>", "make this account first, unless it is there, and print the API key of its administrator")
    .option("--password-from-stdin", "with --create-account: the administrator's password is what stands on standard input")
    .option("--load <file>", "with --create-account: policy that replaces the account's root policy");
  return onRun(command, cli, async ({ io, load, print }) => {
    const { config } = load();
    const first = preparationOf(command);
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
    if (first !== undefined && readiness.state === "ready") {
      const code = await prepare(cli, first, server).catch(async (error: unknown) => {
        await server.stop();
        throw error;
      });
      if (code !== exitCodes.done) {
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

/** What shall be there before anybody is told that the server listens. */
interface Preparation {
  readonly account: string;
  readonly wantsPassword: boolean;
  readonly file?: string;
}

function preparationOf(command: Command): Preparation | undefined {
  const account = optionOf(command, "createAccount");
  const file = optionOf(command, "load");
  const wantsPassword = command.getOptionValue("passwordFromStdin") === true;
  if (account !== undefined) return { account, wantsPassword, ...(file === undefined ? {} : { file }) };
  if (file === undefined && !wantsPassword) return undefined;
  throw usage(file === undefined ? "--password-from-stdin" : "--load", "--create-account beside it");
}

async function prepare({ io }: Cli, { account: name, wantsPassword, file }: Preparation, server: RunningServer): Promise<number> {
  const client = createAdminClient((request) => server.app.fetch(request, { isLocal: true }));
  const password = wantsPassword ? { password: new SecretBytes(withoutLineEnd(await io.readInput())) } : {};
  const made = await client.call(adminOperations.createAccount, { name, ...password });
  if (made.ok) {
    const { apiKey, signingKeyPem } = made.output;
    io.err(`Created new account '${name}'\n`);
    io.out(
      `Token-Signing Public Key: ${signingKeyPem.trimEnd()}\n${wantsPassword ? "Password is set" : `API key for admin: ${secretText(apiKey)}`}\n`,
    );
  } else if (made.error.code !== "exists") return refusal(io, made.error);
  if (file === undefined) return exitCodes.done;
  const text = io.readFile(resolve(io.folder, file));
  const loaded = await client.call(adminOperations.loadPolicy, { account: name, branch: "root", mode: "replace", text, file });
  if (loaded.ok) io.err(`Loaded ${file} into ${name}:policy:root (replace)\n`);
  return loaded.ok ? exitCodes.done : refusal(io, loaded.error);
}

function refusal(io: CliIo, error: AdminFailure): number {
  for (const { line, message } of error.problems ?? []) io.err(`postern: ${line === undefined ? "" : `line ${line}: `}${message}\n`);
  io.err(`postern: ${error.message}\n`);
  return exitCodeOf(error.code);
}
