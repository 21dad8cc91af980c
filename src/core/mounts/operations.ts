/**
 * What the broker can do by path: mounts, and what is kept and who logs in at them. One member for each noun; the door that re-exports these types is
 * `core/broker.ts`.
 *
 * Operations take the caller and what they are about to do at which path (`PathAccess`); the gate judges that by the rules the caller carries.
 */

import type { AppRoleOperations } from "./approle-method";
import type { AzureOperations } from "./azure-method";
import type { CubbyholeOperations } from "./cubbyhole";
import type { EntityOperations } from "./entities";
import type { IdentityTokenOperations } from "./identity-tokens";
import type { JwtOperations } from "./jwt-method";
import type { KeyedMetadataOperations } from "./keyed-metadata";
import type { KeyedSecretOperations } from "./keyed-secrets";
import type { MountOperations } from "./mounts";
import type { PathPolicyOperations } from "./path-policies";
import type { PathToolOperations } from "./path-tools";
import type { TokenOperations } from "./token-operations";
import type { TokenRoleOperations } from "./token-roles";
import type { UserpassOperations } from "./userpass-method";
import type { VariableOperations } from "./variables";
import type { WrappingOperations } from "./wrapping";

export type * from "../../model/paths";
export type * from "./approle-method";
export type * from "./azure-method";
export type { Entity } from "./entities";
export type {
  CallerToken,
  IdentityKey,
  IdentityKeyChange,
  IdentityKeyOperations,
  IdentityRole,
  IdentityRoleChange,
  IdentityRoleOperations,
} from "./identity-tokens";
export type * from "./jwt-method";
export type * from "./keyed-metadata";
export type * from "./keyed-secrets";
export type * from "./mounts";
export type { PathPolicy, PathPolicyOperations } from "./path-policies";
export type { PathQuestion, PathReport } from "./path-why";
export type * from "./token-operations";
export type { TokenOversight, TokenPage, TokenQuery } from "./token-oversight";
export type { TokenParameters, TokenParametersChange } from "./token-parameters";
export type { TokenRole, TokenRoleChange, TokenRoleOperations } from "./token-roles";
export type * from "./userpass-method";
export type { Wrapped } from "./wrapping";

export interface PathOperations {
  readonly mounts: MountOperations;
  readonly policies: PathPolicyOperations;
  /** What is kept at mounts of the type `kv`. */
  readonly keyed: KeyedSecretOperations;
  readonly keyedMetadata: KeyedMetadataOperations;
  /** What is kept by policies, under the rights of the graph. */
  readonly variables: VariableOperations;
  readonly tokens: TokenOperations;
  readonly tokenRoles: TokenRoleOperations;
  readonly approle: AppRoleOperations;
  readonly azure: AzureOperations;
  readonly userpass: UserpassOperations;
  readonly jwt: JwtOperations;
  readonly wrapping: WrappingOperations;
  readonly cubbyhole: CubbyholeOperations;
  readonly entities: EntityOperations;
  readonly identityTokens: IdentityTokenOperations;
  readonly tools: PathToolOperations;
}
