/** An answer as bytes. Its length is always stated, so that nothing but the length says where it ends. */

import { STATUS_CODES } from "node:http";
import type { Instant } from "../../model/types";

export interface AnswerBytes {
  readonly bytes: Buffer;
  /** Whether the connection ends with it, because somebody said so. */
  readonly isLast: boolean;
}

/** How an answer is written beside what it says itself. */
export interface Manner {
  /** The answer to `HEAD` has the head of the one to `GET`. */
  readonly isHead: boolean;
  /** The connection ends with it, whatever the answer says. */
  readonly isLast: boolean;
  /** As `httpDate` writes it. */
  readonly date: string;
}

export const continueLine = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n", "latin1");

/** Reads the answer's body to its end. Rejects when that fails. */
export async function bytesOf(response: Response, { isHead, isLast, date }: Manner): Promise<AnswerBytes> {
  const { status, headers } = response;
  const body = await response.bytes();
  const hasBody = status !== 204 && status !== 304;
  const length = (isHead ? headers.get("content-length") : undefined) ?? body.byteLength;
  const ends = isLast || headers.get("connection")?.toLowerCase() === "close";
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}\r\n`;
  headers.forEach((value, name) => {
    if (!framing.has(name)) head += `${name}: ${value}\r\n`;
  });
  head += `date: ${date}\r\n`;
  if (hasBody) head += `content-length: ${length}\r\n`;
  head += ends ? "connection: close\r\n\r\n" : "\r\n";
  const sent = hasBody && !isHead ? body : undefined;
  const bytes = Buffer.allocUnsafe(head.length + (sent?.byteLength ?? 0));
  // Header values are texts of single bytes by the platform's own rule.
  bytes.write(head, 0, "latin1");
  if (sent !== undefined) bytes.set(sent, head.length);
  return { bytes, isLast: ends };
}

/** What is written here, and by nobody else. */
const framing: ReadonlySet<string> = new Set(["content-length", "transfer-encoding", "connection", "keep-alive", "date"]);

const dayNames = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] as const;
const monthNames = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;

/** A point in time as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`. Source: RFC 9110, section 5.6.7. */
export function httpDate(instant: Instant): string {
  const at = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO("UTC");
  const two = (value: number): string => String(value).padStart(2, "0");
  const time = [at.hour, at.minute, at.second].map(two).join(":");
  return `${dayNames[at.dayOfWeek - 1]}, ${two(at.day)} ${monthNames[at.month - 1]} ${at.year} ${time} GMT`;
}
