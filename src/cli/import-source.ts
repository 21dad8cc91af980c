/** Where an import comes from: a running server, or files. Both are read in full before anything is written; values are fetched as they are needed. */

import { resolve } from "node:path";
import * as v from "valibot";
import type { adminOperations, InputOf } from "../client/admin-wire";
import type { ApiGrant, ApiResource, ConjurApi, FetchedValues } from "../client/conjur-api";
import { PosternError } from "../model/failures";
import { SecretBytes } from "../model/secret-bytes";
import { type Run, usage } from "./command";

export type ImportedRows = Omit<InputOf<typeof adminOperations.importFacts>, "account">;

export interface ImportSource {
  /** For people, and for the state file. */
  readonly name: string;
  /** What a server told. */
  readonly facts?: ImportedRows;
  /** Texts to load, in order. */
  readonly policies: readonly { readonly file: string; readonly text: Uint8Array }[];
  /** Ids that may have a value, as the source names them. */
  readonly variables: readonly string[];
  values(ids: readonly string[]): Promise<FetchedValues>;
  /** Whether fetching takes long enough to note what is done. What is written again is unchanged in any case. */
  readonly isRemote: boolean;
  /** The id here of an id there. */
  target(id: string, account: string): string;
  readonly authenticators: readonly string[];
  /** What no source of this kind can give. */
  readonly leftBehind: readonly Left[];
}

/** Something that did not come along. */
export interface Left {
  readonly what: string;
  readonly reason: string;
}

export interface ServerOptions {
  readonly name: string;
  /** The account there and the account here. */
  readonly from: string;
  readonly to: string;
  readonly tell: (what: string, done: number, total: number) => void;
}

const roleKinds = new Set(["user", "host", "group", "layer", "policy", "host_factory"]);
const membersInOneGo = 8;
const kindOf = (id: string): string => id.split(":", 2)[1] ?? "";

/** Reads everything that the login there sees. Throws `upstream_unavailable`. */
export async function readServer(api: ConjurApi, { name, from, to, tell }: ServerOptions): Promise<ImportSource> {
  const resources: ApiResource[] = [];
  for await (const page of api.resources()) {
    resources.push(...page);
    tell("records", resources.length, resources.length);
  }
  const here = (id: string): string => (id.startsWith(`${from}:`) ? `${to}${id.slice(from.length)}` : id);
  const roles = resources.map(({ id }) => id).filter((id) => roleKinds.has(kindOf(id)));
  const grants: ApiGrant[] = [];
  for (let at = 0; at < roles.length; at += membersInOneGo) {
    tell("memberships", at, roles.length);
    for (const some of await Promise.all(roles.slice(at, at + membersInOneGo).map((role) => api.members(role)))) grants.push(...some);
  }
  const publicKeys = new Map<string, string>();
  for (const id of new Set(resources.filter((each) => kindOf(each.id) === "public_key").map((each) => userOfKey(each.id)))) {
    for (const line of await api.publicKeys(id)) publicKeys.set(keyId(id, line), line);
  }
  return {
    name,
    facts: rowsOf(resources, grants, here),
    policies: [],
    variables: [...resources.map(({ id }) => id).filter((id) => kindOf(id) === "variable"), ...publicKeys.keys()],
    async values(ids) {
      const lines = ids.flatMap((id): [string, SecretBytes | "unreadable"][] => {
        const line = publicKeys.get(id);
        return line === undefined ? [] : [[id, SecretBytes.ofText(line)]];
      });
      return new Map([...(await api.values(ids.filter((id) => !publicKeys.has(id)))), ...lines]);
    },
    isRemote: true,
    target: here,
    authenticators: await api.enabledAuthenticators(),
    leftBehind: leftThere(resources),
  };
}

function leftThere(resources: readonly ApiResource[]): readonly Left[] {
  const actors = resources.filter(({ id }) => ["user", "host"].includes(kindOf(id))).length;
  const versioned = resources.filter(({ secrets }) => secrets.length > 1).length;
  return [
    ...(actors === 0 ? [] : [{ what: `API keys and passwords of ${actors} users and hosts`, reason: "a server shows them to nobody" }]),
    ...(versioned === 0 ? [] : [{ what: `older versions of ${versioned} variables`, reason: "the newest value comes along" }]),
    ...resources
      .filter(({ id }) => kindOf(id) === "host_factory")
      .map(({ id }) => ({ what: `tokens of ${id}`, reason: "a server shows them to nobody; make new ones" })),
  ];
}

/** `acme:public_key:user/alice/alice@desk` → `acme:user:alice` */
function userOfKey(id: string): string {
  const [account = "", , ...identifier] = id.split(":");
  const path = identifier.join(":");
  return `${account}:user:${path.slice("user/".length, path.lastIndexOf("/"))}`;
}

/** `ssh-ed25519 AAAA… alice@desk` of `acme:user:alice` → `acme:public_key:user/alice/alice@desk` */
function keyId(user: string, line: string): string {
  const [account = "", , ...identifier] = user.split(":");
  return `${account}:public_key:user/${identifier.join(":")}/${line.trim().split(/\s+/u).slice(2).join(" ")}`;
}

function rowsOf(resources: readonly ApiResource[], grants: readonly ApiGrant[], here: (id: string) => string): ImportedRows {
  const policyOf = (policy: string | null | undefined) => (policy === null || policy === undefined ? {} : { policy: here(policy) });
  return {
    resources: resources.map(({ id, owner, created_at, policy }) => ({
      id: here(id),
      owner: here(owner),
      createdAt: instantOf(created_at),
      ...policyOf(policy),
    })),
    permits: resources.flatMap(({ id, permissions }) =>
      permissions.map(({ privilege, role, policy }) => ({ role: here(role), privilege, resource: here(id), ...policyOf(policy) })),
    ),
    annotations: resources.flatMap(({ id, annotations }) =>
      annotations.map(({ name, value, policy }) => ({ resource: here(id), name, value, ...policyOf(policy) })),
    ),
    restrictions: resources.flatMap(({ id, restricted_to }) =>
      restricted_to.length === 0 ? [] : [{ role: here(id), networks: restricted_to }],
    ),
    grants: grants.map(({ role, member, admin_option, ownership, policy }) => ({
      role: here(role),
      member: here(member),
      adminOption: admin_option,
      ownership,
      ...policyOf(policy),
    })),
  };
}

function instantOf(text: string): number {
  try {
    return Temporal.Instant.from(text).epochMilliseconds;
  } catch {
    throw new PosternError({ code: "upstream_unavailable", upstream: "the server", because: "a record without a time" });
  }
}

const Values = v.record(v.string(), v.union([v.string(), v.strictObject({ base64: v.pipe(v.string(), v.base64()) })]));

/** Policy files and a file of values. */
export async function readFiles(
  run: Run,
  account: string,
  policies: readonly string[],
  valuesFile: string | undefined,
): Promise<ImportSource> {
  const { io } = run;
  const given = valuesFile === undefined ? new Map<string, SecretBytes>() : valuesIn(await bytesOf(run, valuesFile), account);
  return {
    name: [...policies, ...(valuesFile === undefined ? [] : [valuesFile])].join(" "),
    policies: policies.map((file) => ({ file, text: io.readFile(resolve(io.folder, file)) })),
    variables: [...given.keys()],
    values: async (ids) =>
      new Map(ids.flatMap((id): [string, SecretBytes][] => (given.has(id) ? [[id, given.get(id) ?? SecretBytes.ofText("")]] : []))),
    isRemote: false,
    target: (id) => id,
    authenticators: [],
    leftBehind: [],
  };
}

async function bytesOf({ io }: Run, file: string): Promise<Uint8Array> {
  return file === "-" ? io.readInput() : io.readFile(resolve(io.folder, file));
}

/** `{"db/password":"text","db/key":{"base64":"AAEC"}}`; ids may be full. */
function valuesIn(bytes: Uint8Array, account: string): ReadonlyMap<string, SecretBytes> {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Values), Buffer.from(bytes).toString("utf8"));
  // The parser's own words would quote values.
  if (!parsed.success) throw usage("--values", 'a JSON object of {"variable id": "text" or {"base64": "..."}}');
  return new Map(
    Object.entries(parsed.output).map(([id, value]) => [
      id.startsWith(`${account}:variable:`) ? id : `${account}:variable:${id}`,
      typeof value === "string" ? SecretBytes.ofText(value) : new SecretBytes(Buffer.from(value.base64, "base64")),
    ]),
  );
}
