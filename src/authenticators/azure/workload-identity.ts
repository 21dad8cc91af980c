/**
 * Tokens in clusters: the pod's service account token, which the platform rewrites in a file, is exchanged at Entra ID.
 *
 * Source: "Microsoft identity platform and the OAuth 2.0 client credentials flow", third case (federated credential).
 */

import * as v from "valibot";
import { readJsonObject } from "../../crypto/strict-json";
import type { Clock, HttpClient, MachineFiles } from "../../model/ports";
import { exchange, readTokenAnswer, type TokenSource } from "./token-source";

export interface WorkloadOptions {
  /** The way out by the operator's rules, proxy included. */
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly files: MachineFiles;
  readonly tokenFile: string;
  readonly clientId: string;
  readonly tenantId: string;
  /** Always https: `https://login.microsoftonline.com/`. */
  readonly authority: string;
}

const limits = { maxBytes: 65_536, timeoutMs: 10_000, connectTimeoutMs: 2000 };
const maxFileBytes = 16_384;
const Codes = v.object({ error_codes: v.array(v.pipe(v.number(), v.integer())) });

export function createWorkloadSource({ http, clock, files, tokenFile, clientId, tenantId, authority }: WorkloadOptions): TokenSource {
  const base = authority.endsWith("/") ? authority : `${authority}/`;
  const { hostname } = new URL(base);

  /** Read for every exchange: the platform replaces the token about hourly. A projected file is a link into the volume, which only the platform can write. */
  function assertion(): string | undefined {
    const bytes = files.readMounted(tokenFile, maxFileBytes);
    const text = bytes === undefined ? "" : Buffer.from(bytes).toString("latin1").trim();
    return /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/u.test(text) ? text : undefined;
  }

  return {
    name: "workload",
    async request(resource) {
      const token = assertion();
      if (token === undefined) return { refusal: { because: "federated_token_file", isTransient: false } };
      const form = {
        client_id: clientId,
        scope: `${resource.replace(/\/$/u, "")}/.default`,
        grant_type: "client_credentials",
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        client_assertion: token,
      };
      const url = `${base}${encodeURIComponent(tenantId)}/oauth2/v2.0/token`;
      const sent = await exchange(http, { url, method: "POST", body: { form } }, { ...limits, allowedHosts: [hostname] });
      if ("refusal" in sent) return sent;
      const answer = readTokenAnswer(sent.answer, clock.now());
      const code = entraCode(sent.answer.body);
      return "refusal" in answer && code !== undefined ? { refusal: { ...answer.refusal, because: `aadsts${code}` } } : answer;
    },
    probe: async () => assertion() !== undefined,
  };
}

/** The number that names Entra's refusal best: 700213 for a federation that is not there. */
function entraCode(body: Uint8Array): number | undefined {
  const read = readJsonObject(body);
  const parsed = v.safeParse(Codes, "object" in read ? read.object : undefined);
  return parsed.success ? parsed.output.error_codes[0] : undefined;
}
