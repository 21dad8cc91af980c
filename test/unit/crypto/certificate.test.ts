import { afterAll, describe, expect, test } from "bun:test";
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CertificateRequest,
  createAuthority,
  type IssuedCertificate,
  selfSigned,
  sha1Thumbprint,
} from "../../../src/crypto/certificate";
import { generateEd25519, generateP256, generateRsa } from "../../../src/crypto/signing";
import { PosternError } from "../../../src/model/failures";

// The TLS library judges validity by the real clock, so the window is wide: 2020-01-01 and thirty years on.
const now = 1_577_836_800_000;
const days = 365 * 30;
const local = { dnsNames: ["localhost"], ipAddresses: ["127.0.0.1", "::1"], now, days };
const files: string[] = [];
afterAll(() => Promise.all(files.map((file) => rm(file, { force: true }))));

describe("a certificate authority", () => {
  const authority = createAuthority({ name: "Test Authority", now, days });

  test("vouches for itself and may sign leaves only", () => {
    const certificate = new X509Certificate(authority.certificatePem);
    expect(certificate.ca).toBe(true);
    expect(certificate.subject).toBe("CN=Test Authority");
    expect(certificate.verify(certificate.publicKey)).toBe(true);
  });

  test("issues a leaf with its names, for servers, in its time", () => {
    const issued = authority.issue(local);
    const leaf = new X509Certificate(issued.certificatePem);
    const root = new X509Certificate(authority.certificatePem);
    expect(leaf.checkIssued(root)).toBe(true);
    expect(leaf.verify(root.publicKey)).toBe(true);
    expect(leaf.ca).toBe(false);
    expect(leaf.subjectAltName).toBe("DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1");
    expect(leaf.checkPrivateKey(createPrivateKey(issued.privateKeyPem))).toBe(true);
    expect(leaf.validFrom).toBe("Dec 31 23:00:00 2019 GMT");
    expect(leaf.validTo).toBe("Dec 24 00:00:00 2049 GMT");
  });

  test("writes years from 2050 on as GeneralizedTime", () => {
    const leaf = new X509Certificate(authority.issue({ ...local, days: days + 10 }).certificatePem);
    expect(leaf.validTo).toBe("Jan  3 00:00:00 2050 GMT");
  });

  test("gives different serial numbers to different leaves", () => {
    const serials = [authority.issue(local), authority.issue(local)].map(
      (issued) => new X509Certificate(issued.certificatePem).serialNumber,
    );
    expect(new Set(serials).size).toBe(2);
  });

  test("signs with RSA when given such a key, and for one", async () => {
    const rsa = createAuthority({ name: "RSA Authority", now, days, key: await generateRsa() });
    const leaf = new X509Certificate(rsa.issue({ ...local, key: await generateRsa() }).certificatePem);
    expect(leaf.publicKey.asymmetricKeyType).toBe("rsa");
    expect(leaf.verify(new X509Certificate(rsa.certificatePem).publicKey)).toBe(true);
    expect(await reach(rsa.issue({ ...local, key: await generateRsa() }), rsa.certificatePem, "https://127.0.0.1")).toBe("hello");
  });

  test.each([
    { ...local, dnsNames: [], ipAddresses: [] },
    { ...local, dnsNames: ["a b"] },
    { ...local, dnsNames: ["evil.example\0good.example"] },
    { ...local, dnsNames: ["*"] },
    { ...local, dnsNames: ["bücher.example"] },
    { ...local, ipAddresses: ["127.1"] },
    { ...local, ipAddresses: ["300.0.0.1"] },
    { ...local, days: 0 },
    { ...local, days: Number.NaN },
    { ...local, commonName: "x".repeat(65) },
    { ...local, key: generateEd25519() },
  ] satisfies CertificateRequest[])("refuses what cannot be certified (%#)", (request) => {
    expect(() => selfSigned(request)).toThrow(PosternError);
  });
});

describe("a TLS client that trusts the authority", () => {
  const authority = createAuthority({ name: "Test Authority", now, days });

  test("reaches a server by certified name, IPv4 address and wildcard", async () => {
    const issued = authority.issue({ ...local, dnsNames: ["localhost", "*.example.com"] });
    expect(await reach(issued, authority.certificatePem, "https://127.0.0.1")).toBe("hello");
    expect(await reach(issued, authority.certificatePem, "https://localhost")).toBe("hello");
    expect(await reach(issued, authority.certificatePem, "https://127.0.0.1", "vault.example.com")).toBe("hello");
  });

  test("is refused by name mismatch, a foreign authority, an expired leaf and a leaf not yet valid", async () => {
    const other = createAuthority({ name: "Test Authority", now, days });
    const named = authority.issue({ ...local, dnsNames: ["vault.example.com"], ipAddresses: ["10.0.0.1"] });
    const past = authority.issue({ ...local, days: 1 });
    const future = authority.issue({ ...local, now: now + days * 86_400_000, days: 365 });
    await expect(reach(named, authority.certificatePem, "https://127.0.0.1")).rejects.toThrow();
    await expect(reach(authority.issue(local), other.certificatePem, "https://127.0.0.1")).rejects.toThrow();
    await expect(reach(past, authority.certificatePem, "https://127.0.0.1")).rejects.toThrow();
    await expect(reach(future, authority.certificatePem, "https://127.0.0.1")).rejects.toThrow();
  });

  test("is refused when a leaf poses as an authority", async () => {
    const key = generateP256();
    const leaf = authority.issue({ ...local, key, commonName: "leaf" });
    const forged = createAuthority({ name: "leaf", now, days, key }).issue(local);
    const chain = { ...forged, certificatePem: forged.certificatePem + leaf.certificatePem };
    await expect(reach(chain, authority.certificatePem, "https://127.0.0.1")).rejects.toThrow();
  });
});

describe("a self-signed certificate", () => {
  test("has equal subject and issuer and is accepted by a client that pins it", async () => {
    const issued = selfSigned(local);
    const certificate = new X509Certificate(issued.certificatePem);
    expect(certificate.subject).toBe("CN=localhost");
    expect(certificate.issuer).toBe(certificate.subject);
    expect(await reach(issued, issued.certificatePem, "https://localhost")).toBe("hello");
    await expect(reach(issued, selfSigned(local).certificatePem, "https://localhost")).rejects.toThrow();
  });

  test("keeps its public key when renewed with the same pair", () => {
    const key = generateP256();
    const [first, second] = [now, now + 86_400_000].map((at) => new X509Certificate(selfSigned({ ...local, now: at, key }).certificatePem));
    expect(first?.publicKey.equals(second?.publicKey ?? key.privateKey)).toBe(true);
    expect(first?.serialNumber).not.toBe(second?.serialNumber);
  });

  test("passes OpenSSL's strict verification against itself, as does a leaf against its authority", async () => {
    const issued = selfSigned(local);
    const authority = createAuthority({ name: "Test Authority", now, days });
    expect(await opensslVerify(issued.certificatePem, issued.certificatePem)).toBe(0);
    expect(await opensslVerify(authority.certificatePem, authority.issue(local).certificatePem)).toBe(0);
    expect(await opensslVerify(authority.certificatePem, issued.certificatePem)).not.toBe(0);
  });

  test("is named by the SHA-1 of its DER in base64url", () => {
    const issued = selfSigned(local);
    expect(sha1Thumbprint(issued.certificateDer)).toBe(
      createHash("sha1").update(new X509Certificate(issued.certificatePem).raw).digest("base64url"),
    );
  });
});

/** Serves `hello` with the certificate and asks for it as a client that trusts `ca` alone. */
async function reach(served: IssuedCertificate, ca: string, origin: string, serverName?: string): Promise<string> {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert: served.certificatePem, key: served.privateKeyPem },
    fetch: () => new Response("hello"),
  });
  try {
    const tls = serverName === undefined ? { ca } : { ca, serverName };
    const answer = await fetch(`${origin}:${server.port}/`, { tls, keepalive: false });
    return await answer.text();
  } finally {
    await server.stop(true);
  }
}

async function opensslVerify(trusted: string, certificate: string): Promise<number> {
  const id = crypto.randomUUID();
  const paths = { trusted: join(tmpdir(), `${id}-ca.pem`), leaf: join(tmpdir(), `${id}.pem`) };
  files.push(paths.trusted, paths.leaf);
  await Promise.all([Bun.write(paths.trusted, trusted), Bun.write(paths.leaf, certificate)]);
  return await Bun.spawn(["openssl", "verify", "-x509_strict", "-CAfile", paths.trusted, "-purpose", "sslserver", paths.leaf], {
    stdout: "ignore",
    stderr: "ignore",
  }).exited;
}
