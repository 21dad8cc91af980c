/** What happens to a cloud while it runs: machines move and go, identities are taken away. Each gives the next cloud and leaves the last as it was. */

import { PosternError } from "../../model/failures";
import type { Random } from "../../model/ports";
import { armId, type Cloud, type Machine, named, type Principal, withOwnIdentity } from "./cloud";
import { guid } from "./ids";

/** All throw `not_found` for names that are not in the cloud. Tokens that were given before stay as good as they were. */
export interface CloudChanges {
  /** Moves the machine into another resource group of its subscription, its identities with it. */
  move(machine: string, resourceGroup: string): void;
  /** Removes the machine and makes one of the same name: with another `vmId`, and another system-assigned identity if it had one. */
  recreate(machine: string): void;
  remove(machine: string): void;
  /** Gives the machine exactly these user-assigned identities. */
  assign(machine: string, identities: readonly string[]): void;
  /** Takes the system-assigned identity away. */
  disown(machine: string): void;
  /** Deletes a user-assigned identity or an application, from every machine too. */
  removeIdentity(name: string): void;
}

export interface LiveCloud {
  now(): Cloud;
  readonly changes: CloudChanges;
}

export function createLiveCloud(first: Cloud, random: Random): LiveCloud {
  let cloud = first;

  function change(name: string, next: (machine: Machine) => readonly Machine[]): void {
    const machine = named(cloud.machines, name);
    const machines = cloud.machines.flatMap((each) => (each === machine ? next(machine) : [each]));
    cloud = { ...cloud, machines, principals: principalsOf(machines) };
  }

  function principalsOf(machines: readonly Machine[]): readonly Principal[] {
    const apart = cloud.principals.filter(({ kind }) => kind !== "system-assigned");
    return [...apart, ...machines.flatMap((machine) => machine.systemAssigned ?? [])];
  }

  return {
    now: () => cloud,
    changes: {
      move: (name, resourceGroup) => change(name, (machine) => [moved(machine, resourceGroup)]),
      remove: (name) => change(name, () => []),
      assign: (name, identities) =>
        change(name, (machine) => [{ ...machine, userAssigned: identities.map((each) => named(cloud.principals, each)) }]),
      disown: (name) => change(name, ({ systemAssigned: _, ...machine }) => [machine]),

      recreate: (name) =>
        change(name, (machine) => {
          const fresh = { ...machine, vmId: guid(random) };
          return [machine.systemAssigned === undefined ? fresh : withOwnIdentity(fresh, random)];
        }),

      removeIdentity(name) {
        const identity = named(cloud.principals, name);
        if (identity.kind === "system-assigned") throw new PosternError({ code: "not_found", target: `simulated identity ${name}` });
        const machines = cloud.machines.map((machine) => ({
          ...machine,
          userAssigned: machine.userAssigned.filter((each) => each !== identity),
        }));
        cloud = { ...cloud, machines, principals: cloud.principals.filter((each) => each !== identity) };
      },
    },
  };
}

function moved(machine: Machine, resourceGroup: string): Machine {
  const [, typeAndName = ""] = machine.resourceId.split("/providers/");
  const resourceId = armId(machine.subscriptionId, resourceGroup, typeAndName);
  const { systemAssigned } = machine;
  return {
    ...machine,
    resourceGroup,
    resourceId,
    ...(systemAssigned === undefined ? {} : { systemAssigned: { ...systemAssigned, mirid: resourceId } }),
  };
}
