/** The lookup's own Google Cloud flow, against the metadata server's name. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { flowThatWorks, namespaceCommand, playFlow } from "../support/namespace";
import { ansibleFlow } from "./ansible";

setDefaultTimeout(60_000);

const wrapper = namespaceCommand();

describe.skipIf(wrapper === undefined)("Ansible's lookup on a virtual machine of Google Cloud (needs namespaces)", () => {
  test("logs in with the machine's identity", async () => {
    const report = await playFlow(wrapper ?? [], "google", ansibleFlow({ CONJUR_AUTHN_TYPE: "gcp", CONJUR_AUTHN_LOGIN: "host/till" }));
    expect(report).toMatchObject(flowThatWorks);
  });
});
