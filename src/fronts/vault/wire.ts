/**
 * The shapes of Vault's answers. The content type has no charset: a client compares it for equality and drops the errors of anything else.
 *
 * Source: hvac 2, adapters.py; Vault 1.19, http/handler.go (respondError), logical/response_util.go.
 */

import { valueMembers } from "../../model/json-text";
import type { SecretBytes } from "../../model/secret-bytes";
import type { RequestContext } from "../../model/types";
import type { Wire } from "../front";

/** What an engine answers. Everything absent is empty; without `data` and `auth` it is 204, unless there are warnings. */
export interface Answer {
  /** Default 200. */
  readonly status?: number;
  readonly data?: object | null;
  readonly auth?: AuthAnswer;
  readonly warnings?: readonly string[];
  /** Of the envelope, in seconds: how soon a client should read again. */
  readonly leaseSeconds?: number;
  /** The members of `data` stand beside the envelope's too, where old clients look for them. */
  readonly isDoubled?: boolean;
  /** The whole body, without an envelope. */
  readonly bare?: object | string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly wrapInfo?: WrapInfo;
}

/** What a login, a new token and a renewed one are told as. */
export interface AuthAnswer {
  /** Absent where the token is not shown again. */
  readonly token?: SecretBytes;
  readonly accessor: string;
  /** All of them, sorted; then those of the token and those its role holds in the graph. */
  readonly policies: readonly string[];
  readonly tokenPolicies: readonly string[];
  readonly identityPolicies: readonly string[];
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly leaseSeconds: number;
  readonly isRenewable: boolean;
  readonly entityId: string;
  readonly kind: "service" | "batch";
  readonly isOrphan: boolean;
  readonly uses: number;
}

export interface WrapInfo {
  readonly token: SecretBytes;
  readonly accessor: string;
  readonly ttlSeconds: number;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly creationPath: string;
  readonly wrappedAccessor?: string;
}

/** Reads a text that must not be printed elsewhere. */
export const revealed = (secret: SecretBytes): string => Buffer.from(secret.reveal()).toString("utf8");

/** A variable of a policy, whose value is any bytes, as an object. */
export const variableShape = (secret: SecretBytes): object => valueMembers(secret.reveal());

const raw = Symbol("raw JSON");

interface RawJson {
  readonly [raw]: string;
}

/** A JSON text that goes into an answer as it stands: numbers keep their digits. It must be JSON. */
export const rawJson = (text: string): RawJson => ({ [raw]: text });

/** `JSON.stringify` of plain values, with raw texts left as they are. */
export function jsonText(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (isRaw(value)) return value[raw];
  if (!holdsRaw(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(jsonText).join(",")}]`;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${jsonText(member)}`).join(",")}}`;
}

const isRaw = (value: object): value is RawJson => raw in value;

/** Walking is a tenth of the price of a text that is put together by hand. */
function holdsRaw(value: object): boolean {
  for (const member of Object.values(value))
    if (typeof member === "object" && member !== null && (isRaw(member) || holdsRaw(member))) return true;
  return false;
}

export function answerWire(answer: Answer, context: RequestContext, mountType: string): Wire {
  const headers = { ...json, ...answer.headers };
  const status = answer.status ?? 200;
  if (answer.bare !== undefined) return { status, headers, body: typeof answer.bare === "string" ? answer.bare : jsonText(answer.bare) };
  const isEmpty = answer.data === undefined && answer.auth === undefined && answer.wrapInfo === undefined && answer.warnings === undefined;
  if (isEmpty && status === 200) return { status: 204, headers: answer.headers ?? {} };
  return { status, headers, body: envelopeText(answer, context.requestId, mountType) };
}

/** The envelope; also what is kept of an answer that is wrapped. */
export function envelopeText(answer: Answer, requestId: string, mountType: string): string {
  const { data = null, auth, warnings, leaseSeconds = 0, wrapInfo } = answer;
  const isWrapped = wrapInfo !== undefined;
  const wrap = isWrapped ? JSON.stringify(wrapInfoShape(wrapInfo)) : "null";
  const told = warnings === undefined || warnings.length === 0 ? "null" : JSON.stringify(warnings);
  const login = auth === undefined ? "null" : JSON.stringify(authShape(auth));
  const beside = answer.isDoubled === true ? jsonText(withoutEnvelopeNames(data)).slice(1, -1) : "";
  const head = `{"request_id":${JSON.stringify(isWrapped ? "" : requestId)},"lease_id":"","renewable":false,"lease_duration":${leaseSeconds}`;
  const tail = `"mount_type":${JSON.stringify(isWrapped ? "" : mountType)}${beside === "" ? "" : `,${beside}`}}`;
  return `${head},"data":${jsonText(data)},"wrap_info":${wrap},"warnings":${told},"auth":${login},${tail}`;
}

function authShape(auth: AuthAnswer): object {
  return {
    client_token: auth.token === undefined ? "" : revealed(auth.token),
    accessor: auth.accessor,
    policies: auth.policies,
    token_policies: auth.tokenPolicies,
    ...(auth.identityPolicies.length === 0 ? {} : { identity_policies: auth.identityPolicies }),
    metadata: auth.metadata,
    lease_duration: auth.leaseSeconds,
    renewable: auth.isRenewable,
    entity_id: auth.entityId,
    token_type: auth.kind,
    orphan: auth.isOrphan,
    mfa_requirement: null,
    num_uses: auth.uses,
  };
}

function wrapInfoShape(info: WrapInfo): object {
  return {
    token: revealed(info.token),
    accessor: info.accessor,
    ttl: info.ttlSeconds,
    creation_time: info.createdAt,
    creation_path: info.creationPath,
    ...(info.wrappedAccessor === undefined ? {} : { wrapped_accessor: info.wrappedAccessor }),
  };
}

const envelopeNames = new Set([
  "request_id",
  "lease_id",
  "renewable",
  "lease_duration",
  "data",
  "wrap_info",
  "warnings",
  "auth",
  "mount_type",
]);

function withoutEnvelopeNames(data: object | null): object {
  return data === null ? {} : Object.fromEntries(Object.entries(data).filter(([name]) => !envelopeNames.has(name)));
}

const json = { "content-type": "application/json" };

/** `{"errors":["text"]}`; without a text, that nothing is there. */
export function errorsWire(status: number, errors: readonly string[], headers: Readonly<Record<string, string>> = {}): Wire {
  return { status, headers: { ...json, ...headers }, body: JSON.stringify({ errors }) };
}

/** The frame in which the core of Vault reports an error that an engine returned. */
export function framed(...texts: readonly string[]): string {
  const count = texts.length === 1 ? "1 error" : `${texts.length} errors`;
  return `${count} occurred:\n\t* ${texts.join("\n\t* ")}\n\n`;
}
