import { afterEach, describe, expect, test } from "bun:test";
import type { Client, Source } from "../../../scripts/clients/clients";
import { install } from "../../../scripts/clients/install";

const variable = "CONFORMANCE_OF_A_TEST";
const client = (source: Source): Client => ({ name: "of-a-test", package: "none", version: "0", protocol: "conjur", source });

afterEach(() => {
  delete process.env[variable];
});

describe("what cannot be had in a place", () => {
  test("is a program that is not there, told as a reason and not thrown", async () => {
    expect(await install(client({ kind: "program", program: "no-such-program" }))).toEqual({ missing: "no-such-program is not installed" });
  });

  test("is a program that nobody named", async () => {
    const missing = `in no package registry; name the program in ${variable} to run it`;
    expect(await install(client({ kind: "given", variables: [variable] }))).toEqual({ missing });
  });

  test("is a name that leads to no program", async () => {
    process.env[variable] = "/no/such/program";
    expect(await install(client({ kind: "given", variables: [variable] }))).toEqual({ missing: `${variable} names no program` });
  });
});

describe("what is there already", () => {
  test.each([{ kind: "recorded" }, { kind: "program", program: "sh" }] as const)("needs no time: %p", async (source) => {
    expect(await install(client(source))).toMatchObject({ took: "nothing" });
  });

  test("is a program that somebody named", async () => {
    process.env[variable] = process.execPath;
    expect(await install(client({ kind: "given", variables: [variable] }))).toMatchObject({ took: "nothing" });
  });
});
