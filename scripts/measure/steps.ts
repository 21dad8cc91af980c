/**
 * Where the time of a read and of a login goes: a Postern without a socket, in this process, asked at ever higher doors. `bun steps.ts`, with a `StepsSpec` on
 * its standard input, prints processor microseconds by step.
 *
 * What a step costs is the difference to the one below it. The same calls cost somewhat more behind a socket, where other code takes turns with them in the
 * processor's caches; the difference to the processor time of the whole is therefore shown too, as what HTTP and everything else takes.
 */

import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import * as v from "valibot";
import { loadConfig } from "../../src/config/config";
import { identify } from "../../src/fronts/conjur/access";
import { fronts } from "../../src/fronts/registry";
import { makeId, parseAccount } from "../../src/model/ids";
import type { RequestContext } from "../../src/model/types";
import { createAddressReader } from "../../src/server/client-address";
import { openPremises } from "../../src/server/compose";
import { observeBroker } from "../../src/server/observed";
import { createReception } from "../../src/server/reception";
import { account } from "../walkthrough/cloud";
import { median } from "./median";
import { authorization, loginPath, readPath, variableName, variableNames } from "./requests";
import { StepsSpec } from "./steps-spec";

const spec = v.parse(StepsSpec, JSON.parse(await Bun.stdin.text()));
const { config } = loadConfig({
  flags: {},
  environment: {},
  file: { path: spec.config, text: readFileSync(spec.config, "utf8") },
  folder: dirname(spec.config),
  authenticatorForms: ["authn-azure/SERVICE"],
});
const premises = await openPremises(config);
const { house, clock, audit } = premises;
const served = fronts.map((front) => front.serve(observeBroker(house.broker, premises.metrics, clock)));
const conjur = served.find(({ name }) => name === "conjur");
const route = conjur?.hot[0];
if (conjur === undefined || route === undefined) throw new Error("the Conjur front has no hot route");
const reception = createReception({
  fronts: served,
  clock,
  random: premises.random,
  logger: premises.logger,
  meter: premises.metrics,
  health: () => ({ status: "ready" }),
  addressOf: createAddressReader([]),
  dialects: { keyVaultHosts: new Set() },
  limits: config.limits,
});

const together = 16;
const peer = "127.0.0.1";
const authority = "127.0.0.1:8443";
const edge = { admitLogin: () => undefined, report: (error: unknown) => console.error(error) };
const context = (): RequestContext => ({
  requestId: "measured",
  now: clock.now(),
  dialect: "conjur",
  clientAddress: peer,
  peerAddress: peer,
});
const ids = variableNames.map((name) => makeId(parseAccount(account), "variable", variableName(name)));
const headers = variableNames.map((_, index) => authorization(spec.sessions[index % spec.sessions.length] ?? ""));
const reads = variableNames.map(
  (name, index) =>
    new Request(`http://${authority}${readPath(name)}`, { headers: { host: authority, authorization: headers[index] ?? "" } }),
);
const pick = <Item>(items: readonly Item[], index: number): Item => {
  const item = items[index % items.length];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
};

const callers = headers.map((header) => identify(house.broker, header, context()));
const readSteps = {
  identify: (index: number) => identify(house.broker, pick(headers, index), context()),
  open: (index: number) => house.store().secretValue(pick(ids, index), 1),
  read: (index: number) => house.broker.read(pick(callers, index), { id: pick(ids, index) }),
  route: (index: number) => route.answer(pick(reads, index), { context: context(), edge }),
  reception: (index: number) => reception.answer(pick(reads, index), peer, { front: conjur, route }),
};

/** A request's body can be read once, so each login has a request of its own. */
function loginStep(logins: readonly { readonly host: string; readonly jwt: string }[]) {
  return (index: number) => {
    const { host, jwt } = pick(logins, index);
    const body = `jwt=${jwt}`;
    const sent = { host: authority, "content-type": "application/x-www-form-urlencoded", "content-length": String(body.length) };
    return reception.answer(new Request(`http://${authority}${loginPath(host)}`, { method: "POST", headers: sent, body }), peer);
  };
}

const audited = {
  identify: await measure(readSteps.identify, spec.steps),
  open: await measure(readSteps.open, spec.steps),
  read: await measure(readSteps.read, spec.steps),
  route: await measure(readSteps.route, spec.steps),
  reception: await measure(readSteps.reception, spec.steps),
  loginNew: await measure(loginStep(spec.logins), spec.logins.length),
  loginRepeated: await measure(loginStep(spec.logins.slice(0, 64)), spec.logins.length),
};
Object.assign(audit, { append: () => Promise.resolve() });
const unaudited = {
  read: await measure(readSteps.read, spec.steps),
  loginNew: await measure(loginStep(spec.logins), spec.logins.length),
};
console.log(JSON.stringify({ audited, unaudited }));
await premises.close();
process.exit(0);

/** Median processor time of one call, sixteen under way at once. */
async function measure(step: (index: number) => unknown, count: number): Promise<number> {
  let index = 0;
  async function run(calls: number): Promise<void> {
    for (let done = 0; done < calls; done += together) {
      const answers: unknown[] = [];
      for (let each = 0; each < together; each += 1) {
        answers.push(step(index));
        index += 1;
      }
      await Promise.all(answers);
    }
  }
  // Long enough for the compiler to be done: what is measured first must not pay for what comes after it.
  await run(Math.min(count, spec.steps) + spec.warmUp);
  const rounds: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const before = process.cpuUsage();
    await run(count);
    const { user, system } = process.cpuUsage(before);
    rounds.push((user + system) / count);
  }
  return median(rounds);
}
