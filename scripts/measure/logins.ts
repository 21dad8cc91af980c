/** (b) Logins with Azure tokens, against the cryptography that none of them can do without. */

import { generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import type { LoadResult } from "./load-spec";
import { median, type Summary, summaryOf } from "./median";
import type { Plan } from "./plan";
import { type Running, runLoad } from "./processes";
import { startBare } from "./reads";
import { loginPath, loginRequest } from "./requests";
import { hosts, type Stage } from "./stage";

export interface LoginRow extends Summary {
  readonly subject: string;
  readonly connections: number;
  /** Time of the cryptography over processor time of a login. */
  readonly cryptographyShare: number;
}

export interface Cryptography {
  readonly verifyRsaUs: number;
  readonly signEd25519Us: number;
}

export interface LoginResults {
  readonly cryptography: Cryptography;
  readonly rows: readonly LoginRow[];
}

const distinct = "Postern, each token new to it";
const repeated = "Postern, tokens it has seen";
const bareSubject = "bare `Bun.serve`, same request and answer, no cryptography";

export async function measureLogins(stage: Stage, plan: Plan): Promise<LoginResults> {
  const jwts = Array.from({ length: plan.tokens }, (_, index) => {
    const { host, machine } = hosts[index % hosts.length] ?? hosts[0];
    return { host, jwt: stage.azure.mint({ machine }) };
  });
  const postern = await stage.startBinary("logins");
  const running: Running[] = [postern];
  try {
    const bare = await startBare(await answerTo(postern, jwts[0]?.host ?? "", jwts[0]?.jwt ?? ""));
    running.push(bare);
    // One after the other through all tokens: when the first comes again, the broker has forgotten it.
    let position = 0;
    const nextTokens = (count: number) => {
      const taken = Array.from({ length: count }, (_, index) => jwts[(position + index) % jwts.length] ?? { host: "", jwt: "" });
      position += count;
      return taken;
    };
    const subjects = [
      { subject: bareSubject, server: bare, tokens: () => jwts.slice(0, 64) },
      { subject: distinct, server: postern, tokens: () => nextTokens(plan.logins + plan.loginWarmUp) },
      { subject: repeated, server: postern, tokens: () => jwts.slice(0, 64) },
    ];
    if (plan.firstLogins > 0) await warmUp(postern, jwts, plan.firstLogins);
    const signatures: Cryptography[] = [];
    const measured: { readonly subject: string; readonly connections: number; readonly summary: Summary }[] = [];
    const measureSignatures = createSignatures(jwts[0]?.jwt ?? "");
    for (const connections of plan.connections) {
      const results = subjects.map((): LoadResult[] => []);
      for (let round = 0; round < plan.rounds; round += 1) {
        signatures.push(measureSignatures(plan.signatures));
        for (const [index, { server, tokens }] of subjects.entries()) {
          const { port, pid } = server;
          const requests = tokens().map(({ host, jwt }) => loginRequest(port, host, jwt));
          const bounds = { warmUp: plan.loginWarmUp, count: plan.logins, maxMs: 20_000, pauseMs: 0 };
          results[index]?.push(await runLoad({ port, pid, connections, requests, ...bounds }));
        }
      }
      results.forEach((rounds, index) => {
        measured.push({ subject: subjects[index]?.subject ?? "", connections, summary: summaryOf(rounds) });
      });
    }
    const cryptography = {
      verifyRsaUs: median(signatures.map(({ verifyRsaUs }) => verifyRsaUs)),
      signEd25519Us: median(signatures.map(({ signEd25519Us }) => signEd25519Us)),
    };
    const needed = cryptography.verifyRsaUs + cryptography.signEd25519Us;
    const rows = measured.map(({ subject, connections, summary }) => ({
      subject,
      connections,
      ...summary,
      cryptographyShare: needed / summary.cpuUs,
    }));
    return { cryptography, rows };
  } finally {
    for (const server of running) await server.stop();
  }
}

async function warmUp(
  { port, pid }: Running,
  jwts: readonly { readonly host: string; readonly jwt: string }[],
  count: number,
): Promise<void> {
  const requests = jwts.map(({ host, jwt }) => loginRequest(port, host, jwt));
  await runLoad({ port, pid, connections: 16, requests, warmUp: 0, count, maxMs: 20_000, pauseMs: 0 });
}

/** Verifies and signs what a login has to, on one thread, by the fastest calls there are. */
function createSignatures(jwt: string): (count: number) => Cryptography {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const ed25519 = generateKeyPairSync("ed25519");
  const signed = Buffer.from(jwt.slice(0, jwt.lastIndexOf(".")));
  const signature = sign("sha256", signed, rsa.privateKey);
  const session = Buffer.alloc(sessionBytes, "s");
  return (count) => {
    const verifyRsaUs = timed(count, () => verifyOrThrow(signed, rsa.publicKey, signature));
    const signEd25519Us = timed(count, () => sign(null, session, ed25519.privateKey));
    return { verifyRsaUs, signEd25519Us };
  };
}

// Header and payload of a session token.
const sessionBytes = 320;

function verifyOrThrow(signed: Uint8Array, key: KeyObject, signature: Uint8Array): void {
  if (!verify("RSA-SHA256", signed, key, signature)) throw new Error("the signature must hold");
}

/** Processor time of one call, in microseconds. */
function timed(count: number, call: () => unknown): number {
  for (let index = 0; index < count / 4; index += 1) call();
  const before = process.cpuUsage();
  for (let index = 0; index < count; index += 1) call();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

/** What the bare server repeats: the headers and the length of a login's answer. */
async function answerTo({ port }: Running, host: string, jwt: string): Promise<Readonly<Record<string, string>>> {
  const answer = await fetch(`http://127.0.0.1:${port}${loginPath(host)}`, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: `jwt=${jwt}`,
  });
  if (!answer.ok) throw new Error(`${answer.status} for a login`);
  return Object.fromEntries([...answer.headers].filter(([name]) => !["content-length", "date", "connection"].includes(name)));
}
