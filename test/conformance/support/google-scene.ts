/**
 * Runs inside the place that `namespace.ts` makes: a deployment, Google's issuer and Google Cloud's metadata service under their own names, the client. The
 * server asks for the issuer's keys at https://accounts.google.com, as always; here that name leads to this process.
 */

import { secretsPolicy } from "../../../scripts/walkthrough/policies";
import { createAuthority } from "../../../src/crypto/certificate";
import { generateRsa, signJws } from "../../../src/crypto/signing";
import { createClock } from "../../../src/runtime/clock";
import { startDeployment } from "./deployment";
import { administratorOf } from "./http";
import type { CloudFlow } from "./namespace";
import { cloudHostPolicy } from "./policies";
import { playClient } from "./scene";

const flow: CloudFlow = JSON.parse(process.argv[2] ?? "");
const clock = createClock();
const issuer = "https://accounts.google.com";
const names = ["accounts.google.com", "www.googleapis.com"];
const pair = await generateRsa();
const authority = createAuthority({ name: "Not Google", now: clock.now() });
const { certificatePem: cert, privateKeyPem: key } = authority.issue({ dnsNames: names, ipAddresses: [], now: clock.now(), days: 2 });
let tokenRequests = 0;

const google = Bun.serve({
  hostname: "127.0.0.1",
  port: 443,
  tls: { cert, key },
  fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/.well-known/openid-configuration")
      return Response.json({ issuer, jwks_uri: "https://www.googleapis.com/oauth2/v3/certs" });
    return Response.json({ keys: [{ ...pair.publicKey.export({ format: "jwk" }), kid: "g1", use: "sig", alg: "RS256" }] });
  },
});

/** Source: Google Cloud, "Verifying the identity of instances": the header, the query, the claims of the full format. */
const metadata = Bun.serve({
  hostname: "169.254.169.254",
  port: 80,
  fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== "/computeMetadata/v1/instance/service-accounts/default/identity") return new Response("no such page", { status: 404 });
    if (request.headers.get("metadata-flavor") !== "Google") return new Response("the header is missing", { status: 403 });
    tokenRequests += 1;
    const nowSeconds = Math.floor(clock.now() / 1000);
    const machine = {
      compute_engine: { project_id: "shop-1", project_number: 7, zone: "europe-west6-a", instance_id: "42", instance_name: "till" },
    };
    const subject = { sub: "113", azp: "113", email: "till@shop-1.iam.gserviceaccount.com", email_verified: true };
    const times = { iat: nowSeconds, exp: nowSeconds + 3600 };
    const claims = {
      iss: issuer,
      aud: searchParams.get("audience"),
      ...subject,
      ...times,
      ...(searchParams.get("format") === "full" ? { google: machine } : {}),
    };
    return new Response(signJws({ alg: "RS256", kid: "g1", typ: "JWT" }, claims, { method: "RS256", pair }));
  },
});

const deployment = await startDeployment({
  tls: "authority",
  issuer: { url: names.map((name) => `https://${name}/`).join(","), rootPem: authority.certificatePem },
  env: { CONJUR_AUTHENTICATORS: "authn,authn-gcp" },
});
const http = await administratorOf(deployment);
const annotations = { "authn-gcp/project-id": "shop-1", "authn-gcp/instance-name": "till" };
await http.load("root", cloudHostPolicy("authn-gcp", "till", annotations));
await http.load("root", secretsPolicy);
await http.set("secrets/test-variable", "test-secret");
await playClient(deployment, flow, () => tokenRequests);
await Promise.all([google.stop(true), metadata.stop(true)]);
process.exit(await deployment.stop());
