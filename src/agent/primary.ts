/** The servers that an agent can have as its primary, each by its own protocol: how one logs in there as an app's role, and reads as it. */

import { describeToken } from "../authenticators/azure/token-description";
import type { ConjurClient, ConjurSession } from "../client/conjur-client";
import type { MachineNames, VaultClient, VaultMount, VaultSession } from "../client/vault-client";
import { PosternError } from "../model/failures";
import { identifierOf, type ResourceId } from "../model/ids";
import type { MachineIdentity } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import type { Instant } from "../model/types";

/** A value, and what its server tells of it. */
export interface PrimaryValue {
  readonly value: SecretBytes;
  readonly mimeType?: string;
  readonly origin?: SecretOrigin;
}

/** Where a value is kept at a server that names secrets by path. */
export interface SecretOrigin {
  readonly mount: VaultMount;
  readonly version?: number;
  readonly createdAt?: Instant;
}

export interface PrimarySession {
  readonly lifetimeMs: number;
}

export interface Primary<Session extends PrimarySession> {
  /** Throws `unauthenticated` when the role itself is refused, `upstream_unavailable`. */
  logIn(): Promise<Session>;
  /** Throws `unauthenticated` (the session is over), `forbidden`, `not_found`, `upstream_unavailable`. */
  read(session: Session, id: ResourceId, version: number | undefined): Promise<PrimaryValue>;
  /** The mount that a path is in, at servers that have some. Throws as `read`. */
  readonly mountOf?: (session: Session, path: string) => Promise<VaultMount>;
  /** Gives a session up, at servers that keep some. Throws `upstream_unavailable`. */
  readonly leave?: (session: Session) => Promise<void>;
}

interface Who {
  readonly identity: MachineIdentity;
  readonly audience: string;
}

export interface ConjurPrimaryOptions extends Who {
  readonly client: ConjurClient;
  readonly account: string;
  /** Of `authn-azure`. */
  readonly service: string;
  /** `host/apps/billing`. */
  readonly login: string;
}

export function createConjurPrimary({ client, identity, audience, account, service, login }: ConjurPrimaryOptions): Primary<ConjurSession> {
  return {
    async logIn() {
      const { token } = await identity.credential(audience);
      return await client.loginByAzure({ service, account, login, token });
    },
    read: (session, id, version) => client.readSecret(session, id, version),
  };
}

export interface VaultPrimaryOptions extends Who {
  readonly client: VaultClient;
  /** Of the Azure method: `azure`. */
  readonly mount: string;
  readonly role: string;
  /** For machines of a flexible scale set, whose tokens do not name it. */
  readonly scaleSet?: string;
}

/** A secret's name here is its path there without what belongs to the protocol: `secret/app/db`, whether that is read at `secret/data/app/db` or not. */
export function createVaultPrimary({ client, identity, audience, mount, role, scaleSet }: VaultPrimaryOptions): Primary<VaultSession> {
  return {
    async logIn() {
      const { token } = await identity.credential(audience);
      const machine = machineOf(token, scaleSet);
      return await client.loginByAzure({ mount, role, token, ...(machine === undefined ? {} : { machine }) });
    },
    async read(session, id, version) {
      const path = identifierOf(id);
      const found = await client.mountOf(session, path);
      if (path.length <= found.path.length + 1) throw new PosternError({ code: "not_found", target: id });
      const { value, ...origin } = await client.read(session, found, path.slice(found.path.length + 1), version);
      const mimeType = found.type === "conjur" ? {} : { mimeType: "application/json" };
      return { value, ...mimeType, origin: { ...origin, mount: found } };
    },
    mountOf: (session, path) => client.mountOf(session, path),
    leave: (session) => client.revoke(session),
  };
}

/** What the server will find in the token, told beside it because the protocol wants it so. */
function machineOf(token: SecretBytes, scaleSet: string | undefined): MachineNames | undefined {
  const machine = describeToken(token)?.machine;
  if (machine === undefined) return undefined;
  const { subscriptionId, resourceGroup, type, name, text } = machine;
  const place = { subscriptionId, resourceGroup };
  if (type === "Microsoft.Compute/virtualMachines")
    return { ...place, virtualMachine: name, ...(scaleSet === undefined ? {} : { scaleSet }) };
  if (type === "Microsoft.Compute/virtualMachineScaleSets") return { ...place, scaleSet: name };
  return { ...place, resourceId: text };
}
