/**
 * A process that writes an agent's copy without pause, to be killed at any moment: `bun copy-writer.ts FOLDER FROM`. Prints the number of each state once it is
 * written, by a synchronous write: what is printed was written.
 */

import { writeSync } from "node:fs";
import { createClock } from "../../src/runtime/clock";
import { createPrivateFiles } from "../../src/runtime/files";
import { createRandom } from "../../src/runtime/random";
import { openCopy, stateOf } from "./copied-state";

const [folder = "", from = "0"] = process.argv.slice(2);
const copy = await openCopy({ folder, clock: createClock(), random: createRandom(), files: createPrivateFiles() });
// Ended from outside, and never by itself.
for (let number = Number(from); ; number += 1) {
  copy.save(stateOf(number));
  writeSync(1, `${number}\n`);
}
