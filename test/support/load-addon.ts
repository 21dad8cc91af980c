/** Loads the addon from `native/` in a data folder, as where there are no memory files, and prints how that went: bun load-addon.ts <addon> <data folder> */

import { failureOf } from "../../src/model/failures";
import { loadAddon } from "../../src/runtime/addon";

const [file = "", folder = ""] = process.argv.slice(2);
const sha256 = new Bun.CryptoHasher("sha256").update(await Bun.file(file).bytes()).digest("hex");
try {
  loadAddon({ file, sha256 }, folder, () => {
    throw new Error("refused by the kernel");
  });
  process.stdout.write("loaded");
} catch (error) {
  process.stdout.write(JSON.stringify(failureOf(error)));
}
