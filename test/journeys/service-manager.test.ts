import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Installation, installBinary } from "../support/binary";
import { listenForNotifications } from "../support/notify-socket";

let installed: Installation;
let folder: string;

beforeAll(() => {
  installed = installBinary();
  folder = installed.folder("service");
});
afterAll(() => installed.remove());

const settings = () => ({ POSTERN_DATA: join(folder, "data"), POSTERN_SEAL: `file:${join(folder, "seal.key")}` });

/** The next notification that is no mere sign of life. */
function nextChange(next: () => string): string {
  for (;;) {
    const text = next();
    if (text !== "WATCHDOG=1") return text;
  }
}

describe("a server under a service manager", () => {
  test.each(["path", "abstract name"])(
    "tells it by %s when it serves, that it lives, when it reads certificates again, when it ends",
    async (kind) => {
      installed.run(["init"], { cwd: folder, env: settings() });
      const name = kind === "path" ? join(folder, "notify") : `@postern-test-${process.pid}`;
      const socket = listenForNotifications(name);
      const server = Bun.spawn([installed.binary, "server", "--listen", "127.0.0.1:0"], {
        cwd: folder,
        env: { ...settings(), NOTIFY_SOCKET: name, WATCHDOG_USEC: "100000" },
        stdout: "ignore",
        stderr: "ignore",
      });
      try {
        expect(socket.next()).toMatch(/^READY=1\nSTATUS=listening on http:\/\/127\.0\.0\.1:\d+$/u);
        expect(socket.next()).toBe("WATCHDOG=1");
        server.kill("SIGHUP");
        expect(nextChange(socket.next)).toBe("RELOADING=1");
        expect(nextChange(socket.next)).toStartWith("READY=1\n");
        server.kill("SIGTERM");
        expect(nextChange(socket.next)).toBe("STOPPING=1");
        expect(await server.exited).toBe(0);
      } finally {
        server.kill("SIGKILL");
        await server.exited;
        socket.close();
      }
    },
    60_000,
  );

  test("that is sealed is ready too, since it can be unsealed where it stands, and says so", async () => {
    const name = join(folder, "notify-sealed");
    const socket = listenForNotifications(name);
    const server = Bun.spawn([installed.binary, "server", "--listen", "127.0.0.1:0"], {
      cwd: folder,
      env: { POSTERN_DATA: settings().POSTERN_DATA, NOTIFY_SOCKET: name },
      stdout: "ignore",
      stderr: "ignore",
    });
    try {
      expect(socket.next()).toBe("READY=1\nSTATUS=not ready: seal_key_missing");
    } finally {
      server.kill("SIGTERM");
      await server.exited;
      socket.close();
    }
  }, 60_000);
});

describe("an agent under a service manager", () => {
  test("tells it when it serves, that it lives, and when it reads its file again; a file that is no good changes nothing", async () => {
    const name = join(folder, "notify-agent");
    const socket = listenForNotifications(name);
    const file = join(folder, "agent.toml");
    const write = (apps: readonly string[]): void =>
      writeFileSync(
        file,
        `data = "${folder}/agent"\n[primary]\nurl = "https://127.0.0.1:9"\naccount = "acme"\nservice = "AzureAE1"\n[identity]\nsource = "imds"\n` +
          apps.map((app) => `[apps.${app}]\nrole = "host/apps/${app}"\nsocket = "${folder}/${app}.sock"\n`).join(""),
      );
    write(["billing"]);
    const agent = Bun.spawn([installed.binary, "agent", "--config", file], {
      cwd: folder,
      env: { NOTIFY_SOCKET: name, WATCHDOG_USEC: "100000" },
      stdout: "ignore",
      stderr: "pipe",
    });
    const complaints = agent.stderr.text();
    try {
      expect(socket.next()).toBe("READY=1\nSTATUS=serving 1 apps, identity from imds");
      expect(socket.next()).toBe("WATCHDOG=1");
      write(["billing", "shop"]);
      agent.kill("SIGHUP");
      expect(nextChange(socket.next)).toBe("RELOADING=1");
      expect(nextChange(socket.next)).toBe("READY=1\nSTATUS=serving 2 apps, identity from imds");
      const health = await fetch("http://localhost/v1/sys/health", { unix: join(folder, "shop.sock") });
      expect(health.status).toBe(200);
      writeFileSync(file, "[apps.billing]\nroll = 1\n");
      agent.kill("SIGHUP");
      expect(nextChange(socket.next)).toBe("RELOADING=1");
      expect(nextChange(socket.next)).toBe("READY=1\nSTATUS=serving 2 apps, identity from imds");
      expect((await fetch("http://localhost/v1/sys/health", { unix: join(folder, "shop.sock") })).status).toBe(200);
      agent.kill("SIGTERM");
      expect(nextChange(socket.next)).toBe("STOPPING=1");
      agent.kill("SIGTERM");
      expect(await agent.exited).toBe(0);
      expect(await complaints).toMatch(/agent\.toml was read again: billing, shop\n[\s\S]*agent\.toml was not taken over: /);
    } finally {
      agent.kill("SIGKILL");
      await agent.exited;
      socket.close();
    }
  }, 60_000);
});

describe("the trail of an agent", () => {
  test("is verified while the agent is stopped, and nothing is made in its folder; a changed line is found", async () => {
    const home = installed.folder("trail");
    const data = join(home, "agent");
    const key = join(home, "agent.key");
    const file = join(home, "agent.toml");
    writeFileSync(
      file,
      `data = "${data}"\nseal = ["file:${key}"]\n[primary]\nurl = "https://127.0.0.1:9"\naccount = "acme"\nservice = "AzureAE1"\n[identity]\nsource = "imds"\n` +
        `[apps.billing]\nrole = "host/apps/billing"\nsocket = "${home}/billing.sock"\n`,
    );
    const place = ["--data", data, "--seal", `file:${key}`];
    const agent = Bun.spawn([installed.binary, "agent", "--config", file], { cwd: home, env: {}, stdout: "pipe", stderr: "ignore" });
    try {
      for await (const piece of agent.stdout) if (Buffer.from(piece).includes("Listening")) break;
      const login = { method: "POST", body: "x", unix: join(home, "billing.sock") };
      expect((await fetch("http://localhost/authn/acme/host%2Fapps%2Fbilling/authenticate", login)).status).toBe(200);
      const running = installed.run(["audit", "verify", ...place], { cwd: home });
      expect([running.code, running.stderr]).toEqual([75, expect.stringContaining("an agent that is running")]);
    } finally {
      agent.kill("SIGTERM");
      await agent.exited;
    }
    const before = readdirSync(data).sort();
    const whole = installed.run(["audit", "verify", ...place], { cwd: home });
    expect([whole.code, whole.stdout]).toEqual([0, expect.stringContaining("The audit trail is whole")]);
    for (const words of [["status"], ["account", "create", "acme"]]) {
      const { code, stderr } = installed.run([...words, ...place], { cwd: home });
      expect([code, stderr]).toEqual([1, expect.stringContaining("the data folder of an agent")]);
    }
    const served = installed.run(["server", "--listen", "127.0.0.1:0", ...place], { cwd: home });
    expect([served.code, served.stderr]).toEqual([1, expect.stringContaining("the data folder of an agent")]);
    expect(readdirSync(data).sort()).toEqual(before);
    const trail = join(data, "audit/audit.jsonl");
    writeFileSync(trail, readFileSync(trail, "utf8").replace('"operation":"login"', '"operation":"logon"'));
    const changed = installed.run(["audit", "verify", ...place], { cwd: home });
    expect([changed.code, changed.stdout]).toEqual([74, expect.stringContaining("NOT whole")]);
  }, 60_000);
});
