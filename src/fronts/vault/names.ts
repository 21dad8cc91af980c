/** Vault's paths: decoded once, with `%2F` a real separator, and without empty segments. */

import { PosternError } from "../../model/failures";
import { decodeOnce, type Form, queryOf } from "../form";

const controlCharacter = /\p{Cc}/u;

export interface Target {
  /** Below the version, without slashes at either end: `secret/data/a/b`. */
  readonly path: string;
  /** Whether the client wrote a slash at the end. */
  readonly endsInSlash: boolean;
}

/**
 * What a request is about: `/v1/secret//data/a%2Fb/` → `secret/data/a/b`, with a slash at the end.
 * Throws `malformed` for dot segments, which only a decoded one can still be here, and for control characters.
 */
export function targetOf(url: string): Target {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (!url.startsWith("/v1/", start)) throw new PosternError({ code: "unsupported", what: "a path outside of /v1/" });
  const path = url.slice(start + "/v1/".length).split(/[?#]/, 1)[0] ?? "";
  const decoded = decodeOnce(path, "path");
  if (controlCharacter.test(decoded))
    throw new PosternError({
      code: "malformed",
      where: "path",
      expected: "printable characters",
      says: "path contains unprintable characters",
    });
  const segments = decoded.split("/").filter((segment) => segment !== "");
  if (segments.some((segment) => segment === "." || segment === ".."))
    throw new PosternError({
      code: "malformed",
      where: "path",
      expected: "a path without '.' and '..'",
      kind: "argument",
      says: "relative paths not supported",
    });
  return { path: segments.join("/"), endsInSlash: decoded.endsWith("/") };
}

export interface Asked extends Target {
  readonly query: Form;
}

const maxRememberedUrls = 4096;
const maxRememberedLength = 512;

/** Reads what URLs ask for, and remembers it of the most recent ones. Throws as `targetOf`, and `malformed` for a query. */
export function createTargets(): (url: string) => Asked {
  const remembered = new Map<string, Asked>();
  return (url) => {
    const known = remembered.get(url);
    if (known !== undefined) return known;
    const asked = { ...targetOf(url), query: queryOf(url) };
    if (remembered.size >= maxRememberedUrls) remembered.clear();
    if (url.length <= maxRememberedLength) remembered.set(url, asked);
    return asked;
  };
}
