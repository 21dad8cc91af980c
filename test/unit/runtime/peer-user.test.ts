import { afterAll, describe, expect, test } from "bun:test";
import { userOfPeer } from "../../../src/runtime/peer-user";

/** Whoever asks is told whose they are. */
const serve = (hostname: string) =>
  Bun.serve({
    hostname,
    port: 0,
    fetch: (request, server) => new Response(String(userOfPeer(server.port ?? 0, server.requestIP(request)?.port ?? 0))),
  });
const [four, six] = [serve("127.0.0.1"), serve("::1")];
afterAll(async () => {
  await Promise.all([four.stop(true), six.stop(true)]);
});

const tells = process.platform === "linux";
const own = tells ? String(process.getuid?.()) : "undefined";

describe("the user at the other end of a connection", () => {
  test("is this one for connections of this process, by either kind of address", async () => {
    for (const host of [`127.0.0.1:${four.port}`, `[::1]:${six.port}`]) expect(await (await fetch(`http://${host}/`)).text()).toBe(own);
  });

  test("is somebody else for somebody else's programs", async () => {
    const as = ["setpriv", "--reuid", "3001", "--regid", "3001", "--clear-groups"];
    const isPossible = tells && process.getuid?.() === 0 && Bun.which("setpriv") !== null;
    for (const host of [`127.0.0.1:${four.port}`, `[::1]:${six.port}`, `[::ffff:127.0.0.1]:${four.port}`]) {
      const child = Bun.spawn([...(isPossible ? as : []), "curl", "-s", "--noproxy", "*", `http://${host}/`]);
      expect([host, await new Response(child.stdout).text()]).toEqual([host, isPossible ? "3001" : own]);
    }
  });

  test("is nobody for a connection that is not there", () => {
    expect([userOfPeer(four.port ?? 0, 1), userOfPeer(1, four.port ?? 0), userOfPeer(0, 0)]).toEqual([undefined, undefined, undefined]);
  });
});
