/**
 * Facts of an account on their way over the admin socket. Those of another server are made canonical: what is no name here is refused by name, and the rest goes on.
 */

import type { adminOperations, InputOf, OutputOf } from "../client/admin-wire";
import type { ExportedAccount, ImportedFacts } from "../core/broker";
import { PosternError } from "../model/failures";
import { parseId, parseRoleId } from "../model/ids";

type Input = InputOf<typeof adminOperations.importFacts>;

export interface ReadFacts {
  readonly facts: ImportedFacts;
  readonly refused: readonly { readonly what: string; readonly reason: string }[];
}

export function factsOf(input: Input): ReadFacts {
  const refused: { what: string; reason: string }[] = [];

  /** The row, unless one of its ids is none. */
  function read<Row>(what: string, make: () => Row): readonly Row[] {
    try {
      return [make()];
    } catch (error) {
      if (!(error instanceof PosternError) || error.failure.code !== "malformed") throw error;
      refused.push({ what: what.slice(0, longestName), reason: "a name in it is not canonical: expected account:kind:identifier" });
      return [];
    }
  }

  const policyOf = (policy: string | undefined) => (policy === undefined ? {} : { policy: parseRoleId(policy) });
  const facts: ImportedFacts = {
    resources: input.resources.flatMap(({ id, owner, createdAt, policy }) =>
      read(id, () => ({ id: parseId(id), owner: parseRoleId(owner), createdAt, ...policyOf(policy) })),
    ),
    grants: input.grants.flatMap(({ role, member, adminOption, ownership, policy }) =>
      read(`membership of ${member} in ${role}`, () => ({
        role: parseRoleId(role),
        member: parseRoleId(member),
        adminOption,
        ownership,
        ...policyOf(policy),
      })),
    ),
    permits: input.permits.flatMap(({ role, privilege, resource, policy }) =>
      read(`permit ${privilege} to ${role} on ${resource}`, () => ({
        role: parseRoleId(role),
        privilege,
        resource: parseId(resource),
        ...policyOf(policy),
      })),
    ),
    annotations: input.annotations.flatMap(({ resource, name, value, policy }) =>
      read(`annotation ${name} on ${resource}`, () => ({ resource: parseId(resource), name, value, ...policyOf(policy) })),
    ),
    restrictions: input.restrictions.flatMap(({ role, networks }) =>
      read(`restricted_to of ${role}`, () => ({ role: parseRoleId(role), networks })),
    ),
  };
  return { facts, refused };
}

const longestName = 512;

/** An account as it leaves: the rows and nothing that belongs to this installation alone. */
export function rowsOf({ facts, valued, authenticators }: ExportedAccount): OutputOf<typeof adminOperations.exportFacts> {
  const policyOf = ({ policy }: { readonly policy?: string }) => (policy === undefined ? {} : { policy });
  return {
    resources: facts.resources.map((each) => ({ id: each.id, owner: each.owner, createdAt: each.createdAt, ...policyOf(each) })),
    grants: facts.grants.map((each) => ({
      role: each.role,
      member: each.member,
      adminOption: each.adminOption,
      ownership: each.ownership,
      ...policyOf(each),
    })),
    permits: facts.permits.map((each) => ({
      role: each.role,
      privilege: each.privilege,
      resource: each.resource,
      ...policyOf(each),
    })),
    annotations: facts.annotations.map((each) => ({ resource: each.resource, name: each.name, value: each.value, ...policyOf(each) })),
    restrictions: facts.restrictions.map(({ role, networks }) => ({ role, networks: [...networks] })),
    valued: [...valued],
    authenticators: [...authenticators],
  };
}
