/** A store that keeps commits and values in memory as they come: no files, no seals. For tests of the core, which must not care. */

import { PosternError } from "../../src/model/failures";
import type { Store } from "../../src/model/ports";
import { SecretBytes } from "../../src/model/secret-bytes";
import type { Change, Commit } from "../../src/model/types";
import { changesFacts } from "../../src/store/changes";
import { createMemoryTokens } from "../../src/store/memory-tokens";

export interface FactsOnlyStore extends Store {
  readonly commits: readonly Commit[];
  /** Runs before the next commit is looked at, once: for what happens in between. */
  beforeNextCommit(happening: () => Promise<void>): void;
}

export function createFactsOnlyStore(): FactsOnlyStore {
  const commits: Commit[] = [];
  const values = new Map<string, SecretBytes>();
  const tokens = createMemoryTokens();
  let between: (() => Promise<void>) | undefined;
  const revision = (): number => commits.length;

  function withoutValues(change: Change): Change {
    switch (change.type) {
      case "put_secret_version": {
        if (change.value !== undefined) values.set(`secret ${change.resource}@${change.version}`, change.value);
        const { value: _, ...rest } = change;
        return { ...rest, revision: revision() + 1 };
      }
      case "put_credential": {
        if (change.apiKey !== undefined) values.set(`api_key ${change.credential.role}`, change.apiKey);
        return { type: change.type, credential: change.credential };
      }
      case "put_policy_version": {
        const { policy, version } = change.policyVersion;
        if (change.text !== undefined) values.set(`policy_text ${policy}@${version}`, SecretBytes.ofText(change.text));
        return { type: change.type, policyVersion: change.policyVersion };
      }
      case "remove_secret_version":
        values.delete(`secret ${change.resource}@${change.version}`);
        return change;
      case "put_version_state":
        if (change.destroyed === true) values.delete(`secret ${change.resource}@${change.version}`);
        return change;
      default:
        return change;
    }
  }

  return {
    commits,
    beforeNextCommit(happening) {
      between = happening;
    },
    load: async () => ({ revision: revision(), commits: [...commits], damaged: [] }),
    async commit(changes, { account, expected, now, foretold }) {
      const happening = between;
      between = undefined;
      await happening?.();
      const isOvertaken = commits.slice(expected).some(changesFacts);
      if (isOvertaken) throw new PosternError({ code: "conflict", what: "facts" });
      const commit: Commit = { revision: revision() + 1, account, at: now, changes: changes.map(withoutValues) };
      await foretold?.(commit);
      commits.push(commit);
      return commit;
    },
    async *changesAfter(after) {
      yield* commits.slice(after);
    },
    secretValue: (id, version) => values.get(`secret ${id}@${version}`),
    record: async (kind, key) => values.get(`${kind} ${key}`),
    position: () => ({ revision: revision(), syncedAt: 0 }),
    tokens,
    close: async () => undefined,
  };
}
