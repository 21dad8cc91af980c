/** Points in time as the wires write them. */

import type { Instant } from "../model/types";

/** ISO 8601 with milliseconds and offset: `2025-11-10T09:12:13.000+00:00`. */
export function isoTime(instant: Instant): string {
  return `${Temporal.Instant.fromEpochMilliseconds(instant).toString({ smallestUnit: "millisecond" }).slice(0, -1)}+00:00`;
}
