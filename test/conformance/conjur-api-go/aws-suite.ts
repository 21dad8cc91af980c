/** The Go client's AWS flow: it signs a question to STS, and the server asks it. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { awsEnvironment, awsRole } from "../support/aws";
import { flowThatWorks, namespaceCommand, playFlow } from "../support/namespace";
import { goFlow } from "./go-client";

setDefaultTimeout(60_000);

const wrapper = namespaceCommand();

describe.skipIf(wrapper === undefined)("the Go client with a role of AWS (needs namespaces)", () => {
  const host = `machines/${awsRole.account}/${awsRole.name}`;
  const settings = { CONJUR_AUTHN_TYPE: "iam", CONJUR_SERVICE_ID: "prod", CONJUR_AUTHN_JWT_HOST_ID: host };
  const play = (env: Readonly<Record<string, string>>) =>
    playFlow(wrapper ?? [], "aws", goFlow({ ...awsEnvironment, ...settings, ...env }));

  test("logs in with the role", async () => {
    const report = await play({});
    expect(report).toMatchObject(flowThatWorks);
    expect([report.whoami, report.hidden]).toMatchObject([{ result: { username: `host/${host}` } }, { status: 404 }]);
  });

  test.each([
    ["keys that AWS does not know", { AWS_SECRET_ACCESS_KEY: "guessed" }],
    ["the name of another role", { CONJUR_AUTHN_JWT_HOST_ID: `machines/${awsRole.account}/other-role` }],
  ])("does not log in with %s", async (_title, env) => {
    const { connected } = await play(env);
    expect(connected.error).toContain("401");
  });
});
