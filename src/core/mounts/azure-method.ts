/**
 * The method `azure`: a machine or service of Azure shows the access token of its managed identity.
 *
 * The token's signature, issuer and audience prove who it is of; the role says which identities, subscriptions, groups, places and scale sets may log in; and where
 * that takes more than the token, Azure is asked. What is refused is final, and never an error of the server's: clients would try those again.
 * Source: Vault 1.19, vault-plugin-auth-azure v0.24.0.
 */

import { failureOf, PosternError } from "../../model/failures";
import type { PathAccess } from "../../model/paths";
import type { AzureDefaults, AzureProofs, Clock, Random } from "../../model/ports";
import type { SecretBytes } from "../../model/secret-bytes";
import type { Caller, RequestContext } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import { isWithin as isInNetwork } from "../networks";
import type { Projection } from "../projection";
import {
  type AzureClaims,
  bindsResources,
  identityBoundProblem,
  isIdentity,
  judgeBounds,
  judgeIdentity,
  judgeProven,
  provenClaims,
} from "./azure-bounds";
import type { AzureConfig, AzureConfigChange, SettledConfig } from "./azure-config";
import { createAzureConfigurations } from "./azure-configurations";
import { azureIdText, isSubscription, parseAzureId } from "./azure-ids";
import { type AzureRole, type AzureRoleChange, AzureRoleDocument, boundOptionsOf, changedAzureRole, roleWarnings } from "./azure-role";
import { createAzureRotation } from "./azure-rotation";
import { type AzureIdentity, readAzureToken } from "./azure-token";
import type { IdentityTokens } from "./identity-tokens";
import { type LoginProgress, type MethodLogins, refusedLogin } from "./method-logins";
import { createMethodRoles, createRoleOperations, type MethodDeps } from "./method-roles";
import { leaseBounds, type Mount } from "./mount";
import type { IssuedToken } from "./token-operations";
import { parameterWarnings } from "./token-parameters";
import type { Tokens } from "./tokens";

export type { AzureConfig, AzureConfigChange } from "./azure-config";
export type { AzureRole, AzureRoleChange } from "./azure-role";

export interface AzureLogin {
  readonly mount: Mount;
  readonly path: string;
  /** As it was sent. */
  readonly role: string;
  readonly jwt: SecretBytes | undefined;
  /** Empty where nothing was sent. */
  readonly subscription: string;
  readonly group: string;
  readonly scaleSet: string;
  readonly machine: string;
  readonly resource: string;
}

export interface AzureOperations {
  login(login: AzureLogin, context: RequestContext): Promise<IssuedToken>;
  readConfig(caller: Caller, access: PathAccess, mount: Mount): Promise<AzureConfig | undefined>;
  writeConfig(caller: Caller, access: PathAccess, mount: Mount, change: AzureConfigChange): Promise<void>;
  removeConfig(caller: Caller, access: PathAccess, mount: Mount): Promise<void>;
  /** Has a new secret made for Azure, which takes the place of the old one a minute or so later. Throws `malformed` where there is none to renew. */
  rotateRoot(caller: Caller, access: PathAccess, mount: Mount): Promise<void>;
  list(caller: Caller, access: PathAccess, mount: Mount): Promise<readonly string[]>;
  read(caller: Caller, access: PathAccess, mount: Mount, name: string): Promise<AzureRole | undefined>;
  /** Makes the role where there is none. Gives what the writer should hear. */
  write(caller: Caller, access: PathAccess, mount: Mount, name: string, change: AzureRoleChange): Promise<readonly string[]>;
  remove(caller: Caller, access: PathAccess, mount: Mount, name: string): Promise<void>;
}

export interface AzureMethodDeps extends MethodDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly tokens: Tokens;
  readonly logins: MethodLogins;
  readonly azure: AzureProofs;
  readonly identityTokens: Pick<IdentityTokens, "prepare" | "token">;
  readonly defaults: AzureDefaults;
  readonly clock: Clock;
  readonly random: Random;
}

const mountType = "azure";
const groupName = /^[\p{L}\p{N}_().-]{1,90}$/u;
const machineName = /^[A-Za-z](?:[A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?$/;

export interface AzureMethod extends AzureOperations {
  /** Does what is due of rotations that were begun. To be asked now and then, one at a time. */
  goOn(): Promise<void>;
}

export function createAzureMethod(deps: AzureMethodDeps): AzureMethod {
  const { projection, gate, mounts, tokens, logins, azure } = deps;
  const roles = createMethodRoles(deps, mountType, AzureRoleDocument);
  const shared = createRoleOperations(deps, mountType, roles);
  const { demand } = shared;
  const configurations = createAzureConfigurations(deps, mountType);
  const rotation = createAzureRotation({ ...deps, configurations }, mountType);

  mounts.onEnd({ afterwards: async (mount) => (mount.type === mountType ? azure.forget(mount.accessor) : undefined) });
  tokens.onRenewal(mountType, (graph, login) => {
    const mount = mounts.find(graph, login.mountPath);
    const role = mount === undefined ? undefined : roles.find(graph, mount, login.roleName);
    if (mount === undefined || role === undefined)
      throw new PosternError({
        code: "forbidden",
        because: "role_missing",
        says: `role ${login.roleName} does not exist during renewal`,
      });
    assertStillBound(role, mount, login.evidence);
    return role.token;
  });

  async function verified(jwt: SecretBytes, config: SettledConfig, now: number, progress: LoginProgress): Promise<AzureIdentity> {
    const token = await azure.verify(jwt, { cloud: config.cloud, tenant: config.tenantId }).catch((error: unknown) => {
      throw unproven(error);
    });
    progress.checks.push(...token.checks);
    progress.attributes = evidenceTexts(token.claims);
    const identity = readAzureToken(token.claims, { issuer: token.issuer, audience: config.resource, now, skewSeconds: 0 });
    if (!("problem" in identity)) return identity;
    progress.checks.push({ check: "token_claims", ok: false, detail: identity.problem });
    throw new PosternError({ code: "forbidden", because: "token_claims", says: identity.problem });
  }

  return {
    login({ mount, path, role: asked, jwt, ...claims }, context) {
      const { now, clientAddress } = context;
      const login = logins.run({ mount, path, claimed: asked }, context, async (graph, progress) => {
        if (jwt === undefined || jwt.byteLength === 0) throw refusedLogin("jwt_missing", "jwt is required");
        if (asked === "") throw refusedLogin("role_missing", "role is required");
        const name = asked.toLowerCase();
        const role = /^\w(?:[\w.-]{0,254}\w)?$/.test(asked) ? roles.find(graph, mount, name) : undefined;
        if (role === undefined) throw refusedLogin("role", `invalid role name ${JSON.stringify(asked.slice(0, 256))}`);
        const { boundCidrs } = role.token;
        if (boundCidrs.length > 0 && !isInNetwork(clientAddress, boundCidrs)) {
          progress.checks.push({ check: "token_bound_cidrs", ok: false, detail: `${clientAddress} against ${boundCidrs}` });
          throw new PosternError({ code: "forbidden", reason: "address", because: "token_bound_cidrs" });
        }
        const said = assertForm(claims);
        const config = configurations.find(graph, mount);
        if (config === undefined) throw refusedLogin("not_configured", "tenant_id is required");
        const settled = configurations.settled(config);
        const { identity, bound } = await azure.inTime(async () => {
          const shown = await verified(jwt, settled, now, progress);
          const resources = azure.resources(configurations.access(config, mount, now));
          const question = { bounds: role, identity: shown, claims: said, options: boundOptionsOf(mount), resources };
          return { identity: shown, bound: await judgeBounds(question, progress) };
        });
        // What was taken away or changed while Azure was asked is gone.
        const present = configurations.find(projection.graph(), mount);
        if (present === undefined || !isSameTrust(present, config) || roles.find(projection.graph(), mount, name) !== role)
          throw refusedLogin("role_changed", `invalid role name ${JSON.stringify(asked.slice(0, 256))}`);
        const metadata = metadataOf(bindsResources(role) ? judged(identity, said) : provenClaims(identity, said), identity);
        return {
          role: roles.idOf(graph, mount, name),
          roleName: name,
          parameters: role.token,
          displayName: identity.oid,
          meta: { role: asked, ...metadata },
          alias: { name: identity.oid, metadata },
          evidence: {
            oid: [identity.oid],
            groups: identity.groups,
            ...bound,
          },
        };
      });
      return mount.options.redact_login_errors === "true" ? login.catch(redacted) : login;
    },

    readConfig: configurations.read,
    writeConfig: configurations.write,
    removeConfig: configurations.remove,
    rotateRoot: rotation.begin,
    goOn: rotation.goOn,
    list: shared.list,
    read: shared.read,

    write(caller, access, mount, name, change) {
      const { now } = caller.context;
      const exists = (graph: Graph): boolean => roles.find(graph, mount, name) !== undefined;
      return gate.change(caller, { ...demand("write", access, mount, name), exists }, () =>
        projection.write(mounts.account(projection.graph()), now, (graph) => {
          let warnings: readonly string[] = [];
          const role = changedAzureRole(roles.find(graph, mount, name), change, boundOptionsOf(mount), (token) => {
            warnings = parameterWarnings(token, leaseBounds(mount));
          });
          return {
            changes: roles.put(graph, mount, name, role, now),
            result: [...warnings, ...roleWarnings(role, configurations.audience(graph, mount), boundOptionsOf(mount))],
          };
        }),
      );
    },
    remove: shared.remove,
  };
}

/** Whether both believe the same tokens; another secret to ask Azure with makes no difference to what was answered. */
function isSameTrust(left: AzureConfig, right: AzureConfig): boolean {
  return left.tenantId === right.tenantId && left.resource === right.resource && left.environment === right.environment;
}

/** What can be told before anything is verified: whether the names have the form of such names. Nothing else gets into an address of Azure's. */
function assertForm(claims: AzureClaims): AzureClaims {
  const { subscription, group, scaleSet, machine, resource } = claims;
  const refuse = (what: string, value: string): never => {
    throw refusedLogin("login_form", `invalid ${what} ${JSON.stringify(value.slice(0, 256))}`);
  };
  if (subscription !== "" && !isSubscription(subscription)) refuse("subscription id", subscription);
  if (group !== "" && (!groupName.test(group) || group.endsWith("."))) refuse("resource group name", group);
  if (scaleSet !== "" && !machineName.test(scaleSet)) refuse("vmss_name", scaleSet);
  if (machine !== "" && !machineName.test(machine)) refuse("vm name", machine);
  const id = resource === "" ? undefined : parseAzureId(resource);
  if (resource !== "" && id === undefined) refuse("resource id", resource);
  return { ...claims, resource: id === undefined ? "" : azureIdText(id) };
}

/** Where it was judged what the login says, that is what it says; what was not, only as far as the token bears it out. */
function judged(identity: AzureIdentity, claims: AzureClaims): AzureClaims {
  const proven = provenClaims(identity, claims);
  const { subscription, group, scaleSet, machine, resource } = claims;
  if (scaleSet !== "") return { subscription, group, scaleSet, machine: proven.machine, resource: proven.resource };
  if (machine !== "") return { subscription, group, scaleSet: "", machine, resource: proven.resource };
  // Of resources that share the one identity that a token speaks of, it is any.
  const isShared = identity.origin !== undefined && isIdentity(identity.origin.id);
  return { subscription, group, scaleSet: "", machine: "", resource: isShared ? "" : resource };
}

function metadataOf(claims: AzureClaims, { appId }: AzureIdentity): Readonly<Record<string, string>> {
  const named = { vm_name: claims.machine, vmss_name: claims.scaleSet, resource_id: claims.resource, app_id: appId };
  return {
    resource_group_name: claims.group,
    subscription_id: claims.subscription,
    ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== "")),
  };
}

/** The role's bounds of now against what was proven then; Azure is not asked again. */
function assertStillBound(role: AzureRole, mount: Mount, evidence: Readonly<Record<string, readonly string[]>>): void {
  const progress: LoginProgress = { checks: [], attributes: {} };
  const of = (name: string): readonly string[] => (Object.hasOwn(evidence, name) ? (evidence[name] ?? []) : []);
  judgeIdentity(role, { oid: of("oid")[0] ?? "", groups: of("groups") }, progress);
  const problem = identityBoundProblem(role, boundOptionsOf(mount));
  if (problem !== undefined) throw new PosternError({ code: "forbidden", because: "identity_bounds", says: problem });
  judgeProven(role, { subscription: of("subscription"), group: of("group"), location: of("location"), scaleSet: of("scaleSet") }, progress);
}

/** For those who are told no more than that it is so: why, the audit has. */
function redacted(error: unknown): never {
  const { says: _, ...failure } = failureOf(error);
  if (failure.code === "forbidden") throw new PosternError({ ...failure, says: "permission denied" }, { cause: error });
  if (failure.code === "upstream_unavailable") throw new PosternError(failure, { cause: error });
  throw error;
}

const signatureChecks: readonly string[] = ["signing_key", "signature"];

/** In the words of the library that the reference verifies with. */
function unproven(error: unknown): unknown {
  const failure = failureOf(error);
  if (failure.code !== "unauthenticated") return error;
  const because = failure.because ?? "signature";
  const malformed = because === "token_algorithm" ? 'unexpected signature algorithm; expected ["RS256"]' : because;
  const says = signatureChecks.includes(because) ? `failed to verify signature: ${because}` : `oidc: malformed jwt: ${malformed}`;
  return new PosternError({ code: "forbidden", because, says, checks: failure.checks ?? [] }, { cause: error });
}

const shownClaims = ["iss", "aud", "tid", "oid", "appid", "uti", "xms_mirid", "xms_az_rid"] as const;

function evidenceTexts(claims: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(shownClaims.flatMap((name) => (typeof claims[name] === "string" ? [[name, claims[name].slice(0, 256)]] : [])));
}
