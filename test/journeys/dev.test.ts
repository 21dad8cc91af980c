import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { resolve } from "node:path";

const timeoutMs = 30_000;

describe("postern dev", () => {
  test(
    "lets the printed lines log a machine in and read the secret, says what it is, and leaves nothing behind",
    async () => {
      const child = Bun.spawn([process.execPath, resolve("src/main.ts"), "dev"], {
        env: { TMPDIR: tmpdir() },
        stdout: "pipe",
        stderr: "pipe",
      });
      const errors = new Response(child.stderr).text();
      let printed = "";
      for await (const piece of child.stdout) {
        printed += Buffer.from(piece).toString("utf8");
        if (/^curl .*\n$/mu.test(printed)) break;
      }

      const lines = printed.split("\n").filter((line) => /^(jwt=|token=|curl )/u.test(line));
      expect(lines).toHaveLength(3);
      const script = `curl() { command curl --noproxy '*' "$@"; }\n${lines.join("\n")}`;
      expect(await new Response(Bun.spawn(["bash", "-c", script]).stdout).text()).toBe("the-value-of-the-sample-secret");

      const [, url = ""] = /^Postern listens on (\S+);/mu.exec(printed) ?? [];
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/u);
      const health = await fetch(`${url}/health`);
      expect([health.status, health.headers.get("x-postern-dev")]).toEqual([200, "not for production"]);

      const [, data = ""] = /^export POSTERN_DATA=(\S+)$/mu.exec(printed) ?? [];
      expect(existsSync(data)).toBe(true);
      child.kill("SIGTERM");
      expect(await child.exited).toBe(0);
      expect(await errors).toContain("NOT FOR PRODUCTION");
      expect(existsSync(resolve(data, ".."))).toBe(false);
    },
    timeoutMs,
  );
});
