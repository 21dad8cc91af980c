import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { claimsOf, getToken } from "../conformance/azure-identity/token-case";

const timeoutMs = 30_000;

/** A process that does nothing but start it, print, and end it when asked. */
const program = `
  import { startDev } from ${JSON.stringify(resolve("src/server/dev.ts"))};
  const command = [process.execPath, ${JSON.stringify(resolve("src/main.ts"))}];
  const dev = await startDev({ listen: "127.0.0.1:0", command, print: (text) => process.stdout.write(text + "# end\\n") });
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => dev.stop());
`;

interface DevProcess {
  readonly text: string;
  /** Where its temporary folders are. */
  readonly home: string;
  readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;
}

/** As much of Vault's command line as the text has. */
const vaultProgram = `
  import { readFileSync } from "node:fs";
  const [verb, ...rest] = process.argv.slice(2);
  const [first, ...fields] = rest.filter((word) => word !== "-f");
  const path = verb === "auth" ? "sys/auth/" + fields[0] : first;
  const body = verb === "auth" ? { type: fields[0] } : Object.fromEntries(fields.map((field) => field.split(/=(.*)/s)));
  const answer = await fetch(process.env.VAULT_ADDR + "/v1/" + path, {
    method: "PUT",
    headers: { "x-vault-token": process.env.VAULT_TOKEN },
    body: JSON.stringify(body),
    tls: { ca: readFileSync(process.env.VAULT_CACERT) },
  });
  process.stdout.write(await answer.text());
  if (!answer.ok) process.exit(2);
`;

const left: { readonly child: Bun.Subprocess; readonly home: string }[] = [];

// A test that failed has not ended its process.
afterEach(async () => {
  for (const { child, home } of left.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
    rmSync(home, { recursive: true, force: true });
  }
});

async function startProcess(): Promise<DevProcess> {
  const home = mkdtempSync(join(tmpdir(), "postern-dev-journey-"));
  const child = Bun.spawn([process.execPath, "-e", program], {
    env: { PATH: process.env.PATH ?? "", TMPDIR: home, POSTERN_LISTEN: "192.0.2.1:1", HTTPS_PROXY: "http://192.0.2.1:1" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  left.push({ child, home });
  let text = "";
  for await (const piece of child.stdout) {
    text += Buffer.from(piece).toString("utf8");
    if (text.endsWith("# end\n")) break;
  }
  return { text, home, child };
}

async function end({ child, home }: DevProcess, signal: "SIGTERM" | "SIGINT"): Promise<void> {
  child.kill(signal);
  expect(await child.exited).toBe(0);
  expect(readdirSync(home)).toEqual([]);
}

describe("the text of postern dev, pasted into a shell as it is", () => {
  test(
    "lets a machine read the secret, the administrator ask, and the operator hear why another login is refused",
    async () => {
      const dev = await startProcess();
      const administrator = `curl -sS --cacert "$CONJUR_CERT_FILE" -H "Authorization: Token token=\\"$admin_token\\"" "$CONJUR_APPLIANCE_URL/whoami"`;
      const shell = Bun.spawn(["bash", "-eu", "-c", `${dev.text}\n${administrator}`], {
        // A proxy that nobody reaches: loopback is not to be asked for through one.
        env: { PATH: process.env.PATH ?? "", http_proxy: "http://192.0.2.1:1", https_proxy: "http://192.0.2.1:1" },
        stdout: "pipe",
        stderr: "pipe",
      });
      const [printed, complaints, code] = await Promise.all([shell.stdout.text(), shell.stderr.text(), shell.exited]);
      expect([complaints, code]).toEqual(["", 0]);
      const [secret, status, decision] = printed.split("\n");
      expect([secret, status]).toEqual(["the-value-of-the-sample-secret", "401"]);
      expect(decision).toMatch(/^d-\S+ +refused +login/u);
      expect(printed).toContain("because resource_group_mismatch");
      expect(printed).toContain('"username":"admin"');
      await end(dev, "SIGTERM");
    },
    timeoutMs,
  );

  test(
    "lets clients of Vault work with a token of their own, and machines log in by the method azure with bounds that Azure is asked about",
    async () => {
      const dev = await startProcess();
      // The lines for the method azure as they stand there, but for the marks that make them comments.
      const lines = [...dev.text.matchAll(/^# {3}(vault (?:auth enable|write) .+)$/gmu)].map(([, line]) => line);
      expect(lines).toHaveLength(6);
      const vault = join(dev.home, "vault.ts");
      await Bun.write(vault, vaultProgram);
      const shim = `vault() { ${process.execPath} ${vault} "$@"; echo; }`;
      const shell = Bun.spawn(
        ["bash", "-eu", "-c", [dev.text, shim, ...lines, "vault write -f auth/azure/rotate-root", ...lines.slice(-1)].join("\n")],
        {
          env: { PATH: process.env.PATH ?? "" },
          stdout: "pipe",
          stderr: "pipe",
        },
      );
      const [printed, complaints, code] = await Promise.all([shell.stdout.text(), shell.stderr.text(), shell.exited]);
      rmSync(vault);
      expect([complaints, code]).toEqual(["", 0]);
      const logins = printed.split("\n").filter((line) => line.startsWith('{"request_id"'));
      expect(logins.map((line) => JSON.parse(line).auth.metadata)).toEqual([
        expect.objectContaining({ role: "vm", vm_name: "vm", resource_group_name: "rg-app" }),
        expect.objectContaining({ role: "fleet", vmss_name: "fleet", resource_group_name: "rg-fleet" }),
        expect.objectContaining({ role: "fleet" }),
      ]);
      await end(dev, "SIGTERM");
    },
    timeoutMs,
  );

  test(
    "has an agent for the machine, whose app reads the secret by either protocol and without any credential",
    async () => {
      const dev = await startProcess();
      const [, agent = "", byVault = "", byConjur = ""] =
        /^# The machine's agent.*\n# {3}(.+)\n#.*\n# {3}(.+)\n# {3}(.+)$/mu.exec(dev.text) ?? [];
      const running = Bun.spawn(["bash", "-euc", `exec ${agent}`], {
        env: { PATH: process.env.PATH ?? "" },
        stdout: "pipe",
        stderr: "pipe",
      });
      try {
        for await (const piece of running.stdout) if (Buffer.from(piece).includes("Listening on")) break;
        const shell = Bun.spawn(["bash", "-euc", `${byVault}; echo; ${byConjur}`], {
          env: { PATH: process.env.PATH ?? "" },
          stdout: "pipe",
        });
        const [first = "", second] = (await shell.stdout.text()).split("\n");
        expect(JSON.parse(first)).toMatchObject({ data: { value: "the-value-of-the-sample-secret" } });
        expect(second).toBe("the-value-of-the-sample-secret");
      } finally {
        running.kill("SIGTERM");
        expect(await running.exited).toBe(0);
      }
      await end(dev, "SIGTERM");
    },
    timeoutMs,
  );

  test(
    "leads Azure's own library to the machine",
    async () => {
      const dev = await startProcess();
      const [, authority = ""] = /^export AZURE_POD_IDENTITY_AUTHORITY_HOST=(\S+)$/mu.exec(dev.text) ?? [];
      const scope = "https://management.azure.com/.default";
      const outcome = await getToken({ scope, credential: "managed" }, { AZURE_POD_IDENTITY_AUTHORITY_HOST: authority });
      expect(claimsOf(outcome)).toMatchObject({ aud: "https://management.azure.com", xms_sim: "1" });
      await end(dev, "SIGINT");
    },
    timeoutMs,
  );
});
