import { describe, expect, test } from "bun:test";
import { createCliBench } from "../../support/cli-bench";

const cli = createCliBench(() => {
  throw new Error("completion asks no server");
});

/** What bash would offer for the words of a line, the last of them unfinished. */
async function offered(words: readonly string[]): Promise<readonly string[]> {
  const { out } = await cli.run("completion bash");
  const line = words.map((word) => `'${word}'`).join(" ");
  const script = `${out}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _postern; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = Bun.spawnSync(["bash", "-c", script]);
  expect(stderr.toString()).toBe("");
  return stdout
    .toString()
    .split("\n")
    .filter((each) => each !== "");
}

describe("postern completion", () => {
  test("offers the commands that begin so", async () => {
    expect(await offered(["postern", "pol"])).toEqual(["policy"]);
  });

  test("offers subcommands behind their command, whatever options stand between", async () => {
    expect(await offered(["postern", "policy", "--json", "lo"])).toEqual(["load"]);
  });

  test("offers the options of the subcommand and not those of others", async () => {
    const words = await offered(["postern", "policy", "load", "--"]);
    expect(words).toContain("--branch");
    expect(words).not.toContain("--listen");
  });

  test("gives zsh the same behind its compatibility layer", async () => {
    const { out } = await cli.run("completion zsh");
    expect(out).toStartWith("#compdef postern\n");
    expect(out).toEndWith((await cli.run("completion bash")).out);
  });

  test("describes each word to fish", async () => {
    const { out } = await cli.run("completion fish");
    expect(out).toContain(`complete -c postern -n '__postern_at "/policy/load"' -l branch -d '`);
    expect(out).not.toMatch(/-d '[^']*\n/u);
  });

  test("knows no other shell, and says which it knows", async () => {
    expect(await cli.run("completion csh")).toEqual({ code: 2, out: "", err: "postern: shell: expected one of bash, zsh, fish\n" });
  });
});
