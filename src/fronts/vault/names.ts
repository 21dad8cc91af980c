/** Vault's paths: decoded once, with `%2F` a real separator, and without empty segments. */

import { PosternError } from "../../model/failures";
import { decodeOnce } from "../form";

const controlCharacter = /\p{Cc}/u;

/**
 * The route of a request, below the version: `/v1/secret//data/a%2Fb` → `secret/data/a/b`.
 * Throws `malformed` for dot segments, which only a decoded one can still be here, and for control characters.
 */
export function routeOf(url: string): string {
  const start = url.indexOf("/v1/", url.indexOf("://") + 3);
  const path = start < 0 ? "" : (url.slice(start + "/v1/".length).split(/[?#]/, 1)[0] ?? "");
  const decoded = decodeOnce(path, "path");
  if (controlCharacter.test(decoded)) throw new PosternError({ code: "malformed", where: "path", expected: "printable characters" });
  const segments = decoded.split("/").filter((segment) => segment !== "");
  if (segments.some((segment) => segment === "." || segment === ".."))
    throw new PosternError({ code: "malformed", where: "path", expected: "a path without '.' and '..'", kind: "argument" });
  return segments.join("/");
}
