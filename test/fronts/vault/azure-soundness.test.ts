/** Whoever logs in is where the role says: genuine tokens of every machine, with whatever a machine may say of itself, against roles of every kind. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { arc1, C2, createAzureDesk, fn1, id1, P1, P2, P5, P8, P9, S1, S2, token, vm, vmss } from "./azure-desk";

/** Where a machine really is. */
interface Host {
  readonly id: string;
  readonly group: string;
  readonly location: string;
  /** What it says of itself, when it tells the truth. */
  readonly names: Readonly<Record<string, string>>;
  readonly scaleSet?: string;
  readonly system?: string;
  readonly isShared?: boolean;
}

const machine = (name: string, more: Partial<Host> = {}): Host => {
  const { group = "rg-app" } = more;
  return { id: vm(name, group), group, location: "westeurope", names: { vm_name: name }, isShared: true, ...more };
};
const member = (name: string, scaleSet: string): Host => machine(name, { names: { vmss_name: scaleSet }, scaleSet });
const hosts: readonly Host[] = [
  machine("vm1", { system: P1 }),
  machine("vm10", { system: P9 }),
  machine("vm9", { system: P9, location: "northeurope" }),
  machine("vm1", { group: "rg-ids" }),
  machine("vmss1_x"),
  member("vmss1_0a1b2c3d", "vmss1"),
  member("vmss3_0a1b2c3d", "vmss3"),
  { ...member("", "vmss2"), id: vmss("vmss2") },
  { ...machine("", { names: { resource_id: fn1 }, system: P5 }), id: fn1 },
  { ...machine("", { names: { resource_id: arc1 }, system: P8, isShared: false }), id: arc1 },
];

/** As Azure gives it: the machine's own identity names the machine; a shared one is named itself, and the machine beside it. */
const tokenOf = ({ id, system }: Host, isOwn: boolean): string =>
  isOwn && system !== undefined
    ? token("bare", { oid: system, appid: undefined, xms_mirid: id })
    : token("bare", { oid: P2, appid: C2, xms_az_rid: id, xms_mirid: id1 });

const some = (...values: readonly string[]) => fc.subarray([...values], { minLength: 0, maxLength: 2 });
type Bounds = Readonly<
  Record<
    "bound_service_principal_ids" | "bound_subscription_ids" | "bound_resource_groups" | "bound_locations" | "bound_scale_sets",
    readonly string[]
  >
>;
const bounds: fc.Arbitrary<Bounds> = fc.record({
  bound_service_principal_ids: fc.constantFrom<readonly string[]>([], ["*"], [P1, P2, P5, P8, P9], [P2], [P9]),
  bound_subscription_ids: some(S1, S2),
  bound_resource_groups: some("rg-app", "RG-IDS", "rg-other"),
  bound_locations: some("westeurope", "NorthEurope"),
  bound_scale_sets: some("vmss1", "VMSS2"),
});

const upper = (text: string, isUpper: boolean): string => (isUpper ? text.toUpperCase() : text);
const names = fc.constantFrom("", "vm1", "vm10", "vm9", "vmss1_0a1b2c3d", "vmss1_x", "vmss1", "vmss2", "vmss3");
const resources = fc.constantFrom("", fn1, arc1, vm("vm1"), vm("vm10"), vmss("vmss1"), vmss("vmss2"), id1, `${fn1}/slots/a`);
const anything = fc.record({
  subscription_id: fc.constantFrom("", S1, S1, S2),
  resource_group_name: fc.constantFrom("", "rg-app", "rg-app", "rg-ids", "rg-other"),
  vm_name: names,
  vmss_name: fc.oneof({ weight: 2, arbitrary: fc.constant("") }, { weight: 1, arbitrary: names }),
  resource_id: fc.oneof({ weight: 1, arbitrary: fc.constant("") }, { weight: 1, arbitrary: resources }),
});

const nothing = { vm_name: "", vmss_name: "", resource_id: "" };
const truthOf = ({ group, names: told }: Host) => ({ ...nothing, subscription_id: S1, resource_group_name: group, ...told });
/** Mostly what would be true of some machine, by its own name or by its id. */
const lies = fc.oneof(
  anything,
  fc.constantFrom(...hosts).map(truthOf),
  fc.constantFrom(...hosts).map((host) => ({ ...truthOf(host), ...nothing, resource_id: host.id })),
);

const isIn = (list: readonly string[], value: string | undefined): boolean =>
  list.length === 0 || (value !== undefined && list.some((each) => each.toLowerCase() === value.toLowerCase()));

/** What is so, whatever anybody says. */
function belongs(host: Host, oid: string, role: Bounds): boolean {
  const { bound_service_principal_ids: principals } = role;
  return (
    (principals[0] === "*" || isIn(principals, oid)) &&
    isIn(role.bound_subscription_ids, S1) &&
    isIn(role.bound_resource_groups, host.group) &&
    isIn(role.bound_locations, host.location) &&
    isIn(role.bound_scale_sets, host.scaleSet)
  );
}

const desk = await createAzureDesk();
const isBound = ({ bound_service_principal_ids: _, ...places }: Bounds): boolean => Object.values(places).some((list) => list.length > 0);
const isRole = (role: Bounds): boolean => isBound(role) || role.bound_service_principal_ids.some((each) => each !== "*");
const runs = { seed: 7, numRuns: 600 };
const someone = fc.constantFrom(...hosts);

describe("a login with a genuine token", () => {
  test("never succeeds for a machine that is not where the role binds, whatever it says of itself", async () => {
    const admitted = new Set<string>();
    await fc.assert(
      fc.asyncProperty(someone, fc.boolean(), bounds.filter(isRole), lies, fc.boolean(), async (host, isOwn, role, said, isUpper) => {
        await desk.role("dev-role", role);
        const oid = isOwn && host.system !== undefined ? host.system : P2;
        const fields = { ...said, resource_group_name: upper(said.resource_group_name, isUpper), vm_name: upper(said.vm_name, isUpper) };
        const { status, body } = await desk.login(tokenOf(host, isOwn), fields);
        expect([200, 400, 403]).toContain(status);
        if (status !== 200) return;
        admitted.add(host.id);
        expect(belongs(host, oid, role)).toBe(true);
        const { metadata } = body.auth;
        for (const [claim, field] of [
          ["vm_name", "vm_name"],
          ["vmss_name", "vmss_name"],
          ["resource_id", "resource_id"],
        ] as const) {
          const told: string | undefined = metadata[claim];
          const isTrue = told === undefined || host.id.toLowerCase().endsWith(`/${told.toLowerCase()}`) || host.names[field] === told;
          expect(isTrue || host.id.toLowerCase() === told?.toLowerCase() || told === `${host.id}/slots/a`).toBe(true);
        }
      }),
      runs,
    );
    expect(admitted.size).toBeGreaterThan(3);
  });

  test("never succeeds for a machine that says it is another, in a role for that other's place", async () => {
    for (const target of hosts) {
      const role = {
        bound_service_principal_ids: ["*"],
        bound_subscription_ids: [S1],
        bound_resource_groups: [target.group],
        bound_locations: [target.location],
        bound_scale_sets: target.scaleSet === undefined ? [] : [target.scaleSet],
      };
      await desk.role("dev-role", role);
      for (const host of hosts)
        for (const isOwn of [true, false])
          for (const said of [truthOf(target), { ...truthOf(target), ...nothing, resource_id: target.id }]) {
            const { status } = await desk.login(tokenOf(host, isOwn), said);
            if (status === 200) expect([host.id, belongs(host, P2, role)]).toEqual([target.id, true]);
          }
    }
  });

  test("succeeds for every machine that is there and tells the truth", async () => {
    let admitted = 0;
    await fc.assert(
      fc.asyncProperty(someone, fc.boolean(), bounds.filter(isRole), async (host, isOwn, role) => {
        const oid = isOwn && host.system !== undefined ? host.system : P2;
        fc.pre((isOwn && host.system !== undefined) || host.isShared === true);
        fc.pre(belongs(host, oid, role));
        await desk.role("dev-role", role);
        expect((await desk.login(tokenOf(host, isOwn), truthOf(host))).status).toBe(200);
        admitted += 1;
      }),
      { ...runs, numRuns: 300, maxSkipsPerRun: 1000 },
    );
    expect(admitted).toBeGreaterThan(100);
  });
});
