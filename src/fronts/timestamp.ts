/** Points in time as the wires write them. */

import type { Instant } from "../model/types";

/** ISO 8601 in seconds: `2025-11-10T09:12:13Z`. */
export function isoSeconds(instant: Instant): string {
  return Temporal.Instant.fromEpochMilliseconds(instant).toString({ smallestUnit: "second" });
}

/** Reads ISO 8601 with an offset, without one (then it is UTC), or a date alone (its first moment in UTC). Undefined for anything else. */
export function instantOf(text: string): Instant | undefined {
  const [, date, time, offset] =
    /^(\d{4}-\d{2}-\d{2})(?:[Tt](\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)([Zz]|[+-]\d{2}(?::?\d{2})?)?)?$/u.exec(text) ?? [];
  if (date === undefined) return undefined;
  try {
    return Temporal.Instant.from(`${date}T${time ?? "00:00"}${offset ?? "Z"}`).epochMilliseconds;
  } catch {
    // The form of a date that is none: 2025-02-30.
    return undefined;
  }
}

/** RFC 3339 with nanoseconds, of which the last six are zero: `2025-11-10T09:12:13.000000000Z`. */
export function isoNanos(instant: Instant): string {
  return Temporal.Instant.fromEpochMilliseconds(instant).toString({ fractionalSecondDigits: 9 });
}

/** ISO 8601 with milliseconds and offset: `2025-11-10T09:12:13.000+00:00`. */
export function isoTime(instant: Instant): string {
  return `${Temporal.Instant.fromEpochMilliseconds(instant).toString({ smallestUnit: "millisecond" }).slice(0, -1)}+00:00`;
}
