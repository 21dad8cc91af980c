/** An OpenID Connect provider on loopback, over TLS by an authority of its own: keys to rotate, outages to have, codes to exchange once. */

import { createHash } from "node:crypto";
import { createAuthority } from "../../src/crypto/certificate";
import { jwkOf, type Members, signingKey, signToken } from "./fake-issuer";

export type Trouble = "none" | "down" | "garbage" | "empty" | "redirect" | "silent";

export interface TlsIssuer {
  /** `https://127.0.0.1:41234` */
  readonly url: string;
  /** The certificate of the authority that vouches for it. */
  readonly rootPem: string;
  readonly clientSecret: string;
  /** How often each path was asked for. */
  asked(path: string): number;
  trouble(kind: Trouble): void;
  /** Publishes another key, and signs with it from now on. */
  rotate(): void;
  /** A token with these claims, by the present key, or by the one before it. */
  sign(claims: Members, which?: "present" | "former"): string;
  /** What a browser comes back with from the page at `address`, when `claims` signed in there. */
  signIn(address: string, claims: Members): string;
  stop(): Promise<void>;
}

interface Waiting {
  readonly challenge: string;
  readonly redirectUri: string;
  readonly token: string;
}

export function startTlsIssuer(): TlsIssuer {
  const now = Date.parse(new Date().toISOString());
  const authority = createAuthority({ name: "Issuer's own authority", now });
  const { certificatePem: cert, privateKeyPem: key } = authority.issue({ dnsNames: [], ipAddresses: ["127.0.0.1"], now, days: 2 });
  const clientSecret = "canary-client-secret";
  const codes = new Map<string, Waiting>();
  const counts = new Map<string, number>();
  let present = 0;
  let trouble: Trouble = "none";

  async function answer(path: string, request: Request): Promise<Response> {
    if (trouble === "down") return new Response("down", { status: 503 });
    if (trouble === "garbage") return new Response("<html>", { headers: { "content-type": "application/json" } });
    if (trouble === "empty") return Response.json({ keys: [], issuer: url });
    if (trouble === "redirect") return Response.redirect(`${url}/elsewhere`, 302);
    if (trouble === "silent") return await new Promise<Response>(() => undefined);
    if (path === "/jwks") return Response.json({ keys: [jwkOf(signingKey(present))] });
    if (path === "/token") return exchange(request, new URLSearchParams(await request.text()));
    if (path !== "/.well-known/openid-configuration") return new Response("no such page", { status: 404 });
    return Response.json({
      issuer: url,
      jwks_uri: `${url}/jwks`,
      authorization_endpoint: `${url}/auth`,
      token_endpoint: `${url}/token`,
    });
  }

  /** As RFC 6749 and 7636 demand: once, by the client, from where it was asked for, and with what the challenge was made of. */
  function exchange(request: Request, form: URLSearchParams): Response {
    const code = form.get("code") ?? "";
    const waiting = codes.get(code);
    codes.delete(code);
    const isClient = request.headers.get("authorization") === `Basic ${Buffer.from(`postern-cli:${clientSecret}`).toString("base64")}`;
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    const isRight = waiting?.challenge === challenge && waiting.redirectUri === form.get("redirect_uri");
    if (waiting === undefined || !isClient || !isRight) return Response.json({ error: "invalid_grant" }, { status: 400 });
    return Response.json({ id_token: waiting.token, access_token: "unused", token_type: "Bearer" });
  }

  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert, key },
    async fetch(request) {
      const { pathname } = new URL(request.url);
      counts.set(pathname, (counts.get(pathname) ?? 0) + 1);
      return answer(pathname, request);
    },
  });
  const url = `https://127.0.0.1:${server.port}`;
  const sign = (claims: Members, which = "present") =>
    signToken({ iss: url, ...claims }, { key: signingKey(which === "present" ? present : present - 1) });

  return {
    url,
    rootPem: authority.certificatePem,
    clientSecret,
    asked: (path) => counts.get(path) ?? 0,
    trouble(kind) {
      trouble = kind;
    },
    rotate() {
      present += 1;
    },
    sign,
    signIn(address, claims) {
      const asked = new URL(address).searchParams;
      const code = `canary-code-${codes.size}+/=`;
      codes.set(code, {
        challenge: asked.get("code_challenge") ?? "",
        redirectUri: asked.get("redirect_uri") ?? "",
        token: sign({ aud: asked.get("client_id"), nonce: asked.get("nonce"), ...claims }),
      });
      return code;
    },
    stop: () => server.stop(true),
  };
}
