/** The Go client's Azure flow, which it plays by itself: it asks the metadata service at its fixed address, and logs in with what it gets. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { flowThatWorks, namespaceCommand, playFlow } from "../support/namespace";
import { azureService } from "../support/policies";
import { goFlow } from "./go-client";

setDefaultTimeout(60_000);

const wrapper = namespaceCommand();

describe.skipIf(wrapper === undefined)("the Go client on an Azure VM (needs a network namespace)", () => {
  test.each([
    ["as settings name it", {}],
    ["with the prefix of a host written out", { CONJUR_AUTHN_JWT_HOST_ID: "host/azure-apps/azureVM" }],
  ])("logs in with the machine's identity, %s", async (_title, more) => {
    const report = await playFlow(
      wrapper ?? [],
      "azure",
      goFlow({ CONJUR_AUTHN_TYPE: "azure", CONJUR_SERVICE_ID: azureService, CONJUR_AUTHN_JWT_HOST_ID: "azure-apps/azureVM", ...more }),
    );
    expect(report).toMatchObject(flowThatWorks);
    expect([report.whoami, report.hidden]).toMatchObject([{ result: { username: "host/azure-apps/azureVM" } }, { status: 404 }]);
  });
});
