/** Plays the walkthrough and shows it: every command, what it prints, and why the refused ones were refused. Leaves nothing running. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Narrator, play } from "./walkthrough/play";

const isColoured = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
const paint = (code: string, text: string): string => (isColoured ? `\u001b[${code}m${text}\u001b[0m` : text);

const narrator: Narrator = {
  chapter: (title) => console.log(`\n${paint("1", title)}`),
  command: (line) => console.log(`${paint("36", "$")} ${line.replaceAll("\n", "\n  ")}`),
  result: (text) => console.log(text.replaceAll(/^/gm, "    ")),
};

const folder = mkdtempSync(join(tmpdir(), "postern-demo-"));
try {
  const story = await play({ binary: resolve("dist/postern"), folder, narrator });
  console.log(`\n${paint("1", "Done")}`);
  console.log(
    `    ${Object.keys({ ...story.read, ...story.byVault.read }).length} logins read the secret, ${story.refusals.length + story.byVault.refusals.length} were refused and explained; the server ended with ${story.exitCodes.join(" and ")}.`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
