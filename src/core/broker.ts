/**
 * The core's door: every operation of Postern, bound to what it needs. No logic of its own.
 */

import type { ResourceId } from "../model/ids";
import type {
  AuditLog,
  Authenticator,
  AzureDefaults,
  AzureProofs,
  Clock,
  Keyring,
  Meter,
  Offload,
  Random,
  SignedTokens,
  Store,
} from "../model/ports";
import { createAccounts } from "./accounts";
import { createAuthenticatorRecords } from "./authenticator-records";
import { createAuthenticators } from "./authenticators";
import { createBranches } from "./branches";
import { createCredentials } from "./credentials";
import { createDecisionIds } from "./decisions";
import { createEffectivePolicies } from "./effective-policies";
import { createExports } from "./exports";
import { createGate } from "./gate";
import type { Graph } from "./graph";
import { createGroupMembers } from "./group-members";
import { createHostFactories, type HostFactoryConfinement } from "./host-factories";
import { createHosts } from "./hosts";
import { createIdentify } from "./identify";
import { createImports } from "./imports";
import { createLogin } from "./login";
import { createPaths } from "./mounts/paths";
import type { Broker, Operator } from "./operations";
import { createPolicies } from "./policies";
import type { PlanInput, PlanOutput } from "./policy/task";
import { createProjection } from "./projection";
import { createResources } from "./resources";
import { createRoles } from "./roles";
import type { Keeping } from "./secret-versions";
import { createSecrets } from "./secrets";
import { createSessions } from "./sessions";
import { createSigners, type SignatureAlgorithm } from "./signers";

export type * from "./operations";

export interface BrokerDeps {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly audit: AuditLog;
  readonly meter: Meter;
  readonly clock: Clock;
  readonly random: Random;
  /** Makes RSA signatures off the serving thread. */
  readonly offload: Offload;
  /** Plans policies, off the serving thread too. */
  readonly planPolicy: (input: PlanInput) => Promise<PlanOutput>;
  readonly authenticators: readonly Authenticator[];
  readonly signedTokens: SignedTokens;
  readonly azure: AzureProofs;
  readonly settings: BrokerSettings;
}

export interface BrokerSettings {
  readonly signature: SignatureAlgorithm;
  readonly userSessionSeconds: number;
  readonly hostSessionSeconds: number;
  readonly secretVersionsKept: number;
  readonly policyVersionsKept: number;
  /** On in every account: `authn-azure/AzureAE1`. */
  readonly enabledAuthenticators: readonly string[];
  /** Whether a restricted role's sessions are refused from outside its networks; Conjur's own servers check the login alone. */
  readonly checksAddressOnUse: boolean;
  /** Refuse users that are not in the root policy. Default false. */
  readonly usersInRootPolicyOnly?: boolean;
  /** Default `related`. */
  readonly hostFactoryConfinement?: HostFactoryConfinement;
  /** When false, only hosts with the annotation `authn/api-key: true` get an API key. Default true. */
  readonly apiKeysByDefault?: boolean;
  /** The account behind the paths of mounts; absent: the only one there is. */
  readonly pathAccount?: string;
  /** For configurations of the method `azure` that do not say it themselves. */
  readonly azureDefaults?: AzureDefaults;
  /** Where clients by path reach this server: `https://postern.example.com:8200`. */
  readonly apiAddress?: string;
}

export interface BrokerParts {
  readonly broker: Broker;
  readonly operator: Operator;
  /** For metrics: how many verified tokens are remembered. */
  readonly rememberedSessions: () => number;
  /** Lets go of what has ended. To be asked now and then, one at a time. */
  readonly tidy: () => Promise<void>;
}

/** Loads the facts, makes the signing keys of accounts that have none, and binds everything. */
export async function createBroker(deps: BrokerDeps): Promise<BrokerParts> {
  const { store, keyring, audit, meter, clock, random, offload, settings } = deps;
  const projection = await createProjection(store);
  const gate = createGate({ projection, audit, meter, nextDecision: createDecisionIds(random) });
  const names = [...projection.graph().accounts()].map((account) => account.name);
  const signers = await createSigners({ keyring, offload, algorithm: settings.signature }, names);
  const credentials = createCredentials({ projection, random });
  const sessions = createSessions({
    projection,
    signers,
    clock,
    userLifetimeSeconds: settings.userSessionSeconds,
    hostLifetimeSeconds: settings.hostSessionSeconds,
    checksAddressOnUse: settings.checksAddressOnUse,
  });
  const authenticators = createAuthenticators({
    projection,
    gate,
    store,
    installed: deps.authenticators,
    enabledByConfiguration: settings.enabledAuthenticators,
  });
  const authenticatorRecords = createAuthenticatorRecords({
    projection,
    gate,
    authenticators,
    types: deps.authenticators.map(({ type }) => type),
  });
  const login = createLogin({ projection, gate, sessions, credentials, authenticators, meter });
  const elsewhere: Keeping = { versionsKept: settings.secretVersionsKept, casRequired: false };
  const keeping = (graph: Graph, id: ResourceId): Keeping => paths.keeping(graph, id) ?? elsewhere;
  const secrets = createSecrets({ projection, gate, store, keeping });
  const hosts = createHosts({ projection, gate, login, credentials, store });
  const policies = createPolicies({
    projection,
    gate,
    credentials,
    secrets,
    planPolicy: deps.planPolicy,
    authenticators: deps.authenticators,
    versionsKept: settings.policyVersionsKept,
    planSettings: { usersInRootPolicyOnly: settings.usersInRootPolicyOnly ?? false, apiKeysByDefault: settings.apiKeysByDefault ?? true },
  });
  const resources = createResources({ projection, gate, store });
  const roles = createRoles({ projection, gate });
  const branches = createBranches({ projection, gate });
  const groupMembers = createGroupMembers({ projection, gate });
  const factories = createHostFactories({ projection, gate, credentials, confinement: settings.hostFactoryConfinement ?? "related" });
  const accounts = createAccounts({ projection, gate, keyring, signers, credentials, hosts });

  const paths = await createPaths({
    projection,
    gate,
    store,
    keyring,
    clock,
    random,
    secrets,
    accountName: settings.pathAccount,
    meter,
    signedTokens: deps.signedTokens,
    azure: deps.azure,
    azureDefaults: settings.azureDefaults ?? {},
    apiAddress: settings.apiAddress,
  });

  const broker: Broker = {
    paths,
    identify: createIdentify({ sessions, gate, meter, clock }),
    read: secrets.read,
    readMany: secrets.readMany,
    login: login.login,
    exchangeForApiKey: hosts.exchangeForApiKey,
    exchangePassword: hosts.exchangePassword,
    rotateOwnApiKey: hosts.rotateOwnApiKey,
    rotateApiKey: hosts.rotateApiKey,
    ownApiKeyAge: hosts.ownApiKeyAge,
    apiKeyAge: hosts.apiKeyAge,
    changePassword: hosts.changePassword,
    whoAmI: (caller) => gate.release(caller, { operation: "identity.check" }, () => undefined),
    loadPolicy: policies.load,
    rehearsePolicy: policies.rehearse,
    fetchPolicy: createEffectivePolicies({ gate }),
    writeSecret: secrets.write,
    expireSecret: secrets.expire,
    publicKeys: secrets.publicKeys,
    showResource: resources.show,
    listResources: resources.list,
    countResources: resources.count,
    check: resources.check,
    permittedRoles: resources.permittedRoles,
    showRole: roles.show,
    heldRoles: roles.held,
    memberships: roles.memberships,
    members: roles.members,
    roleGraph: roles.graph,
    addMember: roles.addMember,
    removeMember: roles.removeMember,
    createBranch: branches.create,
    listBranches: branches.list,
    showBranch: branches.show,
    updateBranch: branches.update,
    removeBranch: branches.remove,
    addGroupMember: groupMembers.add,
    removeGroupMember: groupMembers.remove,
    createHostFactoryTokens: factories.createTokens,
    revokeHostFactoryToken: factories.revokeToken,
    createHost: factories.createHost,
    listAuthenticators: authenticators.list,
    invitations: authenticators.invitations,
    queryAuthenticators: authenticatorRecords.list,
    showAuthenticator: authenticatorRecords.show,
    createAuthenticator: authenticatorRecords.create,
    switchAuthenticator: authenticatorRecords.switchTo,
    removeAuthenticator: authenticatorRecords.remove,
    setAuthenticatorEnabled: authenticators.setEnabled,
    authenticatorStatus: authenticators.status,
  };
  const operator: Operator = {
    caller: accounts.operatorOf,
    createAccount: accounts.create,
    deleteAccount: accounts.remove,
    importFacts: createImports({ projection, gate, credentials, apiKeysByDefault: settings.apiKeysByDefault ?? true }),
    exportFacts: createExports({ projection, gate }),
    resetPassword: accounts.resetPassword,
    accounts: accounts.names,
    retrieveKey: accounts.retrieveKey,
    checkPolicy: policies.check,
    forecastPolicy: policies.forecast,
    testPolicy: policies.test,
    createRootToken: paths.createRootToken,
    listTokens: paths.oversight.list,
    lookUpToken: paths.oversight.lookUp,
    revokeToken: paths.oversight.revoke,
    explainPath: paths.why.explain,
  };
  return { broker, operator, rememberedSessions: sessions.remembered, tidy: paths.tidy };
}
