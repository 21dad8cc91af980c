/** What the writer of copies and its test agree on: whose copy it is, and states of which a half would show. */

import { join } from "node:path";
import { createLocalCopy, type LocalCopy } from "../../src/agent/local-copy";
import type { CacheState } from "../../src/agent/secret-cache";
import { openKeyring } from "../../src/keyring/keyring";
import { parseAccount, parseId } from "../../src/model/ids";
import type { Clock, PrivateFiles, Random } from "../../src/model/ports";
import { createLogKeeper } from "./fake-issuer";
import { secret, textOf } from "./house";

const account = parseAccount("acme");
const secretsInState = 200;

export async function openCopy(deps: {
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly files: PrivateFiles;
}): Promise<LocalCopy> {
  const { folder, files } = deps;
  const seal = `file:${join(folder, "seal.key")}`;
  const keyring = await openKeyring({
    ...deps,
    path: join(folder, "keyring.json"),
    nodePath: join(folder, "node.json"),
    providers: [seal],
    dataExists: false,
  });
  if (keyring.state().state === "uninitialised") await keyring.init([seal]);
  await keyring.ensureAccount(account);
  const folderOfCopies = join(folder, "copies");
  files.ensureFolder(folderOfCopies);
  const boundTo = { login: "host/apps/a", primary: "https://postern.example", machine: "machine-1" };
  return createLocalCopy({ ...deps, keyring, logger: createLogKeeper(), folder: folderOfCopies, account, app: "a", boundTo });
}

/** Every value names the state; the higher the number, the longer they are, up to a thousand bytes. */
export function stateOf(number: number): CacheState {
  const value = `${number} ${"x".repeat((number * 97) % 1000)}`;
  const kept = Array.from({ length: secretsInState }, (_, at) => ({
    id: parseId(`acme:variable:kept/${at}`),
    value: secret(value),
    ageMs: 0,
  }));
  return { isRefused: number % 2 === 1, kept };
}

/** The number of a whole state; throws for one of which a part is missing or another's. */
export function numberOf({ isRefused, kept }: CacheState): number {
  const [first] = kept;
  const number = Number(first === undefined ? Number.NaN : textOf(first.value).split(" ")[0]);
  const wanted = stateOf(number);
  const isWhole =
    isRefused === wanted.isRefused &&
    kept.length === wanted.kept.length &&
    kept.every(({ id, value }, at) => id === wanted.kept[at]?.id && textOf(value) === textOf(wanted.kept[at].value));
  if (!isWhole) throw new Error(`state ${number} is not whole`);
  return number;
}
