/** A client of the Vault front over a whole core in memory, with a root token. */

import type { FrontApp, FrontSettings } from "../../../src/fronts/front";
import { vault } from "../../../src/fronts/vault/routes";
import type { RequestContext } from "../../../src/model/types";
import { createHouse, type House, type HouseOptions } from "../../support/house";
import { quietEdge } from "../ask";

export interface VaultReply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; null of an empty one. */
  readonly body: ReturnType<typeof JSON.parse>;
}

export interface VaultClient {
  readonly house: House;
  readonly front: FrontApp;
  readonly root: string;
  /** `as("GET", "secret/data/x", { token })`: without a token, root's. */
  as(method: string, path: string, options?: VaultAsk): Promise<VaultReply>;
}

export interface VaultAsk {
  /** Absent: root's; null: none. */
  readonly token?: string | null;
  /** Sent as JSON; a text as it is. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly from?: string;
}

export async function createVaultClient(options: HouseOptions = {}, settings: FrontSettings = {}): Promise<VaultClient> {
  const house = await createHouse(options);
  const front = vault.serve(house.broker, settings);
  const context = (changes: Partial<RequestContext> = {}): RequestContext => house.context({ dialect: "vault", ...changes });
  const { token } = await house.operator.createRootToken(0, context());
  const root = Buffer.from(token?.reveal() ?? "").toString();
  return {
    house,
    front,
    root,
    async as(method, path, { token: shown = root, body, headers = {}, from } = {}) {
      const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
      const request = new Request(`http://vault.test/v1/${path}`, {
        method: method === "LIST" ? "GET" : method,
        headers: { "content-type": type, ...(shown === null ? {} : { "x-vault-token": shown }), ...headers },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      });
      const asked = method === "LIST" ? new Request(`${request.url}?list=true`, request) : request;
      const response = await front.app.fetch(asked, {
        context: context(from === undefined ? {} : { clientAddress: from }),
        edge: quietEdge,
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, body: text.startsWith("{") ? JSON.parse(text) : null };
    },
  };
}
