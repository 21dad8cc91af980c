import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { processWorld } from "../../../src/cli/world";
import type { ApiGrant, ApiResource, ConjurApi } from "../../../src/client/conjur-api";
import { PosternError } from "../../../src/model/failures";
import { parseId } from "../../../src/model/ids";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { type CliBench, createCliBench, createOperatedHouse, type OperatedHouse } from "../../support/cli-bench";
import { textOf } from "../../support/house";

let operated: OperatedHouse;
let cli: CliBench;

beforeEach(async () => {
  operated = await createOperatedHouse();
  cli = createCliBench(() => operated.app);
});
afterEach(() => operated.close());

const made = "2024-01-02T03:04:05.000+00:00";
const root = "old:policy:root";

function resource(id: string, owner: string, more: Partial<ApiResource> = {}): ApiResource {
  return { id, owner, created_at: made, policy: root, permissions: [], annotations: [], restricted_to: [], secrets: [], ...more };
}

const resources: readonly ApiResource[] = [
  resource(root, "old:user:admin", { policy: null }),
  resource("old:policy:app", root),
  resource("old:host:app/web", "old:policy:app", {
    restricted_to: ["10.0.0.0/8"],
    annotations: [{ name: "description", value: "x", policy: root }],
  }),
  resource("old:user:alice", root),
  resource("old:public_key:user/alice/desk", root),
  resource("old:host_factory:app/f", "old:policy:app"),
  resource("old:variable:app/pw", "old:policy:app", {
    policy: "old:policy:app",
    secrets: [{ version: 1 }, { version: 2 }],
    permissions: [{ privilege: "execute", role: "old:host:app/web", policy: root }],
  }),
  resource("old:variable:app/empty", "old:policy:app"),
  resource("old:webservice:conjur/authn-azure/x", root),
];
const grants: readonly ApiGrant[] = [
  { role: "old:host:app/web", member: "old:policy:app", admin_option: true, ownership: true, policy: root },
  { role: "old:policy:app", member: root, admin_option: true, ownership: true, policy: root },
  { role: root, member: "old:user:admin", admin_option: true, ownership: true, policy: null },
];

function createApi(
  changes: { resources?: readonly ApiResource[]; grants?: readonly ApiGrant[]; failAt?: number; unreadable?: string } = {},
) {
  const asked: string[] = [];
  const api: ConjurApi = {
    async *resources() {
      yield changes.resources ?? resources;
    },
    members: async (role) => (changes.grants ?? grants).filter((grant) => grant.role === role),
    async values(ids) {
      asked.push(...ids);
      if (changes.failAt !== undefined && asked.length > changes.failAt)
        throw new PosternError({ code: "upstream_unavailable", upstream: "https://old.example", because: "connect" });
      const valueIn = (id: string) => (id === changes.unreadable ? "unreadable" : new SecretBytes(Uint8Array.of(0, 255, id.length)));
      return new Map(ids.filter((id) => !id.includes("empty")).map((id) => [id, valueIn(id)]));
    },
    publicKeys: async () => ["ssh-ed25519 AAAA desk"],
    enabledAuthenticators: async () => ["authn-azure/x", "authn-azure/of-another-account"],
  };
  return { asked, world: { conjurApi: () => api } };
}

const line = "import conjur --account acme --url https://old.example --source-account old";

describe("postern import conjur", () => {
  test("takes records, rights, restrictions, public keys, values and switches, with whose they are and where they were declared", async () => {
    const { world } = createApi();
    const { code, out } = await cli.run(`${line} --keys-out keys.json`, { input: "the key\n", world });
    expect(code).toBe(0);
    expect(out).toContain("values    2 written, 0 done before, 1 without a value\n");
    expect(out).toContain("on        authn-azure/x\n");
    expect(out).toContain("left behind 3\n  API keys and passwords of 2 users and hosts: ");
    expect(out).toContain("  older versions of 1 variables: ");
    expect(out).toContain("  tokens of old:host_factory:app/f: ");
    expect(out).not.toContain("not taken");
    const { house } = operated;
    const view = await house.broker.showResource(house.admin, parseId("acme:variable:app/pw"));
    expect(view.resource).toMatchObject({ owner: "acme:policy:app", policy: "acme:policy:app", createdAt: Date.parse(made) });
    expect(view.permits).toMatchObject([{ role: "acme:host:app/web", privilege: "execute", policy: "acme:policy:root" }]);
    expect((await house.broker.showResource(house.admin, parseId("acme:host:app/web"))).restrictedTo).toEqual(["10.0.0.0/8"]);
    const web = await house.session("host:app/web", { clientAddress: "10.1.1.1" });
    const read = await house.broker.read(web, { id: parseId("acme:variable:app/pw") });
    expect([...read.value.reveal()]).toEqual([0, 255, "old:variable:app/pw".length]);
    expect(house.broker.publicKeys(parseId("acme:user:alice"))).toEqual(["ssh-ed25519 AAAA desk"]);
    expect(house.broker.listAuthenticators().enabled).toContain("authn-azure/x");
    const keys = JSON.parse(cli.written.get("/home/op/keys.json") ?? "{}");
    expect(Object.keys(keys).sort()).toEqual(["acme:host:app/web", "acme:user:alice"]);
    expect(keys["acme:user:alice"]).toBe(textOf(await house.operator.retrieveKey(house.id("user:alice"), house.context())));
  });

  test("goes on where it was interrupted, and asks for no value twice", async () => {
    const many = [...resources, ...Array.from({ length: 120 }, (_, index) => resource(`old:variable:app/v${index}`, "old:policy:app"))];
    const first = createApi({ resources: many, failAt: 60 });
    expect((await cli.run(line, { input: "k", world: first.world })).code).toBe(75);
    const done = (cli.written.get("/home/op/postern-import.state") ?? "").split("\n").slice(1, -1);
    expect(done).toHaveLength(49);
    const second = createApi({ resources: many });
    const { out } = await cli.run(line, { input: "k", world: second.world });
    expect(second.asked.filter((id) => done.includes(id))).toEqual([]);
    expect(out).toContain("49 done before");
    const { house } = operated;
    expect(await house.broker.countResources(house.admin, { kind: "variable" })).toBe(122);
    const third = await cli.run(line, { input: "k", world: createApi({ resources: many }).world });
    expect(third.out).toContain("records   0 new");
    expect(third.out).toContain("keys      0 new API keys");
  });

  test("refuses a state file of another import", async () => {
    await cli.run(line, { input: "k", world: createApi().world });
    const other = await cli.run(line.replace("old.example", "other.example"), { input: "k", world: createApi().world });
    expect(other.code).toBe(2);
    expect(other.err).toContain("postern-import.state");
  });

  test("brings all values again into an account that was made anew, and refuses the state of another server", async () => {
    await cli.run(line, { input: "k", world: createApi().world });
    await cli.run("account delete acme");
    await cli.run("account create acme");
    const again = await cli.run(line, { input: "k", world: createApi().world });
    expect(again.out).toContain("values    2 written, 0 done before");
    expect(cli.written.get("/home/op/postern-import.state")?.split("\n")[0]).toBe(
      "# postern import of https://old.example into acme of d1",
    );
    await cli.run("account create other");
    expect((await cli.run(line.replace("acme", "other"), { input: "k", world: createApi().world })).code).toBe(2);
  });

  test("asks again for what it could not read, and leaves off an authenticator that lacks a setting", async () => {
    const audience = "old:variable:conjur/authn-azure/x/audience";
    const more = [...resources, resource(audience, root)];
    const first = await cli.run(line, { input: "k", world: createApi({ resources: more, unreadable: audience }).world });
    expect(first.code).toBe(1);
    expect(first.out).toContain(`  value of ${audience}: this login may not read it there\n`);
    expect(first.out).toContain("  authenticator authn-azure/x: it stays off without this: ");
    expect(operated.house.broker.listAuthenticators().enabled).not.toContain("authn-azure/x");
    const second = createApi({ resources: more });
    expect((await cli.run(line, { input: "k", world: second.world })).out).toContain("on        authn-azure/x\n");
    expect(second.asked.sort()).toEqual(["old:variable:app/empty", audience]);
  });

  test("writes no value into another account, whatever the other server lists, and shows a terminal nothing it would obey", async () => {
    await cli.run("account create prod");
    await cli.run("policy load prod p.yml", { files: { "/home/op/p.yml": "- !variable pw\n" } });
    await cli.run("variable set prod:variable:pw", { input: "theirs" });
    const hostile = [...resources, resource("prod:variable:pw", "prod:policy:root"), resource("old:variable:\u001b[2Jx", root)];
    const { out } = await cli.run(line, { input: "k", world: createApi({ resources: hostile }).world });
    expect((await cli.run("variable get prod:variable:pw")).out).toBe("theirs");
    expect(out).toContain("prod:variable:pw: it is of another account");
    expect(out).not.toContain("\u001b");
  });

  test("shows how far it is to whoever watches, and ends with what went wrong as it is", async () => {
    const { err } = await cli.run(line, { input: "k", world: createApi().world, isTerminal: true });
    expect(err).toContain("\r\u001b[Kvalues      [------------------------------] 0 of 3");
    expect(err.endsWith("\r\u001b[K")).toBe(true);
    operated.house.breakAudit(true);
    const broken = await cli.run(`${line} --json`, { input: "k", world: createApi().world });
    expect(JSON.parse(broken.err).error.code).toBe("internal");
  });

  test("writes nothing in a dry run, and tells what there is", async () => {
    const { code, out } = await cli.run(`${line} --dry-run`, { input: "k", world: createApi().world });
    expect(code).toBe(0);
    expect(out).toContain("9 records, 3 memberships, 1 permits, 0 policy files, 3 variables");
    expect(await operated.house.broker.countResources(operated.house.admin, {})).toBe(0);
    expect([...cli.written.keys()]).toEqual([]);
  });

  test("plans policy files in a dry run, one after the other, and says where one is wrong", async () => {
    const files = {
      "/home/op/a.yml": "- !policy { id: app, body: [ !host web ] }\n",
      "/home/op/b.yml": "- !grant { role: !layer x, member: !host app/web }\n",
    };
    const words = "import conjur --account acme --dry-run --policy a.yml";
    const { code, out } = await cli.run(words, { files });
    expect(code).toBe(0);
    expect(out).toContain("2 records, 0 memberships, 0 permits, 1 policy files");
    const wrong = await cli.run(`${words} --policy b.yml`, { files });
    expect(wrong.code).toBe(1);
    expect(wrong.err).toContain("b.yml:1:");
    expect(await operated.house.broker.countResources(operated.house.admin, { kind: "host" })).toBe(0);
  });

  test("refuses by name what is not sound, and takes the rest", async () => {
    const world = createApi({
      resources: [
        ...resources,
        resource("old:variable:orphan", "old:group:nobody"),
        resource("old:variable:of-the-orphan", "old:host:lost"),
        resource("old:host:lost", "old:group:nobody"),
        resource("old:variable:a//b", root),
        resource("other:variable:x", root),
        resource("old:host:half", root, { restricted_to: ["10.0.0.0/8", "everywhere"] }),
        resource("old:group:g", root),
        resource("old:group:h", root),
      ],
      grants: [
        ...grants,
        { role: "old:group:g", member: "old:group:h", admin_option: false, ownership: false, policy: root },
        { role: "old:group:h", member: "old:group:g", admin_option: false, ownership: false, policy: root },
        { role: "old:group:g", member: "old:group:nobody", admin_option: false, ownership: false, policy: root },
      ],
    }).world;
    const { code, out } = await cli.run(`${line} --json`, { input: "k", world });
    expect(code).toBe(1);
    const notTaken = new Map(JSON.parse(out).notTaken.map((each: { what: string; reason: string }) => [each.what, each.reason]));
    expect(notTaken.get("acme:variable:orphan")).toBe("its owner acme:group:nobody is not there");
    expect(notTaken.get("acme:variable:of-the-orphan")).toBe("its owner acme:host:lost is not there");
    expect(notTaken.get("acme:variable:a//b")).toContain("not canonical");
    expect(notTaken.get("other:variable:x")).toBe("it is of another account");
    expect(notTaken.get("acme:host:half")).toBe("one of its networks is none");
    expect(notTaken.get("membership of acme:group:g in acme:group:h")).toBe("it would make a role a member of itself");
    expect(notTaken.get("membership of acme:group:nobody in acme:group:g")).toBe("what it names is not there");
    const { house } = operated;
    expect(await house.broker.countResources(house.admin, { kind: "group" })).toBe(2);
    // A host whose restriction is not understood does not come without it.
    await expect(house.operator.retrieveKey(house.id("host:half"), house.context())).rejects.toMatchObject({
      failure: { code: "not_found" },
    });
    expect(house.audit.some(({ operation, allowed, count }) => operation === "account.import" && allowed && count === 16)).toBe(true);
  });

  test("takes policy files and a list of values, from standard input too", async () => {
    const files = {
      "/home/op/a.yml": "- !policy { id: app, body: [ !host web, !variable pw, !variable key ] }\n",
      "/home/op/b.yml": "- !permit { role: !host app/web, privilege: execute, resource: !variable app/pw }\n",
    };
    const input = '{"app/pw":"sesame","acme:variable:app/key":{"base64":"AP8="},"app/absent":"x"}';
    const { code, out } = await cli.run("import conjur --account acme --policy a.yml --policy b.yml --values -", { files, input });
    expect(code).toBe(1);
    expect(out).toContain("values    2 written");
    expect(out).toContain("  value of acme:variable:app/absent: ");
    const { house } = operated;
    expect(textOf((await house.broker.read(house.admin, { id: parseId("acme:variable:app/pw") })).value)).toBe("sesame");
    expect([...(await house.broker.read(house.admin, { id: parseId("acme:variable:app/key") })).value.reveal()]).toEqual([0, 255]);
  });

  test.each([
    ["import conjur --url https://x", {}],
    ["import conjur --account acme", {}],
    ["import conjur --account acme --url https://x --values v", {}],
    ["import conjur --account acme --values v", { "/home/op/v": '{"a":1}' }],
    ["import conjur --account acme --values v", { "/home/op/v": '{"a":"canary"' }],
    [`${line} --keys-out k`, { "/home/op/k": "" }],
  ])("refuses %s, and shows no value", async (words, files) => {
    const { code, out, err } = await cli.run(words, { files, input: "k", world: createApi().world });
    expect(code).toBe(2);
    expect(`${out}${err}`).not.toContain("canary");
  });

  test("needs the account, and stops at a policy that does not load", async () => {
    expect((await cli.run(line.replace("acme", "nobody"), { input: "k", world: createApi().world })).code).toBe(1);
    const { code, err } = await cli.run("import conjur --account acme --policy a.yml", { files: { "/home/op/a.yml": "- !hots a\n" } });
    expect(code).toBe(1);
    expect(err).toContain("a.yml:1:");
  });

  test.each([
    ["http://old.example", false],
    ["http://127.0.0.1.old.example", false],
    ["https://user:pw@old.example", false],
    ["https://old.example/?a=b", false],
    ["ftp://old.example", false],
    ["old.example", false],
    ["https://old.example/api", true],
    ["http://localhost:8080", true],
    ["http://[::1]:8080", true],
  ])("sends an administrator's key to %s: %p", (url, isSent) => {
    const open = () => processWorld("1").conjurApi({ url, account: "a", login: "admin", apiKey: SecretBytes.ofText("k") });
    if (isSent) expect(open).not.toThrow();
    else expect(open).toThrow(expect.objectContaining({ failure: expect.objectContaining({ where: "--url", because: "usage" }) }));
  });
});
