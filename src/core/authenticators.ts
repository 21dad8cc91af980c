/** Which authenticators there are, which are configured by policy, and which are switched on. */

import { type Failure, PosternError } from "../model/failures";
import { type AccountName, accountOf, identifierOf, makeId, type ResourceId } from "../model/ids";
import type { Authenticator, AuthenticatorSettings, Invitation, Store } from "../model/ports";
import type { Caller } from "../model/types";
import type { AuthenticatorList, AuthenticatorRef } from "./authenticator-operations";
import type { Gate } from "./gate";
import type { Graph } from "./graph";

import type { Projection } from "./projection";

export interface Authenticators {
  installed(type: string): Authenticator | undefined;
  /** On by configuration, or by the account's own switch. `authn` always is. */
  isEnabled(graph: Graph, account: AccountName, name: string): boolean;
  /** The newest values of the variables under the authenticator's webservice. An empty one counts as absent. */
  settings(graph: Graph, account: AccountName, name: string, authenticator: Authenticator): AuthenticatorSettings;
  /** The first variable that is declared without a value, where the authenticator takes that for an error. */
  emptySetting(place: SettingsPlace, authenticator: Authenticator, values: AuthenticatorSettings): string | undefined;
  list(): AuthenticatorList;
  invitations(account: string, type: string): Promise<ReadonlyMap<string, Invitation>>;
  setEnabled(caller: Caller, ref: AuthenticatorRef, enabled: boolean): Promise<void>;
  status(caller: Caller, ref: AuthenticatorRef): Promise<void>;
}

/** Where an authenticator's variables are: those below `conjur/<name>` of the account. */
export interface SettingsPlace {
  readonly graph: Graph;
  readonly account: AccountName;
  readonly name: string;
}

export interface AuthenticatorsDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly store: Pick<Store, "secretValue">;
  readonly installed: readonly Authenticator[];
  /** On in every account, whatever the switches say: `authn-azure/AzureAE1`. */
  readonly enabledByConfiguration: readonly string[];
}

export function createAuthenticators(deps: AuthenticatorsDeps): Authenticators {
  const { projection, gate, store } = deps;
  const byType = new Map(deps.installed.map((authenticator) => [authenticator.type, authenticator]));
  const always = new Set(deps.enabledByConfiguration);

  function isEnabled(graph: Graph, account: AccountName, name: string): boolean {
    return name === "authn" || always.has(name) || graph.authenticatorSwitch(account, name)?.enabled === true;
  }

  function settings(graph: Graph, account: AccountName, name: string, authenticator: Authenticator): AuthenticatorSettings {
    const values: Record<string, string | undefined> = {};
    for (const setting of authenticator.settings) {
      const variable = makeId(account, "variable", `conjur/${name}/${setting.name}`);
      const newest = graph.secretVersions(variable).at(-1);
      const value = newest === undefined ? undefined : store.secretValue(variable, newest.version);
      const text = value === undefined ? "" : Buffer.from(value.reveal()).toString("utf8").trim();
      if (text !== "") values[setting.name] = text;
    }
    for (const annotation of authenticator.annotations ?? []) {
      const text = graph.annotation(makeId(account, "webservice", `conjur/${name}`), annotation)?.value.trim() ?? "";
      if (text !== "") values[annotation] = text;
    }
    return values;
  }

  function emptySetting(place: SettingsPlace, authenticator: Authenticator, values: AuthenticatorSettings): string | undefined {
    if (authenticator.refusesEmptySettings !== true) return undefined;
    const { graph, account, name } = place;
    const isEmpty = (setting: string): boolean =>
      values[setting] === undefined && graph.resource(makeId(account, "variable", `conjur/${name}/${setting}`)) !== undefined;
    return authenticator.settings.find((setting) => isEmpty(setting.name))?.name;
  }

  /** The name below `conjur/`, and its account. A service with a slash names a webservice inside a webservice: no authenticator. */
  function locate(graph: Graph, ref: AuthenticatorRef): { readonly account: AccountName; readonly name: string } {
    const account = graph.account(ref.account);
    if (account === undefined || ref.service?.includes("/") === true)
      throw new PosternError({ code: "unauthenticated", because: "account" });
    return { account: account.name, name: nameOf(ref) };
  }

  return {
    installed: (type) => byType.get(type),
    isEnabled,
    settings,
    emptySetting,

    list() {
      const graph = projection.graph();
      const configured = new Set<string>(["authn"]);
      for (const { id } of graph.webservices()) {
        const [conjur, type, ...service] = identifierOf(id).split("/");
        const isAuthenticator = conjur === "conjur" && type?.startsWith("authn-") === true && service.length <= 1;
        if (isAuthenticator && !isStatusOf(graph, id)) configured.add([type, ...service].join("/"));
      }
      const enabled = new Set<string>(["authn", ...always]);
      for (const each of graph.authenticatorSwitches()) if (each.enabled) enabled.add(each.authenticator);
      return { installed: ["authn", ...byType.keys()].sort(), configured: [...configured].sort(), enabled: [...enabled].sort() };
    },

    setEnabled(caller, ref, enabled) {
      const graph = projection.graph();
      const { account, name } = locate(graph, ref);
      const webservice = makeId(account, "webservice", `conjur/${name}`);
      if (graph.resource(webservice) === undefined) throw new PosternError({ code: "unauthenticated", because: "webservice" });
      const about = { authenticator: name };
      return gate.change(caller, { operation: "authenticator.configure", resource: webservice, privilege: "update", about }, async () => {
        await projection.write(account, caller.context.now, () => ({
          changes: [{ type: "put_authenticator_switch", authenticatorSwitch: { account, authenticator: name, enabled } }],
          result: undefined,
        }));
      });
    },

    async invitations(accountName, type) {
      const graph = projection.graph();
      const account = graph.account(accountName)?.name;
      const authenticator = byType.get(type);
      const found = new Map<string, Invitation>();
      if (account === undefined || authenticator?.invite === undefined) return found;
      projection.assertSound(account);
      for (const { name, service } of servicesOf(graph, account, type)) {
        if (!isEnabled(graph, account, name)) continue;
        try {
          const invitation = await authenticator.invite(settings(graph, account, name, authenticator), service);
          if (invitation !== undefined) found.set(service, invitation);
        } catch (error) {
          // One provider that is away or badly set up must not take the others off the list.
          if (!(error instanceof PosternError)) throw error;
        }
      }
      return found;
    },

    async status(caller, ref) {
      const { authenticator: type } = ref;
      const early = async (failure: Failure): Promise<PosternError> =>
        gate.refuse(
          caller.context,
          { operation: statusOperation, role: caller.role, authenticator: nameOf(ref), account: ref.account },
          new PosternError(failure),
        );
      const authenticator = byType.get(type);
      if (authenticator === undefined && type !== "authn") throw await early({ code: "not_found", target: type, because: "installed" });
      if (authenticator === undefined || authenticator.lacksStatus === true)
        throw await early({ code: "unsupported", what: `status of ${type}`, kind: "feature", because: "status_not_offered" });
      const graph = projection.graph();
      const account = graph.account(ref.account)?.name;
      if (account === undefined) throw await early({ code: "unauthenticated", because: "account" });
      const name = nameOf(ref);
      const webservice = makeId(account, "webservice", `conjur/${name}`);
      const statusService = makeId(account, "webservice", `conjur/${name}/status`);
      const about = { authenticator: name };
      return gate.release(caller, { operation: statusOperation, resource: statusService, privilege: "read", about }, async () => {
        if (graph.resource(webservice) === undefined)
          throw new PosternError({ code: "not_found", target: webservice, because: "webservice" });
        if (!isEnabled(graph, account, name)) throw new PosternError({ code: "unauthenticated", because: "enabled" });
        const values = settings(graph, account, name, authenticator);
        const missing = authenticator.settings.find((setting) => setting.required && values[setting.name] === undefined);
        const absent = missing?.name ?? emptySetting({ graph, account, name }, authenticator, values);
        if (absent !== undefined) {
          const isDeclared = graph.resource(makeId(account, "variable", `conjur/${name}/${absent}`)) !== undefined;
          throw new PosternError({ code: "unauthenticated", because: settingCheck(absent, isDeclared) });
        }
        await authenticator.status(values, caller.context.now);
      });
    },
  };
}

const statusOperation = "authenticator.status";

/** Why a setting is missing: not declared (`setting_provider_uri`), or declared and without a value (`setting_provider_uri_empty`). */
function settingCheck(setting: string, isDeclared: boolean): string {
  const check = `setting_${setting.replaceAll("-", "_")}`;
  return isDeclared ? `${check}_empty` : check;
}

/** `authn-azure/AzureAE1`, or `authn-gcp` where there is no service. */
function nameOf({ authenticator, service }: AuthenticatorRef): string {
  return service === undefined ? authenticator : `${authenticator}/${service}`;
}

/** `conjur/authn-gcp/status` is a service of that name only where `conjur/authn-gcp` is none itself. */
function isStatusOf(graph: Graph, webservice: ResourceId): boolean {
  const identifier = identifierOf(webservice);
  if (!identifier.endsWith("/status")) return false;
  return graph.resource(makeId(accountOf(webservice), "webservice", identifier.slice(0, -"/status".length))) !== undefined;
}

/** The services of one type that the account's policies declare; the service is empty for one without. */
export function servicesOf(
  graph: Graph,
  account: AccountName,
  type: string,
): readonly { readonly name: string; readonly service: string }[] {
  return [...graph.webservices()].flatMap(({ id }) => {
    const [conjur, declared, ...rest] = identifierOf(id).split("/");
    if (accountOf(id) !== account || conjur !== "conjur" || declared !== type || rest.length > 1 || isStatusOf(graph, id)) return [];
    const [service = ""] = rest;
    return [{ name: service === "" ? type : `${type}/${service}`, service }];
  });
}
