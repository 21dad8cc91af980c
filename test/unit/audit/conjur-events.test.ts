import { describe, expect, test } from "bun:test";
import { conjurEvent, rowMessages } from "../../../src/audit/conjur-events";
import { createInstantText } from "../../../src/audit/line";
import { syslogLine } from "../../../src/audit/syslog-line";
import { parseId, parseRoleId } from "../../../src/model/ids";
import type { AuditRecord } from "../../../src/model/types";

const at = Date.UTC(2025, 10, 10, 9, 12, 13, 123);
const host = parseRoleId("A:host:app");
const admin = parseRoleId("A:user:admin");
const variable = parseId("A:variable:db/pw");
const instantText = createInstantText();

function record(changes: Partial<AuditRecord> & Pick<AuditRecord, "operation">): AuditRecord {
  const context = { requestId: "6f1c", now: at, dialect: "conjur", clientAddress: "10.1.2.3" };
  return { decision: "d-1", at, allowed: true, context, revision: 1, account: "A", ...changes };
}

function lineOf(changes: Parameters<typeof record>[0]): string {
  const event = conjurEvent(record(changes));
  if (event === undefined) throw new Error("no event");
  return syslogLine(event, instantText);
}

const login = { operation: "login", authenticator: "authn-azure/prod" } as const;
const refused = (because: string, failure = "unauthenticated", detail?: string) => ({
  allowed: false,
  failure,
  because,
  checks: [{ check: because, ok: false, ...(detail === undefined ? {} : { detail }) }],
});

describe("an accepted login", () => {
  test("is the very line that Conjur would have written", () => {
    expect(lineOf({ ...login, role: host })).toBe(
      '<86>1 2025-11-10T09:12:13.123Z - conjur 6f1c authn [subject@43868 role="A:host:app"][auth@43868 user="A:host:app" authenticator="authn-azure" service="A:webservice:conjur/authn-azure/prod"][client@43868 ip="10.1.2.3"][action@43868 result="success" operation="authenticate"] A:host:app successfully authenticated with authenticator authn-azure service A:webservice:conjur/authn-azure/prod',
    );
  });

  test("by API key is of the plain service", () => {
    expect(lineOf({ operation: "login", authenticator: "authn", role: host })).toContain(
      'authenticator="authn" service="A:webservice:conjur/authn"',
    );
  });
});

describe("a refused login", () => {
  test.each([
    ["role", "unauthenticated", undefined, "CONJ00007E 'host/app' not found"],
    ["enabled", "unauthenticated", undefined, "CONJ00004E 'authn-azure/prod' is not enabled"],
    ["account", "unauthenticated", undefined, "CONJ00008E Account 'A' is not defined in Conjur"],
    [
      "webservice",
      "unauthenticated",
      "A:webservice:conjur/authn-azure/prod",
      "CONJ00005E Webservice 'A:webservice:conjur/authn-azure/prod' not found",
    ],
    ["authenticate", "forbidden", undefined, "CONJ00006E 'host/app' does not have 'authenticate' privilege on authn-azure/prod"],
    ["restricted_to", "unauthenticated", "192.0.2.1 against 10.0.0.0/8", "CONJ00003E Invalid origin"],
    ["setting_provider_uri", "unauthenticated", undefined, "CONJ00037E Missing value for resource: provider-uri"],
    ["credential_presented", "malformed", undefined, "CONJ00009E Field 'jwt' is missing or empty in request body"],
    [
      "connect",
      "upstream_unavailable",
      "https://x: connect",
      "CONJ00011E Failed to discover Identity Provider. Reason: 'https://x: connect'",
    ],
    ["timeout", "upstream_unavailable", "https://x: timeout", "CONJ00010E "],
    ["no_usable_keys", "upstream_unavailable", "https://x", "CONJ00012E "],
    ["token_form", "unauthenticated", "not three parts", "CONJ00077E "],
    ["signature", "unauthenticated", "key k", "CONJ00035E Failed to decode token (3rdPartyError ='signature: key k')"],
    ["expiry", "unauthenticated", undefined, "CONJ00016E Token expired"],
    ["resource_claim", "unauthenticated", "xms_mirid is missing", "CONJ00051E "],
    ["resource_id", "unauthenticated", "/x", "CONJ00053E "],
    ["resource_provider", "unauthenticated", "/x", "CONJ00054E "],
    ["annotation_missing", "unauthenticated", "x", "CONJ00057E "],
    ["annotation_unknown", "unauthenticated", "x", "CONJ00050E "],
    ["annotations_exclusive", "unauthenticated", "x", "CONJ00055E "],
    ["resource_group_mismatch", "unauthenticated", "x", "CONJ00049E "],
    ["claim_mismatch", "unauthenticated", "x", "CONJ00049E "],
    ["annotations_none", "unauthenticated", "x", "CONJ00099E "],
    ["annotation_empty", "unauthenticated", "x", "CONJ00100E "],
    ["annotation_forbidden", "unauthenticated", "x", "CONJ00069E "],
    ["identity_named_once", "unauthenticated", "x", "CONJ00098E JWT identity configuration is invalid"],
    ["key_source", "unauthenticated", "set: none", "CONJ00122E Invalid signing key settings: set: none"],
    ["request_host", "unauthenticated", "evil.example", "CONJ00018E Invalid or expired AWS headers: evil.example"],
    ["identity_claim", "unauthenticated", "project: absent", "CONJ00090E Claim value is empty, or was not found in token: project: absent"],
    ["claim_missing", "unauthenticated", "nothing", "CONJ00084E Claim is missing from the token: nothing"],
    ["code_exchange", "unauthenticated", "x", "code_exchange"],
  ])("because of %s says why, by Conjur's code where there is one", (because, failure, detail, text) => {
    const line = lineOf({ ...login, claimed: "host/app", ...refused(because, failure, detail) });
    expect(line).toStartWith("<84>1 ");
    expect(line).toContain(
      '[action@43868 result="failure" operation="authenticate"] A:host:app failed to authenticate with authenticator authn-azure service A:webservice:conjur/authn-azure/prod: ',
    );
    expect(line.split("conjur/authn-azure/prod: ").at(-1)).toStartWith(text);
  });

  test("of nobody there says so where the user stands, and keeps the name that was tried", () => {
    const line = lineOf({ ...login, claimed: "host/app", ...refused("role") });
    expect(line).toContain('[subject@43868 role="A:host:app"][auth@43868 user="not-found" ');
    expect(lineOf({ ...login, claimed: "bob", ...refused("enabled") })).toContain('role="A:user:bob"');
  });

  test("before any name is known has a placeholder for it", () => {
    expect(lineOf({ ...login, ...refused("signature") })).toContain('[subject@43868 role="A:user:USERNAME_MISSING"]');
  });
});

describe("what else is decided", () => {
  test.each([
    [{ operation: "secret.read", resource: variable, privilege: "execute" }, 86, "fetch", "fetch", "A:user:admin fetched A:variable:db/pw"],
    [
      { operation: "secret.read", resource: variable, version: 3 },
      86,
      "fetch",
      "fetch",
      "A:user:admin fetched version 3 of A:variable:db/pw",
    ],
    [{ operation: "secret.write", resource: variable }, 86, "update", "update", "A:user:admin updated A:variable:db/pw"],
    [
      { operation: "resource.check", resource: variable, privilege: "read" },
      86,
      "check",
      "check",
      "A:user:admin successfully checked if they can read A:variable:db/pw",
    ],
    [{ operation: "resource.list" }, 86, "list", "list", "A:user:admin successfully listed resources"],
    [
      { operation: "role.members", resource: host },
      86,
      "members",
      "list",
      "A:user:admin successfully listed members with parameters: A:host:app",
    ],
    [
      { operation: "branch.create", resource: parseRoleId("A:policy:teams/blue") },
      85,
      "branch",
      "create",
      "A:user:admin successfully created branch teams/blue",
    ],
    [
      { operation: "branch.show", resource: parseRoleId("A:policy:teams") },
      85,
      "branch",
      "get",
      "A:user:admin successfully retrieved branch teams",
    ],
    [{ operation: "authenticator.list" }, 85, "authenticators", "list", "A:user:admin successfully listed authenticators"],
    [{ operation: "password.change" }, 86, "password", "change", "A:user:admin successfully changed their password"],
    [{ operation: "api_key.rotate", resource: admin }, 86, "api-key", "rotate", "A:user:admin successfully rotated their API key"],
    [
      { operation: "api_key.rotate", resource: host },
      86,
      "api-key",
      "rotate",
      "A:user:admin successfully rotated the api key for A:host:app",
    ],
    [{ operation: "identity.check" }, 38, "identity-check", "check", "A:user:admin checked its identity using whoami"],
    [
      { operation: "policy.validate", resource: parseRoleId("A:policy:root") },
      85,
      "policy",
      "validate",
      "A:user:admin validated A:policy:root",
    ],
    [
      { operation: "host_factory.create_tokens", resource: parseRoleId("A:host_factory:f") },
      86,
      "host-factory",
      "create-tokens",
      "A:user:admin successfully performed create-tokens on host-factory A:host_factory:f",
    ],
    [{ operation: "secret.delete", resource: variable }, 86, "update", "delete", "A:user:admin deleted A:variable:db/pw"],
    [{ operation: "secret.undelete", resource: variable }, 86, "update", "undelete", "A:user:admin undeleted A:variable:db/pw"],
    [
      { operation: "secret.destroy", resource: variable, version: 3 },
      86,
      "update",
      "destroy",
      "A:user:admin destroyed version 3 of A:variable:db/pw",
    ],
    [{ operation: "secret.remove", resource: variable }, 86, "update", "remove", "A:user:admin removed A:variable:db/pw"],
    [{ operation: "secret.list", path: "secret/metadata/" }, 86, "list", "list", "A:user:admin successfully listed resources"],
    [{ operation: "secret.subkeys", resource: variable }, 86, "resource", "get", "A:user:admin successfully fetched resource details."],
    [
      { operation: "secret.metadata.write", resource: variable },
      86,
      "resource",
      "update",
      "A:user:admin successfully updated resource details.",
    ],
    [
      { operation: "mount.settings.write", path: "secret/config" },
      86,
      "mount-settings",
      "write",
      "A:user:admin successfully performed write on mount-settings secret/config",
    ],
    [
      { operation: "token.create", path: "auth/token/create" },
      86,
      "token",
      "create",
      "A:user:admin successfully performed create on token auth/token/create",
    ],
    [
      { operation: "approle.create_secret_id", resource: parseRoleId("A:host:vault/role/approle/ci") },
      86,
      "approle",
      "create-secret-id",
      "A:user:admin successfully performed create-secret-id on approle A:host:vault/role/approle/ci",
    ],
  ] as const)("%j has Conjur's words", (changes, priority, messageId, operation, text) => {
    const line = lineOf({ ...changes, role: admin });
    expect(line).toStartWith(`<${priority}>1 2025-11-10T09:12:13.123Z - conjur 6f1c ${messageId} [`);
    expect(line).toEndWith(`[action@43868 result="success" operation="${operation}"] ${text}`);
  });

  test("a value that is hidden is forbidden here, though the client was told that it is not there", () => {
    const line = lineOf({ operation: "secret.read", resource: variable, role: host, ...refused("not_visible", "not_found") });
    expect(line).toStartWith("<84>1 ");
    expect(line).toEndWith("A:host:app tried to fetch A:variable:db/pw: Forbidden");
    expect(lineOf({ operation: "secret.read", resource: variable, role: host, ...refused("no_value", "not_found") })).toEndWith(
      ": CONJ00076E Variable A:variable:db/pw is empty or not found.",
    );
  });

  test("an accepted load is told by its rows alone, a refused one by its reason", () => {
    expect(conjurEvent(record({ operation: "policy.load", role: admin }))).toBeUndefined();
    expect(lineOf({ operation: "policy.load", role: admin, ...refused("policy_invalid", "policy_invalid") })).toMatch(
      /^<85>1 .* Failed to load policy: policy_invalid$/u,
    );
  });
});

describe("rows that changed", () => {
  test("are an event each", () => {
    const context = record({ operation: "login" }).context;
    const lines = [
      ...rowMessages({
        context,
        role: admin,
        policy: parseRoleId("A:policy:root"),
        version: 7,
        rows: [
          { operation: "add", subject: { resource: variable } },
          { operation: "remove", subject: { role: host } },
          { operation: "add", subject: { role: host, member: admin } },
          { operation: "change", subject: { role: host, owner: admin } },
          { operation: "add", subject: { resource: variable, role: host, privilege: "execute" } },
          { operation: "add", subject: { resource: variable, annotation: "description" } },
        ],
      }),
    ].map((message) => syslogLine(message, instantText));
    expect(lines[0]).toBe(
      '<85>1 2025-11-10T09:12:13.123Z - conjur 6f1c policy [auth@43868 user="A:user:admin"][policy@43868 id="A:policy:root" version="7"][subject@43868 resource="A:variable:db/pw"][client@43868 ip="10.1.2.3"][action@43868 result="success" operation="add"] A:user:admin added resource A:variable:db/pw',
    );
    expect(lines.slice(1).map((line) => line.split("] ").at(-1))).toEqual([
      "A:user:admin removed role A:host:app",
      "A:user:admin added membership of A:user:admin in A:host:app",
      "A:user:admin changed ownership of A:user:admin in A:host:app",
      "A:user:admin added permission of A:host:app to execute on A:variable:db/pw",
      "A:user:admin added annotation description on A:variable:db/pw",
    ]);
  });
});

describe("a line", () => {
  test("cannot be broken, forged or steered by what is in it", () => {
    const nasty = 'x"]\\ \n<86>1 forged\u0007\u001b[31m\u2028\u202e end';
    const line = lineOf({
      ...login,
      claimed: nasty,
      context: { ...record({ operation: "login" }).context, requestId: "a b\nc" },
      ...refused("signature", "unauthenticated", nasty),
    });
    expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    expect(line).toContain('role="A:user:x\\"\\]\\\\  <86>1 forged  [31m\\] '.replace("[31m\\]", "[31m"));
    expect(line).toContain(" conjur abc authn ");
  });

  test("is bounded", () => {
    expect(lineOf({ ...login, claimed: "x".repeat(100_000), ...refused("signature") }).length).toBeLessThan(40_000);
  });
});

describe("a refusal in version 2 of the interface", () => {
  test("is a notice too, with a subject that names nothing", () => {
    const resource = parseRoleId("A:policy:teams");
    const line = lineOf({ operation: "branch.remove", role: admin, resource, allowed: false, failure: "forbidden", because: "privilege" });
    expect(line).toStartWith("<85>1 ");
    expect(line).toContain('[subject@43868 edge=""]');
    expect(line).toContain('[action@43868 result="failure" operation="remove"] A:user:admin failed to remove branch teams: Forbidden');
  });
});
