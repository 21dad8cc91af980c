/** The Go client's Google Cloud flow, which it plays by itself: it asks the metadata server by its name, and logs in with what it gets. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { flowThatWorks, namespaceCommand, playFlow } from "../support/namespace";
import { goFlow } from "./go-client";

setDefaultTimeout(60_000);

const wrapper = namespaceCommand();

describe.skipIf(wrapper === undefined)("the Go client on a virtual machine of Google Cloud (needs namespaces)", () => {
  test("logs in with the machine's identity", async () => {
    const report = await playFlow(wrapper ?? [], "google", goFlow({ CONJUR_AUTHN_TYPE: "gcp", CONJUR_AUTHN_JWT_HOST_ID: "till" }));
    expect(report).toMatchObject(flowThatWorks);
    expect([report.whoami, report.hidden]).toMatchObject([{ result: { username: "host/till" } }, { status: 404 }]);
  });
});
