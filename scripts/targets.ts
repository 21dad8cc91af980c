/** The platforms that Postern is built for: the compiler's name of each, and the packages with its runtime and its libSQL addon. */

export const targets = {
  "linux-x64": { bun: "bun-linux-x64", runtime: "@oven/bun-linux-x64", runtimeFile: "bin/bun", addon: "@libsql/linux-x64-gnu" },
  "linux-arm64": { bun: "bun-linux-arm64", runtime: "@oven/bun-linux-aarch64", runtimeFile: "bin/bun", addon: "@libsql/linux-arm64-gnu" },
  "windows-x64": { bun: "bun-windows-x64", runtime: "@oven/bun-windows-x64", runtimeFile: "bin/bun.exe", addon: "@libsql/win32-x64-msvc" },
  "darwin-arm64": { bun: "bun-darwin-arm64", runtime: "@oven/bun-darwin-aarch64", runtimeFile: "bin/bun", addon: "@libsql/darwin-arm64" },
  "darwin-x64": { bun: "bun-darwin-x64", runtime: "@oven/bun-darwin-x64", runtimeFile: "bin/bun", addon: "@libsql/darwin-x64" },
} as const;

export type Target = keyof typeof targets;

export function isTarget(name: string): name is Target {
  return Object.hasOwn(targets, name);
}

/** This machine's platform, in the words of `targets` where it is one of them. */
export function hostTarget(): string {
  return `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
}
