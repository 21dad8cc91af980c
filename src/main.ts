/** The program: arguments in, exit code out. */

import { run } from "./cli/cli";
import { unsafeEnvironment } from "./config/config";

/** EX_CONFIG of sysexits.h. */
const misconfigured = 78;

const unsafe = unsafeEnvironment();
if (unsafe.length > 0) {
  const them = unsafe.length === 1 ? "it makes" : "they make";
  console.error(
    `postern: not started, because the environment sets ${unsafe.join(", ")}: ${them} the runtime load code, open a debugger or drop a protection`,
  );
  process.exitCode = misconfigured;
} else {
  process.exitCode = await run(process.argv.slice(2));
}
