/**
 * The shipped agent on a machine of its own: a network namespace with the metadata service and the Arc agent at their real addresses, challenge files that
 * a group reads, users that must not see each other's secrets, and a line to the primary that is cut.
 */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Finding } from "../../src/cli/doctor/finding";
import {
  agentUser,
  cannotConnect,
  createEdgeMachine,
  type EdgeMachine,
  end,
  groupA,
  groupB,
  himdsGroup,
  primaryAddress,
  until,
  url,
  userA,
  userB,
} from "../support/edge-machine";
import { noNamespaces } from "../support/namespace";

if (noNamespaces !== undefined) process.stdout.write(`the edge journey is skipped: ${noNamespaces}\n`);

const timeoutMs = 60_000;
let edge: EdgeMachine;
const readAs: EdgeMachine["readAs"] = (...asked) => edge.readAs(...asked);

beforeAll(async () => {
  if (noNamespaces === undefined) edge = await createEdgeMachine();
}, timeoutMs);
afterEach(async () => {
  if (noNamespaces === undefined) await edge.endAgents("SIGTERM");
});
afterAll(async () => {
  if (noNamespaces === undefined) await edge.close();
});

const cut = (): void => void edge.machine.run(["ip", "addr", "del", `${primaryAddress}/32`, "dev", "lo"]);
const mend = (): void => void edge.machine.run(["ip", "addr", "add", `${primaryAddress}/32`, "dev", "lo"]);

describe.skipIf(noNamespaces !== undefined)("the agent of an Arc server", () => {
  test(
    "finds the Arc agent without a variable, reads its challenge as a member of the group, and serves each user their own secret",
    async () => {
      await edge.startAgent(edge.configuration());
      expect(readAs(userA, groupA, "a")).toBe("the password of a 200 primary");
      expect(readAs(userB, groupB, "a")).toBe(cannotConnect);
      expect(readAs(userA, groupA, "b")).toBe(cannotConnect);
    },
    timeoutMs,
  );

  test(
    "gives each socket to the user of its app, as its unit starts it: with CAP_CHOWN and nothing else",
    async () => {
      const unit = readFileSync("scripts/package/systemd/postern-agent.service", "utf8");
      expect([unit.match(/^CapabilityBoundingSet=(.*)$/mu)?.[1], unit.match(/^AmbientCapabilities=(.*)$/mu)?.[1]]).toEqual([
        "CAP_CHOWN",
        "CAP_CHOWN",
      ]);
      const capabilities = ["--bounding-set=-all,+chown", "--inh-caps=-all,+chown", "--ambient-caps=-all,+chown", "--no-new-privs"];
      const owned = (name: string, user: number): string =>
        `[apps.${name}]\nrole = "host/apps/${name}"\nsocket = "${edge.home}/run/${name}.sock"\nowner = ${user}\ngroup = ${user}\n`;
      await edge.startAgent(edge.configuration({ apps: owned("a", userA) + owned("b", userB) }), [himdsGroup], capabilities);
      expect(readAs(userA, groupA, "a")).toBe("the password of a 200 primary");
      expect([readAs(userB, groupB, "a"), readAs(userA, groupA, "b")]).toEqual([cannotConnect, cannotConnect]);
      const { uid, gid, mode } = statSync(join(edge.home, "run/a.sock"));
      expect([uid, gid, mode & 0o777]).toEqual([userA, userA, 0o600]);
    },
    timeoutMs,
  );

  test(
    "ends when it may not give a socket away, and says what that takes",
    async () => {
      const app = `[apps.a]\nrole = "host/apps/a"\nsocket = "${edge.home}/run/a.sock"\nowner = ${userA}\n`;
      const ended = edge.startAgent(edge.configuration({ apps: app }), [himdsGroup]);
      expect(await ended.catch(String)).toContain("giving to others takes root or CAP_CHOWN");
      expect(await edge.processes.at(-1)?.exited).toBe(78);
    },
    timeoutMs,
  );

  test(
    "gets nothing when its user is not in the agent's group, and says so",
    async () => {
      await edge.startAgent(
        edge
          .configuration()
          .replace(`${edge.home}/data"`, `${edge.home}/run/none"`)
          .replace(/^seal = .*$/mu, ""),
        [groupA, groupB],
      );
      expect(readAs(userA, groupA, "a")).toBe(" 503 primary_unavailable");
      expect(edge.lastLog()).toContain("challenge_file_not_permitted");
    },
    timeoutMs,
  );

  test(
    "serves through a cut line, after being killed as well, within two seconds, and learns of a revocation when the line returns",
    async () => {
      const agent = await edge.startAgent(edge.configuration());
      expect(readAs(userA, groupA, "a")).toBe("the password of a 200 primary");
      // The copy is written a moment after the value came.
      await Bun.sleep(500);
      cut();
      expect(readAs(userA, groupA, "a")).toBe("the password of a 200 copy");
      await end(agent, "SIGKILL");
      const from = performance.now();
      await edge.startAgent(edge.configuration());
      expect(readAs(userA, groupA, "a")).toBe("the password of a 200 copy");
      expect(performance.now() - from).toBeLessThan(2000);
      expect(readAs(userB, groupB, "a")).toBe(cannotConnect);

      edge.operate(
        ["policy", "load", "--mode", "update", "--account", "acme", "-"],
        "- !deny { role: !host apps/a, privileges: [ execute ], resource: !variable apps/a/password }\n",
      );
      expect(readAs(userA, groupA, "a")).toBe("the password of a 200 copy");
      mend();
      expect(await until(" 403 ", () => readAs(userA, groupA, "a"))).toBe(" 403 ");
      await Bun.sleep(500);
      cut();
      expect(await until(" 503 primary_unavailable", () => readAs(userA, groupA, "a"))).toBe(" 503 primary_unavailable");
      await edge.endAgents("SIGKILL");
      await edge.startAgent(edge.configuration());
      expect(readAs(userA, groupA, "a")).toBe(" 503 primary_unavailable");
      mend();
      edge.operate(["policy", "load", "--mode", "update", "--account", "acme", "-"], edge.policy(["a"]));
      expect(await until("the password of a 200 primary", () => readAs(userA, groupA, "a"))).toBe("the password of a 200 primary");
    },
    timeoutMs,
  );

  test(
    "serves from the copy within two seconds when the primary hangs, and nothing past the bound",
    async () => {
      await edge.startAgent(edge.configuration({ maxStale: "4s" }));
      expect(await until("the password of a 200 primary", () => readAs(userA, groupA, "a"))).toBe("the password of a 200 primary");
      edge.primary().kill("SIGSTOP");
      const from = performance.now();
      expect(readAs(userA, groupA, "a")).toBe("the password of a 200 copy");
      expect(performance.now() - from).toBeLessThan(2000);
      expect(await until(" 503 stale", () => readAs(userA, groupA, "a"))).toBe(" 503 stale");
      edge.primary().kill("SIGCONT");
      expect(await until("the password of a 200 primary", () => readAs(userA, groupA, "a"))).toBe("the password of a 200 primary");
    },
    timeoutMs,
  );

  test(
    "speaks for a virtual machine at the metadata service's own address",
    async () => {
      const socket = `[apps.b]\nrole = "host/apps/b"\nsocket = "${edge.home}/run/b.sock"\ngroup = ${groupB}\nmode = "0660"\n`;
      await edge.startAgent(edge.configuration({ identity: '[identity]\nsource = "imds"\n', apps: socket }), [groupB]);
      expect(readAs(userB, groupB, "b")).toBe("the password of b 200 primary");
    },
    timeoutMs,
  );

  test(
    "opens a port to the content of a file, and to no page, proxy or other name",
    async () => {
      const token = join(edge.home, "run/a.token");
      writeFileSync(token, "a's own token", { mode: 0o640 });
      chownSync(token, agentUser, groupA);
      const port = `[apps.a]\nrole = "host/apps/a"\nlisten = "127.0.0.1:8301"\ntoken_file = "${token}"\n`;
      await edge.startAgent(edge.configuration({ apps: port }));
      const login = (user: number, group: number, headers: readonly string[] = []): string => {
        const command =
          'curl -s -o /dev/null -w "%{http_code}" --data-binary "@$1" "$@" http://127.0.0.1:8301/authn/acme/host%2Fapps%2Fa/authenticate';
        const script = `file=$1; shift; ${command.replace("@$1", "@$file")}`;
        return edge.machine.run([
          "setpriv",
          "--reuid",
          String(user),
          "--regid",
          String(group),
          "--clear-groups",
          "sh",
          "-c",
          script,
          "sh",
          token,
          ...headers,
        ]).stdout;
      };
      expect(login(userA, groupA)).toBe("200");
      // The other user's curl cannot open the file, and sends what it has: nothing.
      expect(login(userB, groupB)).not.toBe("200");
      for (const header of [
        "Origin: https://evil.example",
        "X-Forwarded-For: 192.0.2.1",
        "Host: evil.example:8301",
        "Sec-Fetch-Site: cross-site",
      ])
        expect(login(userA, groupA, ["-H", header])).toBe("403");
    },
    timeoutMs,
  );

  test(
    "takes a challenge at a port from a member of the group alone",
    async () => {
      const port = `[apps.a]\nrole = "host/apps/a"\nlisten = "127.0.0.1:8303"\nchallenge = { folder = "${edge.home}/run/challenges", group = ${groupA} }\n`;
      await edge.startAgent(edge.configuration({ apps: port }));
      const script = `
f=$(curl -s -D - -o /dev/null -X POST -H 'Metadata: true' http://127.0.0.1:8303/challenge | tr -d '\\r' | sed -n 's/^[Ww][Ww][Ww]-[Aa]uthenticate: Basic realm=//p')
curl -s -o /dev/null -w '%{http_code}' -d "$(cat "$f" 2>/dev/null)" http://127.0.0.1:8303/authn/acme/host%2Fapps%2Fa/authenticate`;
      const login = (user: number, group: number): string =>
        edge.machine.run(["setpriv", "--reuid", String(user), "--regid", String(group), "--clear-groups", "sh", "-c", script]).stdout;
      expect([login(userA, groupA), login(userB, groupB)]).toEqual(["200", "401"]);
    },
    timeoutMs,
  );

  test(
    "lends the machine's token to Azure's own library for a named audience alone",
    async () => {
      const secret = join(edge.home, "run/identity.secret");
      writeFileSync(secret, "of one app", { mode: 0o600 });
      chownSync(secret, agentUser, agentUser);
      const endpoint = `[apps.a.identity_endpoint]\nlisten = "127.0.0.1:8302"\nsecret_file = "${secret}"\naudiences = ["https://vault.azure.net"]\n`;
      const socket = `[apps.a]\nrole = "host/apps/a"\nsocket = "${edge.home}/run/a.sock"\n`;
      await edge.startAgent(edge.configuration({ apps: socket + endpoint }));
      const ask = (scope: string, header: string): string => {
        const script = resolve("test/conformance/azure-identity/get-token.ts");
        const environment = ["IDENTITY_ENDPOINT=http://127.0.0.1:8302/msi/token", `IDENTITY_HEADER=${header}`];
        return edge.machine.run(["env", ...environment, process.execPath, script, JSON.stringify({ scope, credential: "managed" })]).stdout;
      };
      const lent = JSON.parse(ask("https://vault.azure.net/.default", "of one app"));
      expect(JSON.parse(Buffer.from(lent.token.split(".")[1], "base64url").toString())).toMatchObject({
        aud: "https://vault.azure.net",
        oid: edge.cloud.oid,
      });
      expect(ask("https://management.azure.com/.default", "of one app")).toContain("error");
      expect(ask("https://vault.azure.net/.default", "of another")).toContain("error");
    },
    timeoutMs,
  );

  test(
    "may have the server itself beside it, which goes on logging machines in after a restart without Entra ID",
    async () => {
      const login = (): string => {
        const script = `
f=$(curl -s -D - -o /dev/null -H Metadata:true "http://127.0.0.1:40342/metadata/identity/oauth2/token?api-version=2020-06-01&resource=https%3A%2F%2Fmanagement.azure.com%2F" | tr -d '\\r' | sed -n 's/^Www-Authenticate: Basic realm=//p')
t=$(curl -s -H Metadata:true -H "Authorization: Basic $(cat $f)" "http://127.0.0.1:40342/metadata/identity/oauth2/token?api-version=2020-06-01&resource=https%3A%2F%2Fmanagement.azure.com%2F" | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
curl -s -o /dev/null -w '%{http_code}' --cacert "$1" --data-urlencode "jwt=$t" "$2/authn-azure/AzureAE1/acme/host%2Fapps%2Fa/authenticate"`;
        return edge.machine.run(["sh", "-c", script, "sh", join(edge.home, "primary.pem"), url]).stdout;
      };
      expect(login()).toBe("200");
      await end(edge.primary(), "SIGTERM");
      // Entra ID listens on every address; what comes to its port is thrown away from here on.
      const port = new URL(edge.cloud.entra).port;
      const wall = (verb: "add" | "del"): number | null =>
        edge.machine.run([
          "sh",
          "-c",
          `ip rule ${verb} ipproto tcp dport ${port} prohibit pref 1 2>/dev/null || ip rule ${verb} ipproto tcp dport ${port} unreachable pref 1`,
        ]).code;
      expect(wall("add")).toBe(0);
      edge.machine.run(["ip", "rule", "del", "pref", "0"]);
      edge.machine.run(["ip", "rule", "add", "pref", "2", "lookup", "local"]);
      await edge.startPrimary();
      expect(edge.machine.run(["curl", "-sk", "--max-time", "2", edge.cloud.entra]).code).not.toBe(0);
      expect(login()).toBe("200");
      expect(wall("del")).toBe(0);
    },
    timeoutMs,
  );
});

describe.skipIf(noNamespaces !== undefined)("a person on an Arc server", () => {
  const personHome = (): string => join(edge.home, "person");
  const postern = (groups: readonly number[], words: readonly string[]) => {
    const as = ["setpriv", "--reuid", String(userA), "--regid", String(groupA), "--groups", [groupA, ...groups].join(",")];
    return edge.machine.run([...as, "env", "-C", personHome(), `HOME=${personHome()}`, edge.installation.binary, ...words]);
  };
  const findings = (groups: readonly number[]): Readonly<Record<string, string>> => {
    const { findings: found }: { readonly findings: readonly Finding[] } = JSON.parse(postern(groups, ["doctor", "--json"]).stdout);
    return Object.fromEntries(found.map(({ check, state }) => [check, state]));
  };
  const exec = ["exec", "--offline", "--max-age", "1h", "--yaml", "A: !var apps/a/password", "--", "printenv", "A"];

  test(
    "logs in with the machine's identity as a member of the agent's group, and is told what is missing as another",
    () => {
      mkdirSync(personHome(), { mode: 0o700 });
      chownSync(personHome(), userA, groupA);
      const login = ["login", "--url", url, "--account", "acme", "--login", "host/apps/a", "--service", "AzureAE1"];
      const pinned = [...login, "--ca-cert", join(edge.home, "primary.pem")];
      const outside = postern([], pinned);
      expect([outside.code, outside.stderr]).toEqual([75, expect.stringContaining("challenge_file_not_permitted")]);
      expect(postern([himdsGroup], pinned)).toMatchObject({ code: 0, stdout: `Logged in at ${url} as host/apps/a\n` });
      expect(findings([himdsGroup])).toMatchObject({
        "identity endpoint": "ok",
        "group himds": "ok",
        identity: "ok",
        tls: "ok",
        "login host/apps/a": "ok",
      });
      expect(findings([])).toMatchObject({
        "identity endpoint": "ok",
        "group himds": "fail",
        identity: "fail",
        tls: "ok",
        "login host/apps/a": "unknown",
      });
    },
    timeoutMs,
  );

  test(
    "runs programs through a cut line, and hears that it is cut",
    () => {
      expect(postern([himdsGroup], exec)).toMatchObject({ code: 0, stdout: "the password of a\n", stderr: "" });
      cut();
      const away = postern([himdsGroup], exec);
      expect([away.code, away.stdout]).toEqual([0, "the password of a\n"]);
      expect(away.stderr).toContain("using the sealed copy");
      expect(findings([himdsGroup])).toMatchObject({ identity: "ok", connection: "fail" });
      mend();
      expect(postern([himdsGroup], exec)).toMatchObject({ code: 0, stderr: "" });
    },
    timeoutMs,
  );
});
