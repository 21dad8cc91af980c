/**
 * Why something was refused, in the words and with the code that operators of Conjur search their logs for. Never on the wire but where a protocol says so.
 *
 * Source of codes and texts: Conjur 5.3.1, app/domain/errors.rb.
 */

import type { AuditRecord } from "../model/types";

type Reason = (record: AuditRecord) => string;

const detailOf = ({ checks }: AuditRecord): string => checks?.findLast(({ ok }) => !ok)?.detail ?? "";
const serviceOf = ({ authenticator = "authn" }: AuditRecord): string => authenticator;
const decode: Reason = (record) => `CONJ00035E Failed to decode token (3rdPartyError ='${record.because}: ${detailOf(record)}')`;
const discovery: Reason = (record) => `CONJ00011E Failed to discover Identity Provider. Reason: '${detailOf(record)}'`;
const keys: Reason = (record) => `CONJ00012E Failed to fetch keys from Identity Provider. Reason: '${detailOf(record)}'`;
const claim: Reason = (record) => `CONJ00051E Claim not found or empty in token: ${detailOf(record)}`;
const missingClaim: Reason = (record) =>
  `${serviceOf(record) === "authn-gcp" ? "CONJ00068E" : "CONJ00084E"} Claim is missing from the token: ${detailOf(record)}`;
const identity: Reason = (record) => {
  const code = serviceOf(record).startsWith("authn-oidc") ? "CONJ00013E" : "CONJ00090E";
  return `${code} Claim value is empty, or was not found in token: ${detailOf(record)}`;
};
const keySettings: Reason = (record) => `CONJ00122E Invalid signing key settings: ${detailOf(record)}`;
const awsHeaders: Reason = (record) => `CONJ00018E Invalid or expired AWS headers: ${detailOf(record)}`;
const restriction: Reason = (record) => {
  const failed = record.checks?.findLast(({ ok }) => !ok);
  return `CONJ00049E Resource restriction '${failed?.check ?? record.because}' does not match with the corresponding value in the request`;
};

/** By the check that failed. */
const reasons: Readonly<Record<string, Reason>> = {
  installed: (record) => `CONJ00001E Authenticator '${serviceOf(record)}' is not supported in Conjur`,
  credential: () => "CONJ00002E Invalid credentials",
  restricted_to: () => "CONJ00003E Invalid origin",
  enabled: (record) => `CONJ00004E '${serviceOf(record)}' is not enabled`,
  webservice: (record) => `CONJ00005E Webservice '${detailOf(record) || serviceOf(record)}' not found`,
  authenticate: (record) =>
    `CONJ00006E '${record.role ?? record.claimed ?? ""}' does not have 'authenticate' privilege on ${serviceOf(record)}`,
  role: (record) => `CONJ00007E '${record.claimed ?? ""}' not found`,
  account: (record) => `CONJ00008E Account '${record.account ?? ""}' is not defined in Conjur`,
  credential_presented: () => "CONJ00009E Field 'jwt' is missing or empty in request body",
  timeout: (record) => `CONJ00010E Failed to discover Identity Provider with timeout error. Reason: '${detailOf(record)}'`,
  dns: discovery,
  connect: discovery,
  tls: discovery,
  status: discovery,
  redirect: discovery,
  refused_url: discovery,
  refused_address: discovery,
  content_type: discovery,
  not_json: discovery,
  issuer_document: discovery,
  key_document: keys,
  key_host: keys,
  no_usable_keys: keys,
  keys_too_old: keys,
  expiry: () => "CONJ00016E Token expired",
  token_size: () => "CONJ00077E Token is empty or not found.",
  token_form: () => "CONJ00077E Token is empty or not found.",
  token_header: decode,
  token_algorithm: decode,
  token_key_id: decode,
  token_type: decode,
  token_critical: decode,
  token_claims: decode,
  token_times: decode,
  token_version: decode,
  not_before: decode,
  issued_at: decode,
  token_lifetime: decode,
  signing_key: decode,
  signature: decode,
  issuer: decode,
  tenant: decode,
  audience: (record) =>
    serviceOf(record) === "authn-gcp" ? `CONJ00067E 'audience' token claim is invalid: ${detailOf(record)}` : decode(record),
  nonce: decode,
  proof_account: (record) =>
    `CONJ00071E 'audience' token claim is invalid. The account '${detailOf(record)}' does not match the account in the URL request '${record.account ?? ""}'`,
  principal_claim: claim,
  resource_claim: claim,
  identity_claim: identity,
  identity_named_once: () => "CONJ00098E JWT identity configuration is invalid",
  key_source: keySettings,
  issuer_setting: keySettings,
  ca_cert: keySettings,
  algorithms: keySettings,
  token_app_property: (record) => `CONJ00117E Failed to parse 'token-app-property' value. Error: '${detailOf(record)}'`,
  enforced_claims: (record) => `CONJ00107E List of enforced claims is in invalid format: ${detailOf(record)}`,
  claim_aliases: (record) => `CONJ00111E Failed to parse claim aliases: ${detailOf(record)}`,
  administrator: (record) => `CONJ00017E Admin user is not allowed to authenticate with ${serviceOf(record)}`,
  caller_identity: awsHeaders,
  assumed_role: () => "CONJ00002E Invalid credentials",
  directory_password: () => "CONJ00002E Invalid credentials",
  password_presented: () => "CONJ00002E Invalid credentials",
  login_mismatch: () => "CONJ00002E Invalid credentials",
  resource_id: (record) => `CONJ00053E Required fields are missing in xms_mirid ${detailOf(record)}`,
  resource_provider: (record) => `CONJ00054E Provider fields are in invalid format in xms_mirid ${detailOf(record)}`,
  annotation_unknown: (record) => `CONJ00050E Resource restrictions are not supported: ${detailOf(record)}`,
  annotations_exclusive: (record) =>
    `CONJ00055E Resource restrictions include an illegal combination of resource constraints - '${detailOf(record)}'`,
  annotation_missing: (record) => `CONJ00057E Role does not have the required constraints: ${detailOf(record)}`,
  annotations_none: (record) => `CONJ00099E Role must have at least one relevant annotation: ${detailOf(record)}`,
  annotation_empty: (record) => `CONJ00100E Annotation is empty: ${detailOf(record)}`,
  annotation_forbidden: (record) => `CONJ00069E Claim can't be used as a restriction: ${detailOf(record)}`,
  claim_mismatch: restriction,
  claim_missing: missingClaim,
  password_weak: () => "CONJ00046E The password you have chosen does not meet the complexity requirements",
  no_value: (record) => `CONJ00076E Variable ${record.resource ?? ""} is empty or not found.`,
};

/** The reason of a refusal, with Conjur's code where it has one. Holds nothing that was presented as a secret. */
export function conjurReason(record: AuditRecord): string {
  const { because = "", failure = "" } = record;
  const known = Object.hasOwn(reasons, because) ? reasons[because] : undefined;
  if (known !== undefined) return known(record);
  if (because.endsWith("_mismatch")) return restriction(record);
  if (because.startsWith("request_")) return awsHeaders(record);
  if (because.startsWith("setting_"))
    return `CONJ00037E Missing value for resource: ${because.slice("setting_".length).replaceAll("_", "-")}`;
  if (failure === "forbidden" || failure === "not_found") return "Forbidden";
  return because === "" ? failure : because;
}
