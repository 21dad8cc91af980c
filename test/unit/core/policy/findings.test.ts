import { describe, expect, test } from "bun:test";
import { createAuthenticators } from "../../../../src/authenticators/registry";
import type { DraftRecord } from "../../../../src/core/policy/draft";
import { findInAnnotations, knownAuthenticators } from "../../../../src/core/policy/findings";
import { parseId, parseRoleId } from "../../../../src/model/ids";
import { createFakeWeb, createLogKeeper, createTestClock, noDirectory, steadyRandom } from "../../../support/fake-issuer";
import { createLoads } from "./loads";

const builtIn = createAuthenticators({
  http: createFakeWeb(),
  directory: noDirectory,
  clock: createTestClock(),
  random: steadyRandom,
  logger: createLogKeeper(),
});

function found(annotations: string, kind = "host") {
  const { warnings, findings } = createLoads().loaded(`- !${kind}\n  id: x\n  annotations:\n    ${annotations}\n`);
  return { warnings, findings };
}

describe("annotations of a loaded policy", () => {
  test("of a known authenticator bring no warning when it knows them, general or for one service", () => {
    expect(
      found("authn-azure/subscription-id: a\n    authn-azure/AzureAE1/resource-group: b\n    authn/api-key: true\n    description: c"),
    ).toEqual({ warnings: [], findings: [] });
  });

  test.each([
    [
      "authn-azure/vm-name: ad",
      "Annotation 'authn-azure/vm-name' names no attribute of authn-azure; its logins will be refused",
      /authn-azure knows subscription-id/,
    ],
    [
      "authn-azure/AzureAE1/resource-grp: rg",
      "Annotation 'authn-azure/AzureAE1/resource-grp' names no attribute of authn-azure; its logins will be refused",
      /did you mean 'resource-group'/,
    ],
    ["authn-azure/: x", "Annotation 'authn-azure/' names no attribute of authn-azure; its logins will be refused", /knows/],
    ["Authn-Azure/subscription-id: x", "Annotation 'Authn-Azure/subscription-id' restricts nothing", /did you mean 'authn-azure\/'/],
  ])("that no login could satisfy are findings: %s", (annotation, message, advice) => {
    const { warnings, findings } = found(annotation);
    expect(findings).toEqual([{ message, line: 4, column: 5, advice: expect.stringMatching(advice) }]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toStartWith(`Line 4: ${message}`);
  });

  test("that are empty are warned of, because they restrict nothing", () => {
    const { warnings, findings } = found("authn-azure/system-assigned-identity:");
    expect(warnings).toEqual([
      "Line 4: Annotation 'authn-azure/system-assigned-identity' is empty and restricts nothing (give it a value or remove it)",
    ]);
    expect(findings).toEqual([]);
  });

  test("of an authenticator without a list of attributes, or of none, are left alone", () => {
    expect(found("authn-jwt/gitlab/project_id: 42\n    authn-other/x: y")).toEqual({ warnings: [], findings: [] });
  });

  test.each([
    ["authn-jwt/project: shop", "Annotation 'authn-jwt/project' restricts nothing", "name the service: authn-jwt/SERVICE/project"],
    ["authn-jwt/ci/a/b:", "Annotation 'authn-jwt/ci/a/b' is empty; its logins will be refused", "give it a value or remove it"],
    ["authn-gcp/prod/project-id: x", "Annotation 'authn-gcp/prod/project-id' restricts nothing", "authn-gcp has no services"],
    [
      "authn-gcp/zone: x",
      "Annotation 'authn-gcp/zone' names no attribute of authn-gcp; its logins will be refused",
      "authn-gcp knows project-id",
    ],
  ])("in a form that does not count are findings: %s", (annotation, message, advice) => {
    const [name = "", value = ""] = annotation.split(/: ?/u);
    const at = { line: 4, column: 5 };
    const owner = parseRoleId("acme:policy:root");
    const record: DraftRecord = {
      ...at,
      id: parseId("acme:host:x"),
      kind: "host",
      identifier: "x",
      owner,
      ownerAt: at,
      scope: owner,
      annotations: [{ name, value, ...at }],
    };
    const { findings } = findInAnnotations([record], knownAuthenticators(builtIn));
    expect(findings).toEqual([{ message, line: 4, column: 5, advice: expect.stringContaining(advice) }]);
  });

  test("of authenticators that look at none are left alone", () => {
    expect(knownAuthenticators(builtIn).map(({ type }) => type)).toEqual(["authn-azure", "authn-jwt", "authn-gcp"]);
  });

  test("of records that cannot log in are left alone", () => {
    expect(found("authn-azure/vm-name: ad", "group")).toEqual({ warnings: [], findings: [] });
  });

  test("named like an attribute of the language are warned of in Conjur's words", () => {
    expect(found("body: x\n    mime_type: y", "group").warnings).toEqual([
      "Annotation 'body' matches a known policy attribute. This annotation will not be treated as a standard attribute and may not have the intended effect.",
      "Annotation 'mime_type' matches a known policy attribute. This annotation will not be treated as a standard attribute and may not have the intended effect.",
    ]);
  });

  test("bring a hundred warnings at most, and the number of the rest", () => {
    const loads = createLoads();
    loads.loaded(`- !policy\n  id: app\n  body:\n${Array.from({ length: 150 }, (_, n) => `    - !variable v${n}\n`).join("")}`);
    const { warnings } = loads.loaded(Array.from({ length: 150 }, (_, n) => `- !variable v${n}\n`).join(""), { branch: "app" });
    expect(warnings).toHaveLength(101);
    expect(warnings.at(-1)).toBe("50 more warnings are left out");
  });
});
