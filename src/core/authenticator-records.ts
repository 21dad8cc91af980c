/**
 * Authenticators as records of their own: listed, shown, made, switched and removed one by one, without a policy text.
 *
 * What is made here is declared by the policy of its type, as if a load of that policy had said it. Source of names and rights: Conjur 5.3.1,
 * app/domain/authenticators_v2, and the templates of its documentation.
 */

import { PosternError } from "../model/failures";
import { type AccountName, makeId, type ResourceId, type RoleId } from "../model/ids";
import type { Authenticator } from "../model/ports";
import type { Caller, Change } from "../model/types";
import { annotationChanges } from "./annotations";
import type { AuthenticatorId, AuthenticatorQuery, AuthenticatorRequest, AuthenticatorView } from "./authenticator-operations";
import { type Authenticators, servicesOf } from "./authenticators";
import type { Gate } from "./gate";
import type { Graph } from "./graph";
import type { Page } from "./operations";
import { assertKnownOwner } from "./owners";
import type { Projection } from "./projection";
import { everythingIn } from "./removal";
import { writeTold } from "./told-write";

export interface AuthenticatorRecords {
  list(caller: Caller, query: AuthenticatorQuery): Promise<Page<AuthenticatorView>>;
  show(caller: Caller, id: AuthenticatorId): Promise<AuthenticatorView>;
  create(caller: Caller, request: AuthenticatorRequest): Promise<AuthenticatorView>;
  switchTo(caller: Caller, id: AuthenticatorId, enabled: boolean): Promise<AuthenticatorView>;
  remove(caller: Caller, id: AuthenticatorId): Promise<void>;
}

export interface AuthenticatorRecordsDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly authenticators: Pick<Authenticators, "installed" | "isEnabled" | "settings">;
  /** Those that are installed. */
  readonly types: readonly string[];
}

/** The names of what belongs to one authenticator. */
interface Places {
  /** `authn-azure/AzureAE1`. */
  readonly name: string;
  readonly webservice: ResourceId;
  readonly status: ResourceId;
  /** Its own policy: all that it consists of lies below. */
  readonly policy: RoleId;
  /** The policy above, which declares it. The same where the type has no services. */
  readonly branch: RoleId;
}

export function createAuthenticatorRecords({ projection, gate, authenticators, types }: AuthenticatorRecordsDeps): AuthenticatorRecords {
  function viewOf(graph: Graph, caller: Caller, id: AuthenticatorId): AuthenticatorView {
    const { name, webservice } = placesOf(id);
    const resource = graph.resource(webservice);
    if (resource === undefined) throw new PosternError({ code: "not_found", target: webservice, because: "resource_missing" });
    const authenticator = authenticators.installed(id.authenticator);
    const values = authenticator === undefined ? {} : authenticators.settings(graph, id.account, name, authenticator);
    const mayRead = (setting: string) =>
      gate.allows(graph, caller.role, "execute", makeId(id.account, "variable", `conjur/${name}/${setting}`));
    const shown = (authenticator?.settings ?? []).filter((setting) => setting.isSecret !== true && mayRead(setting.name));
    return {
      id,
      owner: resource.owner,
      enabled: authenticators.isEnabled(graph, id.account, name),
      annotations: [...graph.annotations(webservice)],
      values: Object.fromEntries(
        shown.flatMap((setting) => {
          const value = values[setting.name];
          return value === undefined ? [] : [[setting.name, value]];
        }),
      ),
    };
  }

  function changesFor(graph: Graph, caller: Caller, request: AuthenticatorRequest, authenticator: Authenticator): readonly Change[] {
    const { id, enabled, values } = request;
    const { account } = id;
    const { name, webservice, status, policy, branch } = placesOf(id);
    if (graph.resource(branch) === undefined) throw new PosternError({ code: "not_found", target: branch, because: "resource_missing" });
    const { now } = caller.context;
    const record = (resource: ResourceId, owner: RoleId): Change => ({
      type: "put_resource",
      resource: { id: resource, owner, createdAt: now, policy: branch },
    });
    const role = (resource: RoleId, owner: RoleId): readonly Change[] => [
      record(resource, owner),
      { type: "put_grant", grant: { role: resource, member: owner, adminOption: true, ownership: true, policy: branch } },
    ];
    const permit = (member: RoleId, privilege: string, resource: ResourceId): Change => ({
      type: "put_permit",
      permit: { role: member, privilege, resource, policy: branch },
    });
    const apps = makeId(account, "group", `conjur/${name}/apps`);
    const operators = makeId(account, "group", `conjur/${name}/operators`);
    // One that is declared without a value is an error to some authenticators, so only those are declared that must be or have one.
    const declared = authenticator.settings.filter((setting) => setting.required || values.has(setting.name));
    const { owner } = request;
    if (owner !== undefined) assertKnownOwner(graph, caller, owner, account);
    const changes: readonly Change[] = [
      ...(policy === branch ? [] : role(policy, owner ?? branch)),
      record(webservice, owner ?? policy),
      record(status, policy),
      ...role(apps, policy),
      ...role(operators, policy),
      permit(apps, "read", webservice),
      permit(apps, "authenticate", webservice),
      permit(operators, "read", status),
      ...annotationChanges(webservice, request.annotations, branch),
      ...declared.flatMap((setting): readonly Change[] => {
        const variable = makeId(account, "variable", `conjur/${name}/${setting.name}`);
        const value = values.get(setting.name);
        if (value === undefined) return [record(variable, policy)];
        return [record(variable, policy), { type: "put_secret_version", resource: variable, version: 1, createdAt: now, value }];
      }),
      { type: "put_authenticator_switch", authenticatorSwitch: { account, authenticator: name, enabled } },
    ];
    // Whatever bears one of these names already is somebody's, and does not become part of this.
    const isTaken = changes.some((change) => change.type === "put_resource" && graph.resource(change.resource.id) !== undefined);
    if (isTaken) throw new PosternError({ code: "exists", target: webservice, because: "authenticator_exists" });
    return changes;
  }

  /** A type that has services is known by them, and one that has none by itself. */
  function idsOf(graph: Graph, account: AccountName, type: string): readonly AuthenticatorId[] {
    const isSingular = authenticators.installed(type)?.service === "none";
    return servicesOf(graph, account, type)
      .filter(({ service }) => (service === "") === isSingular)
      .map(({ service }) => ({ account, authenticator: type, ...(service === "" ? {} : { service }) }));
  }

  return {
    list(caller, { account, authenticator, limit, offset }) {
      return gate.release(caller, { operation: "authenticator.list" }, (graph) => {
        projection.assertSound(account);
        const ids = types
          .filter((type) => authenticator === undefined || type === authenticator)
          .flatMap((type) => idsOf(graph, account, type));
        const visible = ids.filter((id) => graph.sees(caller.role, placesOf(id).webservice)).sort(byName);
        return { items: visible.slice(offset, offset + limit).map((id) => viewOf(graph, caller, id)), total: visible.length };
      });
    },

    show: (caller, id) =>
      gate.release(caller, { operation: "authenticator.show", resource: placesOf(id).webservice }, (graph) => viewOf(graph, caller, id)),

    create(caller, request) {
      const authenticator = authenticators.installed(request.id.authenticator);
      if (authenticator === undefined)
        throw new PosternError({ code: "malformed", where: "type", expected: "an authenticator that is installed", kind: "argument" });
      const graph = projection.graph();
      const { branch } = placesOf(request.id);
      const requires = (): void => void changesFor(graph, caller, request, authenticator);
      return gate.change(
        caller,
        { operation: "authenticator.create", resource: branch, privilege: "create", graph, requires },
        async () => {
          await writeTold({ projection, gate, by: caller, account: request.id.account }, (newest) =>
            changesFor(newest, caller, request, authenticator),
          );
          return viewOf(projection.graph(), caller, request.id);
        },
      );
    },

    switchTo(caller, id, enabled) {
      const { webservice, name } = placesOf(id);
      const about = { authenticator: name };
      return gate.change(caller, { operation: "authenticator.configure", resource: webservice, privilege: "update", about }, async () => {
        await projection.write(id.account, caller.context.now, (newest) => {
          if (newest.resource(webservice) === undefined)
            throw new PosternError({ code: "not_found", target: webservice, because: "resource_missing" });
          const authenticatorSwitch = { account: id.account, authenticator: name, enabled };
          return { changes: [{ type: "put_authenticator_switch", authenticatorSwitch }], result: undefined };
        });
        return viewOf(projection.graph(), caller, id);
      });
    },

    async remove(caller, id) {
      const { name, webservice, policy, branch } = placesOf(id);
      const graph = projection.graph();
      const requires = (): void => {
        if (graph.resource(webservice) === undefined)
          throw new PosternError({ code: "not_found", target: webservice, because: "resource_missing" });
      };
      await gate.change(caller, { operation: "authenticator.remove", resource: policy, privilege: "delete", graph, requires }, () =>
        writeTold({ projection, gate, by: caller, account: id.account }, async (newest) => {
          const gone = (await everythingIn(newest, policy)).filter((each) => each !== branch);
          return [
            ...gone.map((each): Change => ({ type: "remove_resource", id: each })),
            // One that is made again under this name is another one, and begins switched off.
            { type: "put_authenticator_switch", authenticatorSwitch: { account: id.account, authenticator: name, enabled: false } },
          ];
        }),
      );
    },
  };
}

function byName(left: AuthenticatorId, right: AuthenticatorId): number {
  const [one, other] = [placesOf(left).name, placesOf(right).name];
  return one < other ? -1 : one > other ? 1 : 0;
}

function placesOf({ account, authenticator, service }: AuthenticatorId): Places {
  const name = service === undefined ? authenticator : `${authenticator}/${service}`;
  return {
    name,
    webservice: makeId(account, "webservice", `conjur/${name}`),
    status: makeId(account, "webservice", `conjur/${name}/status`),
    policy: makeId(account, "policy", `conjur/${name}`),
    branch: makeId(account, "policy", `conjur/${authenticator}`),
  };
}
