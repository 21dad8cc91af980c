/** A service manager's end of the notification protocol: a Unix datagram socket, which the runtime has none of. */

import { dlopen, ptr } from "bun:ffi";

export interface NotifySocket {
  /** The next datagram; throws when none comes within five seconds. Holds this thread, not the process that it waits for. */
  next(): string;
  close(): void;
}

// <sys/socket.h> of Linux, the same on x64 and arm64.
const unixFamily = 1;
const datagram = 2;
const socketLevel = 1;
const receiveTimeout = 20;

export function listenForNotifications(path: string): NotifySocket {
  const { symbols } = dlopen("libc.so.6", {
    socket: { args: ["int", "int", "int"], returns: "int" },
    bind: { args: ["int", "ptr", "u32"], returns: "int" },
    setsockopt: { args: ["int", "int", "int", "ptr", "u32"], returns: "int" },
    recv: { args: ["int", "ptr", "u64", "int"], returns: "i64" },
    close: { args: ["int"], returns: "int" },
  });
  const descriptor = symbols.socket(unixFamily, datagram, 0);
  const address = Buffer.concat([Buffer.from([unixFamily, 0]), Buffer.from(path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`)]);
  const fiveSeconds = Buffer.alloc(16);
  fiveSeconds.writeBigInt64LE(5n);
  if (symbols.bind(descriptor, ptr(address), address.byteLength) !== 0) throw new Error(`${path} cannot be bound`);
  symbols.setsockopt(descriptor, socketLevel, receiveTimeout, ptr(fiveSeconds), fiveSeconds.byteLength);
  return {
    next() {
      const buffer = Buffer.alloc(4096);
      const length = Number(symbols.recv(descriptor, ptr(buffer), BigInt(buffer.byteLength), 0));
      if (length < 0) throw new Error("no notification came within five seconds");
      return buffer.subarray(0, length).toString("utf8");
    },
    close: () => void symbols.close(descriptor),
  };
}
