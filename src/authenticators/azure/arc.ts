/**
 * Tokens on an Arc-enabled server: the agent refuses at first and names a file that root and one group can read; who brings its content gets the token.
 *
 * Whoever binds the agent's port first can answer in its place, so the answer is trusted with nothing: it may only name a file of one fixed folder, the
 * content goes to the address that was asked before, and that is loopback. Opening any path it named sent arbitrary files to local users in the official
 * libraries (CVE-2024-35255). Source: "Authenticate against Azure resources with Azure Arc-enabled servers"; selectors as MSAL Node 7.2 sends them.
 */

import { failureOf } from "../../model/failures";
import type { Clock, HttpClient, MachineFiles } from "../../model/ports";
import { imdsSelectors } from "./imds";
import {
  answersAt,
  exchange,
  type IdentitySelector,
  type Refusal,
  readTokenAnswer,
  type TokenAnswer,
  type TokenSource,
  tokenUrl,
} from "./token-source";

export const arcEndpoint = "http://127.0.0.1:40342/metadata/identity/oauth2/token";
export const arcTokensFolder = "/var/opt/azcmagent/tokens";

export interface ArcOptions {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly files: MachineFiles;
  readonly endpoint: string;
  /** Absolute, without a slash at the end. */
  readonly tokensFolder: string;
  readonly selector?: IdentitySelector;
}

const metadata = { metadata: "true" };

export function createArcSource({ http, clock, files, endpoint, tokensFolder, selector }: ArcOptions): TokenSource {
  async function request(resource: string): Promise<TokenAnswer> {
    const url = tokenUrl(endpoint, "2020-06-01", resource, selector, imdsSelectors);
    const first = await exchange(http, { url, headers: metadata });
    if ("refusal" in first) return first;
    if (first.answer.status === 200) return { refusal: refusal("challenge_missing") };
    if (first.answer.status !== 401) return readTokenAnswer(first.answer, clock.now());
    const name = challengeName(first.answer.headers["www-authenticate"], tokensFolder);
    if (name === undefined) return { refusal: refusal("challenge_path") };
    const secret = readSecret(name);
    if (typeof secret !== "string") return { refusal: secret };
    const second = await exchange(http, { url, headers: { ...metadata, authorization: `Basic ${secret}` } });
    return "refusal" in second ? second : readTokenAnswer(second.answer, clock.now());
  }

  function readSecret(name: string): string | Refusal {
    try {
      const bytes = files.readChallenge(tokensFolder, name);
      const text = Buffer.from(bytes)
        .toString("latin1")
        .replace(/\r?\n$/u, "");
      bytes.fill(0);
      return /^[\x21-\x7e]+$/u.test(text) ? text : refusal("challenge_content");
    } catch (error) {
      // Also where this user is not in the agent's group: the file is there and may not be opened.
      return refusal(failureOf(error).because ?? "challenge_file");
    }
  }

  return { name: "arc", request, probe: () => answersAt(http, endpoint) };
}

/** The file's name, if the challenge names a `.key` file directly in the folder, spelled exactly so. */
function challengeName(header: string | undefined, folder: string): string | undefined {
  const path = /^Basic realm=(\S+)$/iu.exec(header ?? "")?.[1];
  if (path === undefined || !path.startsWith(`${folder}/`)) return undefined;
  const name = path.slice(folder.length + 1);
  return /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}\.key$/u.test(name) ? name : undefined;
}

function refusal(because: string): Refusal {
  return { because, isTransient: false };
}
