/** Binds what is done by path to what it needs. No logic of its own. */

import { accountOf } from "../../model/ids";
import type { AzureDefaults, AzureProofs, Clock, Keyring, Meter, Random, SignedTokens, Store } from "../../model/ports";
import type { SecretBytes } from "../../model/secret-bytes";
import type { Caller, RequestContext } from "../../model/types";
import { administratorOf } from "../administrator";
import type { Gate } from "../gate";
import { createRefusalNotes } from "../identify";
import type { Projection } from "../projection";
import type { Secrets } from "../secrets";
import { nextTurn } from "../slices";
import { createAppRoleMethod } from "./approle-method";
import { createAzureMethod } from "./azure-method";
import { createCubbyhole } from "./cubbyhole";
import { createDocuments } from "./documents";
import { createEntities } from "./entities";
import { createIdentityTokens } from "./identity-tokens";
import { createJwtMethod } from "./jwt-method";
import { assertNothingBelow, createKeyedMetadata, removalOfMount } from "./keyed-metadata";
import { createKeyedPlaces, type KeyedPlaces, keyed } from "./keyed-places";
import { createKeyedSecrets } from "./keyed-secrets";
import { createMethodLogins } from "./method-logins";
import { createMounts } from "./mounts";
import type { PathOperations } from "./operations";
import { createPathPolicies } from "./path-policies";
import { createPathTools } from "./path-tools";
import { createPathWhy, type PathWhy } from "./path-why";
import { createSecretIds, type SecretId } from "./secret-ids";
import { createUserpassMethod } from "./userpass-method";
import { createVariables } from "./variables";
import { createWrapping } from "./wrapping";

export interface Paths extends PathOperations {
  /** What a mount says about the versions of a variable that lives there, whichever door it is written by. */
  readonly keeping: KeyedPlaces["keeping"];
  /** Tokens as the operator on the machine sees them. */
  readonly oversight: TokenOversight;
  /** A token with every right, for the operator on the machine. `ttlSeconds` 0: it never ends. */
  createRootToken(ttlSeconds: number, context: RequestContext): Promise<IssuedToken>;
  /** Explains rights by path, for the operator. */
  readonly why: PathWhy;
  /** Lets go of tokens and secret-ids that have ended, and of their space, and does what else is due. To be asked now and then; others are served in between. */
  tidy(): Promise<void>;
}

import type { StoredToken } from "./token-document";
import { createTokenLedger } from "./token-ledger";
import { createTokenManagement } from "./token-management";
import type { IssuedToken } from "./token-operations";
import { createTokenOversight, type TokenOversight } from "./token-oversight";
import { createTokenRoles } from "./token-roles";
import { createTokens, rootToken } from "./tokens";

export interface PathsDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly store: Pick<Store, "secretValue" | "tokens">;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly random: Random;
  readonly secrets: Pick<Secrets, "read" | "write">;
  /** The account behind the paths; absent: the only one there is. */
  readonly accountName: string | undefined;
  readonly signedTokens: SignedTokens;
  readonly azure: AzureProofs;
  readonly azureDefaults: AzureDefaults;
  /** Where this server is reached, as its configuration has it. */
  readonly apiAddress: string | undefined;
  readonly meter: Meter;
}

export async function createPaths(deps: PathsDeps): Promise<Paths> {
  const { projection, gate, store, secrets, clock, random, keyring, accountName, meter, signedTokens, azure, azureDefaults, apiAddress } =
    deps;
  const documents = createDocuments(store);
  const mounts = createMounts({ projection, gate, documents, random, accountName });
  const policies = createPathPolicies({ projection, gate, documents, mounts });
  const places = createKeyedPlaces({ mounts, documents });
  mounts.onBegin((graph, mount) => mount.type === keyed && assertNothingBelow(graph, mount.path, places));
  mounts.onEnd({ changes: (graph, mount) => (mount.type === keyed ? removalOfMount(graph, mount.path, places) : []) });
  const secretIds = createSecretIds(store.tokens, clock);
  const ledger = await createTokenLedger(store.tokens, clock, secretIds.takes);
  const tokens = createTokens({ projection, mounts, policies, ledger, store: store.tokens, keyring, random, clock });
  const tokenRoles = createTokenRoles({ projection, gate, documents, mounts });
  const logins = createMethodLogins({ projection, gate, mounts, tokens, meter });
  const note = createRefusalNotes({ gate, meter, clock }, "token.verify");
  const identityTokens = createIdentityTokens({ projection, gate, mounts, documents, keyring, apiAddress, ledger, random });
  const method = { projection, gate, documents, mounts, tokens, logins };
  const azureMethod = createAzureMethod({ ...method, azure, identityTokens, defaults: azureDefaults, clock, random });

  /** Whoever shows what is no token, or a token from where it does not count, leaves a line. */
  function identify(token: SecretBytes | undefined, context: RequestContext): Caller | Promise<Caller> {
    try {
      return tokens.identify(token, context);
    } catch (error) {
      note(context, error);
      throw error;
    }
  }

  /** Of an account that is gone, or a method that was taken away while the login was on its way. */
  function isLost(token: StoredToken): boolean {
    const graph = projection.graph();
    const account = accountOf(token.role);
    if (!isSound(account)) return false;
    if (graph.account(account) === undefined) return true;
    return mounts.answersFor(graph, account) && !tokens.isOurs(graph, token);
  }

  /** Of a role that is gone, or was made again under the same name. */
  function isLeftOver({ role, createdAt }: SecretId): boolean {
    if (!isSound(accountOf(role))) return false;
    const madeAt = projection.graph().resource(role)?.createdAt;
    return madeAt === undefined || madeAt > createdAt;
  }

  /** Of an account that was tampered with nothing is known: neither that a token is good nor that it may be thrown away. */
  function isSound(account: string): boolean {
    try {
      projection.assertSound(account);
      return true;
    } catch {
      return false;
    }
  }

  return {
    keeping: places.keeping,
    mounts,
    policies,
    keyed: createKeyedSecrets({ projection, gate, store, places }),
    keyedMetadata: createKeyedMetadata({ projection, gate, places }),
    variables: createVariables({ projection, gate, mounts, secrets }),
    tokens: {
      ...createTokenManagement({ projection, gate, mounts, policies, ledger, tokens, roles: tokenRoles }),
      identify,
      leave: tokens.leave,
    },
    tokenRoles,
    approle: createAppRoleMethod({ ...method, secretIds, random }),
    azure: azureMethod,
    identityTokens,
    userpass: createUserpassMethod(method),
    jwt: createJwtMethod({ ...method, signedTokens }),
    wrapping: createWrapping({ projection, mounts, gate, ledger, tokens, store: store.tokens, random, identify }),
    cubbyhole: createCubbyhole({ gate, ledger, store: store.tokens }),
    entities: createEntities({ gate, ledger }),
    tools: createPathTools({ gate, random }),
    oversight: createTokenOversight({ projection, gate, mounts, ledger, tokens }),
    why: createPathWhy({ projection, mounts, policies, documents, ledger }),
    async tidy() {
      while (await ledger.sweep(clock.now(), isLost)) await nextTurn();
      await secretIds.tidy(clock.now(), isLeftOver);
      await store.tokens.tidy();
      await azureMethod.goOn();
    },
    async createRootToken(ttlSeconds, context) {
      const account = mounts.account(projection.graph());
      projection.assertSound(account);
      await gate.accept(context, { operation: "token.create_root", account, role: administratorOf(account) });
      return tokens.keep(rootToken(account, context.now, ttlSeconds));
    },
  };
}
