/** Logging in with a managed identity's token, over the wire: who gets in, who does not, and what is written down about it. */

import { afterAll, describe, expect, test } from "bun:test";
import type { MintRequest } from "../../src/simulator/azure/simulator";
import { createAzureHouse, type LoginPolicy, service, startCloud, tokenAt, toldBy, whereabouts } from "../support/azure-house";
import { refusals } from "../support/azure-refusals";

const simulator = await startCloud();
const enabled = [
  service,
  "Ghost",
  "Undeclared",
  "Unset",
  "Unreachable",
  "Wrong",
  "Common",
  "Forbidden",
  "Slow",
  "Broken",
  "Keyless",
  "Globex",
];
const made = await createAzureHouse(simulator, { enabled });
const { house } = made;
const mint = (request: MintRequest = {}): string => tokenAt(simulator, house.clock, request);
afterAll(async () => {
  await made.close();
  await simulator.close();
});

const uriOf = (tenant: string): string => simulator.tenant(tenant).providerUris.v1;
const nowhere = "11111111-2222-4333-8444-555555555555";
await made.addService("Disabled", { "provider-uri": uriOf("acme") });
await made.addService("Undeclared", {});
await made.addService("Unset", { "provider-uri": "" });
await made.addService("Unreachable", { "provider-uri": `https://127.0.0.1:1/${nowhere}/` });
await made.addService("Wrong", { "provider-uri": `${simulator.entra.url}/${nowhere}/` });
await made.addService("Common", { "provider-uri": `${simulator.entra.url}/common/` });
await made.addService("Forbidden", { "provider-uri": `https://127.0.0.1:2/${nowhere}/` });
await made.addService("Slow", { "provider-uri": uriOf("slow") });
await made.addService("Broken", { "provider-uri": uriOf("broken") });
await made.addService("Keyless", { "provider-uri": uriOf("keyless") });
await made.addService("Globex", { "provider-uri": uriOf("globex") });

const all = refusals(simulator).map((refusal, index) => ({ ...refusal, id: `apps/case-${index}` }));
await made.addLogins(
  all.map(({ id, host, service: wanted }) => ({
    login: `host/${id}`,
    annotations: whereabouts(simulator),
    ...(wanted === undefined || wanted === "Ghost" ? {} : { services: [wanted] }),
    ...host,
  })),
);
await house.load(all.map(({ id, policy = "" }) => policy.replaceAll("HOST", id)).join("\n"));
await house.load(
  "- !group apps/staff\n- !layer apps/fleet\n- !grant\n  role: !group conjur/authn-azure/AzureAE1/apps\n  members: [ !group apps/staff, !layer apps/fleet ]\n",
);

describe("a login with an Azure token is refused", () => {
  test.each(all.map((each) => [`${each.number}: ${each.title}`, each] as const))("%s", async (_, each) => {
    const right = mint();
    const token = typeof each.token === "function" ? each.token(right, mint) : mint(each.token);
    const login = each.login ?? `host/${each.id}`;
    if (each.fault !== undefined) simulator.entra.fault(each.fault.route, each.fault.fault);
    const commits = house.store.commits.length;
    const outcome = await made.attempt({
      login,
      token,
      ...(each.service === undefined ? {} : { service: each.service }),
      ...(each.account === undefined ? {} : { account: each.account }),
      ...(each.path === undefined ? {} : { path: each.path.replace("HOST", encodeURIComponent(login)) }),
      ...(each.method === undefined ? {} : { method: each.method }),
      ...(each.body === undefined ? {} : { body: each.body(token) }),
      ...(each.from === undefined ? {} : { from: each.from }),
    });
    simulator.entra.clearFaults();
    const failed = each.because === undefined ? undefined : (each.failed ?? each.because);
    expect(toldBy(outcome)).toEqual({
      status: each.status,
      body: each.answer ?? "",
      lines: each.because === undefined ? 0 : 1,
      because: each.because,
      failed,
    });
    expect(house.store.commits).toHaveLength(commits);
    if (each.because === undefined) return;
    expect(outcome.why).toContain(`because ${each.because}`);
    expect(outcome.why).toContain(`✗ ${failed}`);
    expect(outcome.why).not.toContain(token);
    expect(outcome.lines[0]).toMatchObject({ allowed: false, operation: "login" });
    expect(outcome.lines[0]?.role).toBeUndefined();
  });

  test("in every way that has a number", () => {
    const elsewhere = [51, 53];
    const numbers = new Set([...all.map(({ number }) => number), ...elsewhere]);
    expect([...numbers].sort((left, right) => left - right)).toEqual(Array.from({ length: 55 }, (_, index) => index + 1));
  });
});

interface Acceptance extends Partial<LoginPolicy> {
  readonly title: string;
  readonly token?: MintRequest;
  readonly headers?: Readonly<Record<string, string>>;
}

const right = whereabouts(simulator);
const { "authn-azure/subscription-id": subscription = "", "authn-azure/resource-group": group = "" } = right;
const special = { "authn-azure/AzureAE1/subscription-id": subscription, "authn-azure/AzureAE1/resource-group": group };
const uami = { machine: "vm-both", identity: "id-app" };
const uamiWhereabouts = whereabouts(simulator, "vm-both", "id-app");
const oid = simulator.machine("vm").identity().oid;
const claimed = (xms_mirid: string): MintRequest => ({ claims: { xms_mirid } });
const ownMirid = simulator.machine("vm").resourceId;

const acceptances: readonly Acceptance[] = [
  { title: "general annotations" },
  { title: "annotations for the service", annotations: special },
  {
    title: "right annotations for the service over wrong general ones",
    annotations: { ...special, "authn-azure/subscription-id": nowhere, "authn-azure/resource-group": "rg-other" },
  },
  {
    title: "a user-assigned identity by its name",
    annotations: { ...uamiWhereabouts, "authn-azure/user-assigned-identity": "id-app" },
    token: uami,
  },
  { title: "a user-assigned identity by whereabouts alone", annotations: uamiWhereabouts, token: uami },
  { title: "a system-assigned identity by its oid", annotations: { ...right, "authn-azure/system-assigned-identity": oid } },
  { title: "ids in another case", annotations: { ...right, "authn-azure/system-assigned-identity": oid.toUpperCase() } },
  { title: "the group in another case", annotations: { ...right, "authn-azure/resource-group": group.toUpperCase() } },
  {
    title: "the subscription in another case",
    annotations: { ...right, "authn-azure/subscription-id": subscription.toUpperCase() },
  },
  {
    title: "the name of a user-assigned identity in another case",
    annotations: { ...uamiWhereabouts, "authn-azure/user-assigned-identity": "ID-App" },
    token: uami,
  },
  { title: "xms_mirid without its first slash", token: claimed(ownMirid.slice(1)) },
  { title: "xms_mirid as Resource Manager spells it", token: claimed(ownMirid.replace("resourcegroups", "resourceGroups")) },
  { title: "annotations for other services, which say nothing here", annotations: { ...right, "authn-azure/Globex/resource-group": "x" } },
  { title: "annotations for other authenticators", annotations: { ...right, "authn-jwt/AzureAE1/sub": "x", description: "a host" } },
  { title: "an empty annotation for an identity", annotations: { ...right, "authn-azure/system-assigned-identity": "" } },
  { title: "an empty annotation for the service", annotations: { ...right, "authn-azure/AzureAE1/resource-group": "" } },
  { title: "networks that it comes from", restrictedTo: ["192.0.2.0/24"] },
  { title: "51: whereabouts that another host has too" },
  { title: "a user", login: "alice" },
  { title: "a user with a system-assigned identity", login: "bob", annotations: { ...right, "authn-azure/system-assigned-identity": oid } },
  { title: "a body of another type", headers: { "content-type": "text/plain" } },
];
const accepted = acceptances.map((each, index) => ({ ...each, login: each.login ?? `host/apps/accepted-${index}` }));
await made.addLogins(
  accepted.map(({ login, annotations = right, restrictedTo }) => ({ login, annotations, ...(restrictedTo && { restrictedTo }) })),
);

const subjectOf = (body: string): unknown => JSON.parse(Buffer.from(JSON.parse(body).payload, "base64").toString()).sub;

describe("a login with an Azure token is accepted", () => {
  test.each(accepted.map((each) => [each.title, each] as const))("%s", async (_, { login, token, headers = {} }) => {
    const outcome = await made.attempt({ login, token: mint(token), headers });
    expect(outcome.status).toBe(200);
    expect(outcome.headers.get("content-type")).toStartWith("application/json");
    expect(subjectOf(outcome.body)).toBe(login);
    const role = login.startsWith("host/") ? `acme:host:${login.slice(5)}` : `acme:user:${login}`;
    expect(outcome.lines).toHaveLength(1);
    expect(outcome.lines[0]).toMatchObject({ allowed: true, authenticator: "authn-azure/AzureAE1", account: "acme", role });
    expect(outcome.why).toContain("Allowed");
  });

  test.each(["base64", "gzip, base64", "BASE64 , gzip"])("as base64 text for Accept-Encoding: %s", async (encoding) => {
    const outcome = await made.attempt({ login: "host/apps/accepted-0", token: mint(), headers: { "accept-encoding": encoding } });
    expect(outcome.status).toBe(200);
    expect(outcome.headers.get("content-encoding")).toBe("base64");
    expect(outcome.headers.get("content-type")).toStartWith("text/plain");
    expect(subjectOf(Buffer.from(outcome.body, "base64").toString())).toBe("host/apps/accepted-0");
  });

  test("with the token escaped, and beside fields that mean nothing", async () => {
    const escaped = mint().replaceAll(".", "%2E");
    const outcome = await made.attempt({ login: "host/apps/accepted-0", body: `grant=1&jwt=${escaped}&role=admin` });
    expect(outcome.status).toBe(200);
  });
});

describe("every kind of machine gets in", () => {
  const shapes = [
    ["vm", "vm"],
    ["vm-uami", "id-app"],
    ["vmss", "vmss"],
    ["vmss-uami", "id-app"],
    ["flex", "flex"],
    ["flex-uami", "id-app"],
    ["web", "web"],
    ["web-uami", "id-web"],
    ["web-staging", "web-staging"],
    ["function", "function"],
    ["function-uami", "id-web"],
    ["container-group", "container-group"],
    ["container-group-uami", "id-batch"],
    ["container-app", "container-app"],
    ["container-app-both", "id-web"],
    ["arc", "arc"],
    ["arc-both", "id-app"],
  ] as const;

  test.each(shapes)("%s as %s", async (machine, identity) => {
    const known = simulator.machine(machine).identity(identity);
    const isOwn = known.kind === "system-assigned";
    const bound = isOwn ? { "authn-azure/system-assigned-identity": known.oid } : { "authn-azure/user-assigned-identity": identity };
    const login = `host/machines/${machine}`;
    await made.addLogins([{ login, annotations: { ...whereabouts(simulator, machine, identity), ...bound } }]);
    const outcome = await made.attempt({ login, token: mint({ machine, identity }) });
    expect(outcome.status).toBe(200);
    expect(subjectOf(outcome.body)).toBe(login);
    // And nobody else by it.
    const other = await made.attempt({ login, token: mint({ machine: "vm-elsewhere" }) });
    expect(other).toMatchObject({ status: 401, body: "" });
  });
});
