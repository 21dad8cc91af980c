/** The administrator by plain HTTP, for suites whose client cannot set itself up: it loads policies and gives variables their values. */

import type { Deployment } from "./deployment";

export interface Administrator {
  /** Loads policy and gives the API keys of the roles it made, by `kind:id`. */
  load(branch: string, text: string): Promise<Readonly<Record<string, string>>>;
  set(variable: string, value: string): Promise<void>;
  /** The JSON of a fresh token, of anybody whose key is known. */
  token(login: string, apiKey: string): Promise<string>;
  /** Any request, with the administrator's token. */
  ask(method: string, path: string, body?: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
}

export async function administratorOf({
  url,
  account,
  adminKey,
  caPem,
}: Pick<Deployment, "url" | "account" | "adminKey" | "caPem">): Promise<Administrator> {
  const tls = { ca: caPem };

  async function token(login: string, apiKey: string): Promise<string> {
    const answer = await fetch(`${url}/authn/${account}/${encodeURIComponent(login)}/authenticate`, { method: "POST", body: apiKey, tls });
    if (answer.status !== 200) throw new Error(`authenticate: ${answer.status}`);
    return answer.text();
  }

  const authorization = `Token token="${btoa(await token("admin", adminKey))}"`;
  const ask: Administrator["ask"] = (method, path, body, headers = {}) =>
    fetch(`${url}${path}`, {
      method,
      headers: { authorization, ...headers },
      tls,
      decompress: false,
      ...(body === undefined ? {} : { body }),
    });
  const must = async (status: number, answer: Promise<Response>): Promise<string> => {
    const { status: got, url: asked } = await answer;
    const text = await (await answer).text();
    if (got !== status) throw new Error(`${asked}: ${got} ${text}`);
    return text;
  };

  return {
    token,
    ask,
    async load(branch, text) {
      const path = `/policies/${account}/policy/${encodeURIComponent(branch)}`;
      const loaded = await must(201, ask("POST", path, text, { "content-type": "application/x-yaml" }));
      return Object.fromEntries(
        [...loaded.matchAll(/"id":"[^:"]+:([^"]+)","api_key":"([^"]+)"/g)].map(([, role = "", key = ""]) => [role, key]),
      );
    },
    async set(variable, value) {
      await must(201, ask("POST", `/secrets/${account}/variable/${encodeURIComponent(variable)}`, value));
    },
  };
}
