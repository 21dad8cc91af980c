/**
 * Sends datagrams to Unix sockets, which the runtime cannot (Bun 1.4.5): to a service manager, to a syslog daemon. libc does, opened with the first one.
 */

import { dlopen, ptr } from "bun:ffi";

/** Sends one datagram to the socket of that path, or abstract name behind `@`. Throws when nobody takes it; never waits. */
export type DatagramSender = (socket: string, text: string) => void;

// <sys/socket.h> of Linux, the same on x64 and arm64.
const unixFamily = 1;
const datagramCloseOnExec = 2 | 0x80000;
const noSignalDoNotWait = 0x4000 | 0x40;
const longestName = 108;

export function createDatagramSender(): DatagramSender {
  let library: ReturnType<typeof openLibc> | undefined;
  return (socket, text) => {
    library ??= openLibc();
    const { symbols } = library;
    const address = unixAddress(socket);
    const bytes = Buffer.from(text);
    const descriptor = symbols.socket(unixFamily, datagramCloseOnExec, 0);
    if (descriptor < 0) throw new Error("no socket can be opened");
    try {
      const sent = symbols.sendto(descriptor, ptr(bytes), BigInt(bytes.byteLength), noSignalDoNotWait, ptr(address), address.byteLength);
      if (Number(sent) !== bytes.byteLength) throw new Error("nobody listens, or not quickly enough");
    } finally {
      symbols.close(descriptor);
    }
  };
}

function openLibc() {
  return dlopen("libc.so.6", {
    socket: { args: ["int", "int", "int"], returns: "int" },
    sendto: { args: ["int", "ptr", "u64", "int", "ptr", "u32"], returns: "i64" },
    close: { args: ["int"], returns: "int" },
  });
}

/** `struct sockaddr_un`; a name that begins with `@` is in the abstract namespace, where a NUL stands in its place. */
function unixAddress(name: string): Buffer {
  const isAbstract = name.startsWith("@");
  if (!isAbstract && !name.startsWith("/")) throw new Error("it is neither a path nor an abstract name");
  const path = Buffer.from(isAbstract ? `\0${name.slice(1)}` : `${name}\0`);
  if (path.byteLength > longestName) throw new Error("its name is too long");
  const family = Buffer.alloc(2);
  family.writeUInt16LE(unixFamily);
  return Buffer.concat([family, path]);
}
