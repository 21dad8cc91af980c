/** Attacks on the login of Azure machines, as they were found elsewhere: each is tried with genuine tokens of the wrong machine, tenant or service. */

import { afterAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { MintRequest } from "../../src/simulator/azure/simulator";
import { createAzureHouse, pathOf, service, startCloud, tokenAt, tokenExpired, toldBy, whereabouts } from "../support/azure-house";
import { exchange } from "../unit/server/listening";

const simulator = await startCloud();
const made = await createAzureHouse(simulator, { enabled: [service, "Own", "Common", "Organizations", "Exact"] });
const { house } = made;
const mint = (request: MintRequest = {}): string => tokenAt(simulator, house.clock, request);
afterAll(async () => {
  await made.close();
  await simulator.close();
});

const vm = simulator.machine("vm");
const flex = simulator.machine("flex");
const tenant = simulator.tenant();
const bound = { ...whereabouts(simulator), "authn-azure/system-assigned-identity": vm.identity().oid };
const own = "https://postern.example";
const provider = { "provider-uri": tenant.providerUris.v1 };
await made.addService("Own", { ...provider, audience: own });
await made.addService("Common", { "provider-uri": `${simulator.entra.url}/common/` });
await made.addService("Organizations", { "provider-uri": `${simulator.entra.url}/organizations/` });
await made.addLogins([
  { login: "host/apps/vm", annotations: bound, services: [service, "Own", "Common", "Organizations"] },
  { login: "host/apps/flex", annotations: { ...bound, "authn-azure/system-assigned-identity": flex.identity().oid } },
  { login: "host/apps/group", annotations: whereabouts(simulator) },
  {
    login: "host/apps/uami",
    annotations: { ...whereabouts(simulator, "vm-both", "id-app"), "authn-azure/user-assigned-identity": "id-app" },
  },
]);

const refusedBy = (because: string, failed = because) => ({ status: 401, body: "", lines: 1, because, failed });
const mismatch = (name: string) => refusedBy(`${name.replaceAll("-", "_")}_mismatch`, name);
const enter = (login: string, token = mint(), at = service) => made.attempt({ login, token, service: at });

/** The id of `vm` with other words for its own. */
function mirid(parts: { readonly subscription?: string; readonly group?: string; readonly name?: string; readonly type?: string }): string {
  const { subscription = vm.subscriptionId, group = vm.resourceGroup, name = "vm", type = "Microsoft.Compute/virtualMachines" } = parts;
  return `/subscriptions/${subscription}/resourcegroups/${group}/providers/${type}/${name}`;
}

describe("a genuine token of another machine", () => {
  const stranger = "b54c26cd-6c77-4d1c-8e0e-1b3a4c5d6e7f";
  const oid = "c0ffee00-6c77-4d1c-8e0e-1b3a4c5d6e7f";
  const names = {
    vm_name: "vm",
    vmss_name: "vm",
    resource_group_name: vm.resourceGroup,
    subscription_id: vm.subscriptionId,
    resource_id: vm.resourceId,
    role: "apps/vm",
  };

  test.each([
    ["its identity", { oid, sub: oid }, "system-assigned-identity"],
    ["its resource group", { xms_mirid: mirid({ group: "rg-other" }) }, "resource-group"],
    ["its subscription", { xms_mirid: mirid({ subscription: stranger }) }, "subscription-id"],
  ])("that differs in %s alone is refused, whatever names come beside it", async (_, claims, attribute) => {
    const token = mint({ claims });
    expect(toldBy(await enter("host/apps/vm", token))).toEqual(mismatch(attribute));
    for (const [field, value] of Object.entries(names)) {
      const body = `${field}=${encodeURIComponent(value)}&jwt=${token}`;
      expect(toldBy(await made.attempt({ login: "host/apps/vm", body }))).toEqual(mismatch(attribute));
    }
    const headers = {
      "x-ms-client-principal-id": vm.identity().oid,
      "x-original-url": "/",
      "x-forwarded-host": "login.microsoftonline.com",
    };
    expect(toldBy(await made.attempt({ login: "host/apps/vm", token, headers }))).toEqual(mismatch(attribute));
  });

  test("gets in as its own host, and not as the other's", async () => {
    const token = mint({ machine: "flex" });
    expect((await enter("host/apps/flex", token)).status).toBe(200);
    expect(toldBy(await enter("host/apps/vm", token))).toEqual(mismatch("system-assigned-identity"));
  });

  test("and two fields with tokens in one body are no login", async () => {
    const outcome = await made.attempt({ login: "host/apps/vm", body: `jwt=${mint({ machine: "flex" })}&jwt=${mint()}` });
    expect(outcome.status).not.toBe(200);
  });

  test("of the same names in another subscription, group or tenant is refused right after a good login", async () => {
    expect((await enter("host/apps/uami", mint({ machine: "vm-both", identity: "id-app" }))).status).toBe(200);
    const identities = "Microsoft.ManagedIdentity/userAssignedIdentities";
    const twin = (parts: { readonly subscription?: string; readonly group?: string }) =>
      mint({
        machine: "vm-both",
        identity: "id-app",
        claims: { xms_mirid: mirid({ group: "rg-identities", ...parts, type: identities, name: "id-app" }) },
      });
    expect((await enter("host/apps/uami", twin({}))).status).toBe(200);
    expect(toldBy(await enter("host/apps/uami", twin({ subscription: stranger })))).toEqual(mismatch("subscription-id"));
    expect(toldBy(await enter("host/apps/uami", twin({ group: "rg-app" })))).toEqual(mismatch("resource-group"));
    const foreign = mint({ machine: "vm-both", identity: "id-app", flaw: "other_tenant" });
    expect(toldBy(await enter("host/apps/uami", foreign))).toEqual(refusedBy("issuer"));
    // The same name of a thing that is no identity proves none.
    const machine = mint({ claims: { xms_mirid: mirid({ group: "rg-identities", name: "id-app" }) } });
    expect(toldBy(await enter("host/apps/uami", machine))).toEqual(mismatch("user-assigned-identity"));
  });

  test.each(["rg-ap", "rg-app-evil", "evil-rg-app", "xrg-appx", "g-ap", "rg-app.", "rg-app*", "rg.app", "*"])(
    "in the group %s, which is not rg-app, is refused",
    async (group) => {
      expect(toldBy(await enter("host/apps/group", mint({ claims: { xms_mirid: mirid({ group }) } })))).toEqual(mismatch("resource-group"));
    },
  );

  test.each(["providers", "my-providers", "subscriptions", "my-subscriptions", "resourcegroups", "resourceGroups-rg"])(
    "in a group called %s is of that group",
    async (group) => {
      const token = mint({ claims: { xms_mirid: mirid({ group }) } });
      expect(toldBy(await enter("host/apps/group", token))).toEqual(mismatch("resource-group"));
      await made.addLogins([{ login: `host/called/${group}`, annotations: { ...bound, "authn-azure/resource-group": group } }]);
      expect((await enter(`host/called/${group}`, token)).status).toBe(200);
    },
  );

  test("in a group spelled with a look-alike is refused: the Kelvin sign is no k", async () => {
    await made.addLogins([{ login: "host/apps/backend", annotations: { ...bound, "authn-azure/resource-group": "backend" } }]);
    const inGroup = (group: string) => mint({ claims: { xms_mirid: mirid({ group }) } });
    expect((await enter("host/apps/backend", inGroup("BACKEND"))).status).toBe(200);
    expect(toldBy(await enter("host/apps/backend", inGroup("bac\u212aend")))).toEqual(mismatch("resource-group"));
  });

  test.each([
    ["a doubled group", mirid({ group: "rg-other/resourcegroups/rg-app" })],
    ["a doubled subscription", `${mirid({}).slice(0, -3)}/x/subscriptions/${vm.subscriptionId}`],
    ["a detour", mirid({ group: "rg-other/../rg-app" })],
    ["an encoded slash", mirid({ group: "rg-other%2f..%2frg-app" })],
    ["a group without a name", mirid({ group: "" })],
    ["white space", mirid({ group: " rg-app" })],
  ])("with %s in its resource id is refused", async (_, xms_mirid) => {
    const outcome = await enter("host/apps/group", mint({ claims: { xms_mirid } }));
    expect(outcome).toMatchObject({ status: 401, body: "" });
    expect(outcome.lines[0]?.because).toMatch(/^resource_(?:id|provider)$/u);
  });
});

describe("names", () => {
  test("of Postern's own match exactly, though Azure's match in any case", async () => {
    expect(toldBy(await enter("host/apps/VM"))).toEqual(refusedBy("role"));
    expect(toldBy(await enter("host/apps/vm", mint(), service.toLowerCase()))).toEqual(refusedBy("enabled"));
    expect(toldBy(await made.attempt({ login: "host/apps/vm", token: mint(), account: "ACME" }))).toEqual(refusedBy("account"));
    const shouting = mint({ claims: { xms_mirid: vm.resourceId.toUpperCase(), oid: vm.identity().oid.toUpperCase() } });
    expect((await enter("host/apps/vm", shouting)).status).toBe(200);
  });

  test("that people choose for themselves decide nothing", async () => {
    const borrowed = { email: "vm@acme.example", name: "vm", given_name: "vm" };
    expect((await enter("host/apps/flex", mint({ machine: "flex", claims: borrowed }))).status).toBe(200);
    expect(toldBy(await enter("host/apps/vm", mint({ machine: "flex", claims: borrowed })))).toEqual(mismatch("system-assigned-identity"));
    for (const claim of ["upn", "unique_name", "preferred_username"]) {
      expect(toldBy(await enter("host/apps/vm", mint({ claims: { [claim]: "vm@acme.example" } })))).toEqual(refusedBy("application"));
    }
  });
});

describe("the audience of another service", () => {
  test.each(["https://storage.azure.com/", "https://graph.microsoft.com/", "https://vault.azure.net", own, "api://someone-else"])(
    "%s is refused where nobody chose one",
    async (resource) => {
      expect(toldBy(await enter("host/apps/vm", mint({ resource })))).toEqual(refusedBy("audience"));
    },
  );

  test.each([
    ["a list with the right one", [own]],
    ["a list with the right one first", [own, "https://storage.azure.com/"]],
    ["a prefix", own.slice(0, -1)],
    ["a suffix", `${own}.evil.example`],
    ["a slash at the end", `${own}/`],
    ["another case", own.toUpperCase()],
    ["white space", ` ${own}`],
    ["nothing", ""],
    ["no claim", undefined],
    ["null", null],
    ["an object", { 0: own }],
    ["Resource Manager", "https://management.azure.com/"],
  ])("as %s is refused where one was chosen", async (_, aud) => {
    expect((await enter("host/apps/vm", mint({ resource: own }), "Own")).status).toBe(200);
    expect(toldBy(await enter("host/apps/vm", mint({ resource: own, claims: { aud } }), "Own"))).toEqual(refusedBy("audience"));
  });
});

describe("a tenant", () => {
  const other = simulator.tenant("globex");
  const iss = (issuer: string): MintRequest => ({ claims: { iss: issuer } });

  test.each([
    ["the right issuer with another tid", { claims: { tid: other.id } }, "tenant"],
    ["the right issuer without tid", { claims: { tid: undefined } }, "tenant"],
    ["another issuer with the right tid", iss(other.issuers.v1), "issuer"],
    ["the issuer of all tenants", iss(tenant.issuers.v1.replace(tenant.id, "common")), "issuer"],
    ["the issuer of all organizations", iss(tenant.issuers.v1.replace(tenant.id, "organizations")), "issuer"],
    ["the issuer that a document for all names", iss(tenant.issuers.v1.replace(tenant.id, "{tenantid}")), "issuer"],
    ["an issuer that begins with the right one", iss(`${tenant.issuers.v1}x/`), "issuer"],
    ["an issuer that ends with the right one", iss(`https://evil.example/${tenant.issuers.v1}`), "issuer"],
    ["the issuer in another case", iss(tenant.issuers.v1.toUpperCase()), "issuer"],
    ["issuers in a list", { claims: { iss: [tenant.issuers.v1] } }, "issuer"],
  ])("is not taken for another: %s", async (_, request, because) => {
    expect(toldBy(await enter("host/apps/vm", mint(request)))).toEqual(refusedBy(because));
  });

  test.each(["Common", "Organizations"])("is one: a service for all of them (%s) lets nobody in", async (name) => {
    expect(toldBy(await enter("host/apps/vm", mint(), name))).toEqual(refusedBy("provider_uri"));
  });
});

describe("a token without one of its claims", () => {
  test.each(["iss", "tid", "aud", "exp", "nbf", "oid", "sub", "ver", "xms_mirid"])("(%s) is refused", async (claim) => {
    expect(await enter("host/apps/vm", mint({ claims: { [claim]: undefined } }))).toMatchObject({ status: 401, body: "" });
  });
});

describe("every flaw a token can have", () => {
  test.each(simulator.tokenFlaws.map((flaw) => [flaw] as const))("(%s) is refused, and leaves nothing behind", async (flaw) => {
    const commits = house.store.commits.length;
    const outcome = await enter("host/apps/vm", mint({ flaw }));
    expect(outcome.status).toBe(401);
    expect(outcome.lines).toHaveLength(1);
    expect(outcome.lines[0]?.allowed).toBe(false);
    expect(house.store.commits).toHaveLength(commits);
  });
});

describe("a login without a credential", () => {
  const names = ["/acme/host%2Fapps%2Fvm", `/${service}/acme/host%2Fapps%2Fvm`, `/${service}/acme`, "/acme", `/${service}`, ""];
  const routes = ["authn", "authn-azure", "authn-azure%2FAzureAE1", "AUTHN-AZURE", "authn-jwt", "authn-oidc", "authn-iam", "authn-gcp"];
  const endings = ["/authenticate", "/authenticate/", "/login", "/api_key", "//authenticate", "/authenticate.json", "/./authenticate"];
  const paths = routes.flatMap((route) => names.flatMap((name) => endings.map((ending) => `/${route}${name}${ending}`)));

  test.each(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])("by %s gets nothing on any path there could be", async (method) => {
    const before = house.audit.length;
    const commits = house.store.commits.length;
    for (const path of [...paths, ...paths.map((each) => `/api${each}`)]) {
      const { status, body } = await made.attempt({ login: "", path, method, body: "" });
      expect({ path, isRefused: [400, 401, 403, 404, 405].includes(status), body }).toEqual({
        path,
        isRefused: true,
        body: expectedBody(body),
      });
    }
    expect(house.audit.slice(before).filter((line) => line.allowed)).toEqual([]);
    expect(house.store.commits).toHaveLength(commits);
  });

  /** A refusal may explain itself, and nothing that it says is a token. */
  const expectedBody = (body: string): string => (/payload|signature|"protected"/u.test(body) ? "no token" : body);
});

describe("an unknown host and a wrong token", () => {
  const request = (login: string, token: string, encoding: string): string => {
    const body = `jwt=${token}`;
    return [
      `POST ${pathOf({ login })} HTTP/1.1`,
      "Host: postern.test",
      "Connection: close",
      "X-Request-Id: r-1",
      `Accept-Encoding: ${encoding}`,
      "Content-Type: application/x-www-form-urlencoded",
      `Content-Length: ${body.length}`,
      "",
      body,
    ].join("\r\n");
  };
  const answer = async (login: string, token: string, encoding = "identity"): Promise<string> =>
    (await exchange(made.listener.port, request(login, token, encoding))).replace(/^date: .*\r\n/imu, "");

  test.each(["identity", "base64", "gzip, base64"])("get the same bytes for Accept-Encoding: %s", async (encoding) => {
    const known = await answer("host/apps/vm", mint({ machine: "flex" }), encoding);
    expect(known).toStartWith("HTTP/1.1 401");
    expect(await answer("host/apps/nobody", mint({ machine: "flex" }), encoding)).toBe(known);
    expect(await answer("host/apps/nobody", mint(), encoding)).toBe(known);
    expect(await answer("host/apps/vm", mint({ flaw: "stolen_kid" }), encoding)).toBe(known);
    expect(await answer("host/apps/vm", "hello", encoding)).toBe(known);
    expect(await answer("alice", mint(), encoding)).toBe(known);
    expect(await answer("group/apps", mint(), encoding)).toBe(known);
  });

  test("are told apart only where Conjur's clients rely on it: when there is no token, or one that has expired", async () => {
    for (const token of ["", mint({ flaw: "expired" })]) {
      const unknown = await answer("host/apps/nobody", token);
      expect(unknown).toStartWith("HTTP/1.1 401");
      expect(unknown).toEndWith("\r\n\r\n");
    }
    expect(await answer("host/apps/vm", "")).toStartWith("HTTP/1.1 400");
    expect(await answer("host/apps/vm", mint({ flaw: "expired" }))).toEndWith(tokenExpired);
  });

  test("cost the same work: a stranger's token is verified too, down to asking for the keys", async () => {
    const fetchesOf = async (login: string): Promise<number> => {
      const cold = await createAzureHouse(simulator);
      await cold.addLogins([{ login: "host/apps/vm", annotations: bound }]);
      const before = simulator.entra.requests();
      expect((await cold.attempt({ login, token: mint({ machine: "flex" }) })).status).toBe(401);
      await cold.close();
      return simulator.entra.requests() - before;
    };
    expect(await fetchesOf("host/apps/vm")).toBe(2);
    expect(await fetchesOf("host/apps/nobody")).toBe(2);
  });
});

describe("two hosts with equal annotations", () => {
  test("log in with each other's tokens and never have each other's rights", async () => {
    await house.load("- !variable first/secret\n- !variable second/secret\n");
    await made.setVariable("first/secret", "of the first");
    await made.setVariable("second/secret", "of the second");
    const annotations = whereabouts(simulator);
    await made.addLogins([
      { login: "host/first/vm", annotations },
      { login: "host/second/vm", annotations },
    ]);
    for (const each of ["first", "second"]) {
      await house.load(`- !permit\n  role: !host ${each}/vm\n  privileges: [ read, execute ]\n  resource: !variable ${each}/secret\n`);
    }
    const read = async (token: string, variable: string): Promise<number> => {
      const authorization = `Token token="${Buffer.from(token).toString("base64")}"`;
      return (await fetch(`${made.listener.url}/secrets/acme/variable/${encodeURIComponent(variable)}`, { headers: { authorization } }))
        .status;
    };
    const token = mint();
    for (let round = 0; round < 3; round += 1) {
      const first = (await enter("host/first/vm", token)).body;
      const second = (await enter("host/second/vm", token)).body;
      expect(await read(first, "first/secret")).toBe(200);
      expect(await read(second, "second/secret")).toBe(200);
      expect(await read(first, "second/secret")).toBe(404);
      expect(await read(second, "first/secret")).toBe(404);
    }
  });
});

describe("a login whose audit line cannot be written", () => {
  test("gives no token", async () => {
    house.breakAudit(true);
    const outcome = await enter("host/apps/vm");
    house.breakAudit(false);
    expect(outcome).toMatchObject({ status: 500, body: "" });
  });
});

describe("for any annotation and any claim", () => {
  // Letters that some case mapping takes for a plain one: Kelvin and ångström signs, long s, dotless and dotted i, full-width and Cyrillic letters.
  const lookalikes: Readonly<Record<string, string>> = {
    k: "\u212a",
    å: "\u212b",
    s: "\u017f",
    i: "\u0131",
    I: "\u0130",
    a: "\u0430",
    g: "\uff47",
  };
  const letters = fc.constantFrom(..."abgiksåéIKSÅÉ019._-()");
  const name = fc.string({ unit: letters, minLength: 1, maxLength: 12 }).map((text) => `k${text}s`);
  const changes: readonly ((text: string, at: number) => string)[] = [
    (text) => text,
    (text) => text.toUpperCase(),
    (text) => text.toLowerCase(),
    (text, at) => text.slice(0, at) + text.slice(at).toUpperCase(),
    (text, at) => text.slice(0, at) + text.slice(at + 1),
    (text, at) => `${text.slice(0, at)}x${text.slice(at)}`,
    (text) => `${text}-evil`,
    (text) => `evil-${text}`,
    (text) => ` ${text}`,
    (text) => [...text].map((letter) => lookalikes[letter] ?? letter).join(""),
    (text) => text.replaceAll(/./gu, (letter) => (letter === "k" ? "\u212a" : letter)),
  ];
  const pair = fc.record({
    attribute: fc.constantFrom("resource-group", "user-assigned-identity", "subscription-id", "system-assigned-identity"),
    word: name,
    guid: fc.uuid(),
    change: fc.constantFrom(...changes),
    at: fc.nat(12),
  });

  /** Letter by letter, by the table of the few letters that occur here: written apart from what is tested. */
  const folded = (text: string): string =>
    text.replaceAll(/[A-ZÅÉ]/gu, (letter) => "abcdefghijklmnopqrstuvwxyzåé"["ABCDEFGHIJKLMNOPQRSTUVWXYZÅÉ".indexOf(letter)] ?? "");

  test("a login succeeds just when they are equal but for case", async () => {
    let serial = 0;
    const seen = { accepted: 0, refused: 0 };
    const property = fc.asyncProperty(pair, async ({ attribute, word, guid, change, at }) => {
      const isGuid = attribute === "subscription-id" || attribute === "system-assigned-identity";
      const proven = isGuid ? guid : word;
      const wanted = change(proven, at);
      serial += 1;
      const group = attribute === "resource-group" ? proven : "rg-app";
      const subscription = attribute === "subscription-id" ? proven : vm.subscriptionId;
      const isUserAssigned = attribute === "user-assigned-identity";
      const type = isUserAssigned ? "Microsoft.ManagedIdentity/userAssignedIdentities" : "Microsoft.Compute/virtualMachines";
      const claims = {
        xms_mirid: mirid({ group, subscription, type, name: isUserAssigned ? proven : "vm" }),
        ...(attribute === "system-assigned-identity" ? { oid: proven, sub: proven } : {}),
      };
      const annotations = {
        "authn-azure/subscription-id": subscription,
        "authn-azure/resource-group": group,
        [`authn-azure/${attribute}`]: wanted,
      };
      const login = `host/any/${serial}`;
      await made.addLogins([{ login, annotations }]);
      const outcome = await enter(login, mint({ claims }));
      const isEqual = folded(wanted) === folded(proven);
      seen[isEqual ? "accepted" : "refused"] += 1;
      if (isEqual) expect(outcome.status).toBe(200);
      else expect(toldBy(outcome)).toEqual(mismatch(attribute));
    });
    await fc.assert(property, { seed: 20_260_101, numRuns: 300 });
    expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(50);
  });
});
