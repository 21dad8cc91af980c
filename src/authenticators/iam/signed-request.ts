/**
 * The signed request that a workload of AWS presents: the headers of a `GetCallerIdentity` that only AWS can verify, and that we send there for it.
 *
 *   {"host":"sts.eu-west-1.amazonaws.com","authorization":"AWS4-HMAC-SHA256 Credential=…/20260121/eu-west-1/sts/aws4_request, SignedHeaders=…,
 *    Signature=…","x-amz-date":"20260121T120000Z","x-amz-security-token":"…","x-amz-content-sha256":"e3b0…"}
 *
 * Where it is sent is made from the region in the signature's scope, by a closed pattern, and what the request says of its host must be that very name:
 * nothing the sender wrote becomes part of an address (CVE-2025-49827). Only headers that are named here, or by the operator, are passed on.
 * Source: AWS, "Signature Version 4"; "AWS STS endpoints and quotas".
 */

import { sha256Hex } from "../../crypto/digest";
import { type JsonObject, readJsonObject } from "../../crypto/strict-json";
import type { CheckList } from "../../model/failures";
import type { SecretBytes } from "../../model/secret-bytes";
import type { Instant } from "../../model/types";

export interface SignedRequest {
  /** The one address that this signature is good for. */
  readonly url: string;
  readonly host: string;
  readonly headers: Readonly<Record<string, string>>;
  /** `aws`, `aws-cn`, `aws-us-gov`: what identities of this region are named with. */
  readonly partition: string;
}

const longestBody = 16_384;
const longestValue = 8192;
const action = "?Action=GetCallerIdentity&Version=2011-06-15";
const known = ["host", "authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"] as const;
/** AWS itself takes a signature for a quarter of an hour, in both directions. */
const validMs = 15 * 60_000;
const directions = "(?:north|south|east|west|central|northeast|northwest|southeast|southwest)";
const regionPattern = new RegExp(`^(?:af|ap|ca|cn|eu|il|me|mx|sa|us|us-gov)-${directions}-[1-9]$`, "u");
const scheme =
  /^AWS4-HMAC-SHA256 Credential=[A-Z0-9]{16,128}\/(?<day>\d{8})\/(?<region>[a-z0-9-]{1,32})\/sts\/aws4_request, ?SignedHeaders=(?<signed>[a-z0-9;-]{1,1024}), ?Signature=[0-9a-f]{64}$/u;
const emptyBody = sha256Hex("");

/**
 * Fails the checks `request_size`, `request_form`, `request_headers`, `request_signature` (not of the one form there is), `request_region`,
 * `request_host`, `request_signed_headers`, `request_date` and `request_body`.
 */
export function readSignedRequest(credential: SecretBytes, optional: readonly string[], now: Instant, checks: CheckList): SignedRequest {
  checks.expect(credential.byteLength <= longestBody, "request_size", `${credential.byteLength} bytes; at most ${longestBody}`);
  const read = readJsonObject(credential.reveal());
  if ("problem" in read) checks.fail("request_form", read.problem);
  checks.pass("request_form");
  const headers = headersIn(read.object, optional, checks);
  const scope = scheme.exec(headers.get("authorization") ?? "")?.groups;
  if (scope === undefined) checks.fail("request_signature", "authorization is not of Signature Version 4 for sts");
  const { day = "", region = "", signed = "" } = scope;
  checks.expect(regionPattern.test(region), "request_region", region);
  const host = hostFor(region, headers.get("host"), checks);
  const names = signed.split(";");
  checks.expect(names.includes("host") && names.includes("x-amz-date"), "request_signed_headers", signed);
  judgeDate(headers.get("x-amz-date"), day, now, checks);
  const body = headers.get("x-amz-content-sha256");
  checks.expect(body === undefined || body === emptyBody, "request_body", "that of no body");
  const { host: _, ...passedOn } = Object.fromEntries(headers);
  return { url: `https://${host}/${action}`, host, headers: passedOn, partition: partitionOf(region) };
}

/** The headers that may be passed on, by lower-case names. What else the sender wrote is left behind. */
function headersIn(object: JsonObject, optional: readonly string[], checks: CheckList): ReadonlyMap<string, string> {
  const wanted = new Set<string>([...known, ...optional]);
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(object)) {
    const lower = name.toLowerCase();
    if (!wanted.has(lower)) continue;
    if (headers.has(lower)) checks.fail("request_headers", `${lower} is there twice`);
    if (typeof value !== "string" || value === "" || value.length > longestValue || !/^[\x20-\x7e]+$/u.test(value))
      checks.fail("request_headers", `${lower} is no header's value`);
    headers.set(lower, value);
  }
  for (const name of ["host", "authorization", "x-amz-date"]) if (!headers.has(name)) checks.fail("request_headers", `${name} is missing`);
  checks.pass("request_headers", [...headers.keys()].join(", "));
  return headers;
}

/** STS of the region; that of the first region goes by the older name as well. */
function hostFor(region: string, claimed: string | undefined, checks: CheckList): string {
  const regional = `sts.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
  const hosts = region === "us-east-1" ? [regional, "sts.amazonaws.com"] : [regional];
  const host = hosts.find((each) => each === claimed);
  if (host === undefined) checks.fail("request_host", `signed for another host; expected ${hosts.join(" or ")}`);
  checks.pass("request_host", host);
  return host;
}

function judgeDate(text: string | undefined, day: string, now: Instant, checks: CheckList): void {
  const parts = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/u.exec(text ?? "");
  if (parts === null) checks.fail("request_date", "x-amz-date is no date");
  const [, year, month, date, hour, minute, second] = parts;
  const at = Date.parse(`${year}-${month}-${date}T${hour}:${minute}:${second}Z`);
  const isOfDay = `${year}${month}${date}` === day;
  checks.expect(isOfDay && Math.abs(at - now) <= validMs, "request_date", `${text}; at most ${validMs / 60_000} minutes from now`);
}

function partitionOf(region: string): string {
  if (region.startsWith("cn-")) return "aws-cn";
  return region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
}
