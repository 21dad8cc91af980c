import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openChallengeFolder } from "../../../src/runtime/challenge-folder";
import { ensureSocketFolder } from "../../../src/runtime/local-users";
import { changeableByOthers } from "../../../src/runtime/trusted-way";

const home = realpathSync(mkdtempSync(join(tmpdir(), "postern-way-")));
const above = join(home, "above");
const folder = join(above, "folder");
const group = String(process.getgid?.() ?? 0);
/** Only root has files that are somebody else's. */
const isRoot = process.getuid?.() === 0;
const stranger = 3001;

beforeEach(() => {
  rmSync(above, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o755 });
});
afterAll(() => rmSync(home, { recursive: true }));

const spoiled: readonly (readonly [string, () => string])[] = [
  [
    "it can be written by everybody",
    () => {
      chmodSync(folder, 0o757);
      return folder;
    },
  ],
  [
    "it can be written by everybody, each for themselves",
    () => {
      chmodSync(folder, 0o1777);
      return folder;
    },
  ],
  [
    "one above it can be written by everybody",
    () => {
      chmodSync(above, 0o757);
      return above;
    },
  ],
  ...(isRoot
    ? ([
        [
          "one above it is somebody else's",
          () => {
            chownSync(above, stranger, stranger);
            return above;
          },
        ],
        [
          "a group may write one above it",
          () => {
            chownSync(above, 0, stranger);
            chmodSync(above, 0o775);
            return above;
          },
        ],
        [
          "it is somebody else's, in a folder where everybody has their own",
          () => {
            chmodSync(above, 0o1777);
            chownSync(folder, stranger, stranger);
            return folder;
          },
        ],
      ] as const)
    : []),
];

describe("a way to a folder", () => {
  test("is this user's and root's, also through a folder where everybody has their own", () => {
    expect(changeableByOthers(folder)).toBeUndefined();
    chmodSync(above, 0o1777);
    expect(changeableByOthers(folder)).toBeUndefined();
  });

  test.each(spoiled)("is not when %s", (_what, spoil) => {
    const where = spoil();
    expect(changeableByOthers(folder)).toBe(where);
  });

  test("is judged by each link on it, and by where that leads", () => {
    const elsewhere = join(home, "elsewhere");
    mkdirSync(elsewhere, { recursive: true });
    const [first, second] = [join(elsewhere, "first"), join(above, "second")];
    symlinkSync("../above", first);
    symlinkSync("folder", second);
    expect(changeableByOthers(join(first, "second"))).toBeUndefined();
    chmodSync(elsewhere, 0o757);
    // The real path of it goes nowhere near.
    expect(changeableByOthers(join(first, "second"))).toBe(elsewhere);
    chmodSync(elsewhere, 0o755);
    chmodSync(above, 0o757);
    expect(changeableByOthers(first)).toBe(above);
    symlinkSync("loop", join(elsewhere, "loop"));
    expect(() => changeableByOthers(join(elsewhere, "loop"))).toThrow("malformed");
    rmSync(elsewhere, { recursive: true });
  });
});

describe("a socket", () => {
  test.each(spoiled)("is not put into a folder when %s", (_what, spoil) => {
    spoil();
    expect(() => ensureSocketFolder(join(folder, "a.sock"))).toThrow("configuration");
  });
});

describe("a folder of challenges", () => {
  test("holds files that its owner and one group read, of this process alone", () => {
    writeFileSync(join(folder, "left.key"), "x");
    writeFileSync(join(folder, "notes.txt"), "x");
    const challenges = openChallengeFolder(folder, group);
    expect(readdirSync(folder)).toEqual(["notes.txt"]);
    const file = challenges.write("a.key", "secret");
    expect([file, readFileSync(file, "utf8")]).toEqual([join(folder, "a.key"), "secret"]);
    expect([statSync(folder).mode & 0o7777, statSync(file).mode & 0o7777]).toEqual([0o750, 0o640]);
    challenges.remove("a.key");
    challenges.remove("a.key");
    expect(existsSync(file)).toBe(false);
  });

  test.each(spoiled)("is refused, and nothing in it touched, when %s", (_what, spoil) => {
    writeFileSync(join(folder, "of-another-program.key"), "x");
    spoil();
    const before = statSync(folder).mode;
    expect(() => openChallengeFolder(folder, group)).toThrow("configuration");
    expect([readdirSync(folder), statSync(folder).mode]).toEqual([["of-another-program.key"], before]);
  });

  test("is refused when it is a link, also to a folder of this user's", () => {
    symlinkSync("folder", join(above, "linked"));
    writeFileSync(join(folder, "of-another-program.key"), "x");
    expect(() => openChallengeFolder(join(above, "linked"), group)).toThrow("configuration");
    expect(readdirSync(folder)).toEqual(["of-another-program.key"]);
  });

  test("writes over nothing and through nothing that lies in a file's place", () => {
    const challenges = openChallengeFolder(folder, group);
    const outside = join(dirname(folder), "outside");
    writeFileSync(outside, "untouched");
    symlinkSync(outside, join(folder, "linked.key"));
    writeFileSync(join(folder, "taken.key"), "untouched");
    for (const name of ["linked.key", "taken.key"]) expect(() => challenges.write(name, "secret")).toThrow("EEXIST");
    expect([readFileSync(outside, "utf8"), readFileSync(join(folder, "taken.key"), "utf8")]).toEqual(["untouched", "untouched"]);
  });

  test("is refused for a group that this machine does not have", () => {
    expect(() => openChallengeFolder(folder, "no-such-group")).toThrow("configuration");
  });
});
