/** What the method `azure` asks of Azure: whether a token is one of its tenant's, and what its Resource Manager knows. A part of the ports. */

import type { SecretBytes } from "./secret-bytes";
import type { SignedToken } from "./signed-tokens";

/** By the names that Azure's own tools have for them. */
export type AzureCloudName = "AzurePublicCloud" | "AzureUSGovernmentCloud" | "AzureChinaCloud";

export interface AzureTenant {
  readonly cloud: AzureCloudName;
  /** A GUID. */
  readonly tenant: string;
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

export interface AzureProofs {
  /** Throws `unauthenticated` (with the check that failed) or `upstream_unavailable`. `issuer`: what the tenant's document says its tokens carry. */
  verify(token: SecretBytes, tenant: AzureTenant): Promise<SignedToken & { readonly issuer: string }>;
  resources(access: AzureAccess): AzureResources;
  /** Forgets tokens and answers that were got by a credential: it has changed. */
  forget(credentialName: string): void;
}
