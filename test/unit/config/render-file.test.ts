import { describe, expect, test } from "bun:test";
import { parseMode, readRenderFile } from "../../../src/config/render-file";
import { PosternError } from "../../../src/model/failures";

const path = "/etc/postern/render.toml";

function problems(text: string): string {
  try {
    readRenderFile({ path, text });
  } catch (error) {
    if (error instanceof PosternError && error.failure.code === "malformed") return error.failure.expected;
    throw error;
  }
  return "read";
}

describe("the file of postern render", () => {
  test("says what is written where, templates from its own folder, closed to others by default", () => {
    const text = `
[[file]]
template = "app.tmpl"
destination = "/etc/app.conf"
owner = 1000
group = "app"
mode = "0644"
reload = ["systemctl", "reload", "app"]
[[file]]
secret = "apps/key"
destination = "/etc/key"`;
    expect(readRenderFile({ path, text })).toEqual([
      {
        source: { template: "/etc/postern/app.tmpl" },
        destination: "/etc/app.conf",
        owner: "1000",
        group: "app",
        mode: 0o644,
        reload: ["systemctl", "reload", "app"],
      },
      { source: { secret: "apps/key" }, destination: "/etc/key", mode: 0o600 },
    ]);
  });

  test.each([
    ["", "file: missing"],
    ["file = []", "at least one [[file]]"],
    ['[[file]]\nsecret = "a"', "file.0.destination: missing"],
    ['[[file]]\nsecret = "a"\ndestination = "x"', "an absolute path"],
    ['[[file]]\ndestination = "/x"', "file.0: expected either template or secret"],
    ['[[file]]\nsecret = "a"\ntemplate = "b"\ndestination = "/x"', "file.0: expected either template or secret"],
    ['[[file]]\nsecret = "a"\ndestination = "/x"\n[[file]]\nsecret = "b"\ndestination = "/x"', "/x is written twice"],
    ['[[file]]\nsecret = "a"\ndestination = "/x"\nreload = "systemctl"', "file.0.reload: expected a program and its words"],
    ['[[file]]\nsecret = "a"\ndestination = "/x"\nreload = []', "file.0.reload"],
    ['[[file]]\nsecret = "a"\ndestination = "/x"\nmode = 640', "file.0.mode: expected an octal mode"],
    ['[[file]]\nsecret = "a"\ndestination = "/x"\nmod = "0640"', "file.0.mod: unknown setting"],
    ["[[file]", `${path}:1:`],
  ])("says what is wrong with '%s'", (text, expected) => {
    expect(problems(text)).toContain(expected);
  });

  test.each([
    ["0640", 0o640],
    ["600", 0o600],
    ["0755", 0o755],
    ["4755", undefined],
    ["0666", undefined],
    ["0642", undefined],
    ["rw", undefined],
  ])("takes the mode %s as %p", (text, expected) => {
    expect(parseMode(text)).toBe(expected);
  });
});
