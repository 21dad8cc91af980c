/** Times as operators write them: `30s`, `15m`, `24h`, `7d`. */

import * as v from "valibot";

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const form = "a time such as 30s, 15m, 24h or 7d";

/** To milliseconds. */
export const Duration = v.pipe(
  v.string(form),
  v.regex(/^\d{1,6}[smhd]$/u, form),
  v.transform(
    (text) =>
      Number(text.slice(0, -1)) *
      (text.endsWith("s") ? unitMs.s : text.endsWith("m") ? unitMs.m : text.endsWith("h") ? unitMs.h : unitMs.d),
  ),
);

/** In milliseconds; undefined for what is none. */
export function parseDuration(text: string): number | undefined {
  const parsed = v.safeParse(Duration, text);
  return parsed.success ? parsed.output : undefined;
}

/** `45s`, `12m`, `3h`, `2d`: the largest unit that it fills, rounded down. */
export function printDuration(ms: number): string {
  const unit = ms < unitMs.m ? "s" : ms < unitMs.h ? "m" : ms < unitMs.d ? "h" : "d";
  return `${Math.floor(ms / unitMs[unit])}${unit}`;
}
