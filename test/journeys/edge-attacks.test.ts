/** The agent's neighbours on its machine: another user, a page in a browser, a program that is made to send requests, and a cable that is pulled. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { chownSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  agentUser,
  cannotConnect,
  createEdgeMachine,
  type EdgeMachine,
  groupA,
  groupB,
  himdsGroup,
  primaryAddress,
  until,
  userA,
  userB,
} from "../support/edge-machine";
import { noNamespaces } from "../support/namespace";

if (noNamespaces !== undefined) process.stdout.write(`the attacks on the edge are skipped: ${noNamespaces}\n`);

const timeoutMs = 60_000;
const ownAddress = "10.9.0.2";
/** What the primary's address is on: a machine of its own at the other end of a cable, which carries on to the primary. */
const cable = `
unshare --net sleep 600 &
far=$!
sleep 0.2
ip link add near type veth peer name far netns $far
ip addr add ${ownAddress}/24 dev near
ip link set near up
nsenter --target $far --net sh -c "ip link set lo up; ip addr add ${primaryAddress}/24 dev far; ip link set far up"
echo $far > /run/far.pid`;
let edge: EdgeMachine;
const readAs: EdgeMachine["readAs"] = (...asked) => edge.readAs(...asked);

beforeAll(async () => {
  if (noNamespaces !== undefined) return;
  edge = await createEdgeMachine({ line: `mount -t tmpfs tmpfs /run\n${cable}`, listen: ownAddress });
  await edge.start(farAway(process.execPath, resolve("test/support/tcp-relay.ts"), primaryAddress, "8443", ownAddress, "8443"));
}, timeoutMs);
afterEach(async () => {
  if (noNamespaces === undefined) await edge.endAgents("SIGTERM");
});
afterAll(async () => {
  if (noNamespaces !== undefined) return;
  edge.machine.run(["sh", "-c", 'kill "$(cat /run/far.pid)"']);
  await edge.close();
});

/** The words of a command at the other end of the cable. */
function farAway(...command: readonly string[]): readonly string[] {
  return ["sh", "-c", 'exec nsenter --target "$(cat /run/far.pid)" --net "$@"', "sh", ...command];
}

const plug = (state: "up" | "down"): void => void edge.machine.run(farAway("ip", "link", "set", "far", state));

/** Two apps: `a` at a socket, and `b` at a port by a token file, with a token endpoint beside it. */
function twoKinds(): string {
  for (const [name, text, group] of [
    ["b.token", "b's own token", groupB],
    ["b.secret", "b's identity secret", groupB],
  ] as const) {
    const file = join(edge.home, "run", name);
    writeFileSync(file, text, { mode: 0o640 });
    chownSync(file, agentUser, group);
  }
  const [a, b] = [`${edge.home}/run/a.sock`, `${edge.home}/run/b.token`];
  return edge.configuration({
    apps: `
[apps.a]
role = "host/apps/a"
socket = "${a}"
group = ${groupA}
mode = "0660"
keep = ["apps/a/password"]
[apps.b]
role = "host/apps/b"
listen = "127.0.0.1:8311"
token_file = "${b}"
[apps.b.identity_endpoint]
listen = "127.0.0.1:8312"
secret_file = "${edge.home}/run/b.secret"
audiences = ["https://vault.azure.net"]
`,
  });
}

describe.skipIf(noNamespaces !== undefined)("another user of the machine", () => {
  test(
    "reads nothing of an app's: not at its place, not in the agent's files, not out of the agent's process",
    async () => {
      const agent = await edge.startAgent(twoKinds());
      expect(await until("the password of a 200 primary", () => readAs(userA, groupA, "a"))).toBe("the password of a 200 primary");
      // The copy is written a moment after the value came.
      await Bun.sleep(500);
      expect(readdirSync(join(edge.home, "data/copies"))).toEqual(["a.copy"]);
      expect(readAs(userB, groupB, "a")).toBe(cannotConnect);

      const ours = ["data", "data/copies/a.copy", "data/keys/seal.key", "data/keyring.json", "data/node.json", "data/audit"];
      for (const file of ours)
        expect(edge.as(userB, groupB, 'cat "$1" 2>&1 || ls "$1" 2>&1', join(edge.home, file))).toMatchObject({
          code: 2,
          stdout: expect.stringContaining("Permission denied"),
        });
      for (const file of ["run/b.token", "run/b.secret"])
        expect(edge.as(userA, groupA, 'cat "$1" 2>&1', join(edge.home, file)).stdout).toContain("Permission denied");

      // Memory, environment and descriptors; what anybody may see of it holds nothing.
      for (const part of ["mem", "environ", "maps", "auxv", "fd/", "map_files/", "cwd/", "root/etc", "syscall", "stack"])
        expect(
          edge.as(userB, groupB, 'ls "$1" > /dev/null 2>&1 && head -c 1 "$1" 2> /dev/null', `/proc/${agent.pid}/${part}`),
        ).toMatchObject({
          stdout: "",
        });
      const open = edge.as(
        userB,
        groupB,
        `cat /proc/${agent.pid}/cmdline /proc/${agent.pid}/status /proc/net/unix /proc/net/tcp; ps -ef`,
      ).stdout;
      expect(open).toContain("agent");
      const everything = edge.as(userB, groupB, 'grep -rlsa -e "$1" "$2" /run /dev/shm 2> /dev/null', "password of a", edge.home);
      expect([open.includes("password of a"), open.includes("b's own token"), everything.stdout]).toEqual([false, false, ""]);

      // Nor can they take its place, or end it.
      const place = join(edge.home, "run/a.sock");
      for (const attempt of [
        'mv "$1" "$1.old"',
        'rm -f "$1"',
        'ln -sf /tmp/evil "$1"',
        `kill -9 ${agent.pid}`,
        'chmod 777 "$1"',
        'mkdir "$1.d"',
      ])
        expect(edge.as(userB, groupB, attempt, place).code).not.toBe(0);
      expect(readAs(userA, groupA, "a")).toBe("the password of a 200 primary");
    },
    timeoutMs,
  );

  test(
    "gains nothing by taking an app's port before the agent, which then does not start",
    async () => {
      const squatter = await edge.start([
        process.execPath,
        "-e",
        'Bun.serve({ hostname: "127.0.0.1", port: 8311, fetch: () => new Response("mine") }); console.log("ready")',
      ]);
      const agent = edge.startAgent(twoKinds());
      expect(await agent.catch(String)).toContain("127.0.0.1:8311");
      expect(await edge.processes.at(-1)?.exited).not.toBe(0);
      expect(readAs(userA, groupA, "a")).toBe(cannotConnect);
      squatter.kill("SIGKILL");
      await squatter.exited;
    },
    timeoutMs,
  );
});

describe.skipIf(noNamespaces !== undefined)("a port of the agent's", () => {
  const ask = (...words: readonly string[]): string =>
    edge.as(userB, groupB, `curl -s --max-time 5 -w '%{http_code}' "$@"`, ...words).stdout;
  const login = ["--data", "b's own token", "http://127.0.0.1:8311/authn/acme/host%2Fapps%2Fb/authenticate"];
  const token = [
    "-H",
    "X-IDENTITY-HEADER: b's identity secret",
    "http://127.0.0.1:8312/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fvault.azure.net",
  ];
  const fromPage = [
    "Origin: null",
    "Origin: http://127.0.0.1:8311",
    "Referer: http://localhost:8311/",
    "Sec-Fetch-Mode: no-cors",
    "Sec-CH-UA: x",
  ];
  const fromProxy = [
    "X-Forwarded-For: 127.0.0.1",
    "X-Forwarded-Host: localhost",
    "Forwarded: for=127.0.0.1",
    "Via: 1.1 x",
    "X-Real-IP: 127.0.0.1",
  ];

  test(
    "answers a page, a proxy and a name that somebody pointed here with 403 and nothing, though all else is right",
    async () => {
      await edge.startAgent(twoKinds());
      expect(ask(...login)).toEndWith("200");
      expect(ask(...token)).toEndWith("200");
      for (const header of [...fromPage, ...fromProxy])
        for (const right of [login, token]) expect([header, ask("-H", header, ...right)]).toEqual([header, "403"]);
      for (const [words, port] of [
        [login, "8311"],
        [token, "8312"],
      ] as const) {
        const renamed = words.map((word) => word.replace("//127.0.0.1:", "//page.example:"));
        expect(ask("--resolve", `page.example:${port}:127.0.0.1`, ...renamed)).toBe("403");
        for (const host of [
          "localhost",
          `localhost.:${port}`,
          "127.0.0.1:80",
          `127.1:${port}`,
          `0x7f000001:${port}`,
          `[::ffff:127.0.0.1]:${port}`,
        ])
          expect([host, ask("-H", `Host: ${host}`, ...words)]).toEqual([host, expect.stringMatching(/^(403|.*400)$/su)]);
      }
      // No page is told that it might ask.
      const preflight = ["-X", "OPTIONS", "-H", "Origin: https://page.example", "-H", "Access-Control-Request-Method: POST", "-D", "-"];
      const answer = ask(...preflight, "http://127.0.0.1:8311/authn/acme/host%2Fapps%2Fb/authenticate");
      expect([answer.startsWith("HTTP/1.1 403"), answer.toLowerCase().includes("access-control")]).toEqual([true, false]);
    },
    timeoutMs,
  );

  test(
    "is at no address that another machine reaches",
    async () => {
      await edge.startAgent(twoKinds());
      for (const port of ["8311", "8312"]) {
        expect(ask(`http://${ownAddress}:${port}/`)).toBe("000");
        expect(
          edge.machine.run(farAway("curl", "-s", "--max-time", "2", "-w", "%{http_code}", `http://${ownAddress}:${port}/`)).stdout,
        ).toBe("000");
      }
    },
    timeoutMs,
  );
});

describe.skipIf(noNamespaces !== undefined)("a port with challenges", () => {
  const asking = `curl -s -D - -o /dev/null -X POST -H 'Metadata: true' http://127.0.0.1:8313/challenge | tr -d '\\r'`;
  const loggingIn = `
f=$(${asking} | sed -n 's/^[Ww][Ww][Ww]-[Aa]uthenticate: Basic realm=//p')
curl -s -o /dev/null -w '%{http_code}' -d "$(cat "$f" 2> /dev/null)" http://127.0.0.1:8313/authn/acme/host%2Fapps%2Fa/authenticate`;

  test(
    "stays open to its group while another user asks for as many as there can be, and reads none",
    async () => {
      const folder = join(edge.home, "run/challenges");
      const challenge = `challenge = { folder = "${folder}", group = ${groupA} }`;
      await edge.startAgent(edge.configuration({ apps: `[apps.a]\nrole = "host/apps/a"\nlisten = "127.0.0.1:8313"\n${challenge}\n` }));
      const flood = edge.as(userB, groupB, `for i in $(seq 30); do ${asking} | head -n 1; done`).stdout;
      expect(flood).toContain("429");
      expect(edge.as(userB, groupB, loggingIn).stdout).toBe("401");
      expect(edge.as(userA, groupA, loggingIn).stdout).toBe("200");
      const looking = edge.as(userB, groupB, 'ls "$1" 2>&1; cat "$1"/*.key 2>&1', folder).stdout;
      expect(looking.match(/Permission denied|No such file/gu)?.length).toBe(2);
    },
    timeoutMs,
  );
});

describe.skipIf(noNamespaces !== undefined)("a cable that is pulled", () => {
  test(
    "costs readers two seconds at most, also after a restart, and what was written meanwhile is served when it is back",
    async () => {
      await edge.startAgent(edge.configuration());
      expect(await until("the password of a 200 primary", () => readAs(userA, groupA, "a"))).toBe("the password of a 200 primary");
      await Bun.sleep(500);
      plug("down");
      const readInTime = (wanted: string): void => {
        const from = performance.now();
        expect(readAs(userA, groupA, "a")).toBe(wanted);
        expect(performance.now() - from).toBeLessThan(2000);
      };
      readInTime("the password of a 200 copy");
      await edge.endAgents("SIGKILL");
      await edge.startAgent(edge.configuration());
      for (let at = 0; at < 5; at += 1) readInTime("the password of a 200 copy");
      await edge.endAgents("SIGTERM");
      await edge.startAgent(edge.configuration(), [himdsGroup, groupA, groupB]);
      readInTime("the password of a 200 copy");
      // Where nothing is kept, that is said, and as fast.
      expect(readAs(userA, groupA, "a", "unknown")).toBe(" 503 primary_unavailable");
      edge.operate(["variable", "set", "--account", "acme", "apps/a/password"], "the new password of a");
      plug("up");
      expect(await until("the new password of a 200 primary", () => readAs(userA, groupA, "a"))).toBe("the new password of a 200 primary");
      edge.operate(["variable", "set", "--account", "acme", "apps/a/password"], "the password of a");
    },
    timeoutMs,
  );
});
