/** The cases of the Go client as data. They run in the order they stand in: a few build on what those before them did. */

import { expect } from "bun:test";
import type { Deployment } from "../support/deployment";
import { account } from "../support/deployment";
import type { Driver } from "../support/driver";
import { authenticatorPolicy, azureService, jwtPolicy, jwtService, organisationPolicy, publicKey } from "../support/policies";
import type { Row } from "../support/rows";

export interface Setting {
  /** API keys of the roles that the policy made, by `kind:id`. */
  readonly keys: Readonly<Record<string, string>>;
  /** Tokens of the host factory: one that is used, one that is revoked. */
  readonly tokens: readonly string[];
  /** The tenant of the simulated Azure. */
  readonly providerUri: string;
}

const id = (rest: string): string => `${account}:${rest}`;
const ids = (...rest: readonly string[]): readonly string[] => rest.map(id);
const readable = ids("variable:db/binary", "variable:db/empty", "variable:db/password", "variable:db/url", "variable:db/user name");

/** Loads the policies and gives the variables their values, by the client itself. */
export async function prepare({ adminKey, azure }: Deployment, admin: Driver): Promise<Setting> {
  await admin.must("with key", "admin", adminKey);
  const loaded = await admin.must("load", "root", organisationPolicy);
  await admin.must("load", "root", authenticatorPolicy);
  await admin.must("load", "root", jwtPolicy);
  await admin.must("set", "db/password", "first");
  await admin.must("set", "db/url", "postgres://db?a=b&c=d%20e");
  await admin.must("set", "db/user name", "Jürgen\n");
  await admin.must("set", "db/binary", "\u0000\u00ff");
  const tokens = await admin.must("create tokens", "10m", "births", "2", "127.0.0.0/8", "10.0.0.0/8");
  return { keys: keysOf(loaded), tokens: tokensOf(tokens), providerUri: azure.tenant().providerUris.v1 };
}

export function secretRows(): readonly Row[] {
  const missing = (name: string) => ({
    status: 404,
    error: `404 Not Found. CONJ00076E Variable ${id(`variable:${name}`)} is empty or not found..`,
  });
  return [
    { name: "are read one by one", ask: ["get", "db/password"], gives: { result: "first" } },
    { name: "are read by partly and fully written ids", ask: ["get", "variable:db/password"], gives: { result: "first" } },
    { name: "are read by a full id", ask: ["get", id("variable:db/password")], gives: { result: "first" } },
    { name: "keep every byte", ask: ["get", "db/url"], gives: { result: "postgres://db?a=b&c=d%20e" } },
    { name: "are found by a name with a space", ask: ["get", "db/user name"], gives: { result: "Jürgen\n" } },
    { name: "are not found without a value", ask: ["get", "db/empty"], gives: missing("db/empty") },
    { name: "are not found without a variable", ask: ["get", "db/nothing"], gives: missing("db/nothing") },
    {
      name: "are read many at once, as base64",
      ask: ["get many", "db/password", "db/binary", "db/user name"],
      gives: {
        result: {
          [id("variable:db/password")]: btoa("first"),
          [id("variable:db/binary")]: "AMO/",
          [id("variable:db/user name")]: "SsO8cmdlbgo=",
        },
      },
    },
    {
      name: "are read many at once, as text",
      ask: ["get many as text", "db/password", "db/url"],
      gives: { result: { [id("variable:db/password")]: "first", [id("variable:db/url")]: "postgres://db?a=b&c=d%20e" } },
    },
    { name: "are read all or none", ask: ["get many", "db/password", "db/empty"], gives: missing("db/empty") },
    { name: "get a second version", ask: ["set", "db/password", "second"], gives: { result: "set" } },
    { name: "show the newest version", ask: ["get", "db/password"], gives: { result: "second" } },
    { name: "keep the first version", ask: ["get version", "db/password", "1"], gives: { result: "first" } },
    { name: "show the second by its number", ask: ["get version", "db/password", "2"], gives: { result: "second" } },
    { name: "have no third version", ask: ["get version", "db/password", "3"], gives: missing("db/password") },
    { name: "have no version zero", ask: ["get version", "db/password", "0"], gives: { status: 422 } },
    {
      name: "take no empty value",
      ask: ["set", "db/empty", ""],
      gives: { status: 422, error: "422 Unprocessable Entity. 'value' may not be empty." },
    },
    {
      name: "take no value without a variable",
      ask: ["set", "db/nothing", "x"],
      gives: { status: 404, error: `404 Not Found. Variable 'db/nothing' not found in account '${account}'.` },
    },
    { name: "take their first value again", ask: ["set", "db/password", "first"], gives: { result: "set" } },
    { name: "take a megabyte less a little", ask: ["set", "db/url", "x".repeat(1_000_000)], gives: { result: "set" } },
    { name: "take what looks like a form as it is", ask: ["set", "db/url", "a=b&c=%20+"], gives: { result: "set" } },
    { name: "give what looks like a form as it was", ask: ["get", "db/url"], gives: { result: "a=b&c=%20+" } },
  ];
}

export function policyRows(): readonly Row[] {
  const dryRun = (status: string, more: Readonly<Record<string, unknown>>) => ({ result: expect.objectContaining({ status, ...more }) });
  return [
    {
      name: "are loaded, and new hosts get keys",
      ask: ["load", "root", "- !policy\n  id: shop\n  body:\n    - !host till\n    - !variable price\n"],
      gives: {
        result: {
          created_roles: { [id("host:shop/till")]: { id: id("host:shop/till"), api_key: expect.stringMatching(/^[0-9a-z]{40,64}$/) } },
          version: expect.any(Number),
        },
      },
    },
    {
      name: "are loaded again without new keys",
      ask: ["load", "shop", "- !host till\n"],
      gives: { result: { created_roles: {}, version: 1 } },
    },
    {
      name: "are updated, with what is to go",
      ask: ["update", "shop", "- !variable discount\n- !delete\n  record: !variable price\n"],
      gives: { result: { created_roles: {}, version: 2 } },
    },
    { name: "have lost what was deleted", ask: ["resource exists", "variable:shop/price"], gives: { result: false } },
    {
      name: "are replaced by what is in the new text alone",
      ask: ["replace", "shop", "- !variable discount\n"],
      gives: { result: { created_roles: {}, version: 3 } },
    },
    { name: "keep what another branch declared", ask: ["resource exists", "host:shop/till"], gives: { result: true } },
    {
      name: "take no deletions when they are loaded",
      ask: ["load", "shop", "- !delete\n  record: !variable discount\n"],
      gives: { status: 422, error: expect.stringContaining("policy_text may not contain deletion statements") },
    },
    {
      name: "tell the line of a mistake",
      ask: ["load", "root", "- !user carol\n- !usr dave\n"],
      gives: { status: 422, error: expect.stringContaining("line 2") },
    },
    {
      name: "tell what is missing",
      ask: ["load", "root", "- !grant\n  role: !group ops\n  member: !user nobody\n"],
      gives: { status: 422, error: expect.stringContaining(`User 'nobody' not found in account '${account}'`) },
    },
    { name: "are not found below a branch that is not there", ask: ["load", "nowhere", "- !user x\n"], gives: { status: 404 } },
    {
      name: "are rehearsed without effect: what would be made",
      ask: ["try load", "root", "- !user carol\n"],
      gives: dryRun("Valid YAML", { created: { items: [expect.objectContaining({ identifier: id("user:carol"), type: "user" })] } }),
    },
    { name: "have made nothing in rehearsal", ask: ["role exists", "user:carol"], gives: { result: false } },
    {
      name: "are rehearsed: what would be deleted",
      ask: ["try update", "root", "- !delete\n  record: !user bob\n"],
      gives: dryRun("Valid YAML", { deleted: { items: [expect.objectContaining({ identifier: id("user:bob") })] } }),
    },
    {
      name: "are rehearsed: what a replacement would take away",
      ask: ["try replace", "shop", "[]\n"],
      gives: dryRun("Valid YAML", { created: { items: [] } }),
    },
    { name: "have lost nothing in rehearsal", ask: ["role exists", "user:bob"], gives: { result: true } },
    {
      name: "are rehearsed: every mistake with its place",
      ask: ["try load", "root", "- !usr carol\n"],
      gives: dryRun("Invalid YAML", {
        errors: [expect.objectContaining({ line: 1, column: 3, message: expect.stringContaining("'!usr'") })],
      }),
    },
    {
      name: "are told as text",
      ask: ["fetch", "shop", "yaml"],
      gives: { result: expect.stringMatching(/^---\n- !policy\n {2}id: shop\n/) },
    },
    {
      name: "are told as JSON",
      ask: ["fetch", "db", "json"],
      gives: { result: expect.stringMatching(/^\[\{"policy":\{"id":"db",/) },
    },
    {
      name: "are told so that loading them again changes nothing",
      ask: ["fetch and try again", "db"],
      gives: dryRun("Valid YAML", {
        created: { items: [] },
        updated: { before: { items: [] }, after: { items: [] } },
        deleted: { items: [] },
      }),
    },
    { name: "are not told of a branch that is not there", ask: ["fetch", "nowhere", "yaml"], gives: { status: 404 } },
  ];
}

export function listRows(): readonly Row[] {
  const web = `role=${id("host:web")}`;
  return [
    { name: "give ids of one kind", ask: ["list", "kind=host"], gives: { result: ids("host:pipeline", "host:shop/till", "host:web") } },
    { name: "give what a role may see", ask: ["list", web], gives: { result: readable } },
    { name: "give what a role may see of one kind", ask: ["list", web, "kind=host"], gives: { result: [] } },
    { name: "find words in names", ask: ["list", "search=password"], gives: { result: ids("variable:db/password") } },
    { name: "find words in annotations", ask: ["list", "search=tier"], gives: { result: ids("host:web") } },
    { name: "find nothing by other words", ask: ["list", "search=passwort"], gives: { result: [] } },
    { name: "begin with the first", ask: ["list", web, "limit=2"], gives: { result: readable.slice(0, 2) } },
    { name: "go on after a page", ask: ["list", web, "limit=2", "offset=2"], gives: { result: readable.slice(2, 4) } },
    { name: "give ten when only told where to begin", ask: ["list", web, "offset=3"], gives: { result: readable.slice(3) } },
    { name: "end", ask: ["list", web, "limit=2", "offset=5"], gives: { result: [] } },
    { name: "are counted", ask: ["count", web], gives: { result: { count: readable.length } } },
    { name: "are counted without regard to pages", ask: ["count", web, "limit=2"], gives: { result: { count: readable.length } } },
    {
      name: "take no negative limit",
      ask: ["list", "limit=-1"],
      gives: { status: 422, error: expect.stringContaining("'limit' must be a positive integer") },
    },
    {
      name: "take no limit beyond a thousand",
      ask: ["list", "limit=1001"],
      gives: { status: 422, error: expect.stringContaining("must not exceed 1000") },
    },
    { name: "are not shown as a role that nobody holds", ask: ["list", `role=${id("host:nobody")}`], gives: { status: 403 } },
    {
      name: "show everything of a resource",
      ask: ["inspect", "kind=host", "search=tier"],
      gives: {
        result: [
          {
            annotations: [{ name: "description", value: "The web tier", policy: id("policy:root") }],
            created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/),
            id: id("host:web"),
            owner: id("user:admin"),
            permissions: [],
            policy: id("policy:root"),
            restricted_to: [],
          },
        ],
      },
    },
  ];
}

export function accessRows(): readonly Row[] {
  const password = "variable:db/password";
  const bob = id("user:bob");
  const grant = (role: string, member: string) => ({
    role: id(role),
    member: id(member),
    admin_option: false,
    ownership: false,
    policy: id("policy:root"),
  });
  return [
    {
      name: "show a resource",
      ask: ["resource", password],
      gives: { result: expect.objectContaining({ id: id(password), owner: id("policy:db") }) },
    },
    { name: "find a resource", ask: ["resource exists", password], gives: { result: true } },
    { name: "do not find one that is not there", ask: ["resource exists", "variable:db/nothing"], gives: { result: false } },
    { name: "do not show one that is not there", ask: ["resource", "variable:db/nothing"], gives: { status: 404 } },
    { name: "tell what the caller may", ask: ["check", password, "execute"], gives: { result: true } },
    { name: "tell what an owner may, whatever it is called", ask: ["check", password, "fly"], gives: { result: true } },
    { name: "tell that nothing can be done with nothing", ask: ["check", "variable:db/nothing", "execute"], gives: { result: false } },
    { name: "tell what another may", ask: ["check for role", password, bob, "read"], gives: { result: true } },
    { name: "tell what another may not", ask: ["check for role", password, bob, "execute"], gives: { result: false } },
    {
      name: "tell who may",
      ask: ["permitted roles", password, "execute"],
      gives: { result: expect.arrayContaining([...ids("group:db/readers", "host:web", "layer:apps", "policy:db", "user:admin")]) },
    },
    {
      name: "show a role with its members",
      ask: ["role", "group:ops"],
      gives: {
        result: expect.objectContaining({ id: id("group:ops"), members: expect.arrayContaining([grant("group:ops", "user:alice")]) }),
      },
    },
    { name: "find a role", ask: ["role exists", "group:ops"], gives: { result: true } },
    { name: "do not find one that is not there", ask: ["role exists", "group:nobody"], gives: { result: false } },
    { name: "list members", ask: ["members", "group:ops"], gives: { result: expect.arrayContaining([grant("group:ops", "user:alice")]) } },
    { name: "list memberships", ask: ["memberships", "user:alice"], gives: { result: [grant("group:ops", "user:alice")] } },
    { name: "list all roles held", ask: ["all memberships", "user:alice"], gives: { result: ids("group:ops", "user:alice") } },
    { name: "list no members of what is not there", ask: ["members", "group:nobody"], gives: { status: 404 } },
    { name: "publish a user's keys", ask: ["public keys", "user", "alice"], gives: { result: `${publicKey}\n` } },
    { name: "do not tell who has no keys from who is not there", ask: ["public keys", "user", "nobody"], gives: { result: "\n" } },
    { name: "tell the version", ask: ["version"], gives: { result: "1.24.0" } },
    { name: "are not those of the Enterprise edition", ask: ["enterprise"], gives: { error: expect.stringContaining("404") } },
  ];
}

export function factoryRows({ tokens: [used = "", revoked = ""] }: Setting): readonly Row[] {
  const born = {
    created_at: expect.any(String),
    id: id("host:born/one"),
    owner: id("host_factory:births"),
    permissions: [],
    annotations: [{ name: "rack", value: "7" }],
    restricted_to: [],
    api_key: expect.stringMatching(/^[0-9a-z]{40,64}$/),
  };
  return [
    {
      name: "give tokens with an end and networks",
      ask: ["create tokens", "1h30m", id("host_factory:births"), "1"],
      gives: {
        result: [{ expiration: expect.stringMatching(/^\d{4}-.*:\d\dZ$/), cidr: [], token: expect.stringMatching(/^[0-9a-z]{40,64}$/) }],
      },
    },
    { name: "give no tokens of a factory that is not there", ask: ["create tokens", "10m", "nothing", "1"], gives: { status: 404 } },
    {
      name: "give no token for a network that is none",
      ask: ["create tokens", "10m", "births", "1", "10.0.0.1/8"],
      gives: { status: 422 },
    },
    { name: "give no token that has ended before", ask: ["create tokens", "-1m", "births", "1"], gives: { status: 422 } },
    { name: "make a host", ask: ["create host", "born/one", used, "rack=7"], gives: { result: born } },
    {
      name: "put the host into the layer",
      ask: ["all memberships", "host:born/one"],
      gives: { result: expect.arrayContaining([...ids("layer:apps")]) },
    },
    { name: "make it again, with a new key and what it had", ask: ["create host", "born/one", used], gives: { result: born } },
    { name: "make no host of somebody else's", ask: ["create host", "web", used], gives: { status: 403 } },
    { name: "make no host without a token", ask: ["create host", "born/two", "nonsense"], gives: { status: 401 } },
    { name: "make no host without a name", ask: ["create host", "", used], gives: { status: 422 } },
    { name: "take a token back", ask: ["revoke token", revoked], gives: { result: "revoked" } },
    { name: "take a token back only once", ask: ["revoke token", revoked], gives: { status: 404 } },
    { name: "make no host by a token that was taken back", ask: ["create host", "born/two", revoked], gives: { status: 401 } },
  ];
}

export function authenticatorRows({ providerUri }: Setting): readonly Row[] {
  const azure = ["azure", azureService] as const;
  const shown = (type: string, name: string, enabled: boolean) =>
    expect.objectContaining({
      type,
      name,
      enabled,
      branch: `conjur/authn-${type}`,
      owner: { kind: "policy", id: `conjur/authn-${type}/${name}` },
    });
  return [
    { name: "are switched on", ask: ["enable", ...azure], gives: { result: "enabled" } },
    {
      name: "are unwell without their settings",
      ask: ["status", ...azure],
      gives: { status: 500, error: expect.stringContaining("CONJ00037E") },
    },
    { name: "take their settings", ask: ["set", `conjur/authn-azure/${azureService}/provider-uri`, providerUri], gives: { result: "set" } },
    { name: "are well with them", ask: ["status", ...azure], gives: { result: { status: "ok", error: "" } } },
    { name: "are switched off", ask: ["disable", ...azure], gives: { result: "disabled" } },
    {
      name: "are unwell when they are off",
      ask: ["status", ...azure],
      gives: { status: 500, error: expect.stringContaining("CONJ00004E") },
    },
    { name: "are not switched on when they are not there", ask: ["enable", "azure", "nothing"], gives: { status: 401 } },
    { name: "have no state when they are not there", ask: ["status", "azure", "nothing"], gives: { status: 404 } },
    {
      name: "are listed",
      ask: ["authenticators"],
      gives: { result: { authenticators: [shown("azure", azureService, false), shown("jwt", jwtService, true)], count: 2 } },
    },
    { name: "are shown", ask: ["authenticator", ...azure], gives: { result: shown("azure", azureService, false) } },
    { name: "are not shown when they are not there", ask: ["authenticator", "azure", "nothing"], gives: { status: 404 } },
    {
      name: "are switched on by their own routes too",
      ask: ["switch authenticator", ...azure, "on"],
      gives: { result: shown("azure", azureService, true) },
    },
    {
      name: "are switched off by their own routes too",
      ask: ["switch authenticator", ...azure, "off"],
      gives: { result: shown("azure", azureService, false) },
    },
    {
      name: "are not made below a branch that is not there",
      ask: ["create authenticator", "gcp", "default", "{}"],
      gives: { status: 404 },
    },
    { name: "get a branch to be made in", ask: ["load", "root", "- !policy conjur/authn-jwt\n"], gives: { result: expect.anything() } },
    {
      name: "are made, with their variables",
      ask: ["create authenticator", "jwt", "made", '{"jwks_uri":"https://ci.example/keys","issuer":"https://ci.example"}'],
      gives: { result: expect.objectContaining({ type: "jwt", name: "made", enabled: true, branch: "conjur/authn-jwt" }) },
    },
    {
      name: "have the values that they were made with",
      ask: ["get", "conjur/authn-jwt/made/jwks-uri"],
      gives: { result: "https://ci.example/keys" },
    },
    {
      name: "are not made twice",
      ask: ["create authenticator", "jwt", "made", '{"jwks_uri":"https://ci.example/keys"}'],
      gives: { status: 409 },
    },
    { name: "are not made of a kind that there is not", ask: ["create authenticator", "magic", "x", "{}"], gives: { status: 422 } },
    { name: "are deleted", ask: ["delete authenticator", "jwt", "made"], gives: { result: "deleted" } },
    { name: "are gone then", ask: ["authenticator", "jwt", "made"], gives: { status: 404 } },
    { name: "sign nobody in when none is there to sign in with", ask: ["oidc providers"], gives: { result: [] } },
  ];
}

export function branchRows(): readonly Row[] {
  const team = { name: "team", branch: "/", owner: { kind: "user", id: "admin" } };
  const made = { ...team, annotations: { made: "by a client" } };
  return [
    { name: "are made at the top", ask: ["create branch", "/", "team"], gives: { result: made } },
    { name: "are not made twice", ask: ["create branch", "/", "team"], gives: { status: 409 } },
    {
      name: "are made in one another",
      ask: ["create branch", "team", "inner"],
      gives: { result: expect.objectContaining({ name: "inner", branch: "team" }) },
    },
    { name: "are not made in what is not there", ask: ["create branch", "nothing", "inner"], gives: { status: 404 } },
    { name: "have names of few characters", ask: ["create branch", "/", "a b"], gives: { status: 422 } },
    { name: "are shown", ask: ["branch", "team"], gives: { result: made } },
    {
      name: "are listed",
      ask: ["branches"],
      gives: { result: { branches: expect.arrayContaining([made]), count: expect.any(Number) } },
    },
    {
      name: "take more annotations",
      ask: ["annotate branch", "team", "more", "yes"],
      gives: { result: expect.stringContaining('"more":"yes"') },
    },
    { name: "take members into their groups", ask: ["add to group", "ops", "user", "bob"], gives: { result: { id: "bob", kind: "user" } } },
    { name: "take each member once", ask: ["add to group", "ops", "user", "bob"], gives: { status: 409 } },
    { name: "show the member's role", ask: ["all memberships", "user:bob"], gives: { result: ids("group:ops", "user:bob") } },
    { name: "take no member that is not there", ask: ["add to group", "ops", "user", "nobody"], gives: { status: 422 } },
    { name: "let members go", ask: ["remove from group", "ops", "user", "bob"], gives: { result: "" } },
    { name: "let each member go once", ask: ["remove from group", "ops", "user", "bob"], gives: { status: 404 } },
    { name: "are deleted with all in them", ask: ["delete branch", "team"], gives: { result: "" } },
    { name: "are gone then", ask: ["branch", "team"], gives: { status: 404 } },
    { name: "are gone with what was in them", ask: ["branch", "team/inner"], gives: { status: 404 } },
  ];
}

function keysOf(loaded: unknown): Readonly<Record<string, string>> {
  const found = new Map<string, string>();
  const text = JSON.stringify(loaded);
  for (const [, role = "", key = ""] of text.matchAll(/"id":"[^:"]+:([^"]+)","api_key":"([^"]+)"/g)) found.set(role, key);
  return Object.fromEntries(found);
}

function tokensOf(created: unknown): readonly string[] {
  return [...JSON.stringify(created).matchAll(/"token":"([^"]+)"/g)].map(([, token = ""]) => token);
}
