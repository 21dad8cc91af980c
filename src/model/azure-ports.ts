/** What the method `azure` asks of Azure: whether a token is one of its tenant's, and what its Resource Manager knows. A part of the ports. */

import type { SecretBytes } from "./secret-bytes";
import type { SignedToken } from "./signed-tokens";
import type { Instant } from "./types";

/** By the names that Azure's own tools have for them. */
export type AzureCloudName = "AzurePublicCloud" | "AzureUSGovernmentCloud" | "AzureChinaCloud";

export interface AzureTenant {
  readonly cloud: AzureCloudName;
  /** A GUID. */
  readonly tenant: string;
}

/** What the process was told for configurations that do not say it. */
export interface AzureDefaults {
  readonly tenantId?: string;
  readonly resource?: string;
  readonly environment?: string;
  readonly clientId?: string;
  readonly clientSecret?: SecretBytes;
}

/** How Postern proves to Azure that it may look. */
export type AzureCredential =
  | { readonly by: "secret"; readonly clientId: string; readonly secret: SecretBytes }
  /** A token of Postern's own that Azure trusts, made for one exchange. */
  | { readonly by: "assertion"; readonly clientId: string; readonly assertion: () => Promise<SecretBytes> }
  /** The identity of the machine that Postern runs on. */
  | { readonly by: "machine" };

export interface AzureAccess extends AzureTenant {
  readonly credential: AzureCredential;
  /** Names the credential among others: what one was told is not another's. */
  readonly credentialName: string;
  readonly retries: { readonly most: number; readonly delaySeconds: number; readonly maxDelaySeconds: number };
  /** How long what Azure said may serve: at any time, and while Azure cannot be reached. Refusals serve never. */
  readonly freshSeconds: number;
  readonly staleSeconds: number;
}

/** What a resource is run as. Without `identity`: it has none. */
export interface AzureResource {
  readonly location?: string;
  readonly identity?: {
    /** Of the identity that is this resource's alone. */
    readonly systemPrincipal?: string;
    readonly assigned: readonly { readonly id: string; readonly principal?: string; readonly clientId?: string }[];
  };
  /** The scale set that a virtual machine belongs to. */
  readonly scaleSet?: string;
}

/** All throw `not_found` for what Azure does not know, `upstream_unavailable` (`because`: what came instead) for everything else. */
export interface AzureResources {
  virtualMachine(subscription: string, group: string, name: string): Promise<AzureResource>;
  scaleSet(subscription: string, group: string, name: string): Promise<AzureResource>;
  /** Of any type, by its id. */
  resource(id: string): Promise<AzureResource>;
  /** The principal of a user-assigned identity. */
  principalOf(identityId: string): Promise<string | undefined>;
  /** Every user-assigned identity of a group. */
  identitiesIn(subscription: string, group: string): Promise<readonly { readonly id: string; readonly clientId: string }[]>;
}

/** An application of the tenant, as its directory has it. */
export interface AzureApplication {
  /** Of the object, not of the application. */
  readonly id: string;
  readonly passwords: readonly { readonly keyId: string; readonly name: string }[];
}

/** The tenant's directory. All throw `upstream_unavailable`; `because`: what came instead. */
export interface AzureApplications {
  /** Those with this client id; there should be one. */
  find(clientId: string): Promise<readonly AzureApplication[]>;
  /** Asked once: whoever gets no answer does not know whether there is one more now. */
  addPassword(
    id: string,
    password: { readonly name: string; readonly endsAt: Instant },
  ): Promise<{ readonly keyId: string; readonly secret: SecretBytes }>;
  /** Does nothing when it is gone. */
  removePassword(id: string, keyId: string): Promise<void>;
}

export interface AzureProofs {
  /** Throws `unauthenticated` (with the check that failed) or `upstream_unavailable`. `issuer`: what the tenant's document says its tokens carry. */
  verify(token: SecretBytes, tenant: AzureTenant): Promise<SignedToken & { readonly issuer: string }>;
  /** What a login does. Throws `upstream_unavailable` (because `deadline`) when it takes more than half a minute, whatever becomes of the work. */
  inTime<Result>(work: () => Promise<Result>): Promise<Result>;
  resources(access: AzureAccess): AzureResources;
  applications(access: AzureAccess): AzureApplications;
  /** Forgets tokens and answers that were got by a credential: it has changed. */
  forget(credentialName: string): void;
}
