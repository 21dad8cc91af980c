/** `postern login`, `logout` and `whoami`. A password or key never stands on the command line, where every user of the machine can read it. */

import { resolve } from "node:path";
import type { Command } from "commander";
import { type Connection, type ConnectionIdentity, serverUrl, usualAudience } from "../../config/connection";
import { isoTime } from "../../fronts/timestamp";
import { PosternError } from "../../model/failures";
import { accountProblem } from "../../model/ids";
import { SecretBytes } from "../../model/secret-bytes";
import { choiceOf, createClientCommand, loginOf, socketConnection, withSocketOptions } from "../client-command";
import { type Cli, onRun, optionOf, secretText, usage } from "../command";
import { exitCodes } from "../exit-codes";
import { withoutLineEnd } from "../input";
import type { CliIo } from "../io";
import { forgetLogin, keepLogin, type LoggedIn, placeOf, stateFolderOf } from "../session";
import { harmless } from "../terminal";

const loginExample = `postern login --url https://postern.example:8443 --account acme --login host/apps/web --service AzureAE1
printf %s "$api_key" | postern login --url https://postern.example:8443 --account acme --login alice --keep
postern login --socket /run/postern/billing.sock --account acme --login host/apps/billing`;

export function loginCommand(cli: Cli): Command {
  const command = createClientCommand(
    "login",
    "log in at a Postern or a Conjur: with this machine's Azure identity (--service), with an API key or password from standard input, or at this machine's agent (--socket)",
    loginExample,
  )
    .option("--url <url>", "the server")
    .option("--account <name>", "its account")
    .option("--login <name>", "who: alice, host/apps/web")
    .option("--ca-cert <file>", "certificates (PEM) that alone vouch for the server; kept with the login")
    .option("--https-proxy <url>", "a proxy to the server; those of the environment are not used")
    .option("--service <name>", "log in with this machine's identity at this service of authn-azure")
    .option("--audience <uri>", `what the machine's token is for (default: ${usualAudience})`)
    .option("--identity-source <name>", "imds, arc, app-service or workload (default: found out)")
    .option("--identity-endpoint <url>", "where the machine's tokens are handed out, when not at the usual place")
    .option("--identity-tokens <folder>", "where the Arc agent leaves its challenges, when not at the usual place")
    .option("--client-id <id>", "which of the machine's identities; or --object-id, or --resource-id")
    .option("--object-id <id>", "the same by its object id")
    .option("--resource-id <id>", "the same by its resource id")
    .option("--key-file <file>", "read the API key or password from a file that only you can read")
    .option("--keep", "keep the API key, so that the session can be renewed; else it ends with the session")
    .option("--socket <path>", "this machine's agent at the socket of an app");
  return onRun(command, cli, async ({ io, print }) => {
    const folder = stateFolderOf(io, choiceOf(command));
    const socket = optionOf(command, "socket");
    if (socket !== undefined && ["url", "service", "keyFile", "caCert", "httpsProxy"].some((name) => optionOf(command, name) !== undefined))
      throw usage("--socket", "--account and --login alone beside it");
    const [connection, kept] = socket === undefined ? await serverConnections(command, cli) : same(socketConnection(command, io, socket));
    const login = await keepLogin(connection, kept, cli.world, folder);
    const { receivedAt, lifetimeMs } = await login.session();
    const until = isoTime(receivedAt + lifetimeMs);
    print(
      { url: connection.url, account: connection.account, login: connection.login, until },
      `Logged in at ${placeOf(connection)} as ${connection.login}\n`,
    );
    return exitCodes.done;
  });
}

export function logoutCommand(cli: Cli): Command {
  const command = createClientCommand("logout", "forget the login: the session, and the key if it was kept", "postern logout");
  return onRun(command, cli, async ({ io, print }) => {
    const wasThere = forgetLogin(cli.world, stateFolderOf(io, choiceOf(command)));
    print({ wasThere }, wasThere ? "Logged out\n" : "Nobody was logged in\n");
    return exitCodes.done;
  });
}

export function whoamiCommand(cli: Cli): Command {
  const command = withSocketOptions(
    createClientCommand("whoami", "who you are at the server, until when, and by which proof", "postern whoami --json"),
  );
  return onRun(command, cli, async ({ io, print }) => {
    const login = loginOf(command, io, cli.world);
    const { connection } = login;
    const asked = await login.with(async (session) => ({ session, answer: await answerOf(login, session) }));
    const { answer, session } = asked;
    const until = session.lifetimeMs === 0 ? undefined : isoTime(session.receivedAt + session.lifetimeMs);
    const identity = identityOf(connection);
    const report = { url: connection.url, ...answer, ...(until === undefined ? {} : { until }), identity };
    const lines = [
      `${answer.username} of ${answer.account} at ${placeOf(connection)}`,
      ...(until === undefined ? [] : [`until       ${until}, renewed ${isRenewable(connection) ? "by itself" : "by 'postern login'"}`]),
      `by          ${identity}`,
      ...(answer.clientIp === undefined ? [] : [`seen from   ${answer.clientIp}`]),
    ];
    print(report, lines.map((line) => `${harmless(line)}\n`).join(""));
    return exitCodes.done;
  });
}

/** An agent offers reads alone, so the login there is who it is. */
async function answerOf(login: LoggedIn, session: Awaited<ReturnType<LoggedIn["session"]>>) {
  const { connection, remote } = login;
  if (connection.proof.kind !== "socket") return await remote.client.whoAmI(session);
  return { account: connection.account, username: connection.login };
}

function identityOf({ proof }: Connection): string {
  switch (proof.kind) {
    case "azure":
      return `this machine's Azure identity (authn-azure/${proof.service})`;
    case "key":
      return "an API key";
    case "socket":
      return "the right to connect to the socket";
    case "token_file":
      return `the token in ${proof.path}`;
  }
}

function isRenewable({ proof }: Connection): boolean {
  return proof.kind !== "key" || proof.key !== undefined;
}

/** As it logs in, and as it is kept. */
type Connections = readonly [Connection, Connection];

function same(connection: Connection): Connections {
  return [connection, connection];
}

async function serverConnections(command: Command, { io, world }: Cli): Promise<Connections> {
  const [url, account, login] = ["url", "account", "login"].map((name) => optionOf(command, name));
  if (url === undefined || account === undefined || login === undefined) throw usage("login", "--url, --account and --login");
  const problem = accountProblem(account);
  if (problem !== undefined) throw usage("--account", `an account name; it ${problem}`);
  serverUrl(url, "--url");
  const caCert = optionOf(command, "caCert");
  const proxy = optionOf(command, "httpsProxy");
  const common = {
    url: url.replace(/\/+$/u, ""),
    account,
    login,
    ...(caCert === undefined ? {} : { roots: certificatesIn(io, caCert) }),
    ...(proxy === undefined ? {} : { httpsProxy: proxy }),
  };
  const service = optionOf(command, "service");
  if (service !== undefined) {
    const audience = optionOf(command, "audience") ?? usualAudience;
    return same({ ...common, proof: { kind: "azure", service, audience, identity: identityOptions(command) } });
  }
  const secret = new SecretBytes(await readCredential(io, optionOf(command, "keyFile"), login, world.files.read));
  const unproven: Connection = { ...common, proof: { kind: "key" } };
  // What was typed may be a password: the key it stands for is what sessions are made with.
  const key = secretText(await world.remote(unproven).client.keyOf({ account, login, secret }));
  const proven: Connection = { ...common, proof: { kind: "key", key } };
  return [proven, command.getOptionValue("keep") === true ? proven : unproven];
}

function identityOptions(command: Command): ConnectionIdentity {
  const chosen = (["client", "object", "resource"] as const).flatMap((kind) => {
    const value = optionOf(command, `${kind}Id`);
    return value === undefined ? [] : [{ kind, value }];
  });
  const [selector, second] = chosen;
  if (second !== undefined) throw usage("login", "one of --client-id, --object-id and --resource-id");
  const source = optionOf(command, "identitySource");
  const endpoint = optionOf(command, "identityEndpoint");
  const tokensFolder = optionOf(command, "identityTokens");
  return {
    ...(source === undefined ? {} : { source: sourceOf(source) }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(tokensFolder === undefined ? {} : { tokensFolder }),
    ...(selector === undefined ? {} : { selector }),
  };
}

const sources = ["imds", "arc", "app-service", "workload"] as const;

function sourceOf(text: string): (typeof sources)[number] {
  const source = sources.find((each) => each === text);
  if (source === undefined) throw usage("--identity-source", sources.join(", "));
  return source;
}

async function readCredential(
  io: CliIo,
  file: string | undefined,
  login: string,
  read: (path: string) => Uint8Array | undefined,
): Promise<Uint8Array> {
  if (file !== undefined) {
    const path = resolve(io.folder, file);
    const bytes = read(path);
    if (bytes === undefined) throw new PosternError({ code: "malformed", where: path, expected: "a file", kind: "missing" });
    return withoutLineEnd(bytes);
  }
  if (io.inputIsTerminal) return Buffer.from(await io.readHidden(`API key or password of ${login}: `));
  return withoutLineEnd(await io.readInput());
}

function certificatesIn(io: CliIo, file: string): string {
  const text = Buffer.from(io.readFile(resolve(io.folder, file))).toString("utf8");
  if (!text.includes("-----BEGIN CERTIFICATE-----")) throw usage("--ca-cert", "a file with certificates in PEM");
  return text;
}
