/** A client of the Vault front with a mount of each version of `kv`, that asks in one line. */

import { createVaultClient, type VaultClient, type VaultReply } from "./client";

export interface Desk extends VaultClient {
  /** `GET secret/data/app`: the path as it goes over the wire. Objects become JSON, texts are sent as they are. */
  ask(question: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<VaultReply>;
  /** The same with another token; null: with none. */
  with(token: string | null): Pick<Desk, "ask">;
}

/** Mounts `secret` and `other` are of version 2, `old` is of version 1. */
export async function createDesk(): Promise<Desk> {
  const client = await createVaultClient();
  const askWith =
    (token?: string | null): Desk["ask"] =>
    (question, body, headers = {}) => {
      const [method = "GET", path = ""] = question.split(" ", 2);
      return client.as(method, path, { body, headers, ...(token === undefined ? {} : { token }) });
    };
  const ask = askWith();
  for (const path of ["secret", "other"]) await ask(`POST sys/mounts/${path}`, { type: "kv", options: { version: "2" } });
  await ask("POST sys/mounts/old", { type: "kv" });
  return { ...client, ask, with: (token) => ({ ask: askWith(token) }) };
}
