/**
 * What the images start, on a file system over this one that is thrown away: the user that `fly.Dockerfile` makes, the process of `fly.toml` with its volume, and
 * what its head tells the operator to do. No image is built here, for that takes a container engine.
 */

import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parse } from "smol-toml";
import * as v from "valibot";
import { noNamespaces } from "../support/namespace";

if (noNamespaces !== undefined) process.stdout.write(`what the images start is not tried: ${noNamespaces}\n`);

const Deployment = v.object({
  kill_signal: v.literal("SIGTERM"),
  build: v.object({ dockerfile: v.string() }),
  processes: v.object({ app: v.string() }),
  mounts: v.tuple([v.object({ destination: v.literal("/data") })]),
  services: v.tuple([
    v.object({ internal_port: v.number(), http_checks: v.tuple([v.object({ path: v.string(), protocol: v.literal("https") })]) }),
  ]),
});
const text = readFileSync("fly.toml", "utf8");
const deployment = v.parse(Deployment, parse(text));
const [service] = deployment.services;
const [check] = service.http_checks;
const dockerfile = readFileSync(deployment.build.dockerfile, "utf8").replaceAll("\\\n", "");
const found = (pattern: RegExp, where: string): string => pattern.exec(where)?.[1] ?? "false";
const quoted = (words: readonly string[]): string => words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");

test("an image copies what the build makes, and has the user and the port that the deployment counts on", () => {
  const distroless = readFileSync("scripts/package/Containerfile", "utf8");
  for (const each of [dockerfile, distroless])
    expect(each).toMatch(/^COPY --chown=\S+ --chmod=0755 dist\/postern \/usr(?:\/local)?\/bin\/postern$/mu);
  expect(distroless).toMatch(/^USER 65532:65532$/mu);
  expect(deployment.processes.app).toContain(`--listen 0.0.0.0:${service.internal_port}`);
});

/** As root on a machine that was just made: user, volume of root's, secrets, the process, what the operator does, the check, the signal. */
function life(): string {
  const entrypoint = v.parse(v.array(v.string()), JSON.parse(found(/^ENTRYPOINT (.+)$/mu, dockerfile)));
  const url = `https://127.0.0.1:${service.internal_port}${check.path}`;
  return `set -eu
ip link set lo up
${found(/(useradd [^&\n]+)/u, dockerfile)}
mkdir -m 0755 /data
export POSTERN_SEAL_KEY="$(${found(/fly secrets set POSTERN_SEAL_KEY=\$\((.+)\)/u, text)})"
${quoted([...entrypoint, ...deployment.processes.app.split(" ")])} > /tmp/out 2>&1 &
server=$!
tail -n +1 -f --pid=$server /tmp/out | grep -q -m 1 "^Listening on"
curl -sk -o /dev/null -w '%{http_code} ' ${url}
${found(/fly ssh console -C '(.+)'/u, text)} > /dev/null
curl -sk -o /dev/null -w '%{http_code} ' ${url}
stat -c '%U %a' /data/postern
sed -n 's/^Uid:\\t\\([0-9]*\\).*/\\1/p; s/^CapEff:\\t//p; s/^CapBnd:\\t//p' /proc/$server/status
kill -TERM $server
wait $server && echo ended
`;
}

const inside = `set -eu
mkdir "$1/copy"
mount -t tmpfs tmpfs "$1/copy"
mkdir "$1/copy/upper" "$1/copy/work" "$1/copy/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/copy/upper,workdir=$1/copy/work" "$1/copy/root"
install -m 0755 "$2" "$1/copy/root/usr/local/bin/postern"
install -m 0755 "$1/life.sh" "$1/copy/root/life.sh"
mount -t proc proc "$1/copy/root/proc"
mount --bind /dev "$1/copy/root/dev"
exec chroot "$1/copy/root" sh /life.sh`;

describe.skipIf(noNamespaces !== undefined)("the process of fly.toml", () => {
  test("waits for its keys over an empty volume, serves once the operator has made them, as the image's user alone, and ends by its signal", () => {
    const folder = mkdtempSync(join(tmpdir(), "image-"));
    try {
      writeFileSync(join(folder, "life.sh"), life());
      const own = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"];
      const { stdout, stderr } = Bun.spawnSync([...own, "sh", "-c", inside, "sh", folder, resolve("dist/postern")], { stdin: "ignore" });
      expect([stdout.toString().split(/\s+/u), stderr.toString()]).toEqual([
        ["503", "200", "postern", "700", "10001", "0000000000000000", "0000000000000000", "ended", ""],
        "",
      ]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 60_000);
});
