import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { FrontBindings } from "../../../src/fronts/front";
import { vault } from "../../../src/fronts/vault/routes";
import { quietEdge } from "../../fronts/ask";
import { type CliBench, createCliBench, createOperatedHouse, type OperatedHouse } from "../../support/cli-bench";
import { textOf } from "../../support/house";

let operated: OperatedHouse;
let cli: CliBench;
let root: string;
beforeEach(async () => {
  operated = await createOperatedHouse();
  cli = createCliBench(() => operated.app);
  const { token } = await operated.house.operator.createRootToken(0, operated.house.context());
  if (token === undefined) throw new Error("no token was made");
  root = textOf(token);
});
afterEach(() => operated.close());

/** By Vault's protocol. */
async function ask(token: string, path: string, body?: object) {
  const bindings: FrontBindings = { context: operated.house.context({ dialect: "vault" }), edge: quietEdge };
  const method = body === undefined ? "GET" : "POST";
  const request = new Request(`http://vault.test/v1/${path}`, {
    method,
    headers: { "x-vault-token": token },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = await vault.serve(operated.house.broker).app.fetch(request, bindings);
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? null : JSON.parse(text) };
}

async function made(body: object, by = root): Promise<{ readonly token: string; readonly accessor: string }> {
  operated.house.clock.advance(1000);
  const { auth } = (await ask(by, "auth/token/create", body)).body;
  return { token: auth.client_token, accessor: auth.accessor };
}

const isAlive = async (token: string): Promise<boolean> => (await ask(token, "auth/token/lookup-self")).status === 200;

describe("postern token list", () => {
  test("lists what lives, the newest first, with when it ends and what it carries", async () => {
    const first = await made({ display_name: "ci", ttl: "90m", policies: ["default", "app"] });
    const second = await made({ display_name: "web", ttl: "768h" });
    const { code, out, err } = await cli.run("token list");
    expect([code, err]).toEqual([0, "3 of 3 tokens\n"]);
    const [head, newest, older, oldest] = out.split("\n").map((line) => line.split(/ {2,}/u));
    expect(head).toEqual(["ACCESSOR", "LEFT", "NAME", "MADE AT", "POLICIES"]);
    expect(newest?.slice(0, 3)).toEqual([second.accessor, "768h0m0s", "token-web"]);
    expect(older).toEqual([first.accessor, "1h29m59s", "token-ci", "auth/token/create", "app,default"]);
    expect(oldest?.slice(1)).toEqual(["for ever", "root", "auth/token/root", "root"]);
  });

  test("shows no token's text, as a table or as JSON", async () => {
    const { token, accessor } = await made({ meta: { team: "web" } });
    const table = await cli.run("token list");
    const json = await cli.run("token list --json");
    for (const { out, err } of [table, json]) for (const each of [token, root]) expect(out + err).not.toContain(each);
    expect(JSON.parse(json.out)).toMatchObject({ total: 2, tokens: [{ accessor, meta: { team: "web" } }, { expiresAt: 0 }] });
  });

  test("is cut where it is told, and keeps to a path", async () => {
    for (const name of ["a", "b", "c"]) await made({ display_name: name });
    const page = JSON.parse((await cli.run("token list --json --limit 1 --offset 1")).out);
    expect([page.total, page.tokens[0].displayName, page.tokens.length]).toEqual([4, "token-b", 1]);
    expect((await cli.run("token list --path /auth/token/root/")).err).toBe("1 of 1 token\n");
    expect(await cli.run("token list --path auth/tok")).toMatchObject({ code: 0, out: "", err: "0 of 0 tokens\n" });
  });

  test("leaves out what has ended", async () => {
    await made({ ttl: "60s" });
    operated.house.clock.advance(60_000);
    expect((await cli.run("token list")).err).toBe("1 of 1 token\n");
  });

  test.each(["--limit 0", "--limit 1001", "--limit many", "--offset -1", "--path /"])("takes no %s", async (option) => {
    expect(await cli.run(`token list ${option}`)).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringContaining(option.split(" ")[0] ?? ""),
    });
  });
});

describe("postern token lookup", () => {
  test("tells whose it is, what it carries and what it ends with", async () => {
    const { accessor } = await made({ display_name: "ci", ttl: "1h", num_uses: 5, policies: ["app"], meta: { team: "web" } });
    const { code, out } = await cli.run(`token lookup ${accessor}`);
    expect(code).toBe(0);
    expect(out).toContain(`Accessor    ${accessor}\nName        token-ci\n`);
    expect(out).toContain(
      "Lives for   1h0m0s, unless it is renewed\nPolicies    app, default\nUses left   5 of 5\nEnds with   the token that made it\n",
    );
    expect(out).toContain('Login       team = "web"\n');
    expect(JSON.parse((await cli.run(`token lookup ${accessor} --json`)).out)).toMatchObject({
      accessor,
      usesLeft: 5,
      policies: ["app", "default"],
    });
  });

  test("does not use up a token's uses", async () => {
    const { token, accessor } = await made({ num_uses: 2 });
    expect(await isAlive(token)).toBe(true);
    await cli.run(`token lookup ${accessor}`);
    expect((await ask(token, "auth/token/lookup-self")).status).toBe(200);
    expect((await ask(token, "auth/token/lookup-self")).status).toBe(403);
  });

  test("knows no accessor of none", async () => {
    expect(await cli.run("token lookup 5ha8sEepFTQFkp4wSfdV7ymS")).toMatchObject({
      code: 1,
      out: "",
      err: expect.stringContaining("not found: a token of this accessor"),
    });
  });
});

describe("postern token revoke", () => {
  test("ends a token at once with all that it made, and leaves the others", async () => {
    const parent = await made({ policies: ["root"] });
    const child = await made({}, parent.token);
    const other = await made({});
    const { code, out, err } = await cli.run(`token revoke ${parent.accessor}`);
    expect([code, out, err]).toEqual([0, "", `Revoked ${parent.accessor}: token, made at auth/token/create\n`]);
    expect([await isAlive(parent.token), await isAlive(child.token), await isAlive(other.token)]).toEqual([false, false, true]);
  });

  test("goes on past an accessor of no token, and says so by its exit code", async () => {
    const { token, accessor } = await made({});
    const { code, out, err } = await cli.run(`token revoke nobody ${accessor} --json`);
    expect([code, JSON.parse(out)]).toEqual([1, { revoked: [accessor] }]);
    expect(err).toStartWith("error: no token has the accessor nobody\n");
    expect(await isAlive(token)).toBe(false);
  });

  test("is in the audit before it is done, with whose token it was", async () => {
    const { token, accessor } = await made({});
    await cli.run(`token revoke ${accessor}`);
    expect(operated.house.lastAudit()).toMatchObject({
      operation: "token.revoke",
      allowed: true,
      accessor,
      context: { dialect: "operator" },
    });
    const next = await made({});
    operated.house.breakAudit(true);
    expect((await cli.run(`token revoke ${next.accessor}`)).code).not.toBe(0);
    operated.house.breakAudit(false);
    expect([await isAlive(token), await isAlive(next.token)]).toEqual([false, true]);
  });
});

test.each(["token lookup hvs.canary", "token revoke good hvs.canary", "token revoke hvb.canary"])(
  "%s is not taken, nor repeated",
  async (line) => {
    const { code, out, err } = await cli.run(line);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain("an accessor and not a token");
    expect(err).not.toContain("canary");
  },
);
