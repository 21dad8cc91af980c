/**
 * The README's own lines, from an empty system to a secret on an Arc-enabled server: set up, log a machine in, the first five minutes on a machine. They are run as
 * they are printed, but for the names of a real tenant, on a copy of this system that is thrown away, with a simulated Azure in its place.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { createAuthority } from "../../src/crypto/certificate";
import { createClock } from "../../src/runtime/clock";
import { createNamespace, type Namespace, noNamespaces } from "../support/namespace";

if (noNamespaces !== undefined) process.stdout.write(`the README's first minutes are skipped: ${noNamespaces}\n`);

const readme = readFileSync("README.md", "utf8");
const Cloud = v.object({ ca: v.string(), provider: v.string(), entra: v.string(), subscription: v.string(), oid: v.string() });
let cloud: v.InferOutput<typeof Cloud>;
let machine: Namespace;
let folder: string;
let root: string;
let azure: Bun.Subprocess;

/** The fenced blocks of a language below a heading and above the next, in order. */
function blocks(heading: string, language: string): readonly string[] {
  const found: string[][] = [];
  let isBelow = false;
  let open: string[] | undefined;
  for (const line of readme.split("\n")) {
    if (open === undefined && line.startsWith("#")) isBelow = line === heading;
    else if (open === undefined && line.startsWith("```")) {
      open = [];
      if (isBelow && line === `\`\`\`${language}`) found.push(open);
    } else if (line === "```") open = undefined;
    else open?.push(line);
  }
  return found.map((lines) => lines.map((line) => `${line}\n`).join(""));
}

function ofThisTenant(text: string): string {
  return text
    .replaceAll("https://sts.windows.net/TENANT-ID/", cloud.provider)
    .replaceAll("11111111-2222-4333-8444-555555555555", cloud.subscription)
    .replaceAll("my-group", "rg-branch")
    .replaceAll("66666666-7777-4888-9999-000000000000", cloud.oid);
}

/** Runs lines on the copy, as root in its home. */
function run(lines: string): { readonly code: number | null; readonly out: string; readonly err: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    [...machine.enter, "chroot", root, "env", "-i", "-C", "/root", "HOME=/root", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "sh", "-euc", lines],
    { stdin: "ignore" },
  );
  return { code: exitCode, out: stdout.toString(), err: stderr.toString() };
}

beforeAll(async () => {
  if (noNamespaces !== undefined) return;
  folder = mkdtempSync(join(tmpdir(), "first-minutes-"));
  root = join(folder, "copy/root");
  machine = await createNamespace(`
ip link set lo up
mkdir ${folder}/copy
mount -t tmpfs tmpfs ${folder}/copy
mkdir ${folder}/copy/upper ${folder}/copy/work ${root}
mount -t overlay overlay -o lowerdir=/,upperdir=${folder}/copy/upper,workdir=${folder}/copy/work ${root}
mount -t proc proc ${root}/proc
mount --bind /dev ${root}/dev
mkdir -p ${root}/var/opt/azcmagent/tokens ${root}/opt/azcmagent/bin ${root}/root/dist
touch ${root}/opt/azcmagent/bin/himds
install -m 0755 ${resolve("dist/postern")} ${root}/root/dist/postern
rm -f ${root}/usr/bin/postern
echo 127.0.0.1 localhost postern.example.com > ${root}/etc/hosts`);
  const child = Bun.spawn([...machine.enter, "chroot", root, process.execPath, resolve("test/support/edge-cloud.ts")], { stdout: "pipe" });
  azure = child;
  const { value } = await child.stdout.getReader().read();
  cloud = v.parse(Cloud, JSON.parse(Buffer.from(value ?? new Uint8Array(0)).toString()));
}, 60_000);

afterAll(async () => {
  if (noNamespaces !== undefined) return;
  run("kill -TERM $(pidof postern) || true");
  azure.kill("SIGKILL");
  await azure.exited;
  machine.remove();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(noNamespaces !== undefined)("the README", () => {
  test("sets a server up", () => {
    const authority = createAuthority({ name: "Example CA", now: createClock().now() });
    const pair = authority.issue({ dnsNames: ["postern.example.com"], ipAddresses: [], now: createClock().now(), days: 1 });
    for (const [name, text] of [
      ["entra.pem", cloud.ca],
      ["postern.pem", authority.certificatePem],
      ["server.pem", pair.certificatePem],
      ["server.key", pair.privateKeyPem],
    ] as const)
      expect(run(`umask 077; cat > ${name} <<'END'\n${text.trim()}\nEND`).code).toBe(0);
    const [lines = ""] = blocks("## Set it up", "sh");
    // Whom to ask in place of Entra ID, which authenticators there are, and where to be heard.
    const settings = `export POSTERN_CA=/root/entra.pem POSTERN_ALLOW_OUTBOUND=${cloud.entra}/ CONJUR_AUTHENTICATORS=authn,authn-azure/AzureAE1\n`;
    const waiting = lines.replace(
      /--tls-key server\.key &\n/u,
      "--tls-key server.key > server.log 2>&1 &\ntail -n +1 -f server.log | grep -q -m 1 '^Listening on'\n",
    );
    expect(waiting).not.toBe(lines);
    const { out, err } = run(settings + waiting);
    expect([out, err]).toEqual([expect.stringMatching(/^API key for admin: \S+$/mu), "Created new account 'myorg'\n"]);
  }, 60_000);

  test("lets a machine in by three policies", () => {
    const policies = blocks("## Log a machine in", "yaml");
    expect(policies.length).toBe(3);
    for (const text of policies) {
      const name = /^# (\S+\.yml)$/mu.exec(text)?.[1] ?? "";
      expect(run(`cat > ${name} <<'END'\n${ofThisTenant(text)}END`).code).toBe(0);
    }
    const [lines = ""] = blocks("## Log a machine in", "sh");
    expect(lines).toContain("for f in authn-azure azure-apps secrets");
    const { code, err } = run(`PATH=/root/dist:$PATH\n${ofThisTenant(lines)}`);
    const told = ["authn-azure", "azure-apps", "secrets"].map((name) => `Loaded ${name}.yml into myorg:policy:root (create)\n`);
    expect([code, err]).toEqual([0, told.join("")]);
  }, 60_000);

  test("needs three commands on the machine to install, join and read", () => {
    const [lines = ""] = blocks("### The first five minutes on a machine", "sh");
    expect(lines.trim().split("\n")).toHaveLength(3);
    const { code, out, err } = run(`cp dist/postern postern\n${lines}`);
    expect([code, out, err]).toEqual([0, "Logged in at https://postern.example.com:8443 as host/azure-apps/AD\nthe value", ""]);
    const doctor = run("postern doctor --json || true");
    const { findings } = v.parse(
      v.object({ findings: v.array(v.object({ check: v.string(), state: v.string() })) }),
      JSON.parse(doctor.out),
    );
    expect(findings.filter(({ state }) => state === "fail")).toEqual([]);
  }, 60_000);
});
