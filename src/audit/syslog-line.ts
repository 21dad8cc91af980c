/**
 * One message of the syslog protocol (RFC 5424), in one line. Values and message keep no control or format character, so that nothing in them can begin
 * another message or steer a terminal; in values `"`, `\` and `]` are escaped.
 */

import type { Instant } from "../model/types";

export interface SyslogMessage {
  readonly facility: number;
  readonly severity: number;
  readonly at: Instant;
  readonly processId: string;
  readonly messageId: string;
  /** By their ids; members without a value are left out, and elements without members are empty. */
  readonly data: Readonly<Record<string, Readonly<Record<string, string | undefined>>>>;
  readonly text: string;
}

export const facilities = { auth: 4, authpriv: 10 } as const;
export const severities = { warning: 4, notice: 5, info: 6 } as const;

const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const maxText = 8192;

/** `instantText` prints a point in time as `2025-11-10T09:12:13.123Z`. */
export function syslogLine(message: SyslogMessage, instantText: (instant: Instant) => string): string {
  const { facility, severity, at, processId, messageId, data, text } = message;
  const elements = Object.entries(data).map(([id, members]) => {
    const parameters = Object.entries(members).flatMap(([name, value]) => (value === undefined ? [] : [` ${name}="${escaped(value)}"`]));
    return `[${id}${parameters.join("")}]`;
  });
  const header = `<${facility * 8 + severity}>1 ${instantText(at)} - conjur ${word(processId)} ${word(messageId)}`;
  return `${header} ${elements.join("") || "-"} ${clean(text).slice(0, maxText)}`;
}

function escaped(value: string): string {
  return clean(value)
    .slice(0, maxText)
    .replaceAll(/["\\\]]/gu, "\\$&");
}

function clean(text: string): string {
  return text.replaceAll(unprintable, " ");
}

/** A field of the header: printable ASCII without blanks. */
function word(text: string): string {
  return text.replaceAll(/[^!-~]/gu, "").slice(0, 128) || "-";
}
