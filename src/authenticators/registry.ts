/** The external authenticators there are: one line each. */

import type { Authenticator, Clock, Directory, HttpClient, Logger, Random } from "../model/ports";
import { createAzureAuthenticator } from "./azure/azure";
import { createGcpAuthenticator } from "./gcp/gcp";
import { createIamAuthenticator } from "./iam/iam";
import { createIssuers } from "./issuer";
import { createJwtAuthenticator } from "./jwt/jwt";
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
}

/** Every external authenticator; its `type` is unique. They share one cache of issuers. */
export function createAuthenticators(deps: AuthenticatorDeps): readonly Authenticator[] {
  const issuers = createIssuers(deps);
  const outgoing = createOutgoing(deps.http);
  return [
    createAzureAuthenticator({ issuers, logger: deps.logger }),
    createJwtAuthenticator({ issuers, mayLackIssuer: deps.jwtMayLackIssuer ?? false }),
    createGcpAuthenticator({ issuers }),
    createIamAuthenticator({ outgoing }),
    createLdapAuthenticator({ directory: deps.directory, outgoing }),
    createOidcAuthenticator({ issuers, outgoing, random: deps.random }),
  ];
}
