import { describe, expect, test } from "bun:test";
import { instantOf, isoSeconds, isoTime } from "../../src/fronts/timestamp";

const ten = Date.UTC(2025, 10, 10, 10, 0, 0);

describe("a time from outside", () => {
  test.each([
    ["2025-11-10T10:00:00Z", ten],
    ["2025-11-10t10:00:00z", ten],
    ["2025-11-10T10:00Z", ten],
    ["2025-11-10T12:00:00+02:00", ten],
    ["2025-11-10T12:00:00+0200", ten],
    ["2025-11-10T12:00:00+02", ten],
    ["2025-11-10T05:30:00-04:30", ten],
    ["2025-11-10T10:00:00.250Z", ten + 250],
    ["2025-11-10T10:00:00,250Z", ten + 250],
    ["2025-11-10T10:00:00.123456789Z", ten + 123],
    // Without an offset it is UTC, and a date alone its first moment.
    ["2025-11-10T10:00:00", ten],
    ["2025-11-10", Date.UTC(2025, 10, 10)],
    ["2024-02-29", Date.UTC(2024, 1, 29)],
  ])("is read in the forms of ISO 8601: %s", (text, instant) => {
    expect(instantOf(text)).toBe(instant);
  });

  test.each([
    "",
    "tomorrow",
    "2025-02-30",
    "2025-02-29T00:00:00Z",
    "2025-13-01",
    "2025-11-10T24:00:00Z",
    "2025-11-10T10:60:00Z",
    "2025-11-10T10:00:00+25:00",
    "2025-11-10 10:00:00",
    "2025-11-10T10:00:00Z ",
    "2025-11-10T10:00:00[Europe/Berlin]",
    "10.11.2025",
    "1762768800",
    "+012025-11-10",
    "٢٠٢٥-11-10",
  ])("is none in any other: %p", (text) => {
    expect(instantOf(text)).toBeUndefined();
  });

  test("is printed in two forms", () => {
    expect([isoSeconds(ten + 999), isoTime(ten + 7)]).toEqual(["2025-11-10T10:00:00Z", "2025-11-10T10:00:00.007+00:00"]);
  });
});
