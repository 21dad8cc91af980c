/**
 * Being logged in: the connection that was kept, and a session at its server that is renewed when it must be.
 *
 * Both are files of this user alone in the state folder. A session is bound to its connection, so that logging in elsewhere leaves none of it behind.
 */

import { join, resolve } from "node:path";
import * as v from "valibot";
import type { ConjurSession } from "../client/conjur-client";
import { type Connection, connectionOfEnvironment, printConnection, readConnection, stateFolder } from "../config/connection";
import { sha256Hex } from "../crypto/digest";
import { failureOf, PosternError } from "../model/failures";
import type { PrivateFiles } from "../model/ports";
import { SecretBytes } from "../model/secret-bytes";
import type { Instant } from "../model/types";
import type { CliIo } from "./io";
import type { Remote } from "./remote";
import type { CliWorld } from "./world";

/** A session at the server, and when it came. */
export interface HeldSession extends ConjurSession {
  readonly receivedAt: Instant;
}

export interface LoggedIn {
  readonly connection: Connection;
  readonly remote: Remote;
  /** A session that is good for a while. Throws as logging in does. */
  session(): Promise<HeldSession>;
  /** Does `use` with a session, and once more with a new one when the server no longer takes it. */
  with<Result>(use: (session: HeldSession) => Promise<Result>): Promise<Result>;
}

/** What the commands say of whom to ask. */
export interface LoginChoice {
  /** In place of the usual state folder. */
  readonly state?: string;
}

const Kept = v.strictObject({
  format: v.literal("postern-session/1"),
  boundTo: v.string(),
  token: v.string(),
  receivedAt: v.number(),
  lifetimeMs: v.number(),
});

/** A session is left before its end: what is under way must still arrive. */
const usedShare = 0.75;
const connectionFile = "connection.json";
const sessionFile = "session.json";
const unknownLogin =
  "a login; make one with 'postern login', or name one by CONJUR_APPLIANCE_URL, CONJUR_ACCOUNT, CONJUR_AUTHN_LOGIN and CONJUR_AUTHN_API_KEY";
const copies = "offline";
const keptFiles = [sessionFile, "offline.key", connectionFile];

/** Throws `malformed` where no folder can be meant. */
export function stateFolderOf(io: CliIo, { state }: LoginChoice): string {
  return state === undefined ? stateFolder(io.environment, process.platform) : resolve(io.folder, state);
}

/** The same; undefined where no folder can be meant. */
export function possibleStateFolder(io: CliIo, choice: LoginChoice): string | undefined {
  try {
    return stateFolderOf(io, choice);
  } catch (error) {
    if (failureOf(error).because !== "usage") throw error;
    return undefined;
  }
}

/** Makes the folder when it is not there. One that is has the mode that its owner gave it, and may have other things in it. */
export function ensureStateFolder(files: PrivateFiles, folder: string): void {
  if (files.device(folder) === undefined) files.ensureFolder(folder);
}

/** The connection of the environment before the one that was kept. Throws `not_found` when there is neither. */
export function openLogin(io: CliIo, world: CliWorld, choice: LoginChoice): LoggedIn {
  const named = connectionOfEnvironment(io.environment, (path) => Buffer.from(io.readFile(resolve(io.folder, path))).toString("utf8"));
  if (named !== undefined) return openConnection(named, world);
  const folder = stateFolderOf(io, choice);
  const path = join(folder, connectionFile);
  const bytes = world.files.read(path);
  if (bytes === undefined) throw new PosternError({ code: "not_found", target: unknownLogin });
  const connection = readConnection(bytes, path);
  return createLogin(connection, world, { folder, boundTo: boundTo(connection), isNew: false });
}

/** A connection that was named for this once: nothing of it is kept. */
export function openConnection(connection: Connection, world: CliWorld): LoggedIn {
  return createLogin(connection, world, undefined);
}

/** Logs in anew, and when that succeeded keeps the session and `kept`: the connection, with or without its key. */
export async function keepLogin(connection: Connection, kept: Connection, world: CliWorld, folder: string): Promise<LoggedIn> {
  const login = createLogin(connection, world, { folder, boundTo: boundTo(kept), isNew: true });
  await login.session();
  world.files.replace(join(folder, connectionFile), printConnection(kept));
  return login;
}

/** Forgets the connection, its session, and every copy of what was read. False when there was none. */
export function forgetLogin(world: CliWorld, folder: string): boolean {
  const areCopiesOurs = world.files.size(join(folder, copies, "keyring.json")) !== undefined;
  const ours = areCopiesOurs ? [copies, ...keptFiles] : keptFiles;
  return ours.map((name) => world.remove(join(folder, name))).includes(true);
}

/** Where a session is kept, and whose it is. `isNew`: what is there is not taken, but replaced. */
interface Shelf {
  readonly folder: string;
  readonly boundTo: string;
  readonly isNew: boolean;
}

function createLogin(connection: Connection, world: CliWorld, shelf: Shelf | undefined): LoggedIn {
  const remote = world.remote(connection);
  const { clock, files } = world;
  // An agent's session is worth nothing after its next start, and another one costs nothing.
  const isKept = shelf !== undefined && connection.proof.kind !== "socket";
  let current = isKept && !shelf.isNew ? keptSession(world, join(shelf.folder, sessionFile), shelf.boundTo) : undefined;
  let flight: Promise<HeldSession> | undefined;

  async function renew(): Promise<HeldSession> {
    const session = { ...(await logIn(connection, remote, world)), receivedAt: clock.now() };
    current = session;
    if (shelf !== undefined) keep(session, shelf);
    return session;
  }

  function keep(session: HeldSession, { folder, boundTo: owner, isNew }: Shelf): void {
    try {
      ensureStateFolder(files, folder);
      if (isKept) files.replace(join(folder, sessionFile), printSession(session, owner));
    } catch (error) {
      // Where nothing can be written, the next command logs in again.
      if (isNew || !(error instanceof PosternError)) throw error;
    }
  }

  function isFresh({ receivedAt, lifetimeMs }: HeldSession): boolean {
    const age = clock.now() - receivedAt;
    // A clock that went back tells nothing of an age.
    return age >= 0 && age < lifetimeMs * usedShare;
  }

  function session(): Promise<HeldSession> {
    if (current !== undefined && isFresh(current)) return Promise.resolve(current);
    flight ??= renew().finally(() => {
      flight = undefined;
    });
    return flight;
  }

  return {
    connection,
    remote,
    session,
    async with(use) {
      const used = await session();
      try {
        return await use(used);
      } catch (error) {
        if (failureOf(error).code !== "unauthenticated") throw error;
        // The server may have other signing keys by now; only a second refusal means the login.
        if (current === used) current = undefined;
        return await use(await session());
      }
    },
  };
}

function boundTo(connection: Connection): string {
  return sha256Hex(printConnection(connection));
}

async function logIn({ proof, account, login }: Connection, remote: Remote, world: CliWorld): Promise<ConjurSession> {
  const { client } = remote;
  switch (proof.kind) {
    case "azure": {
      const { token } = await remote.identity().credential(proof.audience);
      return await client.loginByAzure({ service: proof.service, account, login, token });
    }
    case "key":
      if (proof.key === undefined)
        throw new PosternError({
          code: "not_found",
          target: "a session: it is over, and no key was kept; log in again with 'postern login'",
        });
      return await client.loginByKey({ account, login, key: SecretBytes.ofText(proof.key) });
    case "socket":
      return await client.loginByKey({ account, login, key: SecretBytes.ofText("agent") });
    case "token_file":
      return tokenOf(world.files.read(proof.path, { readableByGroup: true }), proof.path);
  }
}

/** A session that somebody else renews in the file: it is read each time. */
function tokenOf(bytes: Uint8Array | undefined, path: string): ConjurSession {
  if (bytes === undefined)
    throw new PosternError({ code: "malformed", where: path, expected: "a file with an access token", kind: "missing" });
  return { token: new SecretBytes(Buffer.from(Buffer.from(bytes).toString("utf8").trim())), lifetimeMs: 0 };
}

function keptSession(world: CliWorld, path: string, wanted: string): HeldSession | undefined {
  const bytes = world.files.read(path);
  if (bytes === undefined) return undefined;
  const parsed = v.safeParse(Kept, objectIn(bytes));
  // Of another connection, or of another version: it is nobody's session, and the next one replaces it.
  if (!parsed.success || parsed.output.boundTo !== wanted) return undefined;
  const { token, receivedAt, lifetimeMs } = parsed.output;
  return { token: new SecretBytes(Buffer.from(token, "base64")), receivedAt, lifetimeMs };
}

function printSession({ token, receivedAt, lifetimeMs }: HeldSession, owner: string): Uint8Array {
  const text = Buffer.from(token.reveal()).toString("base64");
  return Buffer.from(JSON.stringify({ format: "postern-session/1", boundTo: owner, token: text, receivedAt, lifetimeMs }));
}

function objectIn(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}

/** Where a connection leads, for people. */
export function placeOf({ url, proof }: Connection): string {
  return proof.kind === "socket" ? `the agent at ${proof.path}` : url;
}
