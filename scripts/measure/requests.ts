/** The requests that are measured, as the bytes that go over the wire: what Conjur's clients send, and nothing else. */

import { account, service } from "../walkthrough/cloud";

const variables = 200;

/** `v000` … `v199`, below the policy `secrets`. */
export const variableNames: readonly string[] = Array.from({ length: variables }, (_, index) => `v${String(index).padStart(3, "0")}`);

export const variableName = (name: string): string => `secrets/${name}`;

/** Forty bytes, different for each. */
export const storedValue = (name: string): string => `${name}-the-password-of-some-database-1234`.padEnd(40, "x");

export const loginPath = (host: string): string => `/authn-azure/${service}/${account}/host%2Fazure-apps%2F${host}/authenticate`;

/** A session token as the header takes it. */
export const authorization = (token: string): string => `Token token="${Buffer.from(token).toString("base64")}"`;

export const readPath = (name: string): string => `/secrets/${account}/variable/${encodeURIComponent(variableName(name))}`;

/** Every variable once, read in turn by the machines. */
export function readRequests(port: number, tokens: readonly string[]): readonly string[] {
  return variableNames.map((name, index) => {
    return `GET ${readPath(name)} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: ${authorization(tokens[index % tokens.length] ?? "")}\r\n\r\n`;
  });
}

/** A login with an Azure token. */
export function loginRequest(port: number, host: string, jwt: string): string {
  const body = `jwt=${jwt}`;
  const head = [
    `POST ${loginPath(host)} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Accept-Encoding: base64",
    "Content-Type: application/x-www-form-urlencoded",
    `Content-Length: ${body.length}`,
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}
