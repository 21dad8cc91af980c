/** What is asked by Vault's protocol at a server under measurement: a root token, what is furnished with it, and requests as Vault's clients send them. */

import { join } from "node:path";
import * as v from "valibot";
import { runCommand } from "./processes";
import type { Stage } from "./stage";

export interface VaultGround {
  /** Sets something up: `POST` of an object. Throws unless it is answered with success. */
  set(path: string, body?: object): Promise<unknown>;
  get(path: string): Promise<unknown>;
  /** A token that may do what these rules allow. */
  tokenFor(policy: string, rules: string): Promise<string>;
}

/** At the server that the stage started under this name. */
export async function openVaultGround(stage: Stage, name: string, port: number): Promise<VaultGround> {
  const printed = await runCommand([stage.binary, "vault", "token", "--config", join(stage.folder, `${name}.toml`)]);
  const root = printed.split("\n").find((line) => line.startsWith("hvs.")) ?? "";

  async function ask(method: string, path: string, body?: object): Promise<unknown> {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/${path}`, {
      method,
      headers: { "x-vault-token": root },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${answer.status} of ${path}: ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  const set = (path: string, body: object = {}): Promise<unknown> => ask("POST", path, body);
  return {
    set,
    get: (path) => ask("GET", path),
    async tokenFor(policy, rules) {
      await set(`sys/policies/acl/${policy}`, { policy: rules });
      return v.parse(Created, await set("auth/token/create", { policies: [policy] })).auth.client_token;
    },
  };
}

const Created = v.object({ auth: v.object({ client_token: v.string() }) });

/** A member of an answer's `data`, which must be there. */
export function dataText(answer: unknown, member: string): string {
  return v.parse(v.object({ data: v.looseObject({ [member]: v.string() }) }), answer).data[member] ?? "";
}

/** As a client written in Go sends it. */
export function pathRequest(port: number, token: string, path: string): string {
  const head = [
    `GET /v1/${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "User-Agent: Go-http-client/1.1",
    `X-Vault-Token: ${token}`,
    "X-Vault-Request: true",
    "Accept-Encoding: gzip",
  ];
  return `${head.join("\r\n")}\r\n\r\n`;
}

export function pathLogin(port: number, path: string, fields: object): string {
  const body = JSON.stringify(fields);
  const head = [
    `PUT /v1/${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "User-Agent: Go-http-client/1.1",
    "X-Vault-Request: true",
    `Content-Length: ${body.length}`,
    "Accept-Encoding: gzip",
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}
