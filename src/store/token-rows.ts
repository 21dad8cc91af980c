/** Tokens on disk: what is written, and what is read back of it a page at a time. What a row claims to be is checked by opening it. */

import { PosternError } from "../model/failures";
import { type AccountName, parseAccount } from "../model/ids";
import type { Keyring, SealContext, Sealed } from "../model/ports";
import { SecretBytes } from "../model/secret-bytes";
import { damagedStore, type Engine, type Row, type Statement } from "./engine";
import { nextPage } from "./paging";
import { type SetMember, type SetState, setParts } from "./token-set";

export interface TokenRow extends SetMember {
  /** As it stands: it may be no name at all. */
  readonly account: string;
  readonly expiresAt: number;
  readonly sealed: Sealed;
}

export const tokenTables: readonly string[] = [
  // Sealed like values, and bound to the write that made them. `name` is empty for the token itself.
  `CREATE TABLE tokens (
    digest BLOB NOT NULL, name BLOB NOT NULL, serial INTEGER NOT NULL, expires_at INTEGER NOT NULL, account BLOB NOT NULL,
    scope_key BLOB NOT NULL, generation INTEGER NOT NULL, wrap BLOB NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (digest, name)
  ) STRICT, WITHOUT ROWID`,
  // One row: what all tokens together are.
  `CREATE TABLE token_set (
    id INTEGER NOT NULL PRIMARY KEY, serial INTEGER NOT NULL, store_epoch INTEGER NOT NULL, key_epoch INTEGER NOT NULL, tag BLOB NOT NULL,
    mac_epoch INTEGER NOT NULL, mac BLOB NOT NULL
  ) STRICT`,
];

export function sealToken(keyring: Keyring, member: SetMember, account: AccountName, body: SecretBytes): Sealed {
  return keyring.seal(body.reveal(), contextOf(member, account));
}

/** Throws `integrity` for a row that is not what it claims to be. */
export function openToken(keyring: Keyring, row: TokenRow): { readonly account: AccountName; readonly body: SecretBytes } {
  const account = parseAccount(row.account);
  return { account, body: new SecretBytes(keyring.open(row.sealed, contextOf(row, account))) };
}

/** The bytes of a token are read here alone, and no further than into the MAC. */
export function digestOfToken(keyring: Pick<Keyring, "mac">, token: SecretBytes, epoch: number): string {
  return Buffer.from(keyring.mac("token_digest", [token.reveal()], epoch).tag).toString("hex");
}

function contextOf({ digest, name, serial }: SetMember, account: AccountName): SealContext {
  return { purpose: "token", account, kind: "token", id: `${digest}/${name}`, version: 0, revision: serial };
}

export function putToken(row: TokenRow): Statement {
  const { sealed } = row;
  return {
    sql: "INSERT OR REPLACE INTO tokens (digest, name, serial, expires_at, account, scope_key, generation, wrap, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    args: [
      hex(row.digest),
      text(row.name),
      row.serial,
      row.expiresAt,
      text(row.account),
      text(sealed.scopeKey),
      sealed.generation,
      sealed.wrap,
      sealed.body,
    ],
  };
}

export function removeToken(digest: string, name: string): Statement {
  return { sql: "DELETE FROM tokens WHERE digest = ? AND name = ?", args: [hex(digest), text(name)] };
}

/** Puts a new wrap in the place of the row's own, if the row is still the one that was read. */
export function rewrapToken(keyring: Keyring, row: TokenRow): Statement | undefined {
  const next = keyring.rewrap(row.sealed, contextOf(row, parseAccount(row.account)));
  if (next === undefined) return undefined;
  return {
    sql: "UPDATE tokens SET scope_key = ?, generation = ?, wrap = ? WHERE digest = ? AND name = ? AND serial = ?",
    args: [text(next.scopeKey), next.generation, next.wrap, hex(row.digest), text(row.name), row.serial],
  };
}

export const removeAllTokens: Statement = { sql: "DELETE FROM tokens", args: [] };

export function putSet(keyring: Pick<Keyring, "mac">, state: SetState): Statement {
  const { epoch, tag } = keyring.mac("token_set", setParts(state));
  return {
    sql: "INSERT OR REPLACE INTO token_set (id, serial, store_epoch, key_epoch, tag, mac_epoch, mac) VALUES (1, ?, ?, ?, ?, ?, ?)",
    args: [state.serial, state.storeEpoch, state.keyEpoch, state.tag, epoch, tag],
  };
}

/** Undefined when there is none, or when its MAC does not hold. */
export async function readSet(engine: Engine, keyring: Pick<Keyring, "verifyMac">): Promise<SetState | "damaged" | undefined> {
  const integers = ["serial", "store_epoch", "key_epoch", "mac_epoch"];
  const [row] = await engine.select({ integers, blobs: ["tag", "mac"], from: "token_set WHERE id = ?", args: [1] });
  if (row === undefined) return undefined;
  const [serial = -1, storeEpoch = -1, keyEpoch = -1, epoch = -1] = row.integers;
  const [tag, mac] = row.blobs;
  if (tag === undefined || mac === undefined || Math.min(serial, storeEpoch, keyEpoch, epoch) < 0) return "damaged";
  const state = { serial, storeEpoch, keyEpoch, tag: Buffer.from(tag) };
  return keyring.verifyMac("token_set", setParts(state), { epoch, tag: mac }) ? state : "damaged";
}

/** What names each row and when it ends, without its content. */
export async function* readMembers(engine: Engine): AsyncGenerator<readonly (SetMember & { readonly expiresAt: number })[]> {
  for await (const rows of pages(engine, { integers: ["serial", "expires_at"], blobs: ["digest", "name"] })) {
    yield rows.map(({ integers: [serial = -1, expiresAt = -1], blobs: [digest, name] }) => ({
      digest: digest?.toString("hex") ?? "",
      name: name?.toString("utf8") ?? "",
      serial,
      expiresAt,
    }));
  }
}

const wholeRow = { integers: ["serial", "expires_at", "generation"], blobs: ["digest", "name", "account", "scope_key", "wrap", "body"] };

export async function* readTokens(engine: Engine): AsyncGenerator<readonly TokenRow[]> {
  for await (const rows of pages(engine, wholeRow)) yield rows.map(tokenRow);
}

export async function readToken(engine: Engine, digest: string, name: string): Promise<TokenRow | undefined> {
  const from = "tokens WHERE digest = ? AND name = ?";
  const [row] = await engine.select({ ...wholeRow, from, args: [hex(digest), text(name)] });
  return row === undefined ? undefined : tokenRow(row);
}

async function* pages(
  engine: Engine,
  columns: { readonly integers: readonly string[]; readonly blobs: readonly string[] },
): AsyncGenerator<readonly Row[]> {
  let after: readonly [Uint8Array, Uint8Array] | undefined;
  for (;;) {
    const where = after === undefined ? "" : "WHERE (digest, name) > (?, ?)";
    const from = `tokens ${where} ORDER BY digest, name`;
    const args = after === undefined ? [] : [...after];
    const { count, isLast } = await nextPage(engine, { bytes: "length(body)", from, args });
    const rows = await engine.select({ ...columns, from: `${from} LIMIT ?`, args: [...args, count] });
    yield rows;
    const last = rows.at(-1);
    if (last === undefined || isLast) return;
    const [digest, name] = last.blobs;
    if (digest === undefined || name === undefined) throw damagedStore("a row of a token that cannot be passed");
    after = [Buffer.from(digest), Buffer.from(name)];
  }
}

function tokenRow({ integers: [serial = -1, expiresAt = -1, generation = -1], blobs }: Row): TokenRow {
  const [digest, name, account, scopeKey, wrap, body] = blobs;
  if (digest === undefined || name === undefined || account === undefined || wrap === undefined || body === undefined)
    throw damagedStore("a row of a token with too few cells");
  return {
    digest: digest.toString("hex"),
    name: name.toString("utf8"),
    serial,
    expiresAt,
    account: account.toString("utf8"),
    // Copies: the cells are views of one large buffer.
    sealed: { scopeKey: scopeKey?.toString("utf8") ?? "", generation, wrap: Buffer.from(wrap), body: Buffer.from(body) },
  };
}

/** What the row is wrapped under must stay: generations that are in use are told with those of values. */
export const tokenGenerations = "(SELECT DISTINCT scope_key, generation FROM tokens)";

export const isDamage = (error: unknown): boolean =>
  error instanceof PosternError && ["integrity", "malformed"].includes(error.failure.code);

const hex = (digest: string): Uint8Array => Buffer.from(digest, "hex");
const text = (value: string): Uint8Array => Buffer.from(value, "utf8");
