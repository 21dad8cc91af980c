/** Which variables of the environment make the runtime load code, open a debugger, or drop a protection before Postern's first line runs. */

/** The environment of a process: only `config.ts` reads the real one. */
export type Environment = Readonly<Record<string, string | undefined>>;

// Bun 1.4.5: BUN_OPTIONS takes any flag (--preload); BUN_INSPECT* opens a debugger or connects to one; BUN_CONFIG_* replaces bunfig settings, and
// BUN_CONFIG_VERBOSE_FETCH prints the headers of every outgoing request; BUN_JSC_* and JSC_* set options of the JavaScript engine.
const refusedPrefixes = ["BUN_INSPECT", "BUN_CONFIG_", "BUN_JSC_", "JSC_"];

const refusedNames = new Set([
  "BUN_OPTIONS",
  "BUN_BE_BUN",
  "BUN_RUNTIME_TRANSPILER_CACHE_PATH",
  "NODE_OPTIONS",
  "NODE_PATH",
  "NODE_REPL_EXTERNAL_MODULE",
  "LIBSQL_JS_DEV",
]);

/**
 * The names of variables that Postern refuses to start with, in order; none when the environment is fit.
 *
 * `NODE_TLS_REJECT_UNAUTHORIZED` is refused with any value but `1`, its default: everything else may switch certificate checks off. Empty variables
 * count as set. Names match without regard to case, as Windows does. Variables of the dynamic linker (`LD_PRELOAD`) are not Postern's to judge: what they
 * load has run by now, and the service manager sets the environment.
 */
export function unsafeVariables(environment: Environment): readonly string[] {
  const unsafe = Object.entries(environment).filter(([name, value]) => value !== undefined && isUnsafe(name.toUpperCase(), value));
  return unsafe.map(([name]) => name).sort();
}

function isUnsafe(name: string, value: string): boolean {
  if (name === "NODE_TLS_REJECT_UNAUTHORIZED") return value !== "1";
  return refusedNames.has(name) || refusedPrefixes.some((prefix) => name.startsWith(prefix));
}
