/** From seal providers to the root key: who was asked, what each had, and which reason to show when nobody had the right key. */

import type { SymmetricKey } from "../crypto/aead";
import { recipientOf, rootOfRecipient } from "./hierarchy";
import type { KeyFile } from "./key-file";
import type { SealProvider } from "./seal-provider";

/** The recipient that only people can open. */
export const recoveryProvider = "recovery";

/** `ok`: opened the root key. `offline`: nobody asked, for it is the recovery key or not configured. `not_enrolled`: configured, yet no recipient. */
export type RecipientState = "ok" | "absent" | "mismatch" | "malformed" | "damaged" | "unavailable" | "offline" | "not_enrolled";

export interface RecipientStatus {
  readonly provider: string;
  readonly state: RecipientState;
  readonly detail?: string;
}

export interface Attempt {
  readonly root?: SymmetricKey;
  /** Of every configured provider, then of every recipient that was not asked. */
  readonly recipients: readonly RecipientStatus[];
}

/** Asks every provider, also after one has succeeded: a broken second one must be seen while there is still a first. */
export async function attemptUnseal(file: KeyFile, providers: readonly SealProvider[]): Promise<Attempt> {
  const outcomes = await Promise.all(providers.map((provider) => askProvider(file, provider)));
  return combine(file, outcomes);
}

/** Tries one key that a person gave. */
export function attemptWithKey(file: KeyFile, sealKey: Uint8Array): Attempt {
  return combine(file, [tryKey(file, recoveryProvider, sealKey)]);
}

/** The reason to show on the health page, the most telling one first. */
export function reasonOf(recipients: readonly RecipientStatus[]): { readonly reason: string; readonly detail?: string } {
  for (const [states, reason] of reasons) {
    const found = recipients.find((recipient) => states.includes(recipient.state));
    if (found !== undefined) return { reason, detail: `recipient ${found.provider}` };
  }
  return { reason: "seal_key_missing" };
}

interface Outcome extends RecipientStatus {
  readonly root?: SymmetricKey;
  /** The recipient that the key belongs to. */
  readonly check?: string;
}

const reasons: readonly (readonly [readonly RecipientState[], string])[] = [
  [["damaged"], "keyring_integrity"],
  [["mismatch", "malformed", "not_enrolled"], "seal_key_mismatch"],
  [["unavailable"], "provider_unavailable"],
];

async function askProvider(file: KeyFile, provider: SealProvider): Promise<Outcome> {
  const answer = await provider.load();
  if (answer.found === "key") return tryKey(file, provider.specification, answer.key);
  if (answer.found === "absent") return { provider: provider.specification, state: "absent" };
  return { provider: provider.specification, state: answer.found, detail: answer.detail };
}

function tryKey(file: KeyFile, provider: string, sealKey: Uint8Array): Outcome {
  const recipient = recipientOf(sealKey, file);
  if (recipient === undefined) {
    const isEnrolled = file.recipients.some((each) => each.provider === provider);
    return { provider, state: isEnrolled ? "mismatch" : "not_enrolled" };
  }
  const root = rootOfRecipient(sealKey, recipient, file);
  if (root === undefined) return { provider, state: "damaged", check: recipient.check };
  return { provider, state: "ok", root, check: recipient.check };
}

function combine(file: KeyFile, outcomes: readonly Outcome[]): Attempt {
  const root = outcomes.find((outcome) => outcome.root !== undefined)?.root;
  const asked = new Set(outcomes.flatMap((outcome) => [outcome.provider, outcome.check]));
  const statuses = outcomes.map(({ provider, state, detail }) => ({ provider, state, ...(detail === undefined ? {} : { detail }) }));
  const rest = file.recipients
    .filter((recipient) => !asked.has(recipient.provider) && !asked.has(recipient.check))
    .map(({ provider }): RecipientStatus => ({ provider, state: "offline" }));
  return { recipients: [...statuses, ...rest], ...(root === undefined ? {} : { root }) };
}
