/**
 * The target of a request, judged as it was sent: once a URL is made of it, dot segments are resolved and a backslash is a slash, and nobody can tell any more
 * what was asked for.
 */

import { isPlainHost } from "../dialect";

/** `url` for the reception; `relative` for a path with dot segments, `malformed` for what is no target. */
export type Target = { readonly url: string } | { readonly refused: "relative" | "malformed" };

const malformed: Target = { refused: "malformed" };
const absolute = /^(https?):\/\/([^/?]*)(.*)$/i;
/** What a target may be made of: no fragment, and nothing that a URL drops in silence. */
const printable = /^[!"$-~]+$/;
const brokenEscape = /%(?![0-9A-Fa-f]{2})/;
/** `.` and `..` between separators, each as itself or with an escape. */
const dotSegment = /(?:^|\/|%2f)(?:\.|%2e){1,2}(?:\/|%2f|$)/i;

/**
 * Reads `/v1/secret/a?list=true`, or the absolute form of the same with the host that the request names. A request whose `Host` is none is given a URL all
 * the same, because the reception refuses it by that header.
 */
export function readTarget(target: string, host: string | undefined): Target {
  const [, , authority, rest] = absolute.exec(target) ?? [];
  if (authority !== undefined && authority.toLowerCase() !== host?.toLowerCase()) return malformed;
  const origin = rest === undefined ? target : rest.startsWith("/") ? rest : `/${rest}`;
  if (!origin.startsWith("/") || !printable.test(origin)) return malformed;
  const query = origin.indexOf("?");
  const path = query < 0 ? origin : origin.slice(0, query);
  if (brokenEscape.test(path)) return malformed;
  if (dotSegment.test(path)) return { refused: "relative" };
  const literal = path.includes("\\") ? path.replaceAll("\\", "%5C") : path;
  return { url: `http://${isPlainHost(host ?? null) ? host : "host.invalid"}${literal}${query < 0 ? "" : origin.slice(query)}` };
}
