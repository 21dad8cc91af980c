/** Hands the bytes of each connection on to a port of loopback, and those of the answer back: a service at another address than its own. */
export function relay(hostname: string, port: number, to: number) {
  interface Ends {
    other?: Bun.Socket<undefined>;
    early: Uint8Array[];
  }
  return Bun.listen<Ends>({
    hostname,
    port,
    socket: {
      async open(near) {
        near.data = { early: [] };
        const other = await Bun.connect({
          hostname: "127.0.0.1",
          port: to,
          socket: { data: (_far, bytes) => void near.write(bytes), close: () => void near.end() },
        });
        near.data.other = other;
        for (const bytes of near.data.early) other.write(bytes);
      },
      data(near, bytes) {
        if (near.data.other === undefined) near.data.early.push(Uint8Array.from(bytes));
        else near.data.other.write(bytes);
      },
      close: (near) => void near.data.other?.end(),
    },
  });
}
