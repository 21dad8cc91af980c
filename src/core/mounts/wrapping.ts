/**
 * Wrapped answers: an answer is kept for whoever shows the token that stands for it, once and for a short time. On the way to its reader only that token is
 * seen; and who finds that it was opened already knows that somebody else has.
 *
 * Source: Vault 1.19, vault/wrapping.go, vault/logical_system.go (handleWrappingUnwrap).
 */

import type { AuditedOperation } from "../../model/audited-operations";
import { PosternError } from "../../model/failures";
import type { PathAccess } from "../../model/paths";
import type { Random, TokenStep, TokenStore } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import type { Caller, Instant, RequestContext } from "../../model/types";
import type { Gate } from "../gate";
import type { Projection } from "../projection";
import type { Mounts } from "./mounts";
import { type NewStoredToken, recordOf, type StoredToken } from "./token-document";
import type { TokenLedger } from "./token-ledger";
import { newAccessor, newTokenText } from "./token-names";
import { bareTokenRole, type Tokens } from "./tokens";

/** An answer that is to be kept. */
export interface WrappedAnswer {
  /** As it will be given, byte for byte. */
  readonly text: SecretBytes;
  /** Where it was asked for: `auth/azure/login`. */
  readonly creationPath: string;
  readonly ttlSeconds: number;
  /** Of a token in it, for those who keep track of tokens. */
  readonly wrappedAccessor?: string;
}

/** What is told in its place. */
export interface Wrapped {
  readonly token: SecretBytes;
  readonly accessor: string;
  readonly ttlSeconds: number;
  readonly createdAt: Instant;
  readonly creationPath: string;
  readonly wrappedAccessor?: string;
}

/** Which wrapping token is meant: the one named, or else the one that is shown as if it were the caller's own. */
export interface Unwrapping {
  readonly named: SecretBytes | undefined;
  readonly shown: SecretBytes | undefined;
  readonly access: PathAccess;
}

export interface WrappingOperations {
  /** For no longer than anything lives that is not renewed, however long was asked for: what is told says for how long. */
  wrap(answer: WrappedAnswer, caller: Caller | undefined, context: RequestContext): Promise<Wrapped>;
  /** The text, once: whatever comes second is `malformed`, like what was never there. The bearer needs no right but the token itself. */
  unwrap(which: Unwrapping, context: RequestContext): Promise<SecretBytes>;
  /** What may be told without opening it. */
  lookUp(which: Unwrapping, context: RequestContext): Promise<Pick<Wrapped, "creationPath" | "createdAt" | "ttlSeconds">>;
  /** The same answer for another token, with a life of its own: the old one is used up by it. */
  rewrap(which: Unwrapping, context: RequestContext): Promise<Wrapped>;
}

export interface WrappingDeps {
  readonly projection: Projection;
  readonly mounts: Mounts;
  readonly gate: Gate;
  readonly ledger: TokenLedger;
  readonly tokens: Pick<Tokens, "find" | "leave">;
  readonly store: TokenStore;
  readonly random: Random;
  readonly identify: (token: SecretBytes | undefined, context: RequestContext) => Caller | Promise<Caller>;
}

/** What an answer is kept as, beside the token that stands for it. */
export const wrappedAnswerName = "wrapped";
const policy = "response-wrapping";
const accessorName = "wrapped_accessor";
/** As long as anything lives that is not renewed. */
const longestSeconds = 2_764_800;

export function createWrapping({ projection, mounts, gate, ledger, tokens, store, random, identify }: WrappingDeps): WrappingOperations {
  /** The token for an answer, and what keeps both. */
  function made(answer: Omit<WrappedAnswer, "text">, now: Instant): NewStoredToken & { readonly accessor: string } {
    const { creationPath, ttlSeconds, wrappedAccessor } = answer;
    return {
      accessor: newAccessor(random),
      role: bareTokenRole(mounts.account(projection.graph())),
      policies: [policy],
      path: creationPath,
      meta: wrappedAccessor === undefined ? null : { [accessorName]: wrappedAccessor },
      displayName: "",
      uses: 1,
      usesLeft: 1,
      isOrphan: true,
      createdAt: now,
      creationTtlSeconds: ttlSeconds,
      expiresAt: now + ttlSeconds * 1000,
      explicitMaxSeconds: ttlSeconds,
      periodSeconds: 0,
      isRenewable: false,
      boundCidrs: [],
    };
  }

  async function keep(answer: WrappedAnswer, now: Instant, before: readonly TokenStep[] = []): Promise<Wrapped> {
    const { text, ...rest } = answer;
    const token = SecretBytes.ofText(newTokenText(random));
    const kept: StoredToken = { ...made(rest, now), digest: store.digest(token) };
    const { account, digest, expiresAt } = recordOf(kept);
    await ledger.put(kept, [...before, { step: "put", account, digest, expiresAt, name: wrappedAnswerName, body: text }]);
    return { ...rest, token, accessor: kept.accessor, createdAt: now };
  }

  function find(token: SecretBytes | undefined, now: Instant): StoredToken {
    const found = token === undefined ? undefined : tokens.find(token, now);
    if (found === undefined || !isWrapping(found)) throw invalid();
    return found;
  }

  /** Takes it out of the hands of everybody else before anything is waited for. */
  async function take(token: SecretBytes | undefined, now: Instant): Promise<{ readonly found: StoredToken; readonly text: SecretBytes }> {
    const found = find(token, now);
    ledger.take(found.digest);
    const text = await store.belonging(found.digest, wrappedAnswerName);
    if (text === undefined) throw invalid();
    return { found, text };
  }

  /**
   * Whoever shows the wrapping token itself is known by that alone; whoever names it beside a token of their own needs that one's right to. Each leaves a
   * line, and before the answer.
   */
  async function audited<Result>(
    operation: AuditedOperation,
    { named, shown, access }: Unwrapping,
    context: RequestContext,
    act: (token: SecretBytes | undefined) => Promise<Result>,
  ): Promise<Result> {
    const isOwn = named === undefined || (shown !== undefined && store.digest(named) === store.digest(shown));
    if (isOwn && shown === undefined) throw new PosternError({ code: "unauthenticated", because: "token_missing" });
    if (!isOwn) {
      const caller = await identify(shown, context);
      try {
        return await gate.change(caller, { operation, access }, () => act(named));
      } finally {
        await tokens.leave(caller);
      }
    }
    const about = { operation, path: access.path, account: mounts.account(projection.graph()) };
    try {
      const result = await act(shown);
      await gate.accept(context, about);
      return result;
    } catch (error) {
      throw await gate.refuse(context, about, error);
    }
  }

  return {
    async wrap(answer, caller, context) {
      const account = mounts.account(projection.graph());
      const role = caller === undefined ? {} : { role: caller.role };
      await gate.accept(context, { operation: "answer.wrap", path: answer.creationPath, account, ...role });
      return keep({ ...answer, ttlSeconds: Math.min(answer.ttlSeconds, longestSeconds) }, context.now);
    },

    unwrap: (which, context) =>
      audited("answer.unwrap", which, context, async (token) => {
        const { found, text } = await take(token, context.now);
        await store.write([{ step: "remove", digest: found.digest }]);
        return text;
      }),

    async lookUp({ named, shown }, { now }) {
      const { path, createdAt, creationTtlSeconds } = find(named ?? shown, now);
      return { creationPath: path, createdAt, ttlSeconds: creationTtlSeconds };
    },

    rewrap: (which, context) =>
      audited("answer.rewrap", which, context, async (token) => {
        const { found, text } = await take(token, context.now);
        const wrappedAccessor = found.meta?.[accessorName];
        const answer = {
          text,
          creationPath: found.path,
          ttlSeconds: found.creationTtlSeconds,
          ...(wrappedAccessor === undefined ? {} : { wrappedAccessor }),
        };
        return keep(answer, context.now, [{ step: "remove", digest: found.digest }]);
      }),
  };
}

export const isWrapping = ({ policies }: Pick<StoredToken, "policies">): boolean => policies.length === 1 && policies[0] === policy;

function invalid(): PosternError {
  const says = "wrapping token is not valid or does not exist";
  return new PosternError({ code: "malformed", where: "token", expected: says, kind: "argument", because: "wrapping_token_unknown", says });
}
