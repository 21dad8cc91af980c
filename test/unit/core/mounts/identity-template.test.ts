import { describe, expect, test } from "bun:test";
import { filledTemplate, templateProblem } from "../../../../src/core/mounts/identity-template";

const now = 1_790_000_000_000;
const known = (name: string) => ({
  key: "",
  entityId: "e-1",
  entityName: "entity_e1",
  entityMetadata: { team: name },
  aliases: { azure_1: { id: "a-1", name, metadata: { vm_name: name } } },
});

describe("a template of claims", () => {
  test.each(['bob","admin":true,"x":"', "{{time.now}}", "$&$1", "\\", '"', "\u2028"])(
    "takes a name like %j as a value and as nothing else",
    (name) => {
      const template =
        '{"n": {{identity.entity.aliases.azure_1.name}}, "m": {{identity.entity.aliases.azure_1.metadata.vm_name}}, "all": {{identity.entity.metadata}}}';
      expect(templateProblem(template)).toBeUndefined();
      expect(filledTemplate(template, known(name), now)).toEqual({ n: name, m: name, all: { team: name } });
    },
  );

  test("knows the time, and moves it", () => {
    const template = '{"nbf": {{time.now}}, "soon": {{time.now.plus.90s}}, "before": {{time.now.minus.1h}}}';
    const seconds = now / 1000;
    expect(filledTemplate(template, known("bob"), now)).toEqual({ nbf: seconds, soon: seconds + 90, before: seconds - 3600 });
  });

  test("leaves empty what nobody knows", () => {
    const template =
      '{"a": {{identity.entity.aliases.other_1.name}}, "b": {{identity.entity.aliases.other_1.metadata}}, "c": {{constructor}}, "d": {{identity.entity.groups.ids}}}';
    expect(filledTemplate(template, known("bob"), now)).toEqual({ a: "", b: {}, c: "", d: [] });
    expect(filledTemplate("", known("bob"), now)).toEqual({});
  });

  test.each(["iss", "sub", "aud", "exp", "iat", "namespace", "nonce"])("may not say %s", (claim) => {
    expect(templateProblem(`{"${claim}": 1}`)).toStartWith(`top level key "${claim}" not allowed.`);
    expect(
      templateProblem(`{"${[...claim].map((each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")}": 1}`),
    ).toStartWith("top level key");
    expect(templateProblem(`{"inside": {"${claim}": 1}}`)).toBeUndefined();
  });

  test.each(["x", "[]", "null", '{"a": "{{time.now}}"}', "{ {{time.now}}: 1 }", '{"a": {{time.now}}', `{"a": "${"x".repeat(8192)}"}`])(
    "is refused when it is %j",
    (template) => {
      expect(templateProblem(template)).toBeString();
    },
  );
});
