/** How a simulated cloud is described: by names, with every id left open that nobody cares about. */

export type MachineKind =
  | "vm"
  | "vmss-uniform"
  | "vmss-flexible"
  | "arc"
  | "app-service"
  | "function"
  | "container-app"
  | "container-instance"
  | "aks-cluster";

/** Somebody else's token that an identity trusts instead of a secret. */
export interface FederatedCredential {
  /** `system:serviceaccount:shop:web` */
  readonly subject: string;
  /** Whose keys are asked for: `https://postern.example.com/v1/identity/oidc/plugins`. Default: the simulated cluster. */
  readonly issuer?: string;
  /** Default `api://AzureADTokenExchange`. */
  readonly audience?: string;
}

export interface IdentityDescription {
  readonly name: string;
  /** Default: the first tenant. */
  readonly tenant?: string;
  /** Object ids of groups, or how many to invent. */
  readonly groups?: readonly string[] | number;
  readonly federated?: readonly FederatedCredential[];
}

/** A user-assigned identity: a resource of its own, with a subscription and a resource group that need not be its machines'. */
export interface UserAssignedDescription extends IdentityDescription {
  readonly subscription?: string;
  readonly resourceGroup?: string;
}

/** An application with a service principal and perhaps a client secret: no managed identity. */
export interface ApplicationDescription extends IdentityDescription {
  readonly secret?: string;
}

/** Something tokens are asked for. `uris` are all spellings of its application id URI; a trailing slash makes no difference. */
export interface AudienceDescription {
  readonly uris: readonly string[];
  readonly appId?: string;
  /** The version of token its manifest asks for. Default 1. */
  readonly tokenVersion?: 1 | 2;
  /** Whether its tokens carry `xms_mirid` and `xms_az_rid`. Default true. */
  readonly resourceClaims?: boolean;
  /** Whether its manifest asks for `groups`. Default false. */
  readonly groupClaims?: boolean;
  /** Whether its manifest asks for `idtyp`. Default false. */
  readonly idtyp?: boolean;
  /** App roles by the name of the identity they are assigned to. */
  readonly roles?: Readonly<Record<string, readonly string[]>>;
  /** Whether an identity without a role gets no token at all. Default false. */
  readonly assignmentRequired?: boolean;
}

export interface MachineDescription {
  readonly name: string;
  readonly kind: MachineKind;
  readonly tenant?: string;
  readonly subscription?: string;
  readonly resourceGroup?: string;
  /** As Resource Manager writes it. Default `westeurope`. */
  readonly location?: string;
  /** The resource's own name; of a member of a scale set, the set's. Default: `name`. */
  readonly resourceName?: string;
  /** A deployment slot of an App Service or Function. */
  readonly slot?: string;
  /** Default: true unless it has user-assigned ones. */
  readonly systemAssigned?: boolean;
  /** Names of user-assigned identities. */
  readonly userAssigned?: readonly string[];
  /** Where its token endpoint listens. Default: any free port. */
  readonly port?: number;
}

/** The role Reader, for an identity or application: on a resource group, or on everything. */
export interface ReaderDescription {
  readonly principal: string;
  readonly resourceGroup?: string;
}

export interface CloudDescription {
  /** At least one. The first is the default of everything else. */
  readonly tenants: readonly { readonly name: string; readonly id?: string }[];
  readonly audiences: readonly AudienceDescription[];
  readonly identities?: readonly UserAssignedDescription[];
  readonly applications?: readonly ApplicationDescription[];
  readonly machines: readonly MachineDescription[];
  /** Who may ask Resource Manager. Default: nobody. */
  readonly readers?: readonly ReaderDescription[];
}
