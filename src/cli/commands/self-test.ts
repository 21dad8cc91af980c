/** `postern self-test`: whether this binary can do on this machine what a server needs. Touches no data of a server. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSessionSigner, exportPkcs8, generateRsa } from "../../crypto/signing";
import { failureOf, PosternError } from "../../model/failures";
import { createOffload } from "../../server/offload";
import { checkEngine } from "../../store/engine-check";

export interface SelfTestOptions {
  /** Where the throwaway database goes, in a folder of its own that is removed again: say, beside the data of the server to come. Default: the temporary folder. */
  readonly folder?: string | undefined;
  readonly print: (line: string) => void;
}

/**
 * Makes every check and prints a line of each, `ok` or `FAILED` first. Resolves to whether all passed.
 *
 *   ok      code made from text is refused
 *   ok      SQLite 3.45.1 writes and reads
 *   ok      a worker thread signs with RS256
 */
export async function selfTest(options: SelfTestOptions): Promise<boolean> {
  const checks = [checkCodeFromText, () => checkDatabase(options.folder ?? tmpdir()), checkWorker];
  let isFit = true;
  for (const check of checks) {
    try {
      options.print(`ok      ${await check()}`);
    } catch (error) {
      isFit = false;
      options.print(`FAILED  ${reasonOf(error)}`);
    }
  }
  return isFit;
}

function checkCodeFromText(): string {
  try {
    Reflect.construct(Function, ["return 1"]);
  } catch {
    return "code made from text is refused";
  }
  throw new Error("code made from text runs: this is not the compiled binary, or it was started with other flags");
}

async function checkDatabase(parent: string): Promise<string> {
  const folder = mkdtempSync(join(parent, "postern-self-test-"));
  try {
    return `SQLite ${await checkEngine(folder)} writes and reads`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function checkWorker(): Promise<string> {
  const offload = createOffload({ count: 1 });
  try {
    const signer = createSessionSigner({ algorithm: "RS256", privateKey: exportPkcs8(await generateRsa()), offload });
    const data = Buffer.from("self-test");
    if (!signer.verify(data, await signer.sign(data)))
      throw new PosternError({ code: "internal", what: "a signature that does not verify" });
    return "a worker thread signs with RS256";
  } finally {
    offload.close();
  }
}

function reasonOf(error: unknown): string {
  const failure = failureOf(error);
  if (error instanceof PosternError) return "what" in failure ? `${failure.code}: ${failure.what}` : error.message;
  return error instanceof Error ? error.message : String(error);
}
