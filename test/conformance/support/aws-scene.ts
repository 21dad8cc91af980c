/**
 * Runs inside the place that `namespace.ts` makes: a deployment, AWS's STS under its own name, the client with keys of a role. STS verifies the signature over what
 * reaches it, so the client's request must have come through the server unchanged.
 */

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { secretsPolicy } from "../../../scripts/walkthrough/policies";
import { createAuthority } from "../../../src/crypto/certificate";
import { createClock } from "../../../src/runtime/clock";
import { awsKeys, awsRegion, awsRole } from "./aws";
import { startDeployment } from "./deployment";
import { administratorOf } from "./http";
import type { CloudFlow } from "./namespace";
import { cloudHostPolicy } from "./policies";
import { playClient } from "./scene";

const flow: CloudFlow = JSON.parse(process.argv[2] ?? "");
const host = `sts.${awsRegion}.amazonaws.com`;
const now = createClock().now();
const authority = createAuthority({ name: "Not Amazon", now });
const { certificatePem: cert, privateKeyPem: key } = authority.issue({ dnsNames: [host], ipAddresses: [], now, days: 2 });
let verified = 0;

const sts = Bun.serve({
  hostname: "127.0.0.1",
  port: 443,
  tls: { cert, key },
  fetch(request) {
    if (!isSigned(request)) return new Response("SignatureDoesNotMatch", { status: 403 });
    verified += 1;
    const result = {
      Account: awsRole.account,
      Arn: `arn:aws:sts::${awsRole.account}:assumed-role/${awsRole.name}/session`,
      UserId: "AROA:session",
    };
    return Response.json({ GetCallerIdentityResponse: { GetCallerIdentityResult: result } });
  },
});

const deployment = await startDeployment({
  tls: "authority",
  issuer: { url: `https://${host}/`, rootPem: authority.certificatePem },
  env: { CONJUR_AUTHENTICATORS: "authn,authn-iam/prod" },
});
const http = await administratorOf(deployment);
await http.load("root", cloudHostPolicy("authn-iam/prod", `machines/${awsRole.account}/${awsRole.name}`));
await http.load("root", secretsPolicy);
await http.set("secrets/test-variable", "test-secret");
await playClient(deployment, flow, () => verified);
await sts.stop(true);
process.exit(await deployment.stop());

/** Source: AWS, "Create a signed AWS API request": canonical request, string to sign, derived key. */
function isSigned(request: Request): boolean {
  const { pathname, searchParams } = new URL(request.url);
  const form = /Credential=([^/]+)\/(\d+)\/([^/]+)\/sts\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
  const [, id = "", day = "", region = "", signed = "", signature = ""] = form.exec(request.headers.get("authorization") ?? "") ?? [];
  const date = request.headers.get("x-amz-date") ?? "";
  const headers = signed.split(";").map((name) => `${name}:${(request.headers.get(name) ?? "").trim()}\n`);
  const query = [...searchParams].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).toSorted();
  const payload = request.headers.get("x-amz-content-sha256") ?? sha256("");
  const canonical = [request.method, pathname, query.join("&"), headers.join(""), signed, payload].join("\n");
  const text = ["AWS4-HMAC-SHA256", date, `${day}/${region}/sts/aws4_request`, sha256(canonical)].join("\n");
  const derived = [day, region, "sts", "aws4_request"].reduce<Uint8Array>(
    (by, part) => hmac(by, part),
    Buffer.from(`AWS4${awsKeys.secret}`),
  );
  const isHere = request.headers.get("x-amz-security-token") === awsKeys.session && id === awsKeys.id && region === awsRegion;
  const expected = Buffer.from(hmac(derived, text)).toString("hex");
  return isHere && expected.length === signature.length && timingSafeEqual(Buffer.from(expected), Buffer.from(signature));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function hmac(by: Uint8Array, text: string): Uint8Array {
  return createHmac("sha256", by).update(text).digest();
}
