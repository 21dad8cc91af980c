/** Durations as Go writes and reads them. Source: Go 1.24, time/format.go; Vault 1.19, sdk/helper/parseutil (digits alone are seconds, `d` is a day). */

const unitSeconds: Readonly<Record<string, number>> = { ns: 1e-9, us: 1e-6, µs: 1e-6, μs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86_400 };
const part = /(\d{1,15}(?:\.\d{1,9})?|\.\d{1,9})(ns|us|µs|μs|ms|s|m|h|d)/gy;

/** `1h30m` → 5400; `90` → 90; `-5s` → -5. Parts of a second are cut off. Undefined for anything else. */
export function secondsOf(text: string): number | undefined {
  const trimmed = text.trim();
  if (/^[+-]?\d{1,15}$/.test(trimmed)) return Number(trimmed);
  const sign = trimmed.startsWith("-") ? -1 : 1;
  const body = /^[+-]/.test(trimmed) ? trimmed.slice(1) : trimmed;
  if (body === "" || body.length > 64) return undefined;
  part.lastIndex = 0;
  let seconds = 0;
  while (part.lastIndex < body.length) {
    const found = part.exec(body);
    if (found === null) return undefined;
    seconds += Number(found[1]) * (unitSeconds[found[2] ?? ""] ?? 0);
  }
  return sign * Math.floor(seconds + 1e-9) + 0;
}

/** 12319 → `3h25m19s`; 0 → `0s`. */
export function durationText(seconds: number): string {
  if (seconds === 0) return "0s";
  const whole = Math.abs(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const rest = `${whole % 60}s`;
  const text = hours > 0 ? `${hours}h${minutes}m${rest}` : minutes > 0 ? `${minutes}m${rest}` : rest;
  return seconds < 0 ? `-${text}` : text;
}
