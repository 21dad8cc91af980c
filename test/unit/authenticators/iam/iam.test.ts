import { describe, expect, test } from "bun:test";
import { createIamAuthenticator } from "../../../../src/authenticators/iam/iam";
import { createOutgoing } from "../../../../src/authenticators/outgoing";
import type { AuthenticatorSettings, Credential, HttpAnswer } from "../../../../src/model/ports";
import { SecretBytes } from "../../../../src/model/secret-bytes";
import { authenticatorContract, failureFrom } from "../../../contract/authenticator";
import { createFakeWeb, noon } from "../../../support/fake-issuer";
import { accountId, amzDate, identityAnswer, type SigningChange, signedRequest, stsUrl } from "../../../support/signed-request";

const shown = (text: string): Credential => ({ kind: "signed_request", value: SecretBytes.ofText(text) });

function createBench(answer: () => HttpAnswer = () => identityAnswer(), url = stsUrl()) {
  const web = createFakeWeb();
  web.answers.set(url, answer);
  const authenticator = createIamAuthenticator({ outgoing: createOutgoing(web) });
  return {
    web,
    authenticator,
    verify: (text: string, settings: AuthenticatorSettings = {}) => authenticator.verify(shown(text), settings, noon),
  };
}

authenticatorContract("authn-iam", () => ({
  authenticator: createBench().authenticator,
  settings: {},
  good: shown(signedRequest(noon)),
  expired: shown(signedRequest(noon, { date: amzDate(noon - 16 * 60_000) })),
  now: noon,
}));

describe("a signed request", () => {
  test("is sent to STS of its region with its own headers alone, and proves the role that AWS names", async () => {
    const bench = createBench();
    const text = signedRequest(noon, { headers: { "x-forwarded-host": "evil.example", cookie: "a=b", url: "https://evil.example" } });
    const { attributes, subject, evidence } = await bench.verify(text);
    expect({ attributes, subject, evidence }).toEqual({
      attributes: { "account-id": accountId, "role-name": "app-role" },
      subject: `${accountId}/app-role`,
      evidence: { arn: `arn:aws:sts::${accountId}:assumed-role/app-role/i-0abc` },
    });
    expect(bench.web.sent).toHaveLength(1);
    expect(bench.web.sent[0]?.url).toBe(stsUrl());
    expect(Object.keys(bench.web.sent[0]?.headers ?? {}).sort()).toEqual([
      "authorization",
      "x-amz-content-sha256",
      "x-amz-date",
      "x-amz-security-token",
    ]);
  });

  test("may be signed for the older name of the first region, and for clouds of their own", async () => {
    const first = createBench(undefined, stsUrl("sts.amazonaws.com"));
    expect((await first.verify(signedRequest(noon, { region: "us-east-1", host: "sts.amazonaws.com" }))).subject).toContain("app-role");
    const arn = (partition: string) => `arn:${partition}:sts::${accountId}:assumed-role/app-role/s1`;
    const china = createBench(() => identityAnswer(arn("aws-cn")), stsUrl("sts.cn-north-1.amazonaws.com.cn"));
    const request = signedRequest(noon, { region: "cn-north-1", host: "sts.cn-north-1.amazonaws.com.cn" });
    expect((await china.verify(request)).evidence).toEqual({ arn: arn("aws-cn") });
    const government = createBench(() => identityAnswer(arn("aws-us-gov")), stsUrl("sts.us-gov-west-1.amazonaws.com"));
    expect((await government.verify(signedRequest(noon, { region: "us-gov-west-1" }))).subject).toContain("app-role");
    // Numbers of accounts are the same in each of them.
    const mixed = createBench(() => identityAnswer(arn("aws-cn")));
    expect(await failureFrom(() => mixed.verify(signedRequest(noon)))).toMatchObject({ because: "assumed_role" });
  });

  test("may sign further headers that the service names", async () => {
    const bench = createBench();
    const text = signedRequest(noon, { signed: "host;x-amz-date;x-app", headers: { "X-App": "shop" } });
    await bench.verify(text, { "optional-signed-headers": "X-App; x-other" });
    expect(bench.web.sent[0]?.headers).toMatchObject({ "x-app": "shop" });
    expect(await failureFrom(() => bench.verify(text, { "optional-signed-headers": "x app\u0000" }))).toMatchObject({
      because: "optional_signed_headers",
    });
  });

  const bad: readonly [string, string, string][] = (
    [
      ["a region that is a host", { region: "x.evil.example/", host: "sts.x.evil.example/.amazonaws.com" }, "request_signature"],
      ["a region with a second line", { region: "eu-west-1\n", host: "sts.eu-west-1\n.amazonaws.com" }, "request_headers"],
      ["a region that begins like one", { region: "eu-west-1x" }, "request_region"],
      ["a region that ends like one", { region: "xeu-west-1" }, "request_region"],
      ["a region that nobody has", { region: "eu-middle-1" }, "request_region"],
      ["a region with too much of it", { region: "eu-west-11" }, "request_region"],
      ["no region", { region: "" }, "request_signature"],
      ["another host", { host: "evil.example" }, "request_host"],
      ["the host of another region", { host: "sts.us-east-1.amazonaws.com" }, "request_host"],
      ["a host behind the right one", { host: "sts.eu-west-1.amazonaws.com.evil.example" }, "request_host"],
      ["a host in other letters", { host: "STS.eu-west-1.amazonaws.com" }, "request_host"],
      ["a host with a port", { host: "sts.eu-west-1.amazonaws.com:443" }, "request_host"],
      ["the old host in a region without it", { host: "sts.amazonaws.com" }, "request_host"],
      ["China's host with another ending", { region: "cn-north-1" }, "request_host"],
      ["another service", { service: "s3" }, "request_signature"],
      ["a host that is not signed", { signed: "x-amz-date" }, "request_signed_headers"],
      ["a date that is not signed", { signed: "host" }, "request_signed_headers"],
      ["a date of the past", { date: amzDate(noon - 16 * 60_000) }, "request_date"],
      ["a date of the future", { date: amzDate(noon + 16 * 60_000) }, "request_date"],
      ["a date that is none", { date: "today" }, "request_signature"],
      ["a date of another day than the scope's", { day: "20260120" }, "request_date"],
      ["a body", { headers: { "x-amz-content-sha256": "0".repeat(64) } }, "request_body"],
      ["no signature", { headers: { authorization: undefined } }, "request_headers"],
      ["another signature", { headers: { authorization: "Bearer x" } }, "request_signature"],
      ["a header twice", { headers: { Host: "sts.eu-west-1.amazonaws.com" } }, "request_headers"],
      ["a header that is a list", { headers: { "x-amz-security-token": ["x"] } }, "request_headers"],
      ["a header with a second line", { headers: { "x-amz-security-token": "a\r\nhost: evil.example" } }, "request_headers"],
      ["a header without end", { headers: { "x-amz-security-token": "x".repeat(8193) } }, "request_headers"],
    ] as const satisfies readonly (readonly [string, SigningChange, string])[]
  ).map(([what, change, because]) => [what, signedRequest(noon, change), because]);

  test.each([
    ...bad,
    ["a member twice", '{"host":"a","host":"b"}', "request_form"],
    ["what is no JSON", "host: a", "request_form"],
    ["a list", "[]", "request_form"],
    ["20 kB", `{"a":"${"x".repeat(20_000)}"}`, "request_size"],
  ])("with %s is refused, and nobody is asked", async (_what, text, because) => {
    const bench = createBench();
    expect(await failureFrom(() => bench.verify(text))).toMatchObject({ code: "unauthenticated", because });
    expect(bench.web.sent).toEqual([]);
  });

  test.each([
    ["refuses it", { status: 403, headers: {}, body: Buffer.from("<ErrorResponse/>") }, "caller_identity"],
    ["answers anything else", { status: 302, headers: {}, body: Buffer.from("") }, "caller_identity"],
    ["names a user", identityAnswer(`arn:aws:iam::${accountId}:user/app-role`), "assumed_role"],
    ["names an account's owner", identityAnswer(`arn:aws:iam::${accountId}:root`), "assumed_role"],
    ["names a federated user", identityAnswer(`arn:aws:sts::${accountId}:federated-user/x`), "assumed_role"],
    ["names what only looks like a role", identityAnswer(`arn:aws:sts::${accountId}:assumed-role/a/b/c`), "assumed_role"],
    ["names an account that is none", identityAnswer("arn:aws:sts::12345:assumed-role/app-role/s1"), "assumed_role"],
    ["names nobody", { status: 200, headers: {}, body: Buffer.from("{}") }, "assumed_role"],
    ["names two", { status: 200, headers: {}, body: Buffer.from("<Arn>a</Arn><Arn>b</Arn>") }, "assumed_role"],
  ] as const)("proves nothing where AWS %s", async (_what, answer, because) => {
    const failure = await failureFrom(() => createBench(() => answer).verify(signedRequest(noon)));
    expect(failure).toMatchObject({ code: "unauthenticated", because });
    expect(JSON.stringify(failure)).not.toContain("canary");
  });

  test("is believed where AWS answers in XML", async () => {
    const arn = `arn:aws:sts::${accountId}:assumed-role/app-role/i-0abc`;
    const body = Buffer.from(
      `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>${arn}</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`,
    );
    expect((await createBench(() => ({ status: 200, headers: {}, body })).verify(signedRequest(noon))).evidence).toEqual({ arn });
  });

  test("proves nothing while AWS cannot be asked", async () => {
    const bench = createBench();
    bench.web.answers.clear();
    const failure = await failureFrom(() => bench.verify(signedRequest(noon)));
    expect(failure).toMatchObject({ code: "upstream_unavailable", because: "connect" });
    expect(failure.checks?.at(-1)).toMatchObject({ check: "caller_identity", ok: false });
  });
});
