/** Everything that must not work, tried from outside, and what `postern why` says about it. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Answer, logIn, platformToken, readSecret } from "./machines";
import { type Stage, why } from "./play";

export interface Refusal {
  readonly name: string;
  readonly status: number;
  /** All that the client gets. */
  readonly body: string;
  /** The name of the check that failed, from the audit. */
  readonly because: string;
  /** What the operator reads. */
  readonly why: string;
}

export interface Attempt {
  readonly name: string;
  readonly make: (stage: Stage) => Promise<Answer>;
}

const oneHourMs = 3_600_000;

/** The same login that works later: before the authenticator is switched on. */
export async function refusalsBeforeEnabling(stage: Stage): Promise<readonly Refusal[]> {
  return [
    await refused(stage, {
      name: "the authenticator is not enabled",
      make: async () => logIn(stage, "AD", await platformToken(stage.azure.machine("ad"))),
    }),
  ];
}

export async function refusalsAfterEnabling(stage: Stage): Promise<readonly Refusal[]> {
  const { azure } = stage;
  const mint = azure.mint;
  const asAd = (jwt: string): Promise<Answer> => logIn(stage, "AD", jwt);
  const attempts: readonly Attempt[] = [
    { name: "the token of another VM", make: async () => asAd(await platformToken(azure.machine("ad-2"))) },
    { name: "the token of another tenant", make: async () => asAd(await platformToken(azure.machine("intruder"))) },
    { name: "a token for another audience", make: () => asAd(mint({ machine: "ad", resource: "https://vault.azure.net" })) },
    { name: "the token of another resource group", make: async () => asAd(await platformToken(azure.machine("elsewhere"))) },
    {
      name: "a resource group whose name begins with the bound one",
      make: async () => asAd(await platformToken(azure.machine("stranger"))),
    },
    { name: "an expired token", make: () => asAd(mint({ machine: "ad", now: azure.clock.now() - 48 * oneHourMs })) },
    { name: "a wrong signature", make: () => asAd(mint({ machine: "ad", flaw: "tampered_signature" })) },
    { name: "alg: none", make: () => asAd(mint({ machine: "ad", flaw: "alg_none" })) },
    { name: "alg: HS256 with the public key as secret", make: () => asAd(mint({ machine: "ad", flaw: "alg_hs256_public_key" })) },
    { name: "a host without `authenticate`", make: async () => logIn(stage, "AD-outside", await platformToken(azure.machine("ad"))) },
    { name: "a host from outside its networks", make: async () => logIn(stage, "AD-far-away", await platformToken(azure.machine("ad"))) },
    { name: "a secret that is not granted", make: async () => readSecret(stage, await session(stage), "secrets/somebody-elses") },
    { name: "a secret that does not exist", make: async () => readSecret(stage, await session(stage), "secrets/unheard-of") },
  ];
  const refusals: Refusal[] = [];
  for (const attempt of attempts) refusals.push(await refused(stage, attempt));
  return refusals;
}

async function session(stage: Stage): Promise<string> {
  return (await logIn(stage, "AD", await platformToken(stage.azure.machine("ad")))).body;
}

/** Makes an attempt that must be refused, and asks why as the operator does. */
export async function refused(stage: Stage, { name, make }: Attempt): Promise<Refusal> {
  const { status, body } = await make(stage);
  if (status < 400) throw new Error(`${name}: was not refused (${status})`);
  const { decision, because } = lastRefusal(stage);
  const explanation = await why(stage, decision);
  stage.narrator.result(`${name}: the client gets ${status}${body === "" ? " and nothing else" : ""}`);
  stage.narrator.command(`postern why ${decision}`);
  stage.narrator.result(explanation.trimEnd());
  return { name, status, body, because, why: explanation };
}

/** The newest refusal in the trail: what an operator finds in the log, a test finds in the file. */
function lastRefusal(stage: Stage): { readonly decision: string; readonly because: string } {
  const lines = readFileSync(join(stage.data, "audit", "audit.jsonl"), "utf8")
    .trimEnd()
    .split("\n");
  for (const line of lines.reverse()) {
    const record: unknown = JSON.parse(line);
    if (typeof record !== "object" || record === null || !("decision" in record) || !("allowed" in record) || record.allowed !== false)
      continue;
    return { decision: String(record.decision), because: "because" in record ? String(record.because) : "" };
  }
  throw new Error("the audit names no refusal");
}
