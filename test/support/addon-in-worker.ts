/** A worker thread that tries to load the addon it is told of, and answers the failure. */

import { failureOf } from "../../src/model/failures";
import { loadAddon } from "../../src/runtime/addon";

globalThis.addEventListener("message", (event) => {
  if (!(event instanceof MessageEvent)) return;
  try {
    loadAddon(event.data, undefined);
    postMessage("loaded");
  } catch (error) {
    postMessage(failureOf(error));
  }
});
