/** The lookup's own Azure flow, against the metadata service's fixed address. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { flowThatWorks, namespaceCommand, playFlow } from "../support/namespace";
import { azureService } from "../support/policies";
import { ansibleFlow } from "./ansible";

setDefaultTimeout(60_000);

const wrapper = namespaceCommand();

describe.skipIf(wrapper === undefined)("Ansible's lookup on an Azure VM (needs a network namespace)", () => {
  test("logs in with the machine's identity", async () => {
    const report = await playFlow(
      wrapper ?? [],
      "azure",
      ansibleFlow({ CONJUR_AUTHN_TYPE: "azure", CONJUR_AUTHN_SERVICE_ID: azureService, CONJUR_AUTHN_LOGIN: "host/azure-apps/azureVM" }),
    );
    expect(report).toMatchObject(flowThatWorks);
  });
});
