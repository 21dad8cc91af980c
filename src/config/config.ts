/** What the process is told from outside. The only reader of the environment. */

import { unsafeVariables } from "./environment";

/** The names of variables in this process's environment that Postern refuses to start with. See `environment.ts`. */
export function unsafeEnvironment(): readonly string[] {
  return unsafeVariables(process.env);
}
