/**
 * The reference for everything that speaks HTTP: a `Bun.serve` that gives one fixed answer and does nothing else. Reads the port, the answer's headers and
 * its body as JSON from its standard argument.
 */

import * as v from "valibot";

const Answer = v.strictObject({ port: v.number(), headers: v.record(v.string(), v.string()), body: v.string() });

const { port, headers, body } = v.parse(Answer, JSON.parse(process.argv[2] ?? ""));
const bytes = Buffer.from(body);
const fixed = new Headers(headers);

Bun.serve({
  hostname: "127.0.0.1",
  port,
  development: false,
  // A fresh response each time, as a server must that has something to say. The text of a login is taken in, as a login must.
  async fetch(request) {
    if (request.method === "POST") await request.text();
    return new Response(bytes, { headers: fixed });
  },
});
