/** The server: the way to it, its time, and what it says of the login. */

import { createVaultPrimary } from "../../agent/primary";
import { adminOperations } from "../../client/admin-wire";
import { createAdminClient } from "../../client/client";
import { createVaultClient } from "../../client/vault-client";
import type { Connection } from "../../config/connection";
import { printDuration } from "../../config/duration";
import { failureOf } from "../../model/failures";
import { openConnection, placeOf } from "../session";
import type { CliWorld } from "../world";
import { lineAdvice } from "./advice";
import type { Finding } from "./finding";
import type { Subject } from "./subjects";

const limits = { maxBytes: 65_536, timeoutMs: 5000, connectTimeoutMs: 2000 };
const worrySkewMs = 30_000;
/** Beyond this, tokens are taken for ended or not yet begun. */
const worstSkewMs = 60_000;

/** Name, certificate, answer and time. False for a server that could not be asked. */
export async function lineFindings(
  connection: Connection,
  world: CliWorld,
): Promise<{ readonly findings: readonly Finding[]; readonly isThere: boolean }> {
  const { roots, proof } = connection;
  if (proof.kind === "socket") return await socketFindings(connection, world);
  const url = new URL(connection.url);
  try {
    const { headers } = await world
      .remote(connection)
      .http.send({ url: `${connection.url}/whoami` }, roots === undefined ? limits : { ...limits, roots });
    const way: Finding[] = [{ check: "dns", state: "ok", found: url.hostname }, await certificateFinding(connection, url, world)];
    return { findings: [...way, ...clockFinding(headers.date, world.clock.now())], isThere: true };
  } catch (error) {
    const { because = "internal" } = failureOf(error);
    const { check, ...advice } = lineAdvice(url, because);
    return { findings: [{ check, state: "fail", found: `${connection.url} cannot be asked (${because})`, ...advice }], isThere: false };
  }
}

async function certificateFinding({ roots, httpsProxy }: Connection, url: URL, world: CliWorld): Promise<Finding> {
  const check = "tls";
  if (url.protocol !== "https:") return { check, state: "warn", found: "none: plain HTTP on this machine alone" };
  const whose = `the certificate is that of ${url.hostname}${roots === undefined ? "" : ", by the pinned ones alone"}`;
  if (httpsProxy !== undefined) return { check, state: "ok", found: `${whose}; until when was not looked at through the proxy` };
  const host = url.hostname.replace(/^\[|\]$/gu, "");
  const port = url.port === "" ? httpsPort : Number(url.port);
  const end = await world.certificateEnd({ host, port, ...(roots === undefined ? {} : { roots }) });
  if (end === undefined) return { check, state: "ok", found: `${whose}; it does not say until when` };
  const leftMs = end - world.clock.now();
  const found = `${whose}, good for ${printDuration(Math.max(0, leftMs))}`;
  if (leftMs > worryEndMs) return { check, state: "ok", found };
  const remedy = "renew the server's certificate; where it was pinned, log in again with the new --ca-cert";
  return { check, state: "warn", found, cause: "after its end nobody is let in by it", remedy };
}

const httpsPort = 443;
const worryEndMs = 14 * 86_400_000;

async function socketFindings(
  connection: Connection,
  world: CliWorld,
): Promise<{ readonly findings: readonly Finding[]; readonly isThere: boolean }> {
  const check = "agent";
  try {
    await world.remote(connection).http.send({ url: `${connection.url}/health` }, limits);
    return { findings: [{ check, state: "ok", found: `${placeOf(connection)} answers` }], isThere: true };
  } catch {
    const cause = "no agent runs, or this user may not connect to the socket";
    const path = connection.proof.kind === "socket" ? connection.proof.path : "";
    const remedy = `ls -l ${path}\nsystemctl status postern-agent`;
    return { findings: [{ check, state: "fail", found: `${placeOf(connection)} does not answer`, cause, remedy }], isThere: false };
  }
}

function clockFinding(date: string | undefined, now: number): readonly Finding[] {
  const theirs = Date.parse(date ?? "");
  const check = "clock";
  if (Number.isNaN(theirs)) return [{ check, state: "unknown", found: "the server does not say its time" }];
  const skewMs = Math.abs(theirs - now);
  // The server's word has whole seconds.
  if (skewMs <= worrySkewMs) return [{ check, state: "ok", found: `within ${Math.ceil(skewMs / 1000) + 1} s of the server's` }];
  const found = `${printDuration(skewMs)} ${theirs > now ? "behind" : "ahead of"} the server's`;
  const state = skewMs > worstSkewMs ? "fail" : "warn";
  return [
    {
      check,
      state,
      found,
      cause: "tokens hold for spans of time: one of the two clocks is wrong",
      remedy: "timedatectl set-ntp true && timedatectl",
    },
  ];
}

export interface LoginCheck {
  readonly subject: Subject;
  readonly world: CliWorld;
  /** The admin socket of a server on this machine, whose operator hears more than its clients. */
  readonly adminSocket: string;
  /** What the machine's token would match. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** Logs in anew, and says why not. */
export async function loginFinding({ subject, world, adminSocket, attributes }: LoginCheck): Promise<Finding> {
  const { connection, vault } = subject;
  const check = `login ${connection.login}`;
  const since = world.clock.now();
  try {
    await (vault === undefined ? openConnection(connection, world).session() : logInAtVault(connection, vault, world));
    return { check, state: "ok", found: `taken by ${placeOf(connection)}` };
  } catch (error) {
    const failure = failureOf(error);
    if (failure.code !== "unauthenticated")
      return {
        check,
        state: failure.code === "upstream_unavailable" ? "unknown" : "fail",
        found: `not tried to the end (${failure.because ?? failure.code})`,
      };
    const told = await toldByOperator({ connection, world, adminSocket, since });
    return { check, state: "fail", found: `refused by ${placeOf(connection)}`, ...(told ?? guess(subject, attributes)) };
  }
}

interface Asking {
  readonly connection: Connection;
  readonly world: CliWorld;
  readonly adminSocket: string;
  readonly since: number;
}

/** The server's own explanation of this very refusal; undefined where its operator cannot be asked from here. */
async function toldByOperator({
  connection,
  world,
  adminSocket,
  since,
}: Asking): Promise<Omit<Finding, "check" | "state" | "found"> | undefined> {
  try {
    const transport = await world.servedAdmin(adminSocket);
    if (transport === undefined) return undefined;
    const { account, login } = connection;
    const answer = await createAdminClient(transport).call(adminOperations.whyLogin, { account, login });
    if (!answer.ok) return undefined;
    const { record } = answer.output;
    if (typeof record.at !== "number" || record.at < since) return undefined;
    const because = typeof record.because === "string" ? record.because : "unknown";
    const remedy = typeof record.remedy === "string" ? record.remedy : `postern why ${String(record.decision)}`;
    return { details: checkLines(record.checks), cause: because, remedy };
  } catch (error) {
    if (failureOf(error).code === "internal") throw error;
    return undefined;
  }
}

function checkLines(checks: unknown): readonly string[] {
  if (!Array.isArray(checks)) return [];
  return checks.map((each: unknown) => {
    const [check, ok, detail] = ["check", "ok", "detail"].map((name): unknown =>
      typeof each === "object" && each !== null ? Reflect.get(each, name) : undefined,
    );
    return `${ok === true ? "✓" : "✗"} ${String(check)}${typeof detail === "string" ? `: ${detail}` : ""}`;
  });
}

async function logInAtVault(
  connection: Connection,
  { mount, role, scaleSet }: NonNullable<Subject["vault"]>,
  world: CliWorld,
): Promise<void> {
  const { url, roots, proof } = connection;
  const { http, identity } = world.remote(connection);
  const client = createVaultClient({ http, url, ...(roots === undefined ? {} : { roots }) });
  const audience = proof.kind === "azure" ? proof.audience : "";
  const names = { mount, role, ...(scaleSet === undefined ? {} : { scaleSet }) };
  const primary = createVaultPrimary({ client, identity: identity(), audience, ...names });
  await primary.leave?.(await primary.logIn());
}

/** A server tells its client nothing of a refusal, so what is left is what the policy would have to say. */
function guess(
  { connection: { proof, account, login }, vault }: Subject,
  attributes: Readonly<Record<string, string>>,
): Omit<Finding, "check" | "state" | "found"> {
  const proven = Object.entries(attributes);
  if (vault !== undefined) {
    const cause = "the server does not say why; its role must admit what the token says";
    return {
      details: proven.map(([name, value]) => `${name} = ${value}`),
      cause,
      remedy: `vault read auth/${vault.mount}/role/${vault.role}`,
    };
  }
  const ask = `postern why --account ${account} --login ${login}      # on the server, as its operator`;
  if (proof.kind !== "azure") return { cause: "the key is not that of this login, or it may not log in from here", remedy: ask };
  const id = login.replace(/^host\//u, "");
  const annotations = proven.map(([name, value]) => `    authn-azure/${name}: ${value}`);
  if (annotations.length === 0) return { cause: "without a token nothing can be compared", remedy: ask };
  return {
    cause: `the server does not say why; one of these is not so in its policy: the host with these annotations, in the group that may use authn-azure/${proof.service}, the service enabled, the issuer and the audience right`,
    remedy: [ask, "- !host", `  id: ${id}`, "  annotations:", ...annotations].join("\n"),
  };
}
