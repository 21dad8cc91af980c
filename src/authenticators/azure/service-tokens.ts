/**
 * Tokens for services of Azure's, one for each credential and service, kept until five minutes before their end. One request is under way for each, whoever waits.
 *
 * Source: Microsoft identity platform, "OAuth 2.0 client credentials flow" (secret; federated credential).
 */

import * as v from "valibot";
import { type Failure, failureOf } from "../../model/failures";
import type { AzureAccess, AzureCredential, Clock, HttpAnswer, HttpClient, MachineToken } from "../../model/ports";
import type { CloudAddresses } from "./proofs";

/** Why there is none. `isAway`: nobody could be asked, which says nothing of what they would say. */
export interface NoServiceToken {
  readonly failure: Failure;
  readonly isAway: boolean;
}

export interface ServiceTokens {
  /** A failure is `upstream_unavailable`; `because` names what Entra ID said: `invalid_client`. */
  token(access: AzureAccess, audience: string): Promise<{ readonly token: string } | NoServiceToken>;
  /** By the beginning of the credential's name. */
  forget(credentialName: string): void;
}

export interface ServiceTokensDeps {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly machineToken: (audience: string) => Promise<MachineToken>;
  readonly addressesOf: (cloud: AzureAccess["cloud"]) => CloudAddresses;
}

interface Held {
  readonly token: string;
  readonly endsAtMs: number;
}

const secondMs = 1000;
const reserveMs = 300 * secondMs;
const limits = { maxBytes: 65_536, timeoutMs: 10 * secondMs, connectTimeoutMs: 3 * secondMs };
const Granted = v.object({ access_token: v.string(), expires_in: v.union([v.number(), v.pipe(v.string(), v.transform(Number))]) });
const Refused = v.object({ error: v.string(), error_codes: v.optional(v.array(v.number())) });
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

export function createServiceTokens({ http, clock, machineToken, addressesOf }: ServiceTokensDeps): ServiceTokens {
  const held = new Map<string, Held>();
  const flights = new Map<string, Promise<Held | NoServiceToken>>();

  async function obtain(access: AzureAccess, audience: string): Promise<Held | NoServiceToken> {
    const { credential } = access;
    if (credential.by === "machine") return ofMachine(audience);
    try {
      return await ofApplication(access, credential, audience);
    } catch (error) {
      const failure = failureOf(error);
      if (failure.code !== "upstream_unavailable") throw error;
      return { failure, isAway: true };
    }
  }

  /** The machine's endpoint is on the machine: what it does not give is refused, however the network is. */
  async function ofMachine(audience: string): Promise<Held | NoServiceToken> {
    try {
      const { token, expiresAt } = await machineToken(audience);
      return { token: text(token.reveal()), endsAtMs: clock.monotonicMs() + (expiresAt - clock.now()) };
    } catch (error) {
      const failure = failureOf(error);
      if (failure.code !== "upstream_unavailable") throw error;
      return { failure, isAway: false };
    }
  }

  async function ofApplication(
    access: AzureAccess,
    credential: Exclude<AzureCredential, { readonly by: "machine" }>,
    audience: string,
  ): Promise<Held | NoServiceToken> {
    const { authority } = addressesOf(access.cloud);
    const proof =
      credential.by === "secret"
        ? { client_secret: text(credential.secret.reveal()) }
        : { client_assertion_type: assertionType, client_assertion: text((await credential.assertion()).reveal()) };
    const url = `${authority.replace(/\/*$/u, "")}/${access.tenant}/oauth2/v2.0/token`;
    const form = { grant_type: "client_credentials", client_id: credential.clientId, scope: `${audience}/.default`, ...proof };
    const answer = await http.send({ url, method: "POST", body: { form } }, limits);
    const granted = v.safeParse(Granted, jsonIn(answer));
    if (answer.status === 200 && granted.success) {
      const { access_token: token, expires_in: seconds } = granted.output;
      return { token, endsAtMs: clock.monotonicMs() + seconds * secondMs };
    }
    const failure = { code: "upstream_unavailable", upstream: new URL(url).origin, because: refusalIn(answer) } as const;
    return { failure, isAway: isAwayStatus(answer.status) };
  }

  function begin(name: string, access: AzureAccess, audience: string): Promise<Held | NoServiceToken> {
    const flight = obtain(access, audience).then(
      (fresh) => {
        // Whoever asked before it was forgotten gets an answer, and nobody after that.
        if (flights.get(name) === flight && "token" in fresh) held.set(name, fresh);
        end(name, flight);
        return fresh;
      },
      (error: unknown) => {
        end(name, flight);
        throw error;
      },
    );
    flights.set(name, flight);
    return flight;
  }

  function end(name: string, flight: Promise<unknown>): void {
    if (flights.get(name) === flight) flights.delete(name);
  }

  return {
    async token(access, audience) {
      const name = `${access.credentialName} ${audience}`;
      const known = held.get(name);
      if (known !== undefined && known.endsAtMs - reserveMs > clock.monotonicMs()) return known;
      return await (flights.get(name) ?? begin(name, access, audience));
    },
    forget(credentialName) {
      for (const of of [held, flights]) for (const name of of.keys()) if (name.startsWith(credentialName)) of.delete(name);
    },
  };
}

/** Answers of a service that is not itself: they say nothing of what was asked. */
export const isAwayStatus = (status: number): boolean => [408, 429, 500, 502, 503, 504].includes(status);

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

function jsonIn({ body }: HttpAnswer): unknown {
  try {
    return JSON.parse(text(body));
  } catch {
    return undefined;
  }
}

/** `invalid_client_AADSTS7000215`: what an operator searches for. Nothing else of the answer is repeated. */
function refusalIn(answer: HttpAnswer): string {
  const refused = v.safeParse(Refused, jsonIn(answer));
  if (!refused.success || !/^[a-z_]{1,40}$/.test(refused.output.error)) return `http_${answer.status}`;
  const [code] = refused.output.error_codes ?? [];
  return code === undefined ? refused.output.error : `${refused.output.error}_AADSTS${code}`;
}
