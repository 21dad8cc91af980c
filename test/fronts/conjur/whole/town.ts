/**
 * The Conjur front over a whole core: real policies, real sessions, real decisions; facts in memory and a clock that stands. What a case asks passes every
 * check that a request on a socket passes after it was received.
 *
 * In the branch `vault` are a variable, a host, a group, a host factory and a policy. `stranger` has no right to anything, `viewer` may `look` at all of it, which is a
 * privilege that nothing asks for, `keeper` has every privilege there is on all of it, and `admin` owns it.
 */

import { conjur } from "../../../../src/fronts/conjur/routes";
import type { FrontApp } from "../../../../src/fronts/front";
import { parseAccount, parseRoleId } from "../../../../src/model/ids";
import { createHouse, type House, jsonAuthenticator, textOf } from "../../../support/house";
import { quietEdge } from "../../ask";

export const policies: readonly (readonly [branch: string, text: string])[] = [
  [
    "root",
    `
- !policy vault
- !policy
  id: conjur/authn-azure/prod
  body:
    - !webservice
    - !webservice status
    - !variable provider-uri
- !user stranger
- !user viewer
- !user keeper
- !user alice@app-prod
- !host apps/web
- !group ops
- !layer fleet
- !host
  id: near
  restricted_to: [ 192.0.2.0/24 ]
`,
  ],
  [
    "vault",
    `
- !variable thing
- !variable second
- !variable empty
- !variable a+b
- !variable name with spaces
- !variable Straße/ключ
- !variable it%2Fem
- !variable c:d
- !variable
  id: page
  mime_type: text/html
- !variable binary
- !host box
- !group staff
- !layer boxes
- !host-factory
  id: births
  layers: [ !layer boxes ]
- !policy deep
- !permit
  role: !user /viewer
  privileges: [ look ]
  resources: &all
    - !variable thing
    - !variable second
    - !variable empty
    - !host box
    - !group staff
    - !host-factory births
    - !policy deep
- !permit
  role: !user /keeper
  privileges: [ read, execute, update, create, delete, look ]
  resources: *all
- !permit
  role: !host /apps/web
  privileges: [ execute ]
  resources: [ !variable thing, !variable second, !variable a+b, !variable name with spaces, !variable Straße/ключ, !variable it%2Fem, !variable c:d, !variable page, !variable binary ]
- !permit
  role: !host /near
  privilege: execute
  resource: !variable thing
`,
  ],
  [
    "root",
    `
- !permit
  role: !user viewer
  privilege: look
  resources: [ !policy vault, !webservice conjur/authn-azure/prod, !webservice conjur/authn-azure/prod/status ]
- !permit
  role: !user keeper
  privileges: [ read, execute, update, create, delete ]
  resources: [ !policy vault, !webservice conjur/authn-azure/prod, !webservice conjur/authn-azure/prod/status ]
`,
  ],
];

export const values: Readonly<Record<string, string | Uint8Array>> = {
  thing: "first",
  second: "another",
  "a+b": "plus",
  "name with spaces": "spaces",
  "Straße/ключ": "unicode",
  "it%2Fem": "percent",
  "c:d": "colon",
  page: "<b>",
  binary: Uint8Array.of(0xff, 0x00, 0xfe),
};

export interface Asked {
  /** `GET /whoami`. */
  readonly ask: string;
  /** A login: its token is sent. */
  readonly as?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** Default `192.0.2.10`. */
  readonly from?: string;
}

export interface Told {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

export interface Town {
  readonly house: House;
  readonly front: FrontApp;
  ask(question: Asked): Promise<Told>;
  /** The JSON of a session token. */
  token(login: string): Promise<string>;
  /** `Token token="…"` with it. */
  header(login: string): Promise<string>;
  /** The API key of a login, as it is now. */
  key(login: string): Promise<string>;
}

export async function createTown(): Promise<Town> {
  const house = await createHouse({ authenticators: [jsonAuthenticator("authn-azure")], enabledAuthenticators: ["authn-azure/prod"] });
  await house.operator.createAccount(parseAccount("globex"), house.context());
  for (const [branch, text] of policies) await house.load(text, "create", branch);
  const front = conjur.serve(house.broker);
  const headers = new Map<string, string>();

  async function ask({ ask: question, as, headers: given, body, from }: Asked): Promise<Told> {
    const [method = "GET", path = "/"] = question.split(" ", 2);
    const sent = new Headers(given);
    if (as !== undefined) sent.set("authorization", await remembered(as));
    const request = new Request(`http://postern.test${path}`, { method, headers: sent, ...(body === undefined ? {} : { body }) });
    const context = house.context(from === undefined ? {} : { clientAddress: from });
    const response = await front.app.fetch(request, { context, edge: quietEdge });
    return { status: response.status, headers: response.headers, text: Buffer.from(await response.arrayBuffer()).toString("latin1") };
  }

  /** A login is one request; a few hundred of them would be most of the time this takes. */
  async function remembered(login: string): Promise<string> {
    const known = headers.get(login) ?? (await header(login));
    headers.set(login, known);
    return known;
  }

  async function key(login: string): Promise<string> {
    const [account, name] = login.includes(":") ? login.split(":", 2) : ["acme", login];
    const role = name?.includes("/") ? name.replace("/", ":") : `user:${name}`;
    return textOf(await house.operator.retrieveKey(parseRoleId(`${account}:${role}`), house.context()));
  }

  async function token(login: string): Promise<string> {
    const [account, name] = login.includes(":") ? login.split(":", 2) : ["acme", login];
    const answer = await ask({ ask: `POST /authn/${account}/${encodeURIComponent(name ?? "")}/authenticate`, body: await key(login) });
    if (answer.status !== 200) throw new Error(`${login} cannot log in: ${answer.status}`);
    return answer.text;
  }

  async function header(login: string): Promise<string> {
    return `Token token="${Buffer.from(await token(login)).toString("base64")}"`;
  }

  const town: Town = { house, front, ask, token, header, key };
  for (const [name, value] of Object.entries(values)) {
    const { status } = await ask({
      ask: `POST /secrets/acme/variable/vault%2F${encodeURIComponent(name)}`,
      as: "admin",
      body: Buffer.from(value),
    });
    if (status !== 201) throw new Error(`${name} is not set: ${status}`);
  }
  return town;
}

/** A question and what of its answer matters: the status always, the rest where it is named. */
export interface Case extends Asked {
  /** Where the request itself is too long to be a title. */
  readonly name?: string;
  readonly status: number;
  readonly text?: string;
  readonly json?: unknown;
  /** Headers; `absent` for one that must not be there. */
  readonly has?: Readonly<Record<string, string>>;
}

/** The answer to a case and what it must be, each cut down to what the case names. */
export async function compared(
  town: Town,
  { name: _name, status, text, json, has, ...question }: Case,
): Promise<{ readonly got: unknown; readonly wanted: unknown }> {
  const answer = await town.ask(question);
  const named = Object.keys(has ?? {}).map((name) => [name, answer.headers.get(name) ?? "absent"]);
  return {
    got: {
      status: answer.status,
      ...(text === undefined ? {} : { text: answer.text }),
      ...(json === undefined ? {} : { json: JSON.parse(answer.text) }),
      ...(has === undefined ? {} : { has: Object.fromEntries(named) }),
    },
    wanted: {
      status,
      ...(text === undefined ? {} : { text }),
      ...(json === undefined ? {} : { json }),
      ...(has === undefined ? {} : { has }),
    },
  };
}

/** As `test.each` shows a case. */
export function titled(cases: readonly Case[]): [string, Case][] {
  return cases.map((one) => {
    const who = one.as === undefined ? "" : ` as ${one.as}`;
    const more = one.headers === undefined ? "" : ` ${JSON.stringify(one.headers)}`;
    const body = typeof one.body === "string" ? ` with ${JSON.stringify(one.body)}` : "";
    const asked = `${one.ask}${who}${more}${body}`.slice(0, 170);
    return [`${one.name ?? asked} → ${one.status}`, one];
  });
}
