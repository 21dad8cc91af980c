/**
 * One decision as one line of JSON, and back.
 *
 *   {"seq":7,"at":"2025-11-10T09:12:13.123Z","operation":"secret.read","decision":"d-7k2m9x4p1qz0","allowed":true,…,"node":"vault-1","epoch":1,"mac":"…"}
 *
 * Members are written by name, one after the other: what a record carries beyond those below never reaches the file. Nothing in a member can start a
 * new line or steer a terminal, because every control, format and surrogate character is escaped.
 */

import * as v from "valibot";
import { PosternError } from "../model/failures";
import { parseId, parseRoleId } from "../model/ids";
import type { AuditedRecord, AuditRecord, Check, Instant } from "../model/types";
import { conjurReason } from "./conjur-reasons";

/** Longest texts a line keeps; what is longer is cut and ends in `…`. */
const maxName = 256;
const maxDetail = 512;
const maxRemedy = 2048;
const maxChecks = 64;
const maxAttributes = 32;

const printableAscii = /^[ -~]*$/u;
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Prints instants as UTC with milliseconds; the text of a second is made once. */
export function createInstantText(): (instant: Instant) => string {
  let second = Number.NaN;
  let prefix = "";
  return (instant) => {
    const current = Math.floor(instant / 1000);
    if (current !== second) {
      prefix = Temporal.Instant.fromEpochMilliseconds(current * 1000)
        .toString({ smallestUnit: "second" })
        .slice(0, -1);
      second = current;
    }
    return `${prefix}.${String(instant - current * 1000).padStart(3, "0")}Z`;
  };
}

/**
 * A JSON object as text. Every control, format and surrogate character is escaped; such characters stand only inside strings.
 *
 * One call for a flat object costs a third of what joining the quoted members by hand does (Bun 1.4.5).
 */
export function jsonText(members: object): string {
  const text = JSON.stringify(members);
  if (printableAscii.test(text)) return text;
  return text.replace(unprintable, (character) =>
    Array.from({ length: character.length }, (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`).join(""),
  );
}

/** A record as the text of a JSON object, without sequence, node and MAC. `at` is the record's time as text. */
export function recordText(record: AuditRecord, at: string): string {
  return jsonText(record.allowed ? membersOf(record, at) : { ...membersOf(record, at), ...refusalMembers(record) });
}

/** The record that a line was made of. Throws `integrity` for a line that tells of no decision. */
export function parseRecord(line: string): AuditedRecord {
  try {
    return v.parse(RecordLine, JSON.parse(line));
  } catch (cause) {
    throw new PosternError({ code: "integrity", what: "a line of the audit trail" }, { cause });
  }
}

/** Absent members are undefined, which JSON leaves out. */
function membersOf(record: AuditRecord, at: string) {
  const { context } = record;
  return {
    at,
    operation: record.operation,
    decision: record.decision,
    allowed: record.allowed,
    account: cut(record.account, maxName),
    role: record.role,
    claimed_unverified: cut(record.claimed, maxName),
    authenticator: cut(record.authenticator, maxName),
    resource: record.resource,
    path: cut(record.path, maxDetail),
    accessor: cut(record.accessor, maxName),
    version: record.version,
    privilege: record.privilege,
    count: record.count,
    rule: record.rule,
    revision: record.revision,
    request: context.requestId,
    dialect: context.dialect,
    client: context.clientAddress,
    peer: context.peerAddress,
    attributes: record.attributes === undefined ? undefined : attributesOf(record.attributes),
  };
}

function refusalMembers(record: AuditRecord) {
  return {
    user_agent_unverified: cut(record.context.userAgent, maxName),
    failure: record.failure,
    because: cut(record.because, maxDetail),
    conjur: conjurCode(record),
    checks: record.checks?.slice(0, maxChecks).map(checkOf),
    remedy: cut(record.remedy, maxRemedy),
  };
}

/** The code that operators of Conjur search for, and its text; absent where Conjur has none. */
function conjurCode(record: AuditRecord): string | undefined {
  const reason = conjurReason(record);
  return reason.startsWith("CONJ") ? cut(reason, maxDetail) : undefined;
}

function checkOf({ check, ok, detail, origin }: Check) {
  if (origin === undefined) return { check, ok, detail: cut(detail, maxDetail) };
  const { policy, version, line, column, file } = origin;
  return { check, ok, detail: cut(detail, maxDetail), origin: { policy, version, line, column, file: cut(file, maxDetail) } };
}

function attributesOf(attributes: Readonly<Record<string, string>>) {
  const kept = Object.entries(attributes).slice(0, maxAttributes);
  return Object.fromEntries(kept.map(([name, value]) => [cut(name, maxName), cut(value, maxDetail)]));
}

function cut<Text extends string | undefined>(text: Text, length: number): Text | string {
  return text === undefined || text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

const Id = v.pipe(v.string(), v.transform(parseId));
const RoleName = v.pipe(v.string(), v.transform(parseRoleId));
const Time = v.pipe(
  v.string(),
  v.transform((text) => Temporal.Instant.from(text).epochMilliseconds),
);

const CheckMember = v.object({
  check: v.string(),
  ok: v.boolean(),
  detail: v.exactOptional(v.string()),
  origin: v.exactOptional(
    v.object({ policy: RoleName, version: v.number(), line: v.number(), column: v.number(), file: v.exactOptional(v.string()) }),
  ),
});

const RecordLine = v.pipe(
  v.object({
    at: Time,
    operation: v.string(),
    decision: v.string(),
    allowed: v.boolean(),
    account: v.exactOptional(v.string()),
    role: v.exactOptional(RoleName),
    claimed_unverified: v.exactOptional(v.string()),
    authenticator: v.exactOptional(v.string()),
    resource: v.exactOptional(Id),
    path: v.exactOptional(v.string()),
    accessor: v.exactOptional(v.string()),
    version: v.exactOptional(v.number()),
    privilege: v.exactOptional(v.string()),
    count: v.exactOptional(v.number()),
    rule: v.exactOptional(v.string()),
    revision: v.number(),
    request: v.string(),
    dialect: v.string(),
    client: v.string(),
    peer: v.exactOptional(v.string()),
    user_agent_unverified: v.exactOptional(v.string()),
    attributes: v.exactOptional(v.record(v.string(), v.string())),
    failure: v.exactOptional(v.string()),
    because: v.exactOptional(v.string()),
    checks: v.exactOptional(v.array(CheckMember)),
    remedy: v.exactOptional(v.string()),
  }),
  v.transform((line): AuditedRecord => {
    const { claimed_unverified, request, dialect, client, peer, user_agent_unverified, ...rest } = line;
    return {
      ...rest,
      ...(claimed_unverified === undefined ? {} : { claimed: claimed_unverified }),
      context: {
        requestId: request,
        now: line.at,
        dialect,
        clientAddress: client,
        ...(peer === undefined ? {} : { peerAddress: peer }),
        ...(user_agent_unverified === undefined ? {} : { userAgent: user_agent_unverified }),
      },
    };
  }),
);
