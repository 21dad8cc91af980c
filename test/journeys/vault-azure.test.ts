/** Machines of a simulated Azure at a server that is a process of its own: how they log in by Vault's method azure, and how the server asks Azure about them. */

import { afterEach, expect, test } from "bun:test";
import { type AzureShell, createAzureShell, managerAudience, platformToken } from "../support/azure-shell";

const timeoutMs = 60_000;
const secret = "of-the-application";
const cloud = {
  tenants: [{ name: "acme" }],
  audiences: [{ uris: [managerAudience, "https://management.core.windows.net/"], idtyp: true }],
  identities: [
    { name: "id-set", resourceGroup: "rg-ids" },
    { name: "id-flex", resourceGroup: "rg-ids" },
  ],
  applications: [{ name: "postern", secret }],
  machines: [
    { name: "vm1", kind: "vm", resourceGroup: "rg-app" },
    { name: "vm10", kind: "vm", resourceGroup: "rg-app-other" },
    { name: "shared", kind: "vm", resourceGroup: "rg-app", userAssigned: ["id-set"] },
    { name: "set1", kind: "vmss-uniform", resourceGroup: "rg-fleet", userAssigned: ["id-set"] },
    { name: "flex1", kind: "vmss-flexible", resourceGroup: "rg-fleet", userAssigned: ["id-flex"] },
    { name: "web1", kind: "app-service", resourceGroup: "rg-web", location: "northeurope" },
    { name: "arc1", kind: "arc", resourceGroup: "rg-onprem" },
    // Where the server itself runs.
    { name: "keeper", kind: "app-service", resourceGroup: "rg-keeper" },
  ],
  readers: [{ principal: "postern" }, { principal: "keeper" }],
} as const;

let scene: AzureShell | undefined;
afterEach(async () => {
  await scene?.close();
  scene = undefined;
});

interface Stage extends AzureShell {
  readonly root: string;
  /** A login at the method with a token from the machine's own platform, or the one given. */
  login(machine: string, role: string, fields?: object, jwt?: string): Promise<readonly [number, string | undefined, string]>;
  role(name: string, bounds: object): Promise<void>;
  configure(credential: object, mount?: string): Promise<void>;
}

/** A running server with a secret, a policy for it, and the method. `options`: of the mount. */
async function stage(options: object, environment?: Parameters<typeof createAzureShell>[1]): Promise<Stage> {
  const made = await createAzureShell(cloud, environment);
  scene = made;
  expect((await made.shell.run(["init"])).code).toBe(0);
  expect((await made.shell.run(["account", "create", "acme"])).code).toBe(0);
  await made.start();
  const root = await made.rootToken();
  await made.done(root, "sys/mounts/secret", { type: "kv", options: { version: "2" } });
  await made.done(root, "secret/data/app", { data: { password: "one" } });
  await made.done(root, "sys/policies/acl/app", { policy: 'path "secret/data/app" { capabilities = ["read"] }' });
  await made.done(root, "sys/auth/azure", { type: "azure", options });
  return {
    ...made,
    root,
    role: (name, bounds) => made.done(root, `auth/azure/role/${name}`, { token_policies: "app", ...bounds }),
    configure: (credential, mount = "azure") =>
      made.done(root, `auth/${mount}/config`, {
        ...{ tenant_id: made.azure.tenant().id, resource: managerAudience, max_retries: 0 },
        ...credential,
      }),
    async login(name, role, fields = {}, jwt) {
      const machine = made.azure.machine(name);
      const place = { subscription_id: machine.subscriptionId, resource_group_name: machine.resourceGroup };
      const shown = jwt ?? (await platformToken(machine));
      const { status, body } = await made.ask(undefined, "POST", "auth/azure/login", { role, jwt: shown, ...place, ...fields });
      return [status, body.errors?.[0], body.auth?.client_token ?? ""];
    },
  };
}

const application = ({ azure }: AzureShell) => ({ client_id: azure.identity("postern").clientId, client_secret: secret });

test(
  "a virtual machine, members of both kinds of scale sets, an App Service and an Arc server log in from where they are, and read what their role may",
  async () => {
    const on = await stage({});
    await on.configure(application(on));
    const { subscriptionId } = on.azure.machine("vm1");
    const rows = [
      ["vm1", { bound_resource_groups: "rg-app", bound_locations: "westeurope" }, { vm_name: "vm1" }],
      ["set1", { bound_scale_sets: "set1", bound_resource_groups: "rg-fleet" }, { vmss_name: "set1" }],
      ["flex1", { bound_scale_sets: "flex1", bound_locations: "westeurope" }, { vmss_name: "flex1" }],
      ["web1", { bound_locations: "northeurope" }, { resource_id: on.azure.machine("web1").resourceId }],
      ["arc1", { bound_resource_groups: "rg-onprem" }, { resource_id: on.azure.machine("arc1").resourceId }],
    ] as const;
    for (const [name, bounds, fields] of rows) {
      await on.role(name, { bound_subscription_ids: subscriptionId, ...bounds });
      const [status, says, token] = await on.login(name, name, fields);
      expect([name, status, says]).toEqual([name, 200, undefined]);
      expect((await on.ask(token, "GET", "secret/data/app")).body.data.data).toEqual({ password: "one" });
      expect((await on.ask(token, "POST", "secret/data/app", { data: {} })).status).toBe(403);
    }

    // Another group's machine by its own name, and by the name of one that belongs.
    expect((await on.login("vm10", "vm1", { vm_name: "vm10" })).slice(0, 2)).toEqual([403, "resource group not authorized"]);
    expect(on.audit().at(-1)).toMatchObject({ allowed: false, because: "bound_resource_groups", authenticator: "azure/azure" });
    const pretended = { vm_name: "vm1", resource_group_name: "rg-app" };
    expect((await on.login("vm10", "vm1", pretended)).slice(0, 2)).toEqual([403, "xms_mirid token claim does not match vm_name vm1"]);
    expect(on.audit().at(-1)).toMatchObject({ allowed: false, claimed_unverified: "vm1" });
    expect((await on.login("web1", "arc1", { resource_id: on.azure.machine("arc1").resourceId }))[0]).toBe(403);

    expect(await on.end("SIGTERM")).toBe(0);
    const verified = await on.shell.run(["audit", "verify"]);
    expect([verified.code, verified.err]).toEqual([0, ""]);
    expect(on.written()).not.toContain(secret);
  },
  timeoutMs,
);

test(
  "while Resource Manager is away its last answers serve for as long as the operator allows, but not a server that was killed in between",
  async () => {
    const on = await stage({ arm_fresh_seconds: "0", arm_stale_seconds: "3600" });
    await on.configure(application(on));
    await on.role("vm", { bound_resource_groups: "rg-app,rg-app-other" });
    const named = { vm_name: "vm1" };
    const [status, , token] = await on.login("vm1", "vm", named);
    expect(status).toBe(200);
    on.azure.resourceManager.fault("machine", { kind: "status", status: 503 });
    expect((await on.login("vm1", "vm", named))[0]).toBe(200);
    // Nobody has asked about this one before.
    expect((await on.login("vm10", "vm", { vm_name: "vm10" })).slice(0, 2)).toEqual([
      502,
      expect.stringContaining("unable to retrieve virtual machine metadata"),
    ]);
    expect(on.audit().at(-1)).toMatchObject({ allowed: false, because: "http_503" });
    await on.done(on.root, "sys/auth/azure/tune", { options: { arm_stale_seconds: "0" } });
    expect((await on.login("vm1", "vm", named))[0]).toBe(502);
    await on.done(on.root, "sys/auth/azure/tune", { options: { arm_stale_seconds: "3600" } });

    await on.end("SIGKILL");
    await on.start();
    expect((await on.login("vm1", "vm", named))[0]).toBe(502);
    // Who is logged in already is not asked about.
    expect((await on.ask(token, "GET", "secret/data/app")).status).toBe(200);
    on.azure.resourceManager.clearFaults();
    expect((await on.login("vm1", "vm", named))[0]).toBe(200);
    on.azure.entra.fault("token", { kind: "status", status: 503 });
    await on.configure(application(on));
    expect((await on.login("vm10", "vm", { vm_name: "vm10" }))[0]).toBe(502);
  },
  timeoutMs,
);

test(
  "without any secret: by the identity of the App Service that the server runs in",
  async () => {
    const on = await stage({}, (azure) => azure.machine("keeper").environment);
    await on.configure({});
    await on.role("vm", { bound_resource_groups: "rg-app" });
    expect((await on.login("vm1", "vm", { vm_name: "vm1" }))[0]).toBe(200);
    expect(on.azure.machine("keeper").requests("token")).toBe(1);
    expect(on.azure.entra.requests("token")).toBe(0);

    on.azure.changes.disown("keeper");
    await on.end("SIGKILL");
    await on.start();
    expect((await on.login("vm1", "vm", { vm_name: "vm1" }))[0]).toBe(502);
    expect(on.audit().at(-1)).toMatchObject({ allowed: false });
  },
  timeoutMs,
);

test(
  "without any secret: by tokens of the server's own, which Entra ID verifies by asking the server, before and after it was killed",
  async () => {
    const on = await stage({ arm_fresh_seconds: "0" });
    await on.done(on.root, "sys/auth/second", { type: "azure" });
    const { data: methods } = (await on.ask(on.root, "GET", "sys/auth")).body;
    const audience = "api://AzureADTokenExchange";
    const subject = `plugin-identity:root:auth:${methods["azure/"].accessor}`;
    on.azure.federate("postern", { issuer: `${on.url}/v1/identity/oidc/plugins`, subject, audience });
    const federated = { client_id: on.azure.identity("postern").clientId, identity_token_audience: audience };
    await on.configure(federated);
    await on.configure(federated, "second");
    await on.role("vm", { bound_resource_groups: "rg-app" });
    await on.done(on.root, "auth/second/role/vm", { bound_resource_groups: "rg-app" });

    const keys = async () => (await on.ask(undefined, "GET", "identity/oidc/plugins/.well-known/keys")).body.keys;
    const before = await keys();
    expect(before).toHaveLength(2);
    expect((await on.login("vm1", "vm", { vm_name: "vm1" }))[0]).toBe(200);
    await on.end("SIGKILL");
    await on.start();
    expect(await keys()).toEqual(before);
    expect((await on.login("vm1", "vm", { vm_name: "vm1" }))[0]).toBe(200);

    // Another mount's tokens are of the same issuer and for the same audience, but not of the subject that is trusted.
    const machine = on.azure.machine("vm1");
    const asked = { role: "vm", jwt: await platformToken(machine), vm_name: "vm1", resource_group_name: "rg-app" };
    const other = await on.ask(undefined, "POST", "auth/second/login", { ...asked, subscription_id: machine.subscriptionId });
    expect([other.status, JSON.stringify(other.body)]).toEqual([502, expect.not.stringContaining("eyJ")]);
    expect(JSON.stringify(on.audit().at(-1))).toContain("AADSTS700213");
    // And one for somebody else's audience is no proof either.
    await on.configure({ ...federated, identity_token_audience: "api://elsewhere" });
    expect((await on.login("vm1", "vm", { vm_name: "vm1" }))[0]).toBe(502);
    expect(JSON.stringify(on.audit().at(-1))).toContain("AADSTS700212");

    // Nothing of that is remembered against the mount.
    await on.configure(federated);
    expect((await on.login("vm1", "vm", { vm_name: "vm1" }))[0]).toBe(200);
    expect(on.written()).not.toMatch(/eyJ[\w-]{8,}\.eyJ/);
    expect(await on.end("SIGTERM")).toBe(0);
  },
  timeoutMs,
);

test(
  "a machine that moved, was made anew, lost its identity or is gone is judged by what Azure says now, whatever its token still says",
  async () => {
    const on = await stage({ arm_fresh_seconds: "0" });
    await on.configure(application(on));
    await on.role("app", { bound_resource_groups: "rg-app" });
    const named = { vm_name: "vm1", resource_group_name: "rg-app" };
    const early = await platformToken(on.azure.machine("vm1"));
    expect((await on.login("vm1", "app", named, early))[0]).toBe(200);

    on.azure.changes.recreate("vm1");
    expect((await on.login("vm1", "app", named, early))[0]).toBe(403);
    const anew = await platformToken(on.azure.machine("vm1"));
    expect((await on.login("vm1", "app", named, anew))[0]).toBe(200);

    on.azure.changes.move("vm1", "rg-new");
    expect((await on.login("vm1", "app", named, anew)).slice(0, 2)).toEqual([
      403,
      expect.stringContaining("unable to retrieve virtual machine metadata"),
    ]);
    expect((await on.login("vm1", "app", { ...named, resource_group_name: "rg-new" })).slice(0, 2)).toEqual([
      403,
      "resource group not authorized",
    ]);

    // The identity is the scale set's too; the machine does not have it any more.
    const shared = { vm_name: "shared" };
    const borrowed = await platformToken(on.azure.machine("shared"));
    expect((await on.login("shared", "app", shared, borrowed))[0]).toBe(200);
    on.azure.changes.assign("shared", ["id-flex"]);
    expect((await on.login("shared", "app", shared, borrowed))[0]).toBe(403);
    expect(on.audit().at(-1)).toMatchObject({ allowed: false, claimed_unverified: "app" });
    expect((await on.login("shared", "app", shared))[0]).toBe(200);
    on.azure.changes.removeIdentity("id-flex");
    expect((await on.login("shared", "app", shared, borrowed)).slice(0, 2)).toEqual([403, "vm client did not return identity information"]);
    on.azure.changes.remove("shared");
    expect((await on.login("shared", "app", shared, borrowed))[0]).toBe(403);
  },
  timeoutMs,
);
