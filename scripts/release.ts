/**
 * Builds what is published: archives of the binary for each platform, Debian and RPM packages, and their checksums.
 *
 *   bun scripts/release.ts [--target linux-x64]… [--out dist/release] [--without-packages]
 *
 * Default: every platform. The packages are made by nfpm, which Go builds once at the version below. The same commit gives the same packages, byte for byte.
 */

import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { isTarget, type Target, targets } from "./targets";

/** MIT; used when packages are made and part of nothing that is published. Its sum is checked by Go's own database of sums. */
const nfpm = { module: "github.com/goreleaser/nfpm/v2/cmd/nfpm", version: "v2.45.2" };

/** Processors by the names that both package formats know. */
const packaged: Readonly<Partial<Record<Target, string>>> = { "linux-x64": "amd64", "linux-arm64": "arm64" };

const root = resolve(import.meta.dir, "..");
const { values } = parseArgs({
  options: {
    target: { type: "string", multiple: true, default: Object.keys(targets) },
    out: { type: "string", default: join(root, "dist/release") },
    "without-packages": { type: "boolean", default: false },
  },
});
const out = resolve(values.out);
const version = String(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version);
const commitSeconds = run(["git", "log", "-1", "--format=%ct"]).trim();

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const workshop = join(out, ".workshop");
const completion = values["without-packages"] ? "" : makeCompletion();
for (const name of values.target) {
  if (!isTarget(name)) stop(`--target ${name}: expected one of ${Object.keys(targets).join(", ")}`);
  const binary = join(workshop, name, name.startsWith("windows") ? "postern.exe" : "postern");
  mkdirSync(join(workshop, name), { recursive: true });
  run(["bun", "scripts/build.ts", "--target", name, "--outfile", binary]);
  archive(name, binary);
  const processor = packaged[name];
  if (processor !== undefined && !values["without-packages"]) for (const format of ["deb", "rpm"]) makePackage(format, processor, binary);
}
rmSync(workshop, { recursive: true, force: true });
writeFileSync(join(out, "SHA256SUMS"), checksums());
for (const file of readdirSync(out).sort()) console.log(join(out, file));

/** The binary with what an administrator reads and installs by hand. Times, owners and order are fixed. */
function archive(target: Target, binary: string): void {
  const name = `postern-${version}-${target}`;
  const folder = join(workshop, name);
  mkdirSync(folder, { recursive: true });
  copyFileSync(binary, join(folder, basename(binary)));
  for (const file of ["README.md", "LICENSE"]) copyFileSync(join(root, file), join(folder, file));
  if (target.startsWith("linux")) {
    cpSync(join(root, "scripts/package/systemd"), join(folder, "systemd"), { recursive: true });
    copyFileSync(join(root, "scripts/package/postern.toml"), join(folder, "postern.toml.example"));
  }
  const fixed = ["--sort=name", `--mtime=@${commitSeconds}`, "--owner=0", "--group=0", "--numeric-owner"];
  const tar = join(workshop, `${name}.tar`);
  run(["tar", ...fixed, "-cf", tar, "-C", workshop, name]);
  run(["gzip", "--no-name", tar]);
  copyFileSync(`${tar}.gz`, join(out, `${name}.tar.gz`));
}

function makePackage(format: string, processor: string, binary: string): void {
  const environment = { VERSION: version, ARCH: processor, BINARY: binary, COMPLETION: completion, SOURCE_DATE_EPOCH: commitSeconds };
  run([nfpmPath(), "package", "--config", "scripts/package/nfpm.yaml", "--packager", format, "--target", `${out}/`], environment);
}

/** Builds nfpm into .tools once. */
function nfpmPath(): string {
  const folder = join(root, ".tools/release", nfpm.version);
  const path = join(folder, "nfpm");
  if (existsSync(path)) return path;
  if (Bun.which("go") === null)
    stop("packages are made by nfpm, which needs Go to build it: install Go 1.25 or newer, or go on --without-packages");
  console.error(`Building nfpm ${nfpm.version} (once)`);
  run(["go", "install", `${nfpm.module}@${nfpm.version}`], { GOBIN: folder, GOFLAGS: "-mod=mod" });
  return path;
}

/** The completion of this commit's commands, as its own source prints it. */
function makeCompletion(): string {
  const folder = join(workshop, "completion");
  mkdirSync(folder, { recursive: true });
  for (const shell of ["bash", "zsh", "fish"])
    writeFileSync(join(folder, `postern.${shell}`), run(["bun", "src/main.ts", "completion", shell]));
  return folder;
}

function checksums(): string {
  return readdirSync(out)
    .sort()
    .map((file) => `${new Bun.CryptoHasher("sha256").update(readFileSync(join(out, file))).digest("hex")}  ${file}\n`)
    .join("");
}

function run(command: readonly string[], environment: Readonly<Record<string, string>> = {}): string {
  const result = Bun.spawnSync([...command], { cwd: root, env: { ...process.env, ...environment }, stderr: "inherit" });
  if (!result.success) stop(`${command.join(" ")} failed with ${result.exitCode}`);
  return result.stdout.toString();
}

function stop(problem: string): never {
  console.error(`release: ${problem}`);
  process.exit(1);
}
