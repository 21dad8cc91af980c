/** Sends bytes as they are over TCP or TLS and reads one HTTP/1.1 answer: what no HTTP library in between has made prettier. */

import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** Whether the server said `100 Continue` before. */
  readonly continued: boolean;
}

export interface RawRequest {
  readonly url: string;
  /** Of the server's certificate, for `https:`. */
  readonly caPem: string;
  readonly head: string;
  /** Sent after the head; with `Expect: 100-continue` when the server agrees or the patience of such clients has ended. */
  readonly body?: string;
}

/** How long HttpWebRequest waits for `100 Continue`. */
const continueMs = 350;

export async function sendRaw({ url, caPem, head, body }: RawRequest): Promise<RawAnswer> {
  const { protocol, hostname, port } = new URL(url);
  const socket: Socket =
    protocol === "https:" ? connectTls({ host: hostname, port: Number(port), ca: caPem }) : connectPlain(Number(port), hostname);
  try {
    return await converse(socket, head, body);
  } finally {
    socket.destroy();
  }
}

function converse(socket: Socket, head: string, body: string | undefined): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let received = "";
    let continued = false;
    let isBodySent = false;
    const sendBody = (): void => {
      if (!isBodySent && body !== undefined) socket.write(body);
      isBodySent = true;
    };
    const deadline = setTimeout(() => reject(new Error(`no whole answer: ${JSON.stringify(received.slice(0, 500))}`)), 10_000);
    socket.on("error", reject);
    socket.on("data", (bytes: Buffer) => {
      received += bytes.toString("latin1");
      if (received.startsWith("HTTP/1.1 100 ") && received.includes("\r\n\r\n")) {
        continued = true;
        received = received.slice(received.indexOf("\r\n\r\n") + 4);
        sendBody();
      }
      const answer = wholeAnswer(received, continued);
      if (answer === undefined) return;
      clearTimeout(deadline);
      resolve(answer);
    });
    socket.on("close", () => reject(new Error(`closed after ${JSON.stringify(received.slice(0, 500))}`)));
    const begin = (): void => {
      socket.write(head);
      if (/^expect: 100-continue\r$/im.test(head)) setTimeout(sendBody, continueMs);
      else sendBody();
    };
    socket.once("secureConnect", begin);
    if (!("encrypted" in socket)) socket.once("connect", begin);
  });
}

function wholeAnswer(text: string, continued: boolean): RawAnswer | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [statusLine = "", ...fields] = text.slice(0, end).split("\r\n");
  const headers = new Map(
    fields.map((field): [string, string] => [field.slice(0, field.indexOf(":")).toLowerCase(), field.slice(field.indexOf(":") + 1).trim()]),
  );
  const length = Number(headers.get("content-length") ?? "0");
  const body = text.slice(end + 4);
  if (body.length < length) return undefined;
  return { status: Number(statusLine.split(" ")[1]), headers, body: body.slice(0, length), continued };
}
