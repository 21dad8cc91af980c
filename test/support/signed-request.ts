/** Signed requests of AWS for tests, and what STS answers. The signatures are of the right form; only AWS could tell whether they hold. */

import type { HttpAnswer } from "../../src/model/ports";

export const accountId = "123456789012";
export const stsUrl = (host = "sts.eu-west-1.amazonaws.com") => `https://${host}/?Action=GetCallerIdentity&Version=2011-06-15`;

export interface SigningChange {
  readonly region?: string;
  readonly host?: string;
  readonly date?: string;
  readonly day?: string;
  readonly service?: string;
  readonly signed?: string;
  readonly headers?: Readonly<Record<string, unknown>>;
}

/** `20260121T120000Z` */
export function amzDate(at: number): string {
  return new Date(at).toISOString().replace(/[-:]|\.\d{3}/gu, "");
}

export function signedRequest(now: number, change: SigningChange = {}): string {
  const { region = "eu-west-1", date = amzDate(now), service = "sts" } = change;
  const { day = date.slice(0, 8), signed = "host;x-amz-content-sha256;x-amz-date;x-amz-security-token" } = change;
  const credential = `ASIAIOSFODNN7EXAMPLE/${day}/${region}/${service}/aws4_request`;
  return JSON.stringify({
    host: change.host ?? `sts.${region}.amazonaws.com`,
    "x-amz-date": date,
    "x-amz-security-token": "FwoGZXIvYXdzEBYaDH+token/canary==",
    "x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signed}, Signature=${"0123456789abcdef".repeat(4)}`,
    ...change.headers,
  });
}

export function identityAnswer(arn = `arn:aws:sts::${accountId}:assumed-role/app-role/i-0abc`): HttpAnswer {
  const result = { Account: accountId, Arn: arn, UserId: "AROA:i-0abc" };
  return {
    status: 200,
    headers: {},
    body: Buffer.from(JSON.stringify({ GetCallerIdentityResponse: { GetCallerIdentityResult: result } })),
  };
}
