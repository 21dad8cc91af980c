/** Puts the operator's application on a Unix socket in the data folder. The socket is also the sign that a server owns the folder. */

import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { PosternError } from "../model/failures";
import type { AdminApp } from "./admin";

export interface AdminSocket {
  readonly path: string;
  /** Lets requests finish and removes the socket. */
  stop(): Promise<void>;
}

// sun_path has 108 bytes on Linux and 104 elsewhere, one of them for the end.
const maxPathBytes = 103;
// A policy of the largest size, in base64, and room around it.
const maxBodyBytes = 64 * 2 ** 20;
const ownerOnly = 0o600;

/**
 * Listens, mode 0600. A socket that a dead process left behind is replaced. Throws `conflict` when a living one answers there, `malformed` for a path that is
 * too long or is something else.
 */
export async function listenOnAdminSocket(path: string, app: AdminApp): Promise<AdminSocket> {
  if (Buffer.byteLength(path) > maxPathBytes) throw unusable(path, `a path of at most ${maxPathBytes} bytes: choose a shorter data folder`);
  const existing = lstatSync(path, { throwIfNoEntry: false });
  if (existing !== undefined && !existing.isSocket()) throw unusable(path, "a socket or nothing");
  if (existing !== undefined) {
    if (await isAnswered(path))
      throw new PosternError({ code: "conflict", what: `a server that is running: ${path}`, because: "already_running" });
    unlinkSync(path);
  }
  // The socket must not be open to others even for the moment before its mode is set.
  const umask = process.umask(0o777 & ~ownerOnly);
  try {
    const server = Bun.serve({
      unix: path,
      maxRequestBodySize: maxBodyBytes,
      development: false,
      // A socket's peer has no address; whoever has one came another way.
      fetch: (request, own) => app.fetch(request, { isLocal: own.requestIP(request) === null }),
      error: () => new Response(null, { status: 500 }),
    });
    chmodSync(path, ownerOnly);
    return { path, stop: () => server.stop() };
  } finally {
    process.umask(umask);
  }
}

/** Whether somebody accepts connections there. */
export async function isAnswered(path: string): Promise<boolean> {
  try {
    const socket = await Bun.connect({ unix: path, socket: { data: () => undefined } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}

function unusable(path: string, expected: string): PosternError {
  return new PosternError({ code: "malformed", where: path, expected, kind: "argument" });
}
