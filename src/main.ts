/** The program: arguments in, exit code out. */

import { run } from "./cli/cli";
import { unsafeEnvironment } from "./config/config";

// sysexits.h: EX_CONFIG and EX_SOFTWARE.
const misconfigured = 78;
const defective = 70;

const isConjurctl = /(?:^|[/\\])conjurctl(?:\.exe)?$/u.test(process.argv0);
process.exitCode = await main([...(isConjurctl ? ["conjurctl"] : []), ...process.argv.slice(2)]);

async function main(argv: readonly string[]): Promise<number> {
  const unsafe = unsafeEnvironment();
  if (unsafe.length > 0) {
    const them = unsafe.length === 1 ? "it makes" : "they make";
    console.error(
      `postern: not started, because the environment sets ${unsafe.join(", ")}: ${them} the runtime load code, open a debugger or drop a protection`,
    );
    return misconfigured;
  }
  try {
    return await run(argv);
  } catch (error) {
    // The runtime would print the minified source around the place as well.
    console.error(`postern: ${error instanceof Error ? error.stack : "a thrown value that is no error"}`);
    return defective;
  }
}
