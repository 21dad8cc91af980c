import { describe, expect, test } from "bun:test";
import { annotationChanges } from "../../../src/core/annotations";
import { parseRoleId } from "../../../src/model/ids";
import type { Change } from "../../../src/model/types";

const host = parseRoleId("acme:host:h");

describe("annotations that a request brings", () => {
  test("are put as they are, declared by a policy only where one does", () => {
    expect(annotationChanges(host, new Map([["description", "Grüße 一"]]))).toEqual([
      { type: "put_annotation", annotation: { resource: host, name: "description", value: "Grüße 一" } },
    ]);
    const policy = parseRoleId("acme:policy:p");
    expect(annotationChanges(host, new Map([["a", ""]]), policy)).toEqual([
      { type: "put_annotation", annotation: { resource: host, name: "a", value: "", policy } },
    ]);
  });

  test("keep nothing else of the request in memory for as long as they stand", () => {
    Bun.gc(true);
    const before = process.memoryUsage().rss;
    const kept: Change[] = [];
    for (let index = 0; index < 300; index += 1) {
      const body = decodeURIComponent(`a description of the machine%20${index}&junk=${"x".repeat(1 << 20)}`);
      const [value = ""] = body.split("&");
      kept.push(...annotationChanges(host, new Map([["description", value]])));
    }
    Bun.gc(true);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 2 ** 20);
    expect(kept).toHaveLength(300);
  });
});
