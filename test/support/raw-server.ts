/** A server that answers with bytes as they are written here, for answers that no well-behaved server gives. */

export interface RawServer {
  readonly port: number;
  /** The heads of all requests so far: `GET /token HTTP/1.1` and the headers. */
  readonly heads: readonly string[];
  close(): void;
}

/** Sends what is asked of it, by one call or over time. */
export type RawSend = (bytes: string | Uint8Array, end?: boolean) => void;

/** `answer` is called with the head of each request. A request ends with its head: none here has a body. */
export function startRawServer(answer: (head: string, send: RawSend) => void): RawServer {
  const heads: string[] = [];
  const open = new Set<{ end(): void }>();
  const server = Bun.listen<{ text: string }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        socket.data = { text: "" };
        open.add(socket);
      },
      data(socket, bytes) {
        socket.data.text += bytes.toString("latin1");
        const end = socket.data.text.indexOf("\r\n\r\n");
        if (end < 0) return;
        const head = socket.data.text.slice(0, end);
        socket.data.text = socket.data.text.slice(end + 4);
        heads.push(head);
        answer(head, (sent, isLast = false) => {
          socket.write(sent);
          if (isLast) socket.end();
        });
      },
      close: (socket) => void open.delete(socket),
    },
  });
  return {
    port: server.port,
    heads,
    close() {
      for (const socket of open) socket.end();
      server.stop(true);
    },
  };
}
