/** Key Vault's names: letters, digits and dashes, at `/secrets/{name}[/{version}]`. */

import { PosternError } from "../../model/failures";
import { decodeOnce } from "../form";

const namePattern = /^[0-9A-Za-z-]{1,127}$/;

/** The secret a URL names, or undefined for any other path. Throws `malformed` for what cannot be a name. */
export function secretNameOf(url: string): string | undefined {
  const [path = ""] = url.slice(url.indexOf("/", url.indexOf("://") + 3)).split(/[?#]/, 1);
  // Doubled slashes occur in the vendor's own examples.
  const [collection, name] = path.split("/").filter((segment) => segment !== "");
  if (collection !== "secrets" || name === undefined) return undefined;
  const decoded = decodeOnce(name, "path");
  if (!namePattern.test(decoded))
    throw new PosternError({ code: "malformed", where: "name", expected: "1 to 127 letters, digits and dashes" });
  return decoded;
}
