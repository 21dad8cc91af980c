/**
 * Tokens on virtual machines, scale sets and container groups: the instance metadata service.
 *
 * Source: "How to use managed identities for Azure resources on an Azure VM to acquire an access token", api-version 2018-02-01.
 */

import type { Clock, HttpClient } from "../../model/ports";
import { answersAt, exchange, type IdentitySelector, readTokenAnswer, type TokenSource, tokenUrl } from "./token-source";

export const imdsEndpoint = "http://169.254.169.254/metadata/identity/oauth2/token";
/** Spellings of the selectors, the same with the agent of an Arc server. */
export const imdsSelectors = { client: "client_id", object: "object_id", resource: "msi_res_id" } as const;

export interface ImdsOptions {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly endpoint: string;
  readonly selector?: IdentitySelector;
}

export function createImdsSource({ http, clock, endpoint, selector }: ImdsOptions): TokenSource {
  return {
    name: "imds",
    async request(resource) {
      const url = tokenUrl(endpoint, "2018-02-01", resource, selector, imdsSelectors);
      const sent = await exchange(http, { url, headers: { metadata: "true" } });
      return "refusal" in sent ? sent : readTokenAnswer(sent.answer, clock.now());
    },
    probe: () => answersAt(http, endpoint),
  };
}
