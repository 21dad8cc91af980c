/** Carries connections to an address on to another, until it is ended: `tcp-relay.ts FROM-HOST FROM-PORT TO-HOST TO-PORT`. Prints a line when it listens. */

const [hostname = "", port = "", toHost = "", toPort = ""] = process.argv.slice(2);

interface End {
  other?: { write(bytes: Uint8Array): number; end(): void };
  /** What came before the other end was there. */
  early: Uint8Array[];
}

Bun.listen<End>({
  hostname,
  port: Number(port),
  socket: {
    async open(near) {
      near.data = { early: [] };
      const socket = {
        data: (_far: unknown, bytes: Uint8Array) => void near.write(bytes),
        close: () => void near.end(),
        error: () => void near.end(),
      };
      try {
        const far = await Bun.connect({ hostname: toHost, port: Number(toPort), socket });
        near.data.other = far;
        for (const bytes of near.data.early.splice(0)) far.write(bytes);
      } catch {
        near.end();
      }
    },
    data(near, bytes) {
      // The buffer is the runtime's own again when this returns.
      if (near.data.other === undefined) near.data.early.push(Uint8Array.from(bytes));
      else near.data.other.write(bytes);
    },
    close: (near) => near.data.other?.end(),
  },
});
process.stdout.write("ready\n");
await new Promise(() => undefined);
