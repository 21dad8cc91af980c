/** `postern get`: secrets as whoever is logged in, for people and scripts. */

import type { Command } from "commander";
import type { ResourceId } from "../../model/ids";
import { createClientCommand, loginOf, offlineOf, withOfflineOptions, withSocketOptions } from "../client-command";
import { type Cli, onRun, optionOf, usage } from "../command";
import { exitCodes } from "../exit-codes";
import { utf8Text, variableId } from "../input";
import { type Reading, readSecrets, secretIn } from "../secret-reading";

const example = `postern get db/password
postern get --json db/user db/password | jq -r '."db/user".value'
postern get --socket /run/postern/billing.sock --account acme --login host/apps/billing apps/billing/password`;

export function getCommand(cli: Cli): Command {
  const command = withOfflineOptions(
    withSocketOptions(createClientCommand("get", "print a secret, byte for byte; several with --json", example)),
  )
    .argument("[ids...]", "names of variables, or full ids such as acme:variable:db/password")
    .option("--version <number>", "an earlier version")
    .option("--base64", "print in base64; JSON does so of itself for what is no text");
  return onRun(command, cli, async ({ io, isJson, print }, names) => {
    const isBase64 = command.getOptionValue("base64") === true;
    if (names.length === 0) throw usage("id", "the name of a variable");
    if (names.length > 1 && !isJson) throw usage("id", "one name, or --json: several values in a row could not be told apart");
    const version = versionOf(optionOf(command, "version"));
    const login = loginOf(command, io, cli.world);
    const offline = await offlineOf(command, cli, login);
    if (offline !== undefined && version !== undefined) throw usage("--version", "no --offline: the copy has newest versions alone");
    const ids = names.map((name) => variableId(name, login.connection.account));
    const readings = await readSecrets([...new Set(ids)], {
      login,
      notice: (text) => io.err(`postern: ${text}\n`),
      ...(version === undefined ? {} : { version }),
      ...(offline === undefined ? {} : { offline }),
    });
    if (isJson) {
      print(Object.fromEntries(names.map((name, at) => [name, jsonOf(ids[at], readings, isBase64)])), "");
      return exitCodes.done;
    }
    const [id] = ids;
    if (id === undefined) throw usage("id", "the name of a variable");
    const bytes = secretIn(id, readings.get(id)).reveal();
    io.out(isBase64 ? Buffer.from(bytes).toString("base64") : bytes);
    if (io.outputIsTerminal) io.out("\n");
    return exitCodes.done;
  });
}

function versionOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/u.test(text)) throw usage("--version", "a number from 1");
  return Number(text);
}

/** All or none: the first that is refused is the answer. */
function jsonOf(id: ResourceId | undefined, readings: ReadonlyMap<ResourceId, Reading>, isBase64: boolean): object {
  if (id === undefined) return {};
  const reading = readings.get(id);
  const bytes = secretIn(id, reading).reveal();
  const text = isBase64 ? undefined : utf8Text(bytes);
  const value = text === undefined ? { base64: Buffer.from(bytes).toString("base64") } : { value: text };
  if (reading === undefined || "failure" in reading || reading.source === "server") return { id, ...value };
  return { id, ...value, source: reading.source, ageSeconds: Math.floor(reading.ageMs / 1000) };
}
