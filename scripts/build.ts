/**
 * Builds the single binary.
 *
 *   bun scripts/build.ts [--target linux-x64|linux-arm64|windows-x64|darwin-arm64|darwin-x64] [--outfile dist/postern]
 *
 * Default: this machine's platform, to dist/postern; other targets go to dist/postern-<target>. A foreign target takes its runtime and its addon from the
 * npm registry, each held against the integrity in scripts/toolchain/package-lock.json and bun.lock.
 */

import { mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { BunPlugin } from "bun";
import { fetchPackageFile } from "./packages";
import { hostTarget, isTarget, type Target, targets } from "./targets";

const root = resolve(import.meta.dir, "..");
const toolchain: { readonly version: string } = await Bun.file(`${root}/scripts/toolchain/package.json`).json();

// In the binary: no eval, no code from the disk, no preload; this also refuses a debugger (Bun 1.4.5, --disallow-code-generation-from-strings).
const runtimeFlags = ["--disallow-code-generation-from-strings=strict"];

const { values } = parseArgs({ options: { target: { type: "string", default: hostTarget() }, outfile: { type: "string" } } });
if (!isTarget(values.target)) stop(`--target: expected one of ${Object.keys(targets).join(", ")}`);
if (Bun.version !== toolchain.version) stop(`expected Bun ${toolchain.version}, this is ${Bun.version}: use scripts/setup`);
await build(values.target, resolve(values.outfile ?? `${root}/dist/${defaultName(values.target)}`));

async function build(target: Target, outfile: string): Promise<void> {
  const started = Bun.nanoseconds();
  // The compiler adds the suffix where it is missing, and says nothing.
  if (target.startsWith("windows") && !outfile.endsWith(".exe")) stop(`--outfile ${outfile}: expected a name that ends in .exe`);
  const { bun, runtime, runtimeFile, addon } = targets[target];
  const isHost = target === hostTarget();
  const addonFile = isHost
    ? `${root}/node_modules/${addon}/index.node`
    : await fetchPackageFile({ root, name: addon, path: "index.node", lock: "bun.lock" });
  const executablePath = isHost
    ? process.execPath
    : await fetchPackageFile({ root, name: runtime, path: runtimeFile, lock: "scripts/toolchain/package-lock.json" });

  // Built beside its place and renamed: whoever runs the old binary, or builds at the same time, is not disturbed.
  const workshop = join(dirname(outfile), `.building-${process.pid}`);
  const unfinished = join(workshop, basename(outfile));
  mkdirSync(workshop, { recursive: true });
  const result = await Bun.build({
    entrypoints: [`${root}/src/main.ts`, `${root}/src/server/worker-main.ts`],
    root: `${root}/src`,
    // Every entry lies at the top of the embedded tree: server/offload.ts finds the worker's beside its own.
    naming: { entry: "[name].[ext]" },
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    define: { "process.env.LIBSQL_JS_DEV": "undefined" },
    plugins: [embedAddon(addonFile), leanMetrics()],
    compile: { target: bun, outfile: unfinished, executablePath, execArgv: runtimeFlags, autoloadDotenv: false, autoloadBunfig: false },
  });
  for (const log of result.logs) console.error(log);
  if (!result.success) stop("the build failed");

  requireContains(unfinished, addonFile);
  renameSync(unfinished, outfile);
  rmSync(workshop, { recursive: true });
  const seconds = (Bun.nanoseconds() - started) / 1e9;
  console.log(
    `${relative(process.cwd(), outfile)}: ${(statSync(outfile).size / 1e6).toFixed(1)} MB for ${target}, in ${seconds.toFixed(1)} s`,
  );
}

/**
 * Puts our own loader in place of libSQL's search for its addon. That search computes the package's name at run time, which the compiler cannot follow,
 * and would look through node_modules folders of whatever directory the binary is started in.
 */
function embedAddon(addonFile: string): BunPlugin {
  const search = /function requireNative\(\) \{\n[\s\S]*?\n\}\n/;
  return {
    name: "embed-addon",
    setup(build) {
      build.onLoad({ filter: /[\\/]node_modules[\\/]libsql[\\/]index\.js$/ }, async ({ path }) => {
        const source = await Bun.file(path).text();
        if (!search.test(source)) stop(`${path}: no longer searches for its addon in requireNative(); look at what it does now`);
        const contents = source
          .replace(search, 'const requireNative = () => require("postern:addon").addon;\n')
          .replace(/^const \{ load, currentTarget \} = require\("@neon-rs\/load"\);$/m, "")
          .replace(/^const \{ familySync, GLIBC, MUSL \} = require\("detect-libc"\);$/m, "");
        return { contents, loader: "js" };
      });
      build.onResolve({ filter: /^postern:addon$/ }, () => ({ path: "addon", namespace: "postern" }));
      build.onLoad({ filter: /^addon$/, namespace: "postern" }, () => {
        const sha256 = new Bun.CryptoHasher("sha256").update(readFileSync(addonFile)).digest("hex");
        const contents = [
          `import file from ${JSON.stringify(addonFile)} with { type: "file" };`,
          `import { lazyAddon } from ${JSON.stringify(`${root}/src/runtime/addon.ts`)};`,
          `export const addon = lazyAddon({ file, sha256: ${JSON.stringify(sha256)} });`,
        ].join("\n");
        return { contents, loader: "js" };
      });
    },
  };
}

/**
 * Keeps of prom-client what `metrics/` uses. Its index also loads a push gateway, a cluster's aggregator and metrics of Node's own, with HTTP clients and
 * OpenTelemetry: a third of the time that all modules together take to start.
 */
function leanMetrics(): BunPlugin {
  const used = ["Registry", "Counter", "Gauge", "Histogram"];
  return {
    name: "lean-metrics",
    setup(build) {
      build.onLoad({ filter: /[\\/]node_modules[\\/]prom-client[\\/]index\.js$/ }, async ({ path }) => {
        const source = await Bun.file(path).text();
        const lines = used.map((name) => `exports.${name} = require('./lib/${name.toLowerCase()}');`);
        for (const line of lines) if (!source.includes(line)) stop(`${path}: no longer has ${line}`);
        return { contents: lines.join("\n"), loader: "js" };
      });
    },
  };
}

function requireContains(binary: string, addonFile: string): void {
  if (readFileSync(binary).indexOf(readFileSync(addonFile)) < 0) stop(`${binary} does not contain ${addonFile} byte for byte`);
}

function defaultName(target: Target): string {
  const suffix = target.startsWith("windows") ? ".exe" : "";
  return target === hostTarget() ? `postern${suffix}` : `postern-${target}${suffix}`;
}

function stop(message: string): never {
  console.error(`build: ${message}`);
  process.exit(1);
}
