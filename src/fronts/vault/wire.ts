/**
 * The shapes of Vault's answers. The content type has no charset: a client compares it for equality and drops the errors of anything else.
 *
 * Source: hvac 2, adapters.py; Vault 1.16, http/handler.go (respondError).
 */

import type { Wire } from "../front";

/** `{"errors":["text"]}`; without a text, that nothing is there. */
export function errorsWire(status: number, errors: readonly string[], headers: Readonly<Record<string, string>> = {}): Wire {
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify({ errors }) };
}

/** The frame in which the core of Vault reports an error that an engine returned. */
export function framed(text: string): string {
  return `1 error occurred:\n\t* ${text}\n\n`;
}
