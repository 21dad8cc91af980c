import { describe, expect, test } from "bun:test";
import { parseId } from "../../../src/model/ids";
import { failureOfWork } from "../../support/failing";
import { createHouse, type House, jsonAuthenticator, secret, textOf } from "../../support/house";

const policy = `
- !policy
  id: conjur/authn-json/prod
  body:
    - !webservice
    - !variable provider-uri
    - !group apps
    - !permit
      role: !group apps
      privileges: [ read, authenticate ]
      resource: !webservice
- !host
  id: vm
  annotations:
    authn-json/group: rg-app
- !host
  id: near
  restricted_to: [ 192.0.2.0/24 ]
  annotations:
    authn-json/group: rg-app
- !host
  id: special
  annotations:
    authn-json/group: wrong
    authn-json/prod/group: rg-app
- !host
  id: misplaced
  annotations:
    authn-json/group: rg-app
    authn-json/prod: rg-app
- !host
  id: other-service
  annotations:
    authn-json/test/group: rg-app
- !host
  id: empty
  annotations:
    authn-json/group: ""
- !host outsider
- !group staff
- !grant
  role: !group conjur/authn-json/prod/apps
  members: [ !host vm, !host near, !host special, !host misplaced, !host other-service, !host empty, !group staff ]
`;

async function house(): Promise<House> {
  const made = await createHouse({ authenticators: [jsonAuthenticator("authn-json")], enabledAuthenticators: ["authn-json/prod"] });
  await made.load(policy);
  await made.broker.writeSecret(
    made.admin,
    parseId("acme:variable:conjur/authn-json/prod/provider-uri"),
    secret("https://issuer.example/"),
  );
  return made;
}

const proof = (attributes: Record<string, string>) => secret(JSON.stringify({ subject: "s", attributes }));

const machineLogin = (made: House, host: string, credential = proof({ group: "rg-app" }), changes: Record<string, string> = {}) =>
  made.broker.login(
    {
      authenticator: "authn-json",
      service: "prod",
      account: "acme",
      role: made.id(`host:${host}`),
      claimed: `host/${host}`,
      credential,
      ...changes,
    },
    made.context(),
  );

describe("a login by an authenticator", () => {
  test("gives a session to a host whose annotations the proof satisfies", async () => {
    const made = await house();
    const session = await machineLogin(made, "vm");
    const caller = made.broker.identify({ kind: "session", token: session.token }, made.context());
    expect(String(caller.role)).toBe("acme:host:vm");
    expect(made.audit.filter((line) => line.operation === "login").at(-1)).toMatchObject({
      allowed: true,
      authenticator: "authn-json/prod",
    });
  });

  test("compares the platform's own names without regard to case", async () => {
    const made = await house();
    expect(String((await machineLogin(made, "vm", proof({ group: "RG-App" }))).role)).toBe("acme:host:vm");
  });

  test.each([
    ["a prefix of the bound name", { group: "rg-ap" }],
    ["a name that begins with the bound one", { group: "rg-app-evil" }],
    ["nothing", {}],
  ])("is refused to a proof of %s; the audit names the attribute and where policy wants it", async (_, attributes) => {
    const made = await house();
    const failure = await failureOfWork(machineLogin(made, "vm", proof(attributes)));
    expect(failure.code).toBe("unauthenticated");
    const line = made.lastAudit();
    expect(line).toMatchObject({ allowed: false, because: "group_mismatch", claimed: "host/vm" });
    expect(line.checks?.at(-1)).toMatchObject({ check: "group", ok: false, origin: { version: 1, line: 15 } });
  });

  test("takes the annotation for the service before the general one", async () => {
    const made = await house();
    expect(String((await machineLogin(made, "special")).role)).toBe("acme:host:special");
  });

  test.each([
    ["misplaced", "annotation_unknown"],
    ["other-service", "annotation_missing"],
    ["empty", "annotation_missing"],
  ])("is refused to host %s: %s", async (host, because) => {
    const made = await house();
    expect(await failureOfWork(machineLogin(made, host))).toMatchObject({ code: "unauthenticated", because });
  });

  test("is forbidden, not unauthenticated, to a host without authenticate; the remedy is the group that has it", async () => {
    const made = await house();
    expect((await failureOfWork(machineLogin(made, "outsider"))).code).toBe("forbidden");
    expect(made.lastAudit().remedy).toBe("- !grant\n  role: !group conjur/authn-json/prod/apps\n  member: !host outsider");
  });

  test.each([
    ["an unknown host", { role: "host:nobody" }, "role"],
    ["a group, which nobody is", { role: "group:staff" }, "role"],
    ["another service", { service: "test" }, "enabled"],
    ["an unknown authenticator", { authenticator: "authn-magic" }, "installed"],
    ["an unknown account", { account: "globex" }, "account"],
  ])(
    "is refused alike for %s",
    async (_, changes: { role?: string; service?: string; authenticator?: string; account?: string }, because) => {
      const made = await house();
      const request = {
        authenticator: changes.authenticator ?? "authn-json",
        service: changes.service ?? "prod",
        account: changes.account ?? "acme",
        role: made.id(changes.role ?? "host:vm"),
        claimed: "x",
        credential: proof({ group: "rg-app" }),
      };
      expect(await failureOfWork(made.broker.login(request, made.context()))).toMatchObject({ code: "unauthenticated", because });
      expect(made.lastAudit()).toMatchObject({ allowed: false, operation: "login", because });
    },
  );

  test("is refused from outside the host's networks before the proof is looked at", async () => {
    const made = await house();
    const request = {
      authenticator: "authn-json",
      service: "prod",
      account: "acme",
      role: made.id("host:near"),
      claimed: "host/near",
      credential: secret("junk"),
    };
    const failure = await failureOfWork(made.broker.login(request, made.context({ clientAddress: "198.51.100.1" })));
    expect(failure).toMatchObject({ code: "unauthenticated", because: "restricted_to" });
  });

  test("without a proof is malformed, so that the client can tell", async () => {
    const made = await house();
    expect(await failureOfWork(machineLogin(made, "vm", secret("")))).toMatchObject({ code: "malformed", where: "jwt" });
  });

  test("leaves no session when its audit line cannot be written", async () => {
    const made = await house();
    made.breakAudit(true);
    expect(await failureOfWork(machineLogin(made, "vm"))).toMatchObject({ code: "internal", because: "audit_unavailable" });
  });

  test("needs the issuer's address to be set", async () => {
    const made = await createHouse({ authenticators: [jsonAuthenticator("authn-json")], enabledAuthenticators: ["authn-json/prod"] });
    await made.load(policy);
    expect(await failureOfWork(machineLogin(made, "vm"))).toMatchObject({ code: "unauthenticated", because: "setting_provider_uri" });
  });
});

describe("a session", () => {
  test("ends after eight minutes to the second", async () => {
    const made = await house();
    const { token } = await machineLogin(made, "vm");
    made.clock.advance(479_000);
    expect(made.broker.identify({ kind: "session", token }, made.context()).proof).toBe("session");
    made.clock.advance(1_000);
    expect(() => made.broker.identify({ kind: "session", token }, made.context())).toThrow("token_expired");
  });

  const year = 365 * 86_400_000;
  test.each([
    ["after it was used", true, -480_000],
    ["before it was ever used", false, -480_000],
    ["by a minute, before it was ever used", false, -60_000],
    ["by a year", true, -year],
  ])("does not live on when the wall clock is set back %s", async (_when, isUsed, step) => {
    const made = await house();
    const { token } = await machineLogin(made, "vm");
    const use = () => made.broker.identify({ kind: "session", token }, made.context());
    if (isUsed) use();
    made.clock.advance(480_000);
    made.clock.setWall(made.clock.now() + step);
    expect(use).toThrow("token_expired");
    // Back and forth.
    made.clock.setWall(made.clock.now() + 2 * year);
    expect(use).toThrow("token_expired");
    made.clock.setWall(made.clock.now() - 3 * year);
    expect(use).toThrow("token_expired");
  });

  test("ends at once when the wall clock is set ahead, and counts again when that is put right, until its own end", async () => {
    const made = await house();
    const { token } = await machineLogin(made, "vm");
    const use = () => made.broker.identify({ kind: "session", token }, made.context()).proof;
    made.clock.setWall(made.clock.now() + year);
    expect(use).toThrow("token_expired");
    made.clock.setWall(made.clock.now() - year);
    expect(use()).toBe("session");
    made.clock.advance(480_000);
    made.clock.setWall(made.clock.now() - year);
    expect(use).toThrow("token_expired");
  });

  test("ends with its role, at once; a role made anew under the name does not inherit it", async () => {
    const made = await house();
    const { token } = await machineLogin(made, "vm");
    made.clock.advance(5_000);
    await made.load("- !delete\n  record: !host vm", "update");
    const gone = () => made.broker.identify({ kind: "session", token }, made.context());
    expect(gone).toThrow("role_gone");
    await made.load("- !host vm");
    expect(gone).toThrow("token_older_than_role");
  });

  test("of a restricted role is refused from elsewhere, remembered or not", async () => {
    const made = await house();
    const { token } = await machineLogin(made, "near");
    expect(made.broker.identify({ kind: "session", token }, made.context()).account).toBe(made.account);
    expect(() => made.broker.identify({ kind: "session", token }, made.context({ clientAddress: "198.51.100.1" }))).toThrow(
      "restricted_to",
    );
  });

  test.each([
    [
      "a changed payload",
      (text: string) => text.replace(/"payload":"(.)/, (_, first: string) => `"payload":"${first === "e" ? "f" : "e"}`),
    ],
    [
      "a changed signature",
      (text: string) => text.replace(/"signature":"(.)/, (_, first: string) => `"signature":"${first === "A" ? "B" : "A"}`),
    ],
    ["another spelling of the same bytes", (text: string) => text.replace(/=+"/, '"')],
    ["no signature", (text: string) => text.replace(/,"signature":"[^"]*"/, "")],
    ["a list", (text: string) => `[${text}]`],
  ])("with %s is refused", async (_, change) => {
    const made = await house();
    const { token } = await machineLogin(made, "vm");
    const changed = change(textOf(token));
    expect(changed).not.toBe(textOf(token));
    expect(
      (await failureOfWork((async () => made.broker.identify({ kind: "session", token: secret(changed) }, made.context()))())).code,
    ).toBe("unauthenticated");
  });

  test("of one installation means nothing to another", async () => {
    const one = await house();
    const { token } = await machineLogin(one, "vm");
    const other = await house();
    expect(() => other.broker.identify({ kind: "session", token }, other.context())).toThrow("token_key_unknown");
  });

  test("carries a payload that decodes by the standard alphabet, whatever the name holds", async () => {
    const made = await createHouse();
    await made.load('- !host "app/ÿ~?>"');
    const key = await made.operator.retrieveKey(made.id("host:app/ÿ~?>"), made.context());
    const session = await made.broker.login(
      { authenticator: "authn", account: "acme", role: made.id("host:app/ÿ~?>"), claimed: "x", credential: key },
      made.context(),
    );
    const { payload }: { payload: string } = JSON.parse(textOf(session.token));
    expect(payload).toMatch(/^[A-Za-z0-9+/]+=*$/);
    expect(JSON.parse(Buffer.from(payload, "base64").toString())).toEqual({ iat: 1_764_000_000, sub: "host/app/ÿ~?>", exp: 1_764_000_480 });
  });
});

describe("a refused session", () => {
  test("leaves a line that says whose it was", async () => {
    const made = await house();
    const { token } = await machineLogin(made, "vm");
    made.clock.advance(480_000);
    expect(() => made.broker.identify({ kind: "session", token }, made.context())).toThrow("token_expired");
    await Promise.resolve();
    expect(made.lastAudit()).toMatchObject({ operation: "session.verify", allowed: false, because: "token_expired" });
    expect(made.lastAudit().checks?.[0]?.detail).toContain("acme:host:vm");
  });

  test("presented a thousand times in one second fills no disk", async () => {
    const made = await house();
    const before = made.audit.length;
    for (let count = 0; count < 1000; count += 1) {
      expect(() => made.broker.identify({ kind: "session", token: secret(`{"x":${count}}`) }, made.context())).toThrow("token_malformed");
    }
    await Promise.resolve();
    expect(made.audit.length - before).toBe(100);
  });
});
