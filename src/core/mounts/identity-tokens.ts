/**
 * Tokens by which Postern itself is known elsewhere: signed here, and trusted by whoever was told to ask this issuer for its keys. So a method can prove itself to
 * Azure without a secret that would have to be kept and renewed.
 *
 * No operation gives a mount's token to a caller: they are made for one exchange and go to Azure alone. What callers may be given says who they are.
 * Source: Vault Enterprise 1.17, "Plugin Workload Identity Federation", for names, claims and paths.
 */

import * as v from "valibot";
import { PosternError } from "../../model/failures";
import { makeId, type ResourceId, type RoleId } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { SecretBytes } from "../../model/secret-bytes";
import type { Caller, Instant } from "../../model/types";
import type { Graph } from "../graph";
import { createIdentityKeys, defaultKeyName, type IdentityKeyOperations, type IdentityKeysDeps } from "./identity-keys";
import { createIdentityRoles, type IdentityRoleOperations, type IdentityRolesDeps } from "./identity-roles";
import { publicKeysKeptSeconds, signedBy } from "./key-ring";
import type { Mount } from "./mount";
import { shortPath } from "./mounts";

export type { IdentityKey, IdentityKeyChange, IdentityKeyOperations } from "./identity-keys";
export type { CallerToken, IdentityRole, IdentityRoleChange, IdentityRoleOperations } from "./identity-roles";

export interface IdentityTokenOperations {
  /** `https://postern.example.com:8200`; empty when none is set, even where the configuration has one. */
  readIssuer(caller: Caller, access: PathAccess): Promise<string>;
  /** Empty: the configuration's. Throws `malformed` for what is no address of a server. */
  writeIssuer(caller: Caller, access: PathAccess, address: string): Promise<void>;
  /** What the tokens of mounts, or of callers, carry as `iss`; undefined when nothing says. Asks for no right, as the next does not: they are for whoever verifies. */
  issuer(whose: "mounts" | "callers"): string | undefined;
  /** The public keys, as members of a key set. */
  publicKeys(now: Instant): readonly object[];
  /** How long they may be kept. */
  readonly keptSeconds: number;
  readonly keys: IdentityKeyOperations;
  readonly roles: IdentityRoleOperations;
}

export interface IdentityTokens extends IdentityTokenOperations {
  /** Throws `malformed` while there is no issuer, and for tokens that live longer than their key verifies. Makes the key where there is none. */
  prepare(mount: Mount, terms: { readonly ttlSeconds: number; readonly now: Instant }): Promise<void>;
  /** A token that says which mount of this issuer's asks. It lives no longer than its key verifies. */
  token(mount: Mount, terms: { readonly audience: string; readonly ttlSeconds: number; readonly now: Instant }): Promise<SecretBytes>;
}

export interface IdentityTokensDeps extends IdentityKeysDeps, Pick<IdentityRolesDeps, "ledger" | "random"> {
  /** Where this server is reached, as its configuration has it: `https://postern.example.com:8200`. */
  readonly apiAddress: string | undefined;
}

const IssuerDocument = v.object({ address: v.string() });
/** What mounts sign is of one issuer, and what callers are given of another: neither can be taken for the other. */
const belowIssuer = { mounts: "/v1/identity/oidc/plugins", callers: "/v1/identity/oidc" };
const usualTokenSeconds = 3600;

export function createIdentityTokens(deps: IdentityTokensDeps): IdentityTokens {
  const { projection, gate, mounts, documents, apiAddress = "" } = deps;
  const kind = documents.kind(IssuerDocument);
  const keys = createIdentityKeys(deps);

  const idOf = (graph: Graph): ResourceId => makeId(mounts.account(graph), "configuration", "vault/identity/issuer");
  const addressIn = (graph: Graph): string => kind.find(graph, idOf(graph))?.address ?? "";
  const keyNameOf = ({ identityTokenKey }: Mount): string => identityTokenKey || defaultKeyName;

  function issuer(whose: keyof typeof belowIssuer): string | undefined {
    const address = addressIn(projection.graph()) || apiAddress;
    return address === "" ? undefined : `${address}${belowIssuer[whose]}`;
  }

  const demand = (operation: "read" | "write", access: PathAccess) => ({
    operation: `identity_issuer.${operation}` as const,
    access,
    about: { resource: idOf(projection.graph()) },
  });

  return {
    issuer,
    keys: keys.operations,
    roles: createIdentityRoles({ ...deps, keys, issuer: () => issuer("callers") }),
    publicKeys: keys.publicKeys,
    keptSeconds: publicKeysKeptSeconds,
    readIssuer: (caller, access) => gate.release(caller, demand("read", access), addressIn),

    writeIssuer: (caller, access, address) =>
      gate.change(caller, demand("write", access), () => {
        const plain = address.replace(/\/+$/, "");
        if (plain !== "" && !isAddress(plain))
          throw argument("issuer", "invalid issuer, which must include only a scheme, host, and optional port");
        return projection.write(mounts.account(projection.graph()), caller.context.now, (graph) => {
          const branch: RoleId = makeId(mounts.account(graph), "policy", "vault/identity");
          return { changes: documents.put(graph, { id: idOf(graph), branch }, { address: plain }, caller.context.now), result: undefined };
        });
      }),

    async prepare(mount, { ttlSeconds, now }) {
      if (issuer("mounts") === undefined)
        throw argument("identity_token_audience", "identity_token_audience: there is no issuer yet, write identity/oidc/config");
      const name = keyNameOf(mount);
      const { verificationSeconds = 0 } = keys.find(projection.graph(), name) ?? {};
      if (ttlSeconds > verificationSeconds)
        throw argument("identity_token_ttl", `identity_token_ttl cannot be longer than the verification_ttl of key "${name}"`);
      await keys.ring(name, now);
    },

    async token(mount, { audience, ttlSeconds, now }) {
      const iss = issuer("mounts");
      if (iss === undefined) throw new PosternError({ code: "upstream_unavailable", upstream: "identity tokens", because: "no_issuer" });
      const name = keyNameOf(mount);
      const { verificationSeconds = 0 } = keys.find(projection.graph(), name) ?? {};
      const ring = await keys.ring(name, now);
      const seconds = Math.floor(now / 1000);
      const place = { accessor: mount.accessor, class: "auth", namespace_id: "root", path: `${shortPath(mount.path)}/` };
      const claims = {
        iss,
        sub: `plugin-identity:root:auth:${mount.accessor}`,
        aud: [audience],
        iat: seconds,
        nbf: seconds,
        exp: seconds + Math.min(ttlSeconds || usualTokenSeconds, verificationSeconds),
        postern: place,
      };
      return signedBy(ring, claims);
    },
  };
}

/** A scheme, a host and perhaps a port. Azure asks `https` alone; plain `http` is for trying it out. */
function isAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.origin === text.toLowerCase();
}

function argument(where: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where, expected: says, kind: "argument", because: "identity_issuer", says });
}
