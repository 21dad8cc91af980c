/**
 * The identity that Azure gave this machine, as tokens for whoever speaks for it.
 *
 * A token is renewed at half of its remaining life, in the background, and the old one serves until five minutes before its end. One request is under way
 * for each audience, whoever waits: metadata endpoints answer a few requests a second and then throttle the whole machine. What fails for a while is asked
 * again with growing pauses that no two machines share; what is refused for good is told at once, and asked again by the next caller after a second, or
 * as long as the endpoint said, so that one that was away when the machine started is not taken for absent.
 */

import { PosternError } from "../../model/failures";
import type { Logger, MachineIdentity, MachineToken, Random } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import type { Instant } from "../../model/types";
import { createTokenSource, type SourceDeps, type SourceOptions } from "./detection";
import { judgeToken } from "./token-claims";
import type { Refusal, TokenSource } from "./token-source";

export type { SourceOptions } from "./detection";
export type { IdentitySelector } from "./token-source";

export interface MachineIdentityDeps extends SourceDeps {
  readonly random: Random;
  readonly logger: Logger;
  /** Resolves after so many milliseconds. */
  readonly pause: (ms: number) => Promise<void>;
}

/** What is kept for one audience. Times are of the clock that never jumps; before `askAgainAtMs` nothing is asked, since a request ended without a token. */
interface Entry {
  current?: { readonly token: MachineToken; readonly endsAtMs: number; readonly renewAtMs: number };
  flight?: Promise<MachineToken>;
  lastRefusal?: Refusal;
  askAgainAtMs: number;
}

interface Obtained {
  readonly token: MachineToken;
  readonly lifeMs: number;
}

const secondMs = 1000;
/** A token is not handed out in its last minutes: whoever gets it still has to use it. */
const reserveMs = 300 * secondMs;
const callerPatienceMs = 5 * secondMs;
// A virtual machine's endpoint says 410 while it is updated, for up to 70 seconds.
const flightMs = 75 * secondMs;
const afterRefusalMs = secondMs;
const longestPauseMs = 16 * secondMs;
const maxAudiences = 64;

/** Throws `malformed` and `unsupported` as `createTokenSource` does. */
export function createMachineIdentity(options: SourceOptions, deps: MachineIdentityDeps): MachineIdentity {
  const { clock, random, logger, pause } = deps;
  const source: TokenSource = createTokenSource(options, deps);
  const entries = new Map<string, Entry>();

  function entryOf(resource: string): Entry {
    const known = entries.get(resource);
    if (known !== undefined) return known;
    if (entries.size >= maxAudiences) throw new PosternError({ code: "internal", what: "too many audiences" });
    const entry: Entry = { askAgainAtMs: Number.NEGATIVE_INFINITY };
    entries.set(resource, entry);
    return entry;
  }

  async function ask(resource: string): Promise<Obtained | Refusal> {
    const answer = await source.request(resource);
    if ("refusal" in answer) return answer.refusal;
    const mustEcho = source.name === "arc";
    const wanted = { resource, mustEcho, ...(options.selector === undefined ? {} : { selector: options.selector }) };
    const judged = judgeToken(answer.grant, wanted, clock.now());
    if ("refusal" in judged) return judged.refusal;
    const { expiresAt, lifeMs } = judged;
    return { token: { token: SecretBytes.ofText(answer.grant.token), expiresAt }, lifeMs };
  }

  /** Asks until there is a token, a final refusal, or no time left. */
  async function obtain(resource: string, entry: Entry): Promise<MachineToken> {
    const deadlineMs = clock.monotonicMs() + flightMs;
    for (let attempt = 0; ; attempt += 1) {
      const outcome = await ask(resource);
      if ("token" in outcome) return keep(entry, outcome);
      entry.lastRefusal = outcome;
      const waitMs = Math.max(outcome.retryAfterMs ?? 0, jittered(Math.min(secondMs * 2 ** attempt, longestPauseMs)));
      if (!outcome.isTransient || clock.monotonicMs() + waitMs >= deadlineMs) {
        entry.askAgainAtMs = clock.monotonicMs() + Math.max(outcome.retryAfterMs ?? 0, afterRefusalMs);
        logger.warn("machine_token_refused", { source: source.name, because: outcome.because, attempts: attempt + 1 });
        throw refusalError(outcome);
      }
      await pause(waitMs);
    }
  }

  function keep(entry: Entry, { token, lifeMs }: Obtained): MachineToken {
    const nowMs = clock.monotonicMs();
    entry.current = { token, endsAtMs: nowMs + lifeMs, renewAtMs: nowMs + (lifeMs / 2) * (0.9 + 0.2 * share()) };
    delete entry.lastRefusal;
    return token;
  }

  function flightOf(resource: string, entry: Entry): Promise<MachineToken> {
    entry.flight ??= obtain(resource, entry).finally(() => {
      delete entry.flight;
    });
    // Where nobody waits for it, a failure is in the log already and must not end the process.
    entry.flight.catch(() => undefined);
    return entry.flight;
  }

  /** Half of it at least, so that machines that failed together do not come back together and none comes back at once. */
  function jittered(ms: number): number {
    return ms * (0.5 + 0.5 * share());
  }

  function share(): number {
    const [byte = 0] = random.bytes(1);
    return byte / 255;
  }

  function refusalError({ because }: Refusal): PosternError {
    return new PosternError({ code: "upstream_unavailable", upstream: source.name, because });
  }

  async function patient(entry: Entry, flight: Promise<MachineToken>): Promise<MachineToken> {
    const late = pause(callerPatienceMs).then(() => undefined);
    const token = await Promise.race([flight, late]);
    if (token !== undefined) return token;
    throw refusalError(entry.lastRefusal ?? { because: "timeout", isTransient: true });
  }

  return {
    source: source.name,
    available: () => source.probe(),
    async credential(audience) {
      const entry = entryOf(audience);
      const nowMs = clock.monotonicMs();
      const isCalm = nowMs >= entry.askAgainAtMs;
      if (entry.current !== undefined && isUsable(entry.current, nowMs, clock.now())) {
        if (nowMs >= entry.current.renewAtMs && isCalm) void flightOf(audience, entry);
        return entry.current.token;
      }
      if (entry.flight === undefined && !isCalm && entry.lastRefusal !== undefined) throw refusalError(entry.lastRefusal);
      return await patient(entry, flightOf(audience, entry));
    },
  };
}

/** Both clocks must agree that it is good: the one that jumps may have been wrong when the token came, or be wrong now. */
function isUsable({ token, endsAtMs }: NonNullable<Entry["current"]>, nowMs: number, now: Instant): boolean {
  return nowMs < endsAtMs - reserveMs && now < token.expiresAt - reserveMs;
}
