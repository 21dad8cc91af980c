/**
 * Tokens by which Postern itself is known elsewhere: signed here, and trusted by whoever was told to ask this issuer for its keys. So a method can prove itself to
 * Azure without a secret that would have to be kept and renewed.
 *
 * The key is this node's own, made when it is first needed. Source: Vault Enterprise 1.17, "Plugin Workload Identity Federation", for names, claims and paths.
 */

import * as v from "valibot";
import { createSessionSigner, exportPkcs8, generateRsa, importPkcs8, keyIdOf, publicJwk } from "../../crypto/signing";
import { PosternError } from "../../model/failures";
import { type AccountName, makeId, type ResourceId, type RoleId } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { Keyring } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import type { Caller, Instant } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import type { Projection } from "../projection";
import type { Documents } from "./documents";
import type { Mount } from "./mount";
import { type Mounts, shortPath } from "./mounts";

export interface IdentityTokenOperations {
  /** `https://postern.example.com:8200`; empty when none is set. */
  readIssuer(caller: Caller, access: PathAccess): Promise<string>;
  /** Throws `malformed` for what is no address of a server. */
  writeIssuer(caller: Caller, access: PathAccess, address: string): Promise<void>;
  /** What the tokens carry as `iss`; undefined when nothing is set. Asks for no right: it is for whoever verifies. */
  issuer(): string | undefined;
  /** The public keys, as members of a key set. */
  keys(): readonly object[];
}

export interface IdentityTokens extends IdentityTokenOperations {
  /** Throws `malformed` while there is no issuer. Makes the key where there is none. */
  prepare(): Promise<void>;
  /** A token that says which mount of this issuer's asks. */
  token(mount: Mount, terms: { readonly audience: string; readonly ttlSeconds: number; readonly now: Instant }): Promise<SecretBytes>;
}

export interface IdentityTokensDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly mounts: Mounts;
  readonly documents: Documents;
  readonly keyring: Pick<Keyring, "nodeSecret" | "putNodeSecret">;
}

const IssuerDocument = v.object({ address: v.string() });
const keyName = "identity-tokens-rs256";
const belowIssuer = "/v1/identity/oidc/plugins";

export function createIdentityTokens({ projection, gate, mounts, documents, keyring }: IdentityTokensDeps): IdentityTokens {
  const kind = documents.kind(IssuerDocument);
  let making: Promise<void> | undefined;

  const idOf = (graph: Graph): ResourceId => makeId(mounts.account(graph), "configuration", "vault/config/identity/oidc");
  const addressIn = (graph: Graph): string => kind.find(graph, idOf(graph))?.address ?? "";

  function issuer(): string | undefined {
    const address = addressIn(projection.graph());
    return address === "" ? undefined : `${address}${belowIssuer}`;
  }

  async function makeKey(account: AccountName): Promise<void> {
    if (keyring.nodeSecret(account, keyName) !== undefined) return;
    const made = exportPkcs8(await generateRsa());
    await keyring.putNodeSecret(account, keyName, made);
    made.fill(0);
  }

  /** Made once, however many ask for it at the same time. */
  function key(account: AccountName): Promise<void> {
    making ??= makeKey(account).finally(() => {
      making = undefined;
    });
    return making;
  }

  const demand = (operation: string, access: PathAccess) => ({
    operation: `identity_issuer.${operation}`,
    access,
    about: { resource: idOf(projection.graph()) },
  });

  return {
    issuer,
    readIssuer: (caller, access) => gate.release(caller, demand("read", access), addressIn),

    writeIssuer: (caller, access, address) =>
      gate.change(caller, demand("write", access), () => {
        const plain = address.replace(/\/+$/, "");
        if (plain !== "" && !isAddress(plain))
          throw argument("issuer", "invalid issuer, which must include only a scheme, host, and optional port");
        return projection.write(mounts.account(projection.graph()), caller.context.now, (graph) => {
          const branch: RoleId = makeId(mounts.account(graph), "policy", "vault/config");
          return { changes: documents.put(graph, { id: idOf(graph), branch }, { address: plain }, caller.context.now), result: undefined };
        });
      }),

    keys() {
      const secret = keyring.nodeSecret(mounts.account(projection.graph()), keyName);
      if (secret === undefined) return [];
      const pair = importPkcs8(secret);
      secret.fill(0);
      return [publicJwk(pair, { kid: keyIdOf(pair), alg: "RS256" })];
    },

    async prepare() {
      if (issuer() === undefined)
        throw argument("identity_token_audience", "identity_token_audience: there is no issuer yet, write identity/oidc/config");
      await key(mounts.account(projection.graph()));
    },

    async token(mount, { audience, ttlSeconds, now }) {
      const account = mounts.account(projection.graph());
      const iss = issuer();
      if (iss === undefined) throw new PosternError({ code: "upstream_unavailable", upstream: "identity tokens", because: "no_issuer" });
      await key(account);
      const secret = keyring.nodeSecret(account, keyName);
      if (secret === undefined) throw new PosternError({ code: "internal", what: "the key that was just made" });
      const signer = createSessionSigner({ privateKey: secret, algorithm: "RS256" });
      secret.fill(0);
      const seconds = Math.floor(now / 1000);
      const place = { accessor: mount.accessor, class: "auth", namespace_id: "root", path: `${shortPath(mount.path)}/` };
      const claims = {
        iss,
        sub: `plugin-identity:root:auth:${mount.accessor}`,
        aud: [audience],
        iat: seconds,
        nbf: seconds,
        exp: seconds + ttlSeconds,
        postern: place,
      };
      const signed = `${part({ alg: "RS256", typ: "JWT", kid: signer.keyId })}.${part(claims)}`;
      const signature = await signer.sign(Buffer.from(signed));
      return SecretBytes.ofText(`${signed}.${Buffer.from(signature).toString("base64url")}`);
    },
  };
}

const part = (content: object): string => Buffer.from(JSON.stringify(content)).toString("base64url");

/** A scheme, a host and perhaps a port. Azure asks `https` alone; plain `http` is for trying it out. */
function isAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.origin === text.toLowerCase();
}

function argument(where: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where, expected: says, kind: "argument", because: "identity_issuer", says });
}
