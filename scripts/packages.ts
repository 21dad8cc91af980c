/** Files of registry packages that are not installed here because they are for another platform. */

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";

/**
 * The path of one file of a package, at the version and with the integrity that a lock file of this repository names. Downloads the package with npm once,
 * into .tools/packages; the integrity is checked every time.
 */
export async function fetchPackageFile(wanted: {
  readonly root: string;
  readonly name: string;
  readonly path: string;
  readonly lock: "bun.lock" | "scripts/toolchain/package-lock.json";
}): Promise<string> {
  const { root, name, path, lock } = wanted;
  const { version, integrity } = lockedPackage(readFileSync(`${root}/${lock}`, "utf8"), name, lock);
  const folder = `${root}/.tools/packages`;
  const archive = `${folder}/${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
  mkdirSync(folder, { recursive: true });
  if (!existsSync(archive)) run(["npm", "pack", `${name}@${version}`, "--pack-destination", folder, "--silent"], folder);
  if (integrityOf(archive) !== integrity) {
    rmSync(archive);
    throw new Error(`${name}@${version} from the registry does not have the integrity in ${lock}; it was removed`);
  }
  const unpacked = archive.replace(/\.tgz$/, "");
  // Unpacked anew each time: the archive is what the integrity speaks for.
  rmSync(unpacked, { recursive: true, force: true });
  mkdirSync(`${unpacked}.partial`, { recursive: true });
  run(["tar", "-xzf", archive, "-C", `${unpacked}.partial`, "--strip-components=1"], folder);
  renameSync(`${unpacked}.partial`, unpacked);
  return `${unpacked}/${path}`;
}

function lockedPackage(lock: string, name: string, file: string): { readonly version: string; readonly integrity: string } {
  const quoted = name.replaceAll("/", "\\/");
  // bun.lock holds one array per line; package-lock.json an object whose first members are these two.
  const pattern =
    file === "bun.lock"
      ? new RegExp(`^ *"${quoted}": \\["${quoted}@([^"]+)", .*"(sha512-[^"]+)"\\],?$`, "m")
      : new RegExp(`"node_modules/${quoted}": \\{\\s*"version": "([^"]+)",\\s*"integrity": "(sha512-[^"]+)"`);
  const [, version, integrity] = pattern.exec(lock) ?? [];
  if (version === undefined || integrity === undefined) throw new Error(`${file} does not name ${name}`);
  return { version, integrity };
}

function integrityOf(file: string): string {
  return `sha512-${new Bun.CryptoHasher("sha512").update(readFileSync(file)).digest("base64")}`;
}

function run(command: string[], cwd: string): void {
  const result = Bun.spawnSync(command, { cwd, stdout: "ignore", stderr: "inherit" });
  if (!result.success) throw new Error(`${command.join(" ")} failed with ${result.exitCode}`);
}
