/** Everything that must not get a machine in, by number: what is wrong, what the client gets, and what the audit says failed. */

import type { AzureSimulator, Fault, MintRequest } from "../../src/simulator/azure/simulator";
import { type LoginPolicy, tokenExpired, whereabouts } from "./azure-house";

export interface Refusal {
  readonly number: number;
  readonly title: string;
  readonly status: number;
  /** Default: none. */
  readonly answer?: string;
  /** Absent: the request is no login, and no line is written. */
  readonly because?: string;
  /** The check that did not hold, as the explanation names it. Default: `because`. */
  readonly failed?: string;
  /** What is special about the host of this case. Default: the right annotations, and membership in `apps`. */
  readonly host?: Omit<LoginPolicy, "login">;
  /** More policy, with HOST for the host's id. */
  readonly policy?: string;
  /** Default: the token of `vm`. */
  readonly token?: MintRequest | ((rightToken: string, mint: (request?: MintRequest) => string) => string);
  readonly body?: (token: string) => string;
  readonly login?: string;
  readonly service?: string;
  readonly account?: string;
  /** With HOST for the encoded login. */
  readonly path?: string;
  readonly method?: string;
  readonly from?: string;
  /** How Entra ID misbehaves meanwhile. */
  readonly fault?: { readonly route: "metadata" | "keys"; readonly fault: Fault };
}

export function refusals(simulator: AzureSimulator): readonly Refusal[] {
  const right = whereabouts(simulator);
  const { subscriptionId } = simulator.machine("vm");
  const userAssigned = whereabouts(simulator, "vm-both", "id-app");
  const mirid = (tail: string): MintRequest => ({ claims: { xms_mirid: `/subscriptions/${subscriptionId}/${tail}` } });
  const without = (claim: string): MintRequest => ({ claims: { [claim]: undefined } });
  const annotated = (annotations: Readonly<Record<string, string>>) => ({ annotations: { ...right, ...annotations } });
  const only = (...names: readonly string[]) => ({
    annotations: Object.fromEntries(Object.entries(right).filter(([name]) => names.some((each) => name.endsWith(each)))),
  });
  const missing = { status: 401, because: "annotation_missing", failed: "annotations_required" };
  const mismatch = (name: string) => ({ status: 401, because: `${name.replaceAll("-", "_")}_mismatch`, failed: name });
  const refused = (because: string) => ({ status: 401, because });
  const noKeys = (because: string) => ({ status: 401, because, failed: "issuer_keys" });
  const stranger = "b54c26cd-6c77-4d1c-8e0e-1b3a4c5d6e7f";
  const permitted = (privilege: string, resource: string) =>
    `- !permit\n  role: !host HOST\n  privileges: [ ${privilege} ]\n  resource: !webservice ${resource}\n`;
  const webservice = "conjur/authn-azure/AzureAE1";

  return [
    { number: 1, title: "an account that does not exist", account: "nobody", ...refused("account") },
    { number: 2, title: "a service that is not enabled", service: "Disabled", ...refused("enabled") },
    { number: 3, title: "an enabled service that no policy declares", service: "Ghost", ...refused("webservice") },
    { number: 4, title: "a path without a service", path: "/authn-azure/acme/HOST/authenticate", ...refused("enabled") },
    { number: 5, title: "a path without a login", path: "/authn-azure/AzureAE1/acme/authenticate", ...refused("account") },
    { number: 6, title: "a login with raw slashes", path: "/authn-azure/AzureAE1/acme/host/apps/vm/authenticate", status: 404 },
    { number: 7, title: "GET", method: "GET", status: 404 },
    { number: 8, title: "a host that does not exist", login: "host/apps/nobody", ...refused("role") },
    { number: 9, title: "a host without any privilege", host: { services: [] }, status: 403, because: "authenticate", failed: "permit" },
    {
      number: 10,
      title: "a host that may only read the webservice",
      host: { services: [] },
      policy: permitted("read", webservice),
      status: 403,
      because: "authenticate",
      failed: "permit",
    },
    {
      number: 11,
      title: "an address outside the host's networks",
      host: { restrictedTo: ["10.0.0.0/8"] },
      from: "192.0.2.1",
      ...refused("restricted_to"),
    },
    {
      number: 12,
      title: "an address outside the networks of a host without privilege",
      host: { restrictedTo: ["10.0.0.0/8"], services: [] },
      from: "192.0.2.1",
      status: 403,
      because: "authenticate",
      failed: "permit",
    },
    { number: 13, title: "provider-uri that is not declared", service: "Undeclared", ...refused("setting_provider_uri") },
    { number: 14, title: "provider-uri without a value", service: "Unset", ...refused("setting_provider_uri") },
    { number: 15, title: "a provider that does not listen", service: "Unreachable", ...noKeys("connect") },
    { number: 15, title: "a provider that does not know the tenant", service: "Wrong", ...noKeys("status") },
    { number: 15, title: "a provider-uri that is of no one tenant", service: "Common", ...refused("provider_uri") },
    { number: 15, title: "a provider that the operator did not allow", service: "Forbidden", ...noKeys("refused_url") },
    {
      number: 16,
      title: "a provider that does not answer in time",
      service: "Slow",
      fault: { route: "metadata", fault: { kind: "hang" } },
      ...noKeys("timeout"),
    },
    {
      number: 17,
      title: "keys that are not JSON",
      service: "Broken",
      fault: { route: "keys", fault: { kind: "garbage" } },
      ...noKeys("not_json"),
    },
    {
      number: 17,
      title: "a key document without keys",
      service: "Keyless",
      fault: { route: "keys", fault: { kind: "empty_set" } },
      ...noKeys("no_usable_keys"),
    },
    { number: 18, title: "an empty body", body: () => "", status: 400, because: "credential_presented" },
    { number: 19, title: "an empty field", body: () => "jwt=", status: 400, because: "credential_presented" },
    { number: 20, title: "the bare token for a body", body: (token) => token, status: 400, because: "credential_presented" },
    { number: 21, title: "a word for a token", token: () => "hello", ...refused("token_form") },
    {
      number: 22,
      title: "a header that is not JSON",
      token: (token) => token.replace(/^[^.]+/u, Buffer.from("{alg:").toString("base64url")),
      ...refused("token_header"),
    },
    { number: 23, title: "the signature of another key under a known id", token: { flaw: "stolen_kid" }, ...refused("signature") },
    { number: 24, title: "a key id that is unknown also after a look", token: { flaw: "unknown_key" }, ...refused("signing_key") },
    { number: 25, title: "no key id", token: { flaw: "missing_kid" }, ...refused("token_key_id") },
    { number: 26, title: "alg none with an empty third part", token: { flaw: "alg_none" }, ...refused("token_algorithm") },
    {
      number: 26,
      title: "alg none with a filled third part",
      token: (_, mint) => `${mint({ flaw: "alg_none" })}AAAA`,
      ...refused("token_algorithm"),
    },
    { number: 27, title: "HS256 by the public key's text", token: { flaw: "alg_hs256_public_key" }, ...refused("token_algorithm") },
    { number: 28, title: "an expired token", token: { flaw: "expired" }, answer: tokenExpired, ...refused("expiry") },
    { number: 29, title: "a token of the future", token: { flaw: "not_yet_valid" }, ...refused("not_before") },
    { number: 30, title: "a token that never ends", token: without("exp"), ...refused("token_times") },
    { number: 31, title: "the issuer of another tenant", token: { flaw: "other_tenant" }, ...refused("issuer") },
    {
      number: 32,
      title: "an issuer without its slash at the end",
      token: { claims: { iss: simulator.tenant().issuers.v1.slice(0, -1) } },
      ...refused("issuer"),
    },
    { number: 33, title: "an application that is no managed identity", token: { identity: "ci" }, ...refused("resource_claim") },
    { number: 33, title: "an empty xms_mirid", token: { claims: { xms_mirid: "" } }, ...refused("resource_claim") },
    { number: 33, title: "a person's token", token: { flaw: "user_token" }, ...refused("application") },
    { number: 34, title: "no oid", token: without("oid"), ...refused("principal_claim") },
    {
      number: 35,
      title: "an xms_mirid without a resource group",
      token: mirid("providers/Microsoft.Compute/virtualMachines/vm"),
      ...refused("resource_id"),
    },
    {
      number: 36,
      title: "a provider of two elements",
      token: mirid("resourcegroups/rg-app/providers/Microsoft.Compute/virtualMachines"),
      ...refused("resource_provider"),
    },
    {
      number: 36,
      title: "a provider of five elements",
      token: mirid("resourcegroups/rg-app/providers/Microsoft.Compute/virtualMachines/vm/extensions/agent"),
      ...refused("resource_provider"),
    },
    { number: 37, title: "a host without annotations", host: { annotations: {} }, ...missing },
    { number: 38, title: "a host without subscription-id", host: only("resource-group"), ...missing },
    { number: 39, title: "a host without resource-group", host: only("subscription-id"), ...missing },
    { number: 40, title: "an empty subscription-id", host: annotated({ "authn-azure/subscription-id": "" }), ...missing },
    { number: 40, title: "an empty resource-group", host: annotated({ "authn-azure/resource-group": "" }), ...missing },
    {
      number: 41,
      title: "annotations for another service alone",
      host: { annotations: renamed(right, "authn-azure/", "authn-azure/Globex/") },
      ...missing,
    },
    {
      number: 42,
      title: "an annotation that restricts nothing",
      host: annotated({ "authn-azure/vm-name": "vm" }),
      status: 401,
      because: "annotation_unknown",
      failed: "annotations_known",
    },
    ...["authn-azure/user-assigned-identity", "authn-azure/AzureAE1/user-assigned-identity"].map((name) => ({
      number: 43,
      title: `both identities, one as ${name}`,
      host: annotated({ [name]: "id-app", "authn-azure/system-assigned-identity": simulator.machine("vm").identity().oid }),
      ...refused("annotations_exclusive"),
    })),
    {
      number: 44,
      title: "another subscription",
      host: annotated({ "authn-azure/subscription-id": stranger }),
      ...mismatch("subscription-id"),
    },
    {
      number: 45,
      title: "another resource group",
      host: annotated({ "authn-azure/resource-group": "rg-other" }),
      ...mismatch("resource-group"),
    },
    {
      number: 46,
      title: "the right group in general, another for the service",
      host: annotated({ "authn-azure/AzureAE1/resource-group": "rg-other" }),
      ...mismatch("resource-group"),
    },
    {
      number: 47,
      title: "another user-assigned identity",
      host: { annotations: { ...userAssigned, "authn-azure/user-assigned-identity": "id-batch" } },
      token: { machine: "vm-both", identity: "id-app" },
      ...mismatch("user-assigned-identity"),
    },
    {
      number: 48,
      title: "a system-assigned identity where a user-assigned one is wanted",
      host: annotated({ "authn-azure/user-assigned-identity": "id-app" }),
      ...mismatch("user-assigned-identity"),
    },
    {
      number: 49,
      title: "a user-assigned identity where a system-assigned one is wanted",
      host: { annotations: { ...userAssigned, "authn-azure/system-assigned-identity": simulator.identity("id-app").oid } },
      token: { machine: "vm-both", identity: "id-app" },
      ...mismatch("system-assigned-identity"),
    },
    {
      number: 50,
      title: "another machine's oid",
      host: annotated({ "authn-azure/system-assigned-identity": simulator.machine("flex").identity().oid }),
      ...mismatch("system-assigned-identity"),
    },
    { number: 52, title: "the token of another tenant's machine", service: "Globex", ...refused("issuer") },
    {
      number: 54,
      title: "a host that may only ask for the status",
      host: { services: [] },
      policy: permitted("authenticate", `${webservice}/status`),
      status: 403,
      because: "authenticate",
      failed: "permit",
    },
    ...["group/apps/staff", "layer/apps/fleet", "policy/root", "group/conjur/authn-azure/AzureAE1/apps"].map((login) => ({
      number: 55,
      title: `the login ${login}`,
      login,
      ...refused("role"),
    })),
  ];
}

function renamed(annotations: Readonly<Record<string, string>>, from: string, to: string): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).map(([name, value]) => [name.replace(from, to), value]));
}
