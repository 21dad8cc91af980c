import { describe, expect, test } from "bun:test";
import { createSealProvider } from "../../../src/keyring/registry";
import { createMemoryFiles } from "../../../src/runtime/files";
import { failureFrom } from "../../contract/authenticator";
import { acme, initialised, keysOnDisk, removeFoldersAfterwards } from "./fixture";

removeFoldersAfterwards();

const files = createMemoryFiles();
const key = Buffer.alloc(32, 0x5a);

describe("a seal key in the environment", () => {
  test("is refused until the operator allows it in so many words", async () => {
    const failure = await failureFrom(async () => createSealProvider("env:SEAL", { files }));
    expect(failure).toMatchObject({ code: "malformed", because: "insecure_seal_not_allowed" });
  });

  test("is read when it is allowed", async () => {
    const provider = createSealProvider("env:SEAL", { files, insecureEnvironment: { SEAL: key.toString("hex") } });
    const answer = await provider.load();
    expect(answer.found === "key" && key.equals(answer.key)).toBe(true);
  });

  test.each([{}, { SEAL: undefined }, { SEAL: "" }, { seal: "00".repeat(32) }])("is absent in %j", async (insecureEnvironment) => {
    expect(await createSealProvider("env:SEAL", { files, insecureEnvironment }).load()).toEqual({ found: "absent" });
  });

  test("is malformed when it is short, and not shown", async () => {
    const answer = await createSealProvider("env:SEAL", { files, insecureEnvironment: { SEAL: "hunter2" } }).load();
    expect(answer).toMatchObject({ found: "malformed" });
    expect(JSON.stringify(answer)).not.toContain("hunter2");
  });

  test("is never made by Postern: an environment cannot keep it", async () => {
    const keys = keysOnDisk();
    const keyring = await keys.open({ providers: ["env:SEAL"], insecureEnvironment: {} });
    expect(await failureFrom(() => keyring.init(["env:SEAL"]))).toMatchObject({ code: "malformed" });
    expect(keyring.state()).toEqual({ state: "uninitialised" });
  });

  test("opens what it was enrolled for, beside another recipient", async () => {
    const keys = keysOnDisk();
    await initialised(keys);
    const insecureEnvironment = { SEAL: key.toString("base64") };
    const both = await keys.open({ insecureEnvironment });
    await both.addRecipient("env:SEAL");
    const alone = await keys.open({ providers: ["env:SEAL"], insecureEnvironment });
    expect(alone.state().state).toBe("unsealed");
    expect(alone.status().scopes.map(({ account }) => account)).toEqual([acme]);
  });
});
