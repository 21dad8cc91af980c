/**
 * A broker in memory, just wide enough for wires: one account, a few roles, and rights as a table. It decides nothing cleverly; what it must do right is
 * answer and fail as the interface says.
 *
 * Tokens are `{"role":"acme:host:apps/web"}`, so that a test reads as who asks.
 */

import type { AuthenticatorView, Broker, ResourceView } from "../../src/core/broker";
import { type Failure, PosternError } from "../../src/model/failures";
import { accountOf, identifierOf, kindOf, parseId, parseRoleId, type ResourceId, type RoleId } from "../../src/model/ids";
import { SecretBytes } from "../../src/model/secret-bytes";
import type { Caller, RequestContext } from "../../src/model/types";

export const now = Date.UTC(2025, 10, 10, 9, 12, 13);
export const admin = parseRoleId("acme:user:admin");
export const alice = parseRoleId("acme:user:alice");
export const web = parseRoleId("acme:host:apps/web");
const ops = parseRoleId("acme:group:ops");
const root = parseRoleId("acme:policy:root");
export const apiKey = "3x0apikeyofsomebody";

export const values: ReadonlyMap<string, Uint8Array> = new Map([
  ["acme:variable:apps/db", Buffer.from("hunter2\n")],
  ["acme:variable:apps/binary", Buffer.from([0xff, 0x00, 0xfe])],
  ["acme:variable:apps/page", Buffer.from("<b>")],
  ["acme:variable:apps/odd type", Buffer.from("x")],
  ["acme:variable:apps/äöü", Buffer.from("umlaut")],
  ["acme:variable:a%2Fb", Buffer.from("percent")],
]);

const mimeTypes: ReadonlyMap<string, string> = new Map([
  ["acme:variable:apps/page", "text/html"],
  ["acme:variable:apps/odd type", "text/html\r\nX-Evil: 1"],
]);

const resources: readonly ResourceId[] = [
  ...["user:admin", "user:alice", "host:apps/web", "group:ops", "policy:root", "webservice:conjur/authn-azure/prod", "host_factory:apps"],
  ...["variable:apps/empty", "variable:apps/seen"],
]
  .map((id) => parseId(`acme:${id}`))
  .concat([...values.keys()].map(parseId));

/** The administrator may all; the host what stands here. A visible thing has an entry, if only an empty one. */
const rights: ReadonlyMap<string, readonly string[]> = new Map([
  ...[...values.keys(), "acme:variable:apps/empty"].map((id): [string, readonly string[]] => [id, ["read", "execute"]]),
  ["acme:variable:apps/seen", ["read"]],
  ["acme:host:apps/web", []],
]);

export function fail(failure: Failure): PosternError {
  return new PosternError(failure);
}

function callerOf(role: RoleId, context: RequestContext): Caller {
  return { account: accountOf(role), role, context, issuedAt: context.now, expiresAt: context.now + 480_000, proof: "session" };
}

function isVisible(caller: Caller, id: ResourceId): boolean {
  return resources.includes(id) && (caller.role === admin || rights.has(id));
}

/** Throws as the gate does: absent for what is hidden, forbidden for what is seen. */
function assertMay(caller: Caller, id: ResourceId, privilege: string): void {
  if (!isVisible(caller, id)) throw fail({ code: "not_found", target: id, hidden: true });
  if (caller.role !== admin && rights.get(id)?.includes(privilege) !== true) throw fail({ code: "forbidden", because: privilege });
}

function assertVisible(caller: Caller, id: ResourceId): void {
  if (!isVisible(caller, id)) throw fail({ code: "not_found", target: id });
}

function viewOf(id: ResourceId): ResourceView {
  const isVariable = kindOf(id) === "variable";
  const hasValue = values.has(id);
  return {
    resource: { id, owner: admin, createdAt: now, ...(isVariable ? { policy: root } : {}) },
    permits: isVariable ? [{ role: web, privilege: "read", resource: id, policy: root }] : [],
    annotations: isVariable ? [{ resource: id, name: "description", value: "x", policy: root }] : [],
    secretVersions: hasValue ? [{ resource: id, version: 1, createdAt: now, revision: 3 }] : [],
    policyVersions:
      id === root
        ? [{ policy: root, version: 1, createdAt: now, role: admin, clientAddress: "10.0.0.7", sha256: "ab", text: "- !user x" }]
        : [],
    restrictedTo: id === web ? ["10.0.0.0/8"] : [],
    layers: [],
    factoryTokens: kindOf(id) === "host_factory" ? [{ expiresAt: now + 60_000, networks: ["10.0.0.0/8"] }] : [],
  };
}

function versionOf(id: ResourceId, version: number | undefined) {
  const value = values.get(id);
  if (value === undefined || (version ?? 1) !== 1) throw fail({ code: "not_found", target: id, empty: true });
  const mimeType = mimeTypes.get(id);
  return { id, version: 1, createdAt: now, value: new SecretBytes(value), ...(mimeType === undefined ? {} : { mimeType }) };
}

function authenticatorView(authenticator: string, service?: string): AuthenticatorView {
  const values =
    authenticator === "authn-jwt" ? { "jwks-uri": "https://ci.example/jwks", "enforced-claims": "a, b", "claim-aliases": "n:k/n" } : {};
  const id = { account: accountOf(root), authenticator, ...(service === undefined ? {} : { service }) };
  return { id, owner: root, enabled: true, annotations: [], values };
}

/** The broker, with operations of one's own in place of some. */
export function createFakeBroker(replaced: Partial<Broker> = {}): Broker {
  const proven = (secret: SecretBytes | undefined, role: RoleId | undefined): RoleId => {
    const isKey = secret !== undefined && Buffer.from(secret.reveal()).toString() === apiKey;
    if (!isKey || role === undefined || !resources.includes(role)) throw fail({ code: "unauthenticated" });
    return role;
  };
  return {
    get paths(): Broker["paths"] {
      // What is done by path is tried over a whole core.
      throw fail({ code: "unauthenticated", because: "token_missing" });
    },
    identify(presented, context) {
      const text = Buffer.from(presented.token.reveal()).toString();
      const role = /^\{"role":"([^"]+)"\}$/.exec(text)?.[1];
      if (role === undefined) throw fail({ code: "unauthenticated", because: "token_signature" });
      if (role === "elsewhere") throw fail({ code: "forbidden", reason: "address" });
      if (role === "gone") throw fail({ code: "forbidden", because: "role_gone" });
      return callerOf(parseRoleId(role), context);
    },
    async read(caller, { id, version }) {
      assertMay(caller, id, "execute");
      return versionOf(id, version);
    },
    async readMany(caller, ids) {
      for (const id of ids) assertMay(caller, id, "execute");
      return new Map(ids.map((id) => [id, versionOf(id, undefined)]));
    },
    async login({ authenticator, service, account, role, credential }, context) {
      const isToken = authenticator === "authn-azure" && service === "prod";
      if (authenticator !== "authn" && !isToken) throw fail({ code: "unauthenticated", because: "enabled" });
      if (account !== "acme") throw fail({ code: "unauthenticated", because: "account" });
      if (isToken && (credential === undefined || credential.byteLength === 0))
        throw fail({ code: "malformed", where: "jwt", expected: "a token", kind: "missing" });
      const token = SecretBytes.ofText(
        `{"protected":"cA==","payload":"${Buffer.from(`${proven(credential, role)}`).toString("base64")}","signature":"cw=="}`,
      );
      return { token, role: proven(credential, role), expiresAt: context.now + 480_000 };
    },
    exchangePassword: async ({ authenticator, service, credential, role }) => {
      if (authenticator !== "authn-ldap" || service !== "corp") throw fail({ code: "unauthenticated", because: "takes_passwords" });
      proven(credential, role);
      return SecretBytes.ofText(apiKey);
    },
    exchangeForApiKey: async (proof) => {
      proven(proof.secret, proof.role);
      return SecretBytes.ofText(apiKey);
    },
    rotateOwnApiKey: async (proof) => {
      proven(proof.secret, proof.role);
      return SecretBytes.ofText("newkey");
    },
    async rotateApiKey(caller, role) {
      if (role === caller.role) throw fail({ code: "unauthenticated", reason: "weak" });
      assertMay(caller, role, "update");
      if (kindOf(role) === "group") throw fail({ code: "unsupported", kind: "method", what: `rotation of ${role}` });
      return SecretBytes.ofText("newkey");
    },
    async ownApiKeyAge(proof) {
      return { role: proven(proof.secret, proof.role), rotatedAt: now };
    },
    async apiKeyAge(caller, role) {
      if (role === caller.role) throw fail({ code: "unauthenticated", reason: "weak" });
      assertMay(caller, role, "update");
      if (kindOf(role) === "group") throw fail({ code: "unsupported", kind: "method", what: `the API key of ${role}` });
      return { role, rotatedAt: now };
    },
    async changePassword(proof, password) {
      if (kindOf(proven(proof.secret, proof.role)) === "host") throw fail({ code: "forbidden" });
      if (password.byteLength < 12) throw fail({ code: "malformed", where: "password", kind: "validation", expected: "12-128 characters" });
    },
    whoAmI: async () => {},
    async loadPolicy(caller, { policy, mode, text }) {
      assertMay(caller, policy, mode === "create" ? "create" : "update");
      if (text.byteLength === 0) throw fail({ code: "policy_invalid", kind: "empty", problems: [{ message: "no text" }] });
      return {
        version: 4,
        createdRoles: [{ id: web, apiKey: SecretBytes.ofText(apiKey) }],
        warnings: mode === "replace" ? ["careful"] : [],
      };
    },
    async rehearsePolicy(caller, { policy, mode, text }) {
      assertMay(caller, policy, mode === "create" ? "create" : "update");
      if (text.byteLength === 0) throw fail({ code: "policy_invalid", kind: "empty", problems: [{ message: "no text" }] });
      const bare = { owner: admin, annotations: [], permissions: [], permitted: [], members: [], memberships: [], restrictedTo: [] };
      const permit = { role: web, privilege: "execute", resource: parseId("acme:variable:apps/db") };
      const group = { ...bare, id: ops, policy: root };
      return {
        created: [
          { ...bare, id: web, policy: root, annotations: [{ resource: web, name: "a", value: "b" }], restrictedTo: ["10.0.0.0/8"] },
        ],
        updated: [{ before: group, after: { ...group, permissions: [permit], members: [alice] } }],
        deleted: [{ ...bare, id: permit.resource, permitted: [permit] }],
        hidden: new Set<ResourceId>([alice, permit.resource]),
      };
    },
    async fetchPolicy(caller, { policy, depth, limit, format }) {
      assertVisible(caller, policy);
      if (caller.role !== admin) throw fail({ code: "forbidden" });
      if (limit < 2) throw fail({ code: "malformed", where: "limit", kind: "argument", expected: `at most ${limit}` });
      return `${format} of ${policy} to depth ${depth}`;
    },
    async writeSecret(caller, id, value) {
      assertMay(caller, id, "update");
      if (Buffer.from(value.reveal()).toString().trim() === "")
        throw fail({ code: "malformed", where: "value", kind: "argument", expected: "a value that is not empty" });
    },
    async expireSecret(caller, id) {
      assertMay(caller, id, "update");
      if (!values.has(id)) throw fail({ code: "not_found", target: id, empty: true });
    },
    publicKeys: (id) => (id === alice ? ["ssh-ed25519 AAAA alice@desk", "ssh-rsa BBBB alice@home"] : []),
    async showResource(caller, id) {
      assertVisible(caller, id);
      return viewOf(id);
    },
    async listResources(caller, query) {
      const seen = resources.filter((id) => isVisible(caller, id) && (query.kind === undefined || kindOf(id) === query.kind)).sort();
      const items = seen.filter((id) => query.account === undefined || accountOf(id) === query.account).map(viewOf);
      const offset = query.offset ?? 0;
      return { items: items.slice(offset, offset + (query.limit ?? items.length)), total: items.length };
    },
    countResources: async (caller, query) =>
      resources.filter((id) => isVisible(caller, id) && (query.kind === undefined || kindOf(id) === query.kind)).length,
    async check(caller, id, privilege, role) {
      if (role !== undefined && caller.role !== admin && role !== caller.role) throw fail({ code: "forbidden" });
      return isVisible(caller, id) && (caller.role === admin || rights.get(id)?.includes(privilege) === true);
    },
    async permittedRoles(caller, id) {
      assertVisible(caller, id);
      return [web, admin];
    },
    async showRole(caller, id) {
      assertVisible(caller, id);
      return { role: { id, owner: admin, createdAt: now }, members: [{ role: id, member: admin, adminOption: true, ownership: true }] };
    },
    async heldRoles(caller, id) {
      assertVisible(caller, id);
      return [ops, id];
    },
    async roleGraph(caller, id) {
      assertVisible(caller, id);
      return [{ parent: ops, child: id }];
    },
    memberships: async (_caller, id) => ({
      items: [{ role: ops, member: id, adminOption: false, ownership: false, policy: root }],
      total: 1,
    }),
    members: async (_caller, id, query) => ({
      items: [{ role: id, member: query.limit === 1 ? web : alice, adminOption: false, ownership: false }],
      total: 7,
    }),
    async addMember(caller, role, member) {
      assertMay(caller, role, "create");
      if (!resources.includes(member)) throw fail({ code: "not_found", target: member });
    },
    async removeMember(caller, role, member) {
      assertMay(caller, role, "update");
      if (member !== web) throw fail({ code: "not_found", target: member });
    },
    async createBranch(caller, { parent, name, owner, annotations }) {
      assertMay(caller, parent, "create");
      if (name === "taken") throw fail({ code: "exists", target: parseId(`acme:policy:${name}`) });
      const path = parent === root ? name : `${identifierOf(parent)}/${name}`;
      const id = parseId(`acme:policy:${path}`);
      return { id, owner: owner ?? admin, annotations: [...annotations].map((each) => ({ resource: id, name: each[0], value: each[1] })) };
    },
    async listBranches(caller, { limit, offset }) {
      const items = ["a", "a/b", "c"].map((path) => ({ id: parseId(`acme:policy:${path}`), owner: admin, annotations: [] }));
      return caller.role === admin ? { items: items.slice(offset, offset + limit), total: 3 } : { items: [], total: 0 };
    },
    async showBranch(caller, id) {
      assertMay(caller, id, "read");
      return { id, owner: admin, annotations: [] };
    },
    async updateBranch(caller, id, { owner, annotations }) {
      assertMay(caller, id, "update");
      return { id, owner: owner ?? admin, annotations: [...annotations].map((each) => ({ resource: id, name: each[0], value: each[1] })) };
    },
    async removeBranch(caller, id) {
      assertMay(caller, id, "delete");
    },
    async addGroupMember(caller, group, member) {
      assertMay(caller, group, "create");
      if (member === web) throw fail({ code: "exists", target: member });
      if (!resources.includes(member)) throw fail({ code: "malformed", where: "id", kind: "argument", expected: "somebody who exists" });
    },
    async removeGroupMember(caller, group, member) {
      assertMay(caller, group, "update");
      if (member !== web) throw fail({ code: "not_found", target: member });
    },
    async createHostFactoryTokens(caller, { factory, expiresAt, count, networks }) {
      if (kindOf(factory) !== "host_factory")
        throw fail({ code: "malformed", where: "host_factory", kind: "argument", expected: "a factory" });
      assertMay(caller, factory, "execute");
      if (networks.includes("10.0.0.1/8")) throw fail({ code: "malformed", where: "cidr", kind: "argument", expected: "bits" });
      return Array.from({ length: count }, (_, index) => ({ token: SecretBytes.ofText(`token${index}`), expiresAt, networks }));
    },
    async revokeHostFactoryToken(caller, token) {
      if (Buffer.from(token.reveal()).toString() !== "token0") throw fail({ code: "not_found", target: "host_factory_token" });
      assertMay(caller, parseId("acme:host_factory:apps"), "update");
    },
    async createHost({ token, id, annotations }) {
      if (token === undefined || Buffer.from(token.reveal()).toString() !== "token0") throw fail({ code: "unauthenticated" });
      if (id === "") throw fail({ code: "malformed", where: "id", kind: "missing", expected: "a value" });
      if (id.startsWith("conjur/")) throw fail({ code: "malformed", where: "id", kind: "argument", expected: "another" });
      if (id === "taken") throw fail({ code: "forbidden" });
      return {
        id: parseRoleId(`acme:host:${id}`),
        owner: parseRoleId("acme:host_factory:apps"),
        createdAt: now,
        annotations,
        apiKey: SecretBytes.ofText(apiKey),
      };
    },
    listAuthenticators: () => ({ installed: ["authn", "authn-azure"], configured: ["authn", "authn-azure/prod"], enabled: ["authn"] }),
    async queryAuthenticators(_caller, { authenticator, limit, offset }) {
      const all = [authenticatorView("authn-azure", "prod"), authenticatorView("authn-gcp"), authenticatorView("authn-jwt", "ci")];
      const items = all.filter(({ id }) => authenticator === undefined || id.authenticator === authenticator);
      return { items: items.slice(offset, offset + limit), total: items.length };
    },
    async showAuthenticator(_caller, id) {
      if (id.service === "absent") throw fail({ code: "not_found", target: `acme:webservice:conjur/${id.authenticator}/absent` });
      return authenticatorView(id.authenticator, id.service);
    },
    async createAuthenticator(caller, { id, enabled, owner, annotations, values: given }) {
      if (caller.role !== admin) throw fail({ code: "forbidden" });
      const place = `conjur/${id.authenticator}/${id.service ?? ""}`;
      if (id.service === "taken") throw fail({ code: "exists", target: `acme:webservice:${place}` });
      if (id.service === "branchless") throw fail({ code: "not_found", target: `acme:policy:conjur/${id.authenticator}` });
      const webservice = parseId("acme:webservice:x");
      return {
        id,
        owner: owner ?? root,
        enabled,
        annotations: [...annotations].map(([name, value]) => ({ resource: webservice, name, value })),
        values: Object.fromEntries([...given].map(([name, value]) => [name, Buffer.from(value.reveal()).toString()])),
      };
    },
    async switchAuthenticator(caller, id, enabled) {
      if (caller.role !== admin) throw fail({ code: "forbidden" });
      return { ...authenticatorView(id.authenticator, id.service), enabled };
    },
    async removeAuthenticator(caller, id) {
      if (caller.role !== admin) throw fail({ code: "forbidden" });
      if (id.service === "absent") throw fail({ code: "not_found", target: `acme:policy:conjur/${id.authenticator}/absent` });
    },
    invitations: async (account, authenticator) =>
      new Map(
        account === "acme" && authenticator === "authn-oidc"
          ? [["okta", { name: "Okta", address: "https://idp.example/authorize?x=1", nonce: "n1", verifier: "v1" }]]
          : [],
      ),
    async setAuthenticatorEnabled(caller, { account, authenticator, service }) {
      const id = parseId(`acme:webservice:conjur/${authenticator}${service === undefined ? "" : `/${service}`}`);
      if (account !== "acme" || !resources.includes(id)) throw fail({ code: "not_found", target: id });
      if (caller.role !== admin) throw fail({ code: "forbidden" });
    },
    async authenticatorStatus(caller, { authenticator, service }) {
      if (authenticator === "authn") throw fail({ code: "unsupported", kind: "feature", what: "status" });
      if (service !== "prod") throw fail({ code: "not_found", target: "webservice" });
      if (caller.role !== admin) throw fail({ code: "forbidden" });
    },
    ...replaced,
  };
}
