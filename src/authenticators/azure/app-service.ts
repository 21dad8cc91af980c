/**
 * Tokens in App Service, Functions and Container Apps, and from every local endpoint of that shape: a header out of the app's own environment.
 *
 * Source: "How to use managed identities for App Service and Azure Functions", REST endpoint reference, api-version 2019-08-01.
 */

import type { Clock, HttpClient } from "../../model/ports";
import { answersAt, exchange, type IdentitySelector, readTokenAnswer, type TokenSource, tokenUrl } from "./token-source";

export interface AppServiceOptions {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly endpoint: string;
  /** The value of `IDENTITY_HEADER`: the only credential there is, so it stands in no message. */
  readonly identityHeader: string;
  readonly selector?: IdentitySelector;
}

const selectors = { client: "client_id", object: "principal_id", resource: "mi_res_id" } as const;

export function createAppServiceSource({ http, clock, endpoint, identityHeader, selector }: AppServiceOptions): TokenSource {
  return {
    name: "app-service",
    async request(resource) {
      const url = tokenUrl(endpoint, "2019-08-01", resource, selector, selectors);
      const sent = await exchange(http, { url, headers: { "x-identity-header": identityHeader } });
      if ("refusal" in sent) return sent;
      const answer = readTokenAnswer(sent.answer, clock.now());
      // An unknown identity is 404 with some versions of this endpoint; nothing else about it is being updated.
      const isFinal = "refusal" in answer && sent.answer.status === 404;
      return isFinal ? { refusal: { ...answer.refusal, isTransient: false } } : answer;
    },
    probe: () => answersAt(http, endpoint),
  };
}
