import { describe, expect, test } from "bun:test";
import { isGuid, isUserAssignedIdentity, parseResourceId } from "../../../../src/authenticators/azure/resource-id";
import { subscription } from "../../../support/fake-issuer";

const group = `/subscriptions/${subscription}/resourcegroups/rg-app`;
const machine = `${group}/providers/Microsoft.Compute/virtualMachines/vm1`;
const partOf = (text: string) => {
  const parsed = parseResourceId(text);
  return "problem" in parsed ? parsed.part : parsed.id;
};

describe("a resource id", () => {
  test("is read by position", () => {
    expect(parseResourceId(`${group}/providers/Microsoft.HybridCompute/machines/arc-01`)).toEqual({
      id: { subscriptionId: subscription, resourceGroup: "rg-app", type: "Microsoft.HybridCompute/machines", name: "arc-01" },
    });
  });

  test("may lack the slash at the start and spell Azure's words in any case, but not its values", () => {
    const loud = `SUBSCRIPTIONS/${subscription.toUpperCase()}/resourceGroups/RG-App/Providers/microsoft.compute/VIRTUALMACHINES/Vm1`;
    expect(parseResourceId(loud)).toEqual({
      id: { subscriptionId: subscription.toUpperCase(), resourceGroup: "RG-App", type: "Microsoft.Compute/virtualMachines", name: "Vm1" },
    });
  });

  test("may have values that look like its words", () => {
    for (const name of ["providers", "subscriptions", "my-subscriptions", "resourcegroups", "my-providers", "Microsoft.ManagedIdentity"]) {
      const text = `/subscriptions/${subscription}/resourcegroups/${name}/providers/Microsoft.Compute/virtualMachines/${name}`;
      const parsed = parseResourceId(text);
      expect(parsed).toMatchObject({ id: { resourceGroup: name, name, type: "Microsoft.Compute/virtualMachines" } });
      if ("id" in parsed) expect(isUserAssignedIdentity(parsed.id)).toBe(false);
    }
  });

  test("names the slot of a web site, and nothing else below a resource", () => {
    const site = `${group}/providers/Microsoft.Web/sites/app`;
    expect(parseResourceId(`${site}/slots/blue`)).toMatchObject({ id: { type: "Microsoft.Web/sites", name: "app", slot: "blue" } });
    for (const text of [
      `${site}/slots`,
      `${site}/functions/f`,
      `${site}/slots/blue/x`,
      `${site}/slots/blue/slots/green`,
      `${machine}/slots/blue`,
      `${group}/providers/Microsoft.Compute/virtualMachineScaleSets/set/virtualMachines/0`,
      `${machine}/extensions/x`,
    ]) {
      expect([text, partOf(text)]).toEqual([text, "provider"]);
    }
  });

  test("has a provider part of namespace, type and name, of a type that is known", () => {
    for (const tail of [
      "Microsoft.Compute/virtualMachines",
      "Microsoft.Compute",
      "Microsoft.Evil/machines/x",
      "Microsoft.Compute/disks/d",
      "virtualMachines/Microsoft.Compute/x",
    ]) {
      expect([tail, partOf(`${group}/providers/${tail}`)]).toEqual([tail, "provider"]);
    }
  });

  test("has every word in its place, once", () => {
    for (const text of [
      "",
      "/",
      "vm1",
      `/subscriptions/${subscription}`,
      `/subscriptions/${subscription}/providers/Microsoft.Compute/virtualMachines/vm1`,
      `/subscriptions/${subscription}/resourcegroups`,
      group,
      `${group}/Microsoft.Compute/virtualMachines/vm1`,
      `/subscriptions/${subscription}${machine}`,
      `${group}/resourcegroups/rg-other/providers/Microsoft.Compute/virtualMachines/vm1`,
      `/resourcegroups/rg-app/subscriptions/${subscription}/providers/Microsoft.Compute/virtualMachines/vm1`,
      `/x${machine}`,
      `/my-subscriptions/${subscription}/resourcegroups/rg/providers/Microsoft.Compute/virtualMachines/vm1`,
      `/subscriptions/${subscription}/my-resourcegroups/rg/providers/Microsoft.Compute/virtualMachines/vm1`,
      `${group}/my-providers/Microsoft.Compute/virtualMachines/vm1`,
    ]) {
      expect([text, partOf(text)]).toEqual([text, "path"]);
    }
  });

  test("has a GUID for a subscription", () => {
    for (const name of [
      "",
      "production",
      "0b1f26cd6c774d1c8e0e1b3a4c5d6e7f",
      `${subscription}0`,
      `{${subscription}}`,
      "12345678-90ab-cdef-1234-56789abcdefg",
    ]) {
      expect([name, partOf(`/subscriptions/${name}/resourcegroups/rg/providers/Microsoft.Compute/virtualMachines/vm1`)]).toEqual([
        name,
        "path",
      ]);
      expect(isGuid(name)).toBe(false);
    }
  });

  test("has no empty, relative or padded segment, and no character that could be read twice", () => {
    for (const text of [
      `/${machine}`,
      `${machine}/`,
      `${machine}//`,
      `/subscriptions/${subscription}/resourcegroups//providers/Microsoft.Compute/virtualMachines/vm1`,
      `/subscriptions/${subscription}/resourcegroups/./providers/Microsoft.Compute/virtualMachines/vm1`,
      `/subscriptions/${subscription}/resourcegroups/../providers/Microsoft.Compute/virtualMachines/vm1`,
      `/subscriptions/${subscription}/resourcegroups/rg%2dapp/providers/Microsoft.Compute/virtualMachines/vm1`,
      `/subscriptions/${subscription}/resourcegroups/rg /providers/Microsoft.Compute/virtualMachines/vm1`,
      `/subscriptions/${subscription}/resourcegroups/ rg/providers/Microsoft.Compute/virtualMachines/vm1`,
      ` ${machine}`,
      `${machine} `,
      `${machine}\n`,
      `${machine}\u0000`,
      `${machine}\u0085`,
      `${machine}\u2028x`,
      `${machine}?a=b`,
      `${machine}#x`,
      machine.replaceAll("/", "\\"),
      `https://management.azure.com${machine}`,
    ]) {
      expect([text, partOf(text)]).toEqual([text, "path"]);
    }
  });

  test("has 2048 characters at most", () => {
    const longest = machine + "m".repeat(2048 - machine.length);
    expect(parseResourceId(longest)).toHaveProperty("id");
    expect(partOf(`${longest}m`)).toBe("path");
    expect(partOf("/".repeat(1_000_000))).toBe("path");
  });
});
