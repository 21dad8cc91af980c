import { describe, expect, test } from "bun:test";
import { changedParameters, noTokenParameters, parameterWarnings } from "../../../../src/core/mounts/token-parameters";
import { fieldsOf } from "../../../../src/fronts/vault/fields";
import { tokenFieldsOf, tokenFieldsShape } from "../../../../src/fronts/vault/token-fields";
import { PosternError } from "../../../../src/model/failures";

const written = (body: Record<string, unknown>, before = noTokenParameters) => changedParameters(before, tokenFieldsOf(fieldsOf(body)));

function refusal(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof PosternError) return error.failure.says;
  }
  return undefined;
}

describe("what a role says of its tokens", () => {
  test.each<[Record<string, unknown>, string]>([
    [{ token_max_ttl: -1 }, "'token_max_ttl' cannot be negative"],
    [{ token_period: "-1s" }, "'token_period' cannot be negative"],
    [{ token_type: "x" }, `invalid 'token_type' value "x"`],
    [{ token_num_uses: -1 }, "'token_num_uses' cannot be negative"],
    [{ token_type: "batch", token_period: 1 }, "'token_type' cannot be 'batch' or 'default_batch' when set to generate periodic tokens"],
    [
      { token_type: "batch", token_num_uses: 1 },
      "'token_type' cannot be 'batch' or 'default_batch' when set to generate tokens with limited use count",
    ],
    [{ token_ttl: -1 }, "'token_ttl' cannot be negative"],
    [{ token_ttl: 2, token_max_ttl: 1 }, "'token_ttl' cannot be greater than 'token_max_ttl'"],
    [{ token_bound_cidrs: "10.0.0.0/33" }, 'error parsing address "10.0.0.0/33": not an address or network'],
    // The first thing that is wrong is told.
    [{ token_max_ttl: -1, token_type: "x" }, "'token_max_ttl' cannot be negative"],
  ])("is refused for %j", (body, says) => {
    expect(refusal(() => written(body))).toBe(says);
  });

  test("keeps what a later request does not name", () => {
    const before = written({ token_policies: "a,b", token_ttl: "1h", token_bound_cidrs: ["10.0.0.7", "10.0.0.0/8"] });
    expect(tokenFieldsShape(written({ token_max_ttl: "2h" }, before))).toMatchObject({
      token_policies: ["a", "b"],
      token_ttl: 3600,
      token_max_ttl: 7200,
      token_bound_cidrs: ["10.0.0.7", "10.0.0.0/8"],
      token_type: "default",
    });
  });

  test("shows an older name for as long as it was what was written", () => {
    const older = written({ ttl: 60, policies: ["a"] });
    expect(tokenFieldsShape(older)).toMatchObject({ token_ttl: 60, ttl: 60, policies: ["a"], token_policies: ["a"] });
    const both = written({ ttl: 60, token_ttl: 90 });
    expect(tokenFieldsShape(both)).toMatchObject({ token_ttl: 90, ttl: 90 });
    const present = written({ token_ttl: 90 }, older);
    expect(tokenFieldsShape(present)).not.toHaveProperty("ttl");
    expect(tokenFieldsShape(present)).toHaveProperty("policies");
    expect(tokenFieldsShape(written({ ttl: 0 }))).not.toHaveProperty("ttl");
  });

  test("may not have a longer period than its mount, and is warned of a longer maximum", () => {
    const bounds = { defaultSeconds: 60, maxSeconds: 3600 };
    expect(refusal(() => parameterWarnings(written({ token_period: 3601 }), bounds))).toBe(
      `token period of "1h0m1s" is greater than the backend's maximum lease TTL of "1h0m0s"`,
    );
    expect(parameterWarnings(written({ token_max_ttl: 3601 }), bounds)).toHaveLength(1);
    expect(parameterWarnings(written({ token_max_ttl: 3600 }), bounds)).toEqual([]);
  });
});
