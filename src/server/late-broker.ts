/**
 * The broker and the operator before there are any: while Postern is uninitialised or sealed, every operation fails with that reason, and as soon as
 * it is unsealed the same objects work. So listeners can stand from the first moment, and say why they serve nothing.
 */

import type { Broker, Operator, PathOperations } from "../core/broker";

/** `broker` throws `sealed` until there is one. */
export function lateBroker(broker: () => Broker): Broker {
  return {
    paths: latePaths(() => broker().paths),
    identify: (presented, context) => broker().identify(presented, context),
    // No promise of its own around the busiest of them: it may throw at once, as `identify` does.
    read: (caller, secret) => broker().read(caller, secret),
    readMany: async (caller, ids) => broker().readMany(caller, ids),
    login: async (request, context) => broker().login(request, context),
    exchangePassword: async (request, context) => broker().exchangePassword(request, context),
    exchangeForApiKey: async (proof, context) => broker().exchangeForApiKey(proof, context),
    rotateOwnApiKey: async (proof, context) => broker().rotateOwnApiKey(proof, context),
    rotateApiKey: async (caller, role) => broker().rotateApiKey(caller, role),
    ownApiKeyAge: async (proof, context) => broker().ownApiKeyAge(proof, context),
    apiKeyAge: async (caller, role) => broker().apiKeyAge(caller, role),
    changePassword: async (proof, password, context) => broker().changePassword(proof, password, context),
    whoAmI: async (caller) => broker().whoAmI(caller),
    loadPolicy: async (caller, load) => broker().loadPolicy(caller, load),
    rehearsePolicy: async (caller, load) => broker().rehearsePolicy(caller, load),
    fetchPolicy: async (caller, query) => broker().fetchPolicy(caller, query),
    writeSecret: async (caller, id, value) => broker().writeSecret(caller, id, value),
    expireSecret: async (caller, id) => broker().expireSecret(caller, id),
    publicKeys: (id) => broker().publicKeys(id),
    showResource: async (caller, id) => broker().showResource(caller, id),
    listResources: async (caller, query) => broker().listResources(caller, query),
    countResources: async (caller, query) => broker().countResources(caller, query),
    check: async (caller, id, privilege, role) => broker().check(caller, id, privilege, role),
    permittedRoles: async (caller, id, privilege) => broker().permittedRoles(caller, id, privilege),
    showRole: async (caller, id) => broker().showRole(caller, id),
    heldRoles: async (caller, id) => broker().heldRoles(caller, id),
    memberships: async (caller, id, query) => broker().memberships(caller, id, query),
    members: async (caller, id, query) => broker().members(caller, id, query),
    roleGraph: async (caller, id) => broker().roleGraph(caller, id),
    addMember: async (caller, role, member) => broker().addMember(caller, role, member),
    removeMember: async (caller, role, member) => broker().removeMember(caller, role, member),
    createBranch: async (caller, request) => broker().createBranch(caller, request),
    listBranches: async (caller, query) => broker().listBranches(caller, query),
    showBranch: async (caller, id) => broker().showBranch(caller, id),
    updateBranch: async (caller, id, change) => broker().updateBranch(caller, id, change),
    removeBranch: async (caller, id) => broker().removeBranch(caller, id),
    addGroupMember: async (caller, group, member) => broker().addGroupMember(caller, group, member),
    removeGroupMember: async (caller, group, member) => broker().removeGroupMember(caller, group, member),
    createHostFactoryTokens: async (caller, request) => broker().createHostFactoryTokens(caller, request),
    revokeHostFactoryToken: async (caller, token) => broker().revokeHostFactoryToken(caller, token),
    createHost: async (request, context) => broker().createHost(request, context),
    listAuthenticators: () => broker().listAuthenticators(),
    queryAuthenticators: async (caller, query) => broker().queryAuthenticators(caller, query),
    showAuthenticator: async (caller, id) => broker().showAuthenticator(caller, id),
    createAuthenticator: async (caller, request) => broker().createAuthenticator(caller, request),
    switchAuthenticator: async (caller, id, enabled) => broker().switchAuthenticator(caller, id, enabled),
    removeAuthenticator: async (caller, id) => broker().removeAuthenticator(caller, id),
    invitations: async (account, authenticator) => broker().invitations(account, authenticator),
    setAuthenticatorEnabled: async (caller, ref, enabled) => broker().setAuthenticatorEnabled(caller, ref, enabled),
    authenticatorStatus: async (caller, ref) => broker().authenticatorStatus(caller, ref),
  };
}

/** Each noun is looked up when it is asked, so that the whole may be handed on before there is any. */
function latePaths(paths: () => PathOperations): PathOperations {
  return {
    get mounts() {
      return paths().mounts;
    },
    get policies() {
      return paths().policies;
    },
    get keyed() {
      return paths().keyed;
    },
    get keyedMetadata() {
      return paths().keyedMetadata;
    },
    get variables() {
      return paths().variables;
    },
    get tokens() {
      return paths().tokens;
    },
    get tokenRoles() {
      return paths().tokenRoles;
    },
    get approle() {
      return paths().approle;
    },
    get azure() {
      return paths().azure;
    },
    get userpass() {
      return paths().userpass;
    },
    get jwt() {
      return paths().jwt;
    },
    get wrapping() {
      return paths().wrapping;
    },
    get cubbyhole() {
      return paths().cubbyhole;
    },
    get identityTokens() {
      return paths().identityTokens;
    },
    get entities() {
      return paths().entities;
    },
    get tools() {
      return paths().tools;
    },
  };
}

/** The same for the operator's commands. */
export function lateOperator(operator: () => Operator): Operator {
  return {
    caller: (account, context) => operator().caller(account, context),
    createAccount: async (name, context, password) => operator().createAccount(name, context, password),
    deleteAccount: async (name, context) => operator().deleteAccount(name, context),
    resetPassword: async (role, password, context) => operator().resetPassword(role, password, context),
    createRootToken: async (ttlSeconds, context) => operator().createRootToken(ttlSeconds, context),
    listTokens: async (query, context) => operator().listTokens(query, context),
    lookUpToken: async (accessor, context) => operator().lookUpToken(accessor, context),
    revokeToken: async (accessor, context) => operator().revokeToken(accessor, context),
    explainPath: (question, now) => operator().explainPath(question, now),
    accounts: () => operator().accounts(),
    importFacts: async (account, facts, context) => operator().importFacts(account, facts, context),
    exportFacts: async (account, context) => operator().exportFacts(account, context),
    retrieveKey: async (role, context) => operator().retrieveKey(role, context),
    checkPolicy: async (load, account) => operator().checkPolicy(load, account),
    forecastPolicy: async (loads, account) => operator().forecastPolicy(loads, account),
    testPolicy: async (text, account) => operator().testPolicy(text, account),
  };
}
