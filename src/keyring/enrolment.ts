/** The seal keys of recipients: found or made for a new one, gathered from all of them for a new root key. */

import { symmetricKeyBytes } from "../crypto/aead";
import { PosternError } from "../model/failures";
import type { Random } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import { recipientOf } from "./hierarchy";
import type { KeyFile } from "./key-file";
import { parseRecoveryKey, printRecoveryKey } from "./recovery-key";
import { createSealProvider } from "./registry";
import type { SealProvider, SealProviderDeps } from "./seal-provider";
import { recoveryProvider } from "./unsealing";

export interface Enrolled {
  readonly provider: string;
  readonly sealKey: Uint8Array;
  /** The key as text, when it was made here for a person to keep. */
  readonly recoveryKey?: SecretBytes;
}

export interface EnrolmentDeps extends SealProviderDeps {
  readonly random: Random;
}

/** The seal key behind a specification, made where there is none and the provider can. Throws `malformed` where it cannot, or what is there is no key. */
export async function enrol(specification: string, deps: EnrolmentDeps): Promise<Enrolled> {
  if (specification === recoveryProvider) {
    const sealKey = deps.random.bytes(symmetricKeyBytes);
    return { provider: specification, sealKey, recoveryKey: printRecoveryKey(sealKey) };
  }
  const provider = createSealProvider(specification, deps);
  const answer = await provider.load();
  if (answer.found === "key") return { provider: specification, sealKey: answer.key };
  if (answer.found === "absent" && provider.create !== undefined) {
    const sealKey = deps.random.bytes(symmetricKeyBytes);
    await provider.create(sealKey);
    return { provider: specification, sealKey };
  }
  const expected = answer.found === "absent" ? "a seal key, which must be there already" : `a usable seal key (${answer.detail})`;
  throw new PosternError({ code: "malformed", where: `seal provider '${specification}'`, expected, kind: "argument" });
}

/** As `enrol`, for several. Throws `malformed` for none at all. */
export async function enrolAll(specifications: readonly string[], deps: EnrolmentDeps): Promise<readonly Enrolled[]> {
  if (specifications.length === 0) {
    throw new PosternError({ code: "malformed", where: "recipients", expected: "at least one", kind: "missing" });
  }
  const enrolled: Enrolled[] = [];
  // One after the other: a wrong specification stops before the keys of later ones are made.
  for (const specification of new Set(specifications)) enrolled.push(await enrol(specification, deps));
  return enrolled;
}

/**
 * The keys of all present recipients. Throws `conflict` that names one whose key is not at hand. The recovery key, if it is a recipient and not given, is
 * made anew: nobody is asked to type it in for a routine rotation.
 */
export async function keysOfRecipients(
  file: KeyFile,
  given: { readonly providers: readonly SealProvider[]; readonly recoveryKey: SecretBytes | undefined },
  deps: EnrolmentDeps,
): Promise<readonly Enrolled[]> {
  const answers = await Promise.all(given.providers.map((provider) => provider.load()));
  const atHand = answers.flatMap((answer) => (answer.found === "key" ? [answer.key] : []));
  if (given.recoveryKey !== undefined) atHand.push(parseRecoveryKey(given.recoveryKey));
  const byCheck = new Map(atHand.map((sealKey) => [recipientOf(sealKey, file)?.check, sealKey]));
  return Promise.all(
    file.recipients.map(async ({ provider, check }) => {
      const sealKey = byCheck.get(check);
      if (sealKey !== undefined) return { provider, sealKey };
      if (provider === recoveryProvider && given.recoveryKey === undefined) return enrol(recoveryProvider, deps);
      throw new PosternError({
        code: "conflict",
        what: `the seal key of recipient ${provider} is not at hand`,
        because: "recipient_absent",
      });
    }),
  );
}

/** The recovery key among them, for the answer that shows it once. */
export function shownOnce(enrolled: readonly Enrolled[]): { readonly recoveryKey?: SecretBytes } {
  const recoveryKey = enrolled.find((each) => each.recoveryKey !== undefined)?.recoveryKey;
  return recoveryKey === undefined ? {} : { recoveryKey };
}
