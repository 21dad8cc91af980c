/** `postern token`: tokens of Vault's clients as the operator of the machine sees them. They are named by accessor, which is no secret; a token never is. */

import { Command } from "commander";
import type { AdminToken } from "../../client/admin-wire";
import { adminOperations } from "../../client/admin-wire";
import { durationText } from "../../model/durations";
import { type Cli, createCommand, onRun, optionOf, usage } from "../command";
import { exitCodeOf, exitCodes } from "../exit-codes";

export function tokenCommand(cli: Cli): Command {
  return new Command("token")
    .description("tokens of clients of HashiCorp Vault")
    .exitOverride()
    .addCommand(listCommand(cli))
    .addCommand(lookUpCommand(cli))
    .addCommand(revokeCommand(cli));
}

const usualLimit = 100;
const largestLimit = 1000;

function listCommand(cli: Cli): Command {
  const command = createCommand("list", "list the tokens that live, the newest first", "postern token list --path auth/azure --limit 20")
    .option("--path <path>", "those alone that were made there or below, such as auth/azure or auth/token")
    .option("--limit <number>", `at most so many, up to ${largestLimit} (default: ${usualLimit})`)
    .option("--offset <number>", "leave out so many first (default: 0)");
  return onRun(command, cli, ({ io, withAdmin, finish, print }) => {
    const path = optionOf(command, "path")?.replace(/^\/+|\/+$/gu, "");
    if (path === "") throw usage("--path", "a path such as auth/azure");
    const limit = numberOf(command, "limit", usualLimit, [1, largestLimit]);
    const offset = numberOf(command, "offset", 0, [0, Number.MAX_SAFE_INTEGER]);
    return withAdmin(async (client) =>
      finish(await client.call(adminOperations.listTokens, { limit, offset, ...(path === undefined ? {} : { path }) }), (page) => {
        io.err(`${page.tokens.length} of ${page.total} ${page.total === 1 ? "token" : "tokens"}\n`);
        print(page, tableOf(page.tokens));
        return exitCodes.done;
      }),
    );
  });
}

function lookUpCommand(cli: Cli): Command {
  const command = createCommand(
    "lookup",
    "tell what is known of a token: whose it is, what it carries and when it ends",
    "postern token lookup 5ha8sEepFTQFkp4wSfdV7ymS",
  ).argument("<accessor>", "accessor of the token, as lists and the audit have it");
  return onRun(command, cli, ({ withAdmin, finish, print }, [accessor = ""]) => {
    assertAccessor(accessor);
    return withAdmin(async (client) =>
      finish(await client.call(adminOperations.lookUpToken, { accessor }), (token) => {
        print(token, linesOf(token));
        return exitCodes.done;
      }),
    );
  });
}

function revokeCommand(cli: Cli): Command {
  const command = createCommand(
    "revoke",
    "end tokens at once, each with all tokens that it made",
    "postern token revoke 5ha8sEepFTQFkp4wSfdV7ymS",
  ).argument("<accessor...>", "accessors of the tokens");
  return onRun(command, cli, ({ io, isJson, withAdmin, print }, accessors) => {
    for (const accessor of accessors) assertAccessor(accessor);
    return withAdmin(async (client) => {
      let code: number = exitCodes.done;
      const revoked: string[] = [];
      for (const accessor of accessors) {
        const answer = await client.call(adminOperations.revokeToken, { accessor });
        if (answer.ok) {
          revoked.push(accessor);
          io.err(`Revoked ${accessor}: ${answer.output.displayName}, made at ${answer.output.path}\n`);
          continue;
        }
        const { code: failure, message } = answer.error;
        code = exitCodeOf(failure);
        io.err(failure === "not_found" ? `error: no token has the accessor ${accessor}\n` : `error: ${accessor}: ${message}\n`);
      }
      if (isJson) print({ revoked }, "");
      return code;
    });
  });
}

/** A token would stand in the list of processes and in the history of the shell; what was written is not repeated. */
function assertAccessor(text: string): void {
  if (/^(?:hv[sbr]|[sbr])\./u.test(text))
    throw usage("accessor", "an accessor and not a token, which should now be revoked: others on this machine may have seen it");
  if (!/^[0-9A-Za-z]{1,64}$/u.test(text)) throw usage("accessor", "letters and digits, as lists and the audit have it");
}

function numberOf(command: Command, name: string, usual: number, [least, most]: readonly [number, number]): number {
  const text = optionOf(command, name);
  if (text === undefined) return usual;
  const number = /^\d{1,15}$/u.test(text) ? Number(text) : -1;
  if (number < least || number > most) throw usage(`--${name}`, `a whole number${least > 0 ? ` from ${least} to ${most}` : ""}`);
  return number;
}

function tableOf(tokens: readonly AdminToken[]): string {
  if (tokens.length === 0) return "";
  const head = ["ACCESSOR", "LEFT", "NAME", "MADE AT", "POLICIES"];
  const rows = [head, ...tokens.map((token) => [token.accessor, lifeOf(token), token.displayName, token.path, policiesOf(token)])];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

const lifeOf = ({ ttlSeconds, expiresAt }: AdminToken): string => (expiresAt === 0 ? "for ever" : durationText(ttlSeconds));

const policiesOf = ({ policies, identityPolicies }: AdminToken): string => [...policies, ...identityPolicies].join(",");

function linesOf(token: AdminToken): string {
  const uses = token.uses === 0 ? [] : [["Uses left", `${token.usesLeft} of ${token.uses}`]];
  const networks = token.boundCidrs.length === 0 ? [] : [["Only from", token.boundCidrs.join(", ")]];
  const held = token.identityPolicies.length === 0 ? [] : [["By its role", token.identityPolicies.join(", ")]];
  const rows = [
    ["Accessor", token.accessor],
    ["Name", token.displayName],
    ["Role", token.role],
    ["Made at", token.path],
    ["Made on", Temporal.Instant.fromEpochMilliseconds(token.createdAt).toString({ smallestUnit: "second" })],
    ["Lives for", `${lifeOf(token)}${token.isRenewable ? ", unless it is renewed" : ""}`],
    ["Policies", token.policies.join(", ")],
    ...held,
    ...uses,
    ...networks,
    ["Ends with", token.isOrphan ? "nothing else" : "the token that made it"],
    ...Object.entries(token.meta ?? {}).map(([name, value]) => ["Login", `${name} = ${JSON.stringify(value)}`]),
  ];
  return rows.map(([label = "", text = ""]) => `${label.padEnd(12)}${text}\n`).join("");
}
