import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { parseRoleId } from "../../../src/model/ids";
import { readRecord } from "../../support/audit-bench";
import { type CliBench, createCliBench, createOperatedHouse, type OperatedHouse } from "../../support/cli-bench";

let operated: OperatedHouse;
let cli: CliBench;

beforeAll(async () => {
  operated = await createOperatedHouse();
  cli = createCliBench(() => operated.app);
  await operated.house.load(
    "- !policy\n  id: vault/policy\n- !group vault/policy/default\n- !host app\n- !grant\n  role: !group vault/policy/default\n  member: !host app\n",
  );
});
afterAll(() => operated.close());

describe("postern why --path", () => {
  test("tells which rule of which policy decides, and how the role has the policy", async () => {
    const { code, out } = await cli.run("why --path cubbyhole/x --capability delete --role acme:host:app");
    expect(code).toBe(0);
    expect(out).toStartWith("allowed  delete  cubbyhole/x\n\nWho         acme:host:app\nMount       cubbyhole/ (cubbyhole)\n");
    expect(out).toContain("Policies    default: acme:host:app → acme:group:vault/policy/default\n");
    expect(out).toContain('  ✓ path "cubbyhole/*" of default line 41: create, delete, list, read, update\n');
    expect(out).toContain('Allowed     by path "cubbyhole/*" of policy default line 41: delete\n');
  });

  test("tells what refuses, what comes nearest and what would allow it", async () => {
    const { code, out } = await cli.run("why --path /v1/sys/tools/random --policy default --policy gone");
    expect(code).toBe(0);
    expect(out).toStartWith("refused  read  sys/tools/random\n");
    expect(out).toContain("            gone: as asked; there is no such policy\n");
    expect(out).toContain('No rule is for the path. The nearest one\n  ✗ path "sys/tools/hash" of default line 57: update\n');
    expect(out).toContain('What would allow it, in one of the policies:\n  path "sys/tools/random" { capabilities = ["read"] }\n');
  });

  test("prints the same as JSON, and asks for sudo too", async () => {
    const { out } = await cli.run("why --json --path cubbyhole/x --capability update --sudo --policy default");
    expect(JSON.parse(out)).toMatchObject({
      allowed: false,
      because: "path_sudo",
      capability: "update, sudo",
      rule: { path: "cubbyhole/*", allows: false },
      policies: [{ name: "default", via: "as asked", exists: true }],
    });
  });

  test("leaves a line in the audit that names whom and what it was about", async () => {
    await cli.run("why --path secret/data/x --role acme:host:app");
    const verified = await operated.trail.verify();
    expect(verified.ok).toBe(true);
    const { out } = await cli.run("audit verify --json");
    expect(JSON.parse(out).lastSequence).toBe(verified.lastSequence + 1);
  });

  test.each([
    ["why --path secret/x", "one of --accessor, --role and --policy beside it"],
    ["why --path secret/x --policy a --role b:host:c", "one of --accessor, --role and --policy beside it"],
    ["why --path secret/x --policy a --capability fly", "--capability: expected one of create, read"],
    ["why d-7k2m9x4p1qz0 --path secret/x --policy a", "a decision, or --login, or --path"],
    ["why --path secret/x --accessor hvs.canary", "an accessor and not a token, which should now be revoked"],
  ])("%p is called wrongly", async (line, says) => {
    const { code, out, err } = await cli.run(line);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(says);
    expect(err).not.toContain("canary");
  });

  test.each([
    ["why --path secret/x --accessor 5ha8sEepFTQFkp4wSfdV7ymS", "not found: a token of this accessor"],
    ["why --path secret/x --role acme:host:nobody", "not found: acme:host:nobody"],
    ["why --path secret/../x --policy a", "path: expected a path such as secret/data/app"],
  ])("%p has nothing to tell", async (line, says) => {
    expect(await cli.run(line)).toMatchObject({ code: 1, out: "", err: expect.stringContaining(says) });
  });
});

test("postern why tells of a decision by path also how it would be decided now", async () => {
  const decided = {
    decision: "d-9p4thp4thp4u",
    allowed: false,
    operation: "path.probe",
    role: parseRoleId("acme:host:app"),
    path: "cubbyhole/x",
  } as const;
  await operated.trail.append(readRecord(9, { ...decided, privilege: "read", failure: "forbidden", because: "no_path_rule" }));
  const { out } = await cli.run("why d-9p4thp4thp4u");
  expect(out).toContain("Refused     forbidden, because no_path_rule\n\nAs things are now:\n\nallowed  read  cubbyhole/x\n");
});
