import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type CliBench, createCliBench, createOperatedHouse, type OperatedHouse } from "../../support/cli-bench";

let operated: OperatedHouse;
let cli: CliBench;

const present = `
- !user alice
- !group ops
- !grant { role: !group ops, member: !user alice }
- !variable pw
- !variable old
- !permit { role: !group ops, privileges: [ read, execute ], resource: !variable old }
`;

beforeAll(async () => {
  operated = await createOperatedHouse();
  await operated.house.load(present);
  cli = createCliBench(() => operated.app);
});
afterAll(() => operated.close());

const at = (name: string, text: string) => ({ files: { [`/home/op/${name}`]: text } });

describe("postern policy plan", () => {
  test("tells who gains and who loses what, through whom, and loads nothing", async () => {
    const text = `${present.replace("- !permit { role: !group ops, privileges: [ read, execute ], resource: !variable old }\n", "")}- !host web\n- !permit { role: !group ops, privilege: execute, resource: !variable pw }\n- !grant { role: !group ops, member: !host web }\n`;
    const { code, out, err } = await cli.run("policy plan --account acme --mode replace p.yml", at("p.yml", text));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toBe(`host web
  + execute variable pw through group ops
user admin
  + owns host web
user alice
  + execute variable pw through group ops
  - execute, read variable old through group ops

3 changes of rights; 1 new, 4 changed, 0 removed records.
`);
    expect(await operated.house.broker.countResources(operated.house.admin, { kind: "host" })).toBe(0);
  });

  test("says that nothing would change, and by its exit code when something would, where that is asked for", async () => {
    const same = await cli.run("policy plan --account acme --exit-code p.yml", at("p.yml", "- !group ops\n"));
    expect(same).toEqual({ code: 0, out: "Nobody's rights would change (0 new, 0 changed, 0 removed records).\n", err: "" });
    expect((await cli.run("policy plan --account acme --exit-code p.yml", at("p.yml", "- !host new\n"))).code).toBe(3);
    expect((await cli.run("policy plan --account acme p.yml", at("p.yml", "- !host new\n"))).code).toBe(0);
  });

  test("plans each file on what the one before would leave", async () => {
    const files = { "/home/op/a.yml": "- !host web\n", "/home/op/b.yml": "- !grant { role: !group ops, member: !host web }\n" };
    const { code, out } = await cli.run("policy plan --account acme a.yml b.yml", { files });
    expect(code).toBe(0);
    expect(out).toContain("host web\n  + execute, read variable old through group ops\n");
  });

  test("names the line that would not load, of the file it is in", async () => {
    const files = { "/home/op/a.yml": "- !host web\n", "/home/op/b.yml": "- !grant { role: !group ops, member: !host wbe }\n" };
    const { code, out, err } = await cli.run("policy plan --account acme a.yml b.yml", { files });
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toContain("b.yml:1:");
    expect(err).toContain("wbe");
  });

  test("groups those whose rights change alike, and cuts long lists", async () => {
    const hosts = Array.from(
      { length: 6 },
      (_, index) => `- !host h${index}\n- !grant { role: !group big, member: !host h${index} }\n`,
    ).join("");
    const variables = Array.from(
      { length: 9 },
      (_, index) => `- !variable v${index}\n- !permit { role: !group big, privilege: read, resource: !variable v${index} }\n`,
    ).join("");
    const { out } = await cli.run("policy plan --account acme p.yml", at("p.yml", `- !group big\n${hosts}${variables}`));
    expect(out).toContain("host h0, host h1, host h2, host h3 and 2 more\n  + read 9 resources through group big\n      variable v0\n");
    expect(out).toContain("      variable v5\n      and 3 more\n");
  });

  test("is coloured for a terminal that wants it, and JSON where asked", async () => {
    const file = at("p.yml", "- !host new\n");
    expect((await cli.run("policy plan --account acme p.yml", { ...file, isTerminal: true })).out).toContain(
      "\u001b[32m+ owns host new\u001b[0m",
    );
    expect(
      (await cli.run("policy plan --account acme p.yml", { ...file, isTerminal: true, environment: { NO_COLOR: "1" } })).out,
    ).not.toContain("\u001b");
    const { out } = await cli.run("policy plan --account acme --json p.yml", file);
    expect(JSON.parse(out)).toMatchObject({
      ok: true,
      created: ["acme:host:new"],
      rights: [
        {
          roles: ["acme:user:admin"],
          gained: [{ privileges: ["owns"], resources: ["acme:host:new"], through: "acme:user:admin" }],
          lost: [],
        },
      ],
    });
  });

  test("tells what a removed member and a removed role lose", async () => {
    const { out } = await cli.run("policy plan --account acme --mode update p.yml", at("p.yml", "- !delete { record: !user alice }\n"));
    expect(out).toContain("user alice\n  - execute, read variable old through group ops\n");
    expect(out).toContain("user admin\n  - owns user alice\n");
  });

  test("needs an account that is there", async () => {
    expect((await cli.run("policy plan p.yml", at("p.yml", "- !host a\n"))).code).toBe(2);
    expect((await cli.run("policy plan --account nobody p.yml", at("p.yml", "- !host a\n"))).code).toBe(1);
  });
});

const rights = `
# who reads what
user alice can execute variable old
user alice cannot update variable old   # for ever
user alice is member of group ops
user alice is not member of user admin
`;

describe("postern policy test", () => {
  test("counts what holds in the account as it is", async () => {
    expect(await cli.run("policy test --account acme rights.txt", at("rights.txt", rights))).toEqual({
      code: 0,
      out: "4 passed, 0 failed\n",
      err: "",
    });
  });

  test("names the line of what does not hold, and says why", async () => {
    const { code, out } = await cli.run(
      "policy test --account acme rights.txt",
      at(
        "rights.txt",
        "user alice can execute variable pw\nuser alice cannot read variable old\nuser alice is not member of group ops\nuser nobody can read variable pw\n",
      ),
    );
    expect(code).toBe(1);
    expect(out).toContain("rights.txt:1: does not hold: user alice can execute variable pw\n    owner: owned by acme:user:admin");
    expect(out).toContain("    what would allow it:\n    - !permit\n");
    expect(out).toContain(
      "rights.txt:2: does not hold: user alice cannot read variable old\n    permit read to acme:group:ops (acme:policy:root, load 1, line 7)\n",
    );
    expect(out).toContain("rights.txt:3: does not hold: user alice is not member of group ops\n    acme:user:alice holds acme:group:ops\n");
    expect(out).toContain("rights.txt:4: does not hold: user nobody can read variable pw\n    acme:user:nobody does not exist\n");
    expect(out).toEndWith("0 passed, 4 failed\n");
  });

  test("takes policy files alone, without store, server or account", async () => {
    const files = {
      "/home/op/a.yml": "- !policy { id: app, body: [ !host web, !variable pw ] }\n",
      "/home/op/b.yml": "- !permit { role: !host app/web, privilege: execute, resource: !variable app/pw }\n",
      "/home/op/r.txt": "host app/web can execute variable app/pw\n",
    };
    const world = {
      reach: () => {
        throw new Error("no store is asked");
      },
    };
    expect(await cli.run("policy test --policy a.yml --policy b.yml r.txt", { files, world })).toEqual({
      code: 0,
      out: "1 passed, 0 failed\n",
      err: "",
    });
    const { code, err } = await cli.run("policy test --policy b.yml r.txt", { files, world });
    expect(code).toBe(1);
    expect(err).toContain("b.yml:1:");
  });

  test("names the file and the line of the rule that is in the way, of several files", async () => {
    const files = {
      "/home/op/a.yml": "- !policy { id: app, body: [ !host web, !variable pw ] }\n",
      "/home/op/b.yml": "# who may\n- !permit { role: !host app/web, privilege: execute, resource: !variable app/pw }\n",
      "/home/op/r.txt": "host app/web cannot execute variable app/pw\n",
    };
    const { code, out } = await cli.run("policy test --policy a.yml --policy b.yml r.txt", { files });
    expect(code).toBe(1);
    expect(out).toContain("r.txt:1: does not hold");
    expect(out).toContain("permit execute to default:host:app/web (b.yml:2)\n");
  });

  test.each([
    ["host web", "is none of can, cannot, is"],
    ["host web may read variable x", "is none of can, cannot, is"],
    ["hots web can read variable x", "names no role"],
    ["variable x can read variable x", "names no role"],
    ["host web can read variabel x", "names no resource"],
    ["host web can read variable x y", "names no resource"],
    ["host web is member of variable x", "names no role"],
    ["", "there is no assertion in it"],
    ["# nothing", "there is no assertion in it"],
  ])("refuses the line %p, with the form it should have", async (line, message) => {
    const { code, err } = await cli.run("policy test --account acme r.txt", at("r.txt", `${line}\n`));
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(err).toContain("can|cannot PRIVILEGE KIND ID");
  });

  test("reads ids with blanks in quotes", async () => {
    const files = {
      "/home/op/a.yml": "- !host 'my host'\n- !variable 'my variable'\n",
      "/home/op/r.txt": 'host "my host" cannot read variable "my variable"\n',
    };
    expect((await cli.run("policy test --policy a.yml r.txt", { files })).code).toBe(0);
  });
});
