/**
 * Verifies roles of AWS: a workload signs a question to AWS, who it is; we ask it for the workload, and AWS answers.
 *
 * Only a role that is assumed counts, and its session's name decides nothing, for whoever assumes a role chooses that. The host that logs in must be named
 * for the account and the role, which the core compares. Source: AWS STS API reference, GetCallerIdentity; Conjur 5.3.1, app/domain/authentication/authn_iam.
 */

import { isObject, readJsonObject } from "../../crypto/strict-json";
import { type CheckList, createCheckList } from "../../model/failures";
import type { Authenticator, HttpAnswer } from "../../model/ports";
import type { Outgoing } from "../outgoing";
import { readSignedRequest } from "./signed-request";

const limits = { maxBytes: 65_536, timeoutMs: 5000, connectTimeoutMs: 2000 };
const proofMs = 15 * 60_000;
const headerName = /^[a-z0-9-]{1,64}$/u;
const arnPattern =
  /^arn:(?<partition>aws|aws-cn|aws-us-gov):sts::(?<account>\d{12}):assumed-role\/(?<role>[\w+=,.@-]{1,64})\/(?<session>[\w+=,.@-]{1,64})$/u;

/** The authenticator `authn-iam`. */
export function createIamAuthenticator({ outgoing }: { readonly outgoing: Outgoing }): Authenticator {
  return {
    type: "authn-iam",
    service: "optional",
    settings: [{ name: "optional-signed-headers", required: false }],
    restrictions: {
      required: [],
      permitted: ["account-id", "role-name"],
      exclusive: [],
      ignoreCase: false,
      form: "none",
      loginEndsIn: ["account-id", "role-name"],
      refusesAdministrator: true,
    },
    lacksStatus: true,

    async verify(credential, settings, now) {
      const checks: CheckList = createCheckList();
      const optional = readOptional(settings["optional-signed-headers"], checks);
      if (credential.kind !== "signed_request") checks.fail("credential_kind", "no signed request");
      const request = readSignedRequest(credential.value, optional, now, checks);
      const { url, host, headers } = request;
      const answer = await outgoing.send({ url, headers }, { ...limits, allowedHosts: [host] }, "caller_identity", checks);
      checks.expect(answer.status === 200, "caller_identity", `${host} answers ${answer.status}`);
      const arn = arnIn(answer) ?? "";
      const named = arnPattern.exec(arn)?.groups;
      if (named === undefined || named.partition !== request.partition)
        checks.fail(
          "assumed_role",
          `${arn.slice(0, 256) || "nobody"}; expected arn:${request.partition}:sts::<account>:assumed-role/<role>/<session>`,
        );
      const { account = "", role = "" } = named;
      checks.pass("assumed_role", arn);
      return {
        subject: `${account}/${role}`,
        attributes: { "account-id": account, "role-name": role },
        expiresAt: now + proofMs,
        evidence: { arn },
        checks: checks.made,
        warnings: [],
      };
    },

    status: async () => undefined,
  };
}

/** Further headers that clients of this service sign, with commas or semicolons between them. Fails the check `optional_signed_headers`. */
function readOptional(text: string | undefined, checks: CheckList): readonly string[] {
  const names = (text ?? "").split(/[,;\s]+/u).flatMap((name) => name.toLowerCase() || []);
  const odd = names.find((name) => !headerName.test(name));
  if (odd !== undefined) checks.fail("optional_signed_headers", `${odd}: the name of a header`);
  return names;
}

/** Who AWS says it is: in JSON, as we ask for, or in the XML it falls back to. Undefined where the answer is neither or names more than one. */
function arnIn({ body }: HttpAnswer): string | undefined {
  const read = readJsonObject(body);
  if ("object" in read) {
    const response = read.object.GetCallerIdentityResponse;
    const result = isObject(response) ? response.GetCallerIdentityResult : undefined;
    return isObject(result) && typeof result.Arn === "string" ? result.Arn : undefined;
  }
  const found = [
    ...Buffer.from(body)
      .toString("utf8")
      .matchAll(/<Arn>([^<>&]{1,2048})<\/Arn>/gu),
  ];
  return found.length === 1 ? found[0]?.[1] : undefined;
}
