/** The external authenticators there are: one line each. */

import type { Authenticator, AzureProofs, Clock, Directory, HttpClient, Logger, Random, SignedTokens } from "../model/ports";
import { createAzureAuthenticator } from "./azure/azure";
import { type AzureProofsDeps, createAzureProofs, noMachineToken } from "./azure/proofs";
import { createGcpAuthenticator } from "./gcp/gcp";
import { createIamAuthenticator } from "./iam/iam";
import { createIssuers } from "./issuer";
import { createIssuerMemory, type IssuerMemoryDeps } from "./issuer-memory";
import { createJwtAuthenticator } from "./jwt/jwt";
import { createSignedTokens } from "./jwt/signed-tokens";
import { createLdapAuthenticator } from "./ldap/ldap";
import { createOidcAuthenticator } from "./oidc/oidc";
import { createOutgoing } from "./outgoing";

export interface AuthenticatorDeps {
  readonly http: HttpClient;
  readonly directory: Directory;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** `authn-jwt` takes tokens that name no issuer. Default false. */
  readonly jwtMayLackIssuer?: boolean;
  /** Where issuers' keys outlive the process. Absent: nowhere. */
  readonly memory?: Omit<IssuerMemoryDeps, "logger">;
  /** How Azure is asked. Absent: by no identity of this machine's, and without a second try. */
  readonly azure?: Pick<AzureProofsDeps, "pause" | "within" | "machineToken" | "addresses">;
}

/** What can tell whether a proof is one. All of it shares one cache of issuers. */
export interface Verifiers {
  readonly authenticators: readonly Authenticator[];
  readonly signedTokens: SignedTokens;
  readonly azure: AzureProofs;
}

/** Every external authenticator; its `type` is unique. */
export const createAuthenticators = (deps: AuthenticatorDeps): readonly Authenticator[] => createVerifiers(deps).authenticators;

export function createVerifiers(deps: AuthenticatorDeps): Verifiers {
  const { memory, azure = { pause: () => Promise.resolve(), within: (_ms, work) => work, machineToken: noMachineToken }, ...rest } = deps;
  const issuers = createIssuers(memory === undefined ? rest : { ...rest, memory: createIssuerMemory({ ...memory, logger: deps.logger }) });
  const outgoing = createOutgoing(deps.http);
  const authenticators = [
    createAzureAuthenticator({ issuers, logger: deps.logger }),
    createJwtAuthenticator({ issuers, mayLackIssuer: deps.jwtMayLackIssuer ?? false }),
    createGcpAuthenticator({ issuers }),
    createIamAuthenticator({ outgoing }),
    createLdapAuthenticator({ directory: deps.directory, outgoing }),
    createOidcAuthenticator({ issuers, outgoing, random: deps.random }),
  ];
  return {
    authenticators,
    signedTokens: createSignedTokens({ issuers }),
    azure: createAzureProofs({ ...azure, issuers, http: deps.http, clock: deps.clock }),
  };
}
