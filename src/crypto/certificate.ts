/**
 * Makes X.509 v3 certificates: a small authority of one's own, leaves below it, and self-signed ones.
 *
 * A writer of our own, because all it must write are five extensions; reading and verifying certificates stays with the TLS library.
 * Keys are P-256 unless one is given; signatures are ECDSA or RSA with SHA-256. Serial numbers are digests of what is certified, so the same input
 * gives the same number; an authority never certifies what a stranger wrote, so there is nobody to guess one.
 */

import { createHash, sign, X509Certificate } from "node:crypto";
import ipaddr from "ipaddr.js";
import { PosternError } from "../model/failures";
import type { Instant } from "../model/types";
import { bitString, integer, nullValue, objectId, octetString, sequence, setOf, tagged, time, trueValue, utf8String } from "./der";
import { exportSpki, generateP256, type KeyPair, privateKeyPem } from "./signing";

export interface IssuedCertificate {
  readonly certificatePem: string;
  readonly certificateDer: Uint8Array;
  readonly privateKeyPem: string;
}

/** What a server certificate is for. At least one name or address; `days` counts from `now`; a `key` that is kept survives renewals. */
export interface CertificateRequest {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly now: Instant;
  readonly days: number;
  readonly key?: KeyPair;
  /** Default: the first DNS name or address. At most 64 characters. */
  readonly commonName?: string;
}

export interface Authority {
  readonly certificatePem: string;
  readonly certificateDer: Uint8Array;
  /** A leaf for TLS servers. Throws `malformed` for names or addresses that are none. */
  issue(request: CertificateRequest): IssuedCertificate;
}

const extensionIds = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
} as const;
const serverAuth = "1.3.6.1.5.5.7.3.1";
const commonNameType = "2.5.4.3";

const dayMs = 86_400_000;
// Clocks of machines that verify may run a little behind the one that issues.
const backdateMs = 3_600_000;
const maxCommonNameLength = 64;

/** An authority that signs leaves only (path length 0). The private key stays inside. `days` default: ten years. */
export function createAuthority(options: {
  readonly name: string;
  readonly now: Instant;
  readonly days?: number;
  readonly key?: KeyPair;
}): Authority {
  const key = options.key ?? generateP256();
  const der = writeCertificate({
    subject: options.name,
    issuer: options.name,
    subjectKey: key,
    issuerKey: key,
    now: options.now,
    days: options.days ?? 3650,
    extensions: [
      extension("basicConstraints", sequence(trueValue(), integer(Uint8Array.of(0))), "critical"),
      // Bits 5 and 6: keyCertSign, cRLSign.
      extension("keyUsage", bitString(Uint8Array.of(0x06), 1), "critical"),
      extension("subjectKeyIdentifier", octetString(keyIdentifier(key))),
    ],
  });
  return {
    certificatePem: pem(der),
    certificateDer: der,
    issue: (request) => {
      const subjectKey = request.key ?? generateP256();
      return issueLeaf(request, { subjectKey, issuerKey: key, issuer: options.name, subject: commonNameOf(request) });
    },
  };
}

/**
 * A server certificate that vouches for itself: subject equals issuer, which is how Conjur's CLI recognises the kind it takes with `--self-signed`.
 * Clients pin the leaf, so renew it with the same `key` and a long life.
 * Source: conjur-cli-go 9.1, `init --self-signed`.
 */
export function selfSigned(request: CertificateRequest): IssuedCertificate {
  const key = request.key ?? generateP256();
  const name = commonNameOf(request);
  return issueLeaf(request, { subjectKey: key, issuerKey: key, issuer: name, subject: name });
}

/** base64url SHA-1 of a certificate's DER: the `x5t` of a JWK, by which Entra ID also names its keys. */
export function sha1Thumbprint(certificateDer: Uint8Array): string {
  return createHash("sha1").update(certificateDer).digest("base64url");
}

/** When a certificate (the first of a PEM text) ends, in epoch seconds; undefined for what is none. */
export function notAfterSeconds(pem: string): number | undefined {
  try {
    return Math.floor(new X509Certificate(pem).validToDate.getTime() / 1000);
  } catch {
    return undefined;
  }
}

interface LeafParties {
  readonly subject: string;
  readonly issuer: string;
  readonly subjectKey: KeyPair;
  readonly issuerKey: KeyPair;
}

function issueLeaf(request: CertificateRequest, parties: LeafParties): IssuedCertificate {
  // digitalSignature; an RSA key may also be used for TLS 1.2 key transport.
  const usage = parties.subjectKey.type === "rsa" ? bitString(Uint8Array.of(0xa0), 5) : bitString(Uint8Array.of(0x80), 7);
  const der = writeCertificate({
    ...parties,
    now: request.now,
    days: request.days,
    extensions: [
      extension("basicConstraints", sequence(), "critical"),
      extension("keyUsage", usage, "critical"),
      extension("extendedKeyUsage", sequence(objectId(serverAuth))),
      extension("subjectAltName", alternativeNames(request)),
      extension("subjectKeyIdentifier", octetString(keyIdentifier(parties.subjectKey))),
      extension("authorityKeyIdentifier", sequence(tagged(0, "primitive", keyIdentifier(parties.issuerKey)))),
    ],
  });
  return { certificatePem: pem(der), certificateDer: der, privateKeyPem: privateKeyPem(parties.subjectKey) };
}

function writeCertificate(
  content: LeafParties & { readonly now: Instant; readonly days: number; readonly extensions: readonly Uint8Array[] },
): Uint8Array {
  if (!(content.days > 0)) throw malformed("days", "a positive number of days");
  const algorithm = signatureAlgorithm(content.issuerKey);
  const validity = sequence(time(content.now - backdateMs), time(content.now + content.days * dayMs));
  const certified = [
    distinguishedName(content.issuer),
    validity,
    distinguishedName(content.subject),
    exportSpki(content.subjectKey),
    tagged(3, "constructed", sequence(...content.extensions)),
  ];
  const serial = createHash("sha256").update(Buffer.concat(certified)).digest().subarray(0, 16);
  const version3 = tagged(0, "constructed", integer(Uint8Array.of(2)));
  const body = sequence(version3, integer(serial), algorithm, ...certified);
  return sequence(body, algorithm, bitString(sign("sha256", body, content.issuerKey.privateKey)));
}

function signatureAlgorithm(key: KeyPair): Uint8Array {
  if (key.type === "p256") return sequence(objectId("1.2.840.10045.4.3.2"));
  if (key.type === "rsa") return sequence(objectId("1.2.840.113549.1.1.11"), nullValue());
  throw malformed("key", "a P-256 or RSA key");
}

function distinguishedName(commonName: string): Uint8Array {
  if (commonName.length === 0 || commonName.length > maxCommonNameLength) throw malformed("name", "1 to 64 characters");
  return sequence(setOf(sequence(objectId(commonNameType), utf8String(commonName))));
}

function extension(name: keyof typeof extensionIds, value: Uint8Array, critical?: "critical"): Uint8Array {
  const parts = [objectId(extensionIds[name]), ...(critical === undefined ? [] : [trueValue()]), octetString(value)];
  return sequence(...parts);
}

function keyIdentifier(key: KeyPair): Uint8Array {
  // RFC 7093 method 1: the leftmost 160 bits of a SHA-256; any unique value will do.
  return createHash("sha256").update(exportSpki(key)).digest().subarray(0, 20);
}

function alternativeNames(request: CertificateRequest): Uint8Array {
  const names = request.dnsNames.map((name) => tagged(2, "primitive", dnsName(name)));
  const addresses = request.ipAddresses.map((address) => tagged(7, "primitive", addressBytes(address)));
  if (names.length + addresses.length === 0) throw malformed("dnsNames", "at least one DNS name or IP address");
  return sequence(...names, ...addresses);
}

function dnsName(name: string): Uint8Array {
  const isName = /^(\*\.)?([a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;
  if (!isName.test(name) || name.length > 253) throw malformed("dnsNames", "host names of ASCII letters, digits, dashes and dots");
  return Buffer.from(name, "ascii");
}

function addressBytes(address: string): Uint8Array {
  // The short IPv4 forms that ipaddr.js also reads (`127.1`) are a mistake here.
  if (!ipaddr.IPv4.isValidFourPartDecimal(address) && !ipaddr.IPv6.isValid(address))
    throw malformed("ipAddresses", "IPv4 or IPv6 addresses");
  return Uint8Array.from(ipaddr.parse(address).toByteArray());
}

function commonNameOf(request: CertificateRequest): string {
  const name = request.commonName ?? request.dnsNames.find((dns) => dns.length <= maxCommonNameLength) ?? request.ipAddresses[0];
  if (name === undefined) throw malformed("commonName", "a name, when no DNS name or address will do");
  return name;
}

function pem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function malformed(where: string, expected: string): PosternError {
  return new PosternError({ code: "malformed", where, expected, kind: "argument" });
}
