/**
 * The only way to a directory of people: LDAP, over TLS from the first byte, to addresses that were judged as those of web requests are.
 *
 * A connection serves one question. Nothing of a password is ever said before the other side has proven its name.
 */

import { Client, InvalidCredentialsError, ResultCodeError } from "ldapts";
import type { Directory, DirectoryAnswer, DirectoryLimits, DirectoryQuestion } from "../model/ports";
import { hasCredentials, isDirectoryUrl, isOpened, parseOutboundPrefix } from "./outbound-rules";
import { createReach, literalOf, portOf, type ReachDeps, reasonOf, systemRoots, unavailable, within } from "./reach";

export interface DirectoryDeps extends ReachDeps {
  /** URL prefixes the operator opened: the only way to addresses that are not public, and to other ports. */
  readonly allowOutbound: readonly string[];
  /** Certificates (PEM) trusted beside the system's. */
  readonly extraRoots?: readonly string[];
}

/** Throws `malformed` when a prefix of `allowOutbound` is none. */
export function createDirectory(deps: DirectoryDeps): Directory {
  const prefixes = deps.allowOutbound.map(parseOutboundPrefix);
  const reach = createReach(deps);
  let roots: readonly string[] | undefined;

  async function connected(url: URL, question: DirectoryQuestion, limits: DirectoryLimits, deadline: AbortSignal): Promise<Client> {
    const isOpen = isOpened(url, prefixes);
    if (!isOpen && portOf(url) !== 636) throw unavailable(url, "refused_url");
    const address = await reach({ url, isOpened: isOpen, deadline, connectTimeoutMs: limits.connectTimeoutMs });
    roots ??= [...systemRoots(), ...(deps.extraRoots ?? [])];
    // A certificate for an address is matched with the address itself; a server name may only be a name.
    const name = literalOf(url) === undefined ? { servername: url.hostname } : {};
    return new Client({
      url: `ldaps://${address.includes(":") ? `[${address}]` : address}:${portOf(url)}`,
      timeout: limits.timeoutMs,
      connectTimeout: limits.connectTimeoutMs,
      tlsOptions: { ca: question.roots === undefined ? [...roots] : [question.roots], rejectUnauthorized: true, ...name },
    });
  }

  return {
    async ask(question, limits) {
      const url = URL.parse(question.url);
      if (url === null || !isDirectoryUrl(url) || hasCredentials(url)) throw unavailable(url, "refused_url");
      const deadline = AbortSignal.timeout(limits.timeoutMs);
      const client = await connected(url, question, limits, deadline);
      try {
        return await within(answerOf(client, question), deadline);
      } catch (cause) {
        // What the directory itself says is no trouble on the way, but nothing that a login can go on with.
        throw unavailable(url, cause instanceof ResultCodeError ? "directory" : reasonOf(cause), cause);
      } finally {
        // It may be gone already; nobody waits for its goodbye.
        void client.unbind().catch(() => undefined);
      }
    },
  };
}

async function answerOf(client: Client, { searcher, base, filter, password }: DirectoryQuestion): Promise<DirectoryAnswer> {
  if (searcher !== undefined && !(await isBound(client, searcher.dn, searcher.password))) return { outcome: "searcher_refused" };
  // Two are enough to know that there is more than one.
  const { searchEntries } = await client.search(base, { scope: "sub", filter, attributes: ["1.1"], sizeLimit: 2, derefAliases: "never" });
  const [entry, ...more] = searchEntries;
  if (entry === undefined) return { outcome: "none" };
  if (more.length > 0) return { outcome: "several" };
  const text = Buffer.from(password.reveal()).toString("utf8");
  // A name with an empty password binds as nobody, which directories take for success.
  if (text === "" || entry.dn === "" || !(await isBound(client, entry.dn, text))) return { outcome: "refused" };
  return { outcome: "proven", name: entry.dn };
}

async function isBound(client: Client, name: string, password: string): Promise<boolean> {
  try {
    await client.bind(name, password);
    return true;
  } catch (cause) {
    if (cause instanceof InvalidCredentialsError) return false;
    throw cause;
  }
}
