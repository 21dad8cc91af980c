/** The shapes of Key Vault's requests and answers. Source: Azure Key Vault secrets REST API, 7.4 and 2025-07-01. */

import { PosternError } from "../../model/failures";
import { queryOf } from "../form";
import type { Wire } from "../front";

// Numbers, previews of them, and dates: every SDK sends another one.
const versionPattern = /^\d+\.\d+(?:-preview(?:\.\d+)?)?$|^\d{4}-\d{2}-\d{2}(?:-preview)?$/;

/** Every well-formed version is served alike. Throws `malformed` without one. */
export function assertApiVersion(url: string): void {
  const version = queryOf(url).one("api-version");
  if (version === undefined || !versionPattern.test(version))
    throw new PosternError({ code: "malformed", where: "api-version", expected: "a version such as 7.4" });
}

/** `{"error":{"code":"…","message":"…"}}`. */
export function errorWire(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}): Wire {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
    body: JSON.stringify({ error: { code, message } }),
  };
}
