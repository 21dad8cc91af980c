/**
 * Cubbyholes: what a token keeps for itself. Nobody else can read it, whatever their rights, and it goes with the token.
 *
 * All of one token's is one sealed record of bounded size, so that its end is the end of all of it.
 */

import { PosternError } from "../../model/failures";
import { accountOf } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { TokenStore } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import { createTurns, type Turns } from "../../model/turns";
import type { Caller } from "../../model/types";
import type { Gate } from "../gate";
import { byText } from "../sorted-page";
import { refused } from "./token-creation";
import type { StoredToken } from "./token-document";
import type { TokenLedger } from "./token-ledger";
import { isWrapping, wrappedAnswerName } from "./wrapping";

export interface CubbyholeOperations {
  /** The text of a JSON object; undefined when there is none. */
  read(caller: Caller, access: PathAccess, key: string): Promise<string | undefined>;
  write(caller: Caller, access: PathAccess, key: string, text: string): Promise<void>;
  remove(caller: Caller, access: PathAccess, key: string): Promise<void>;
  /** Names right below a folder, folders with a slash at the end, sorted. */
  list(caller: Caller, access: PathAccess, folder: string): Promise<readonly string[]>;
}

const name = "cubbyhole";
const mostBytes = 1 << 20;

export function createCubbyhole(deps: {
  readonly gate: Gate;
  readonly ledger: TokenLedger;
  readonly store: TokenStore;
}): CubbyholeOperations {
  const { gate, ledger, store } = deps;
  /** Of tokens whose cubbyhole is being changed, with how many wait for it. */
  const turns = new Map<string, { readonly inTurn: Turns; waiting: number }>();

  function own({ token, context }: Caller): StoredToken {
    if (token?.kind === "batch") throw refused("batch tokens have no cubbyhole");
    const found = token === undefined ? undefined : ledger.shown(token.digest, context.now);
    if (found === undefined) throw refused("the token has ended");
    return found;
  }

  async function contents(token: StoredToken): Promise<Map<string, string>> {
    const { digest } = token;
    if (isWrapping(token)) return wrapped(token);
    const body = await store.belonging(digest, name);
    if (body === undefined) return new Map();
    const entries: Record<string, string> = JSON.parse(Buffer.from(body.reveal()).toString("utf8"));
    return new Map(Object.entries(entries));
  }

  /** What older clients look for: of a wrapping token the answer that it stands for. */
  async function wrapped({ digest }: StoredToken): Promise<Map<string, string>> {
    const text = await store.belonging(digest, wrappedAnswerName);
    return new Map(text === undefined ? [] : [["response", JSON.stringify({ response: Buffer.from(text.reveal()).toString("utf8") })]]);
  }

  /** Those of one token one after another: each of them writes the whole. */
  async function change(caller: Caller, alter: (contents: Map<string, string>) => void): Promise<void> {
    const { digest } = own(caller);
    const queue = turns.get(digest) ?? { inTurn: createTurns(1), waiting: 0 };
    turns.set(digest, queue);
    queue.waiting += 1;
    try {
      await queue.inTurn(async () => {
        const token = own(caller);
        if (isWrapping(token)) throw refused("a wrapping token keeps nothing but its answer");
        const present = await contents(token);
        alter(present);
        const text = JSON.stringify(Object.fromEntries(present));
        if (Buffer.byteLength(text) > mostBytes) throw new PosternError({ code: "too_large", what: "a cubbyhole", limitBytes: mostBytes });
        // It may have ended while its contents were read: nothing is kept for what is gone.
        const { role } = own(caller);
        // It ends with its token, however long that is made to live.
        const kept = { account: accountOf(role), digest, name, expiresAt: 0 };
        await store.write([
          present.size === 0 ? { step: "remove", digest, name } : { step: "put", ...kept, body: SecretBytes.ofText(text) },
        ]);
      });
    } finally {
      queue.waiting -= 1;
      if (queue.waiting === 0) turns.delete(digest);
    }
  }

  return {
    read: (caller, access, key) =>
      gate.release(caller, { operation: "cubbyhole.read", access }, async () => (await contents(own(caller))).get(key)),

    async write(caller, access, key, text) {
      const present = await contents(own(caller));
      const demand = { operation: "cubbyhole.write" as const, access, exists: () => present.has(key) };
      await gate.change(caller, demand, () => change(caller, (all) => void all.set(key, text)));
    },

    remove: (caller, access, key) =>
      gate.change(caller, { operation: "cubbyhole.remove", access }, () => change(caller, (all) => void all.delete(key))),

    list: (caller, access, folder) =>
      gate.release(caller, { operation: "cubbyhole.list", access }, async () => {
        const prefix = folder === "" ? "" : `${folder}/`;
        const below = [...(await contents(own(caller))).keys()].filter((key) => key.startsWith(prefix));
        const names = below.map((key) => key.slice(prefix.length)).map((rest) => rest.replace(/\/.*$/s, "/"));
        return [...new Set(names)].sort(byText);
      }),
  };
}
