/** What the core does for host factories: a part of the broker's interface. */

import type { RoleId } from "../model/ids";
import type { SecretBytes } from "../model/secret-bytes";
import type { Caller, Instant, RequestContext } from "../model/types";

export interface HostFactoryTokenRequest {
  readonly factory: RoleId;
  readonly expiresAt: Instant;
  /** 1 to 1000. */
  readonly count: number;
  /** As given: addresses or networks; none: anywhere. */
  readonly networks: readonly string[];
}

export interface IssuedHostFactoryToken {
  readonly token: SecretBytes;
  readonly expiresAt: Instant;
  readonly networks: readonly string[];
}

/** A host to be made by whoever shows a factory's token. */
export interface HostRequest {
  readonly token: SecretBytes | undefined;
  /** The identifier in the factory's account, canonical: `apps/web-17`. */
  readonly id: string;
  readonly annotations: ReadonlyMap<string, string>;
}

export interface CreatedHost {
  readonly id: RoleId;
  readonly owner: RoleId;
  readonly createdAt: Instant;
  /** Those of the request; an existing host keeps its own. */
  readonly annotations: ReadonlyMap<string, string>;
  readonly apiKey: SecretBytes;
}

export interface HostFactoryOperations {
  /** New tokens, shown this once. Throws `malformed` (kind `argument`, where `host_factory`, `expiration`, `count` or `cidr`). */
  createHostFactoryTokens(caller: Caller, request: HostFactoryTokenRequest): Promise<readonly IssuedHostFactoryToken[]>;
  /** Hosts that were made by it stay. Throws `not_found` (target `host_factory_token` when there is no such token). */
  revokeHostFactoryToken(caller: Caller, token: SecretBytes): Promise<void>;
  /** A new host, or a new key for one that this factory made. Throws `unauthenticated`, `forbidden`, `malformed` (kind `argument`, where `id`). */
  createHost(request: HostRequest, context: RequestContext): Promise<CreatedHost>;
}
