/** The mount `conjur/`: variables of policies as `{"value": …}`, for callers who have rights on them in the graph. No engine of the original is like it. */

import { membersOf } from "../../model/json-text";
import { SecretBytes } from "../../model/secret-bytes";
import type { Call, Engine } from "./engine";
import { argument, bodyText } from "./kv-body";
import { listAnswer } from "./kv-list";
import { type Answer, rawJson, revealed } from "./wire";

export const conjurVariables: Engine = {
  type: "conjur",
  routes: [
    { path: "", list },
    { path: "*", read, write, list },
  ],
};

async function read(call: Call): Promise<Answer> {
  const object = await call.broker.paths.variables.read(call.caller(), call.access(), call.rest);
  return { data: rawJson(revealed(object)) };
}

async function write(call: Call): Promise<Answer> {
  const text = await bodyText(call);
  if (text === undefined || membersOf(text)?.size === 0) throw argument("body", "a JSON object", "missing data fields");
  await call.broker.paths.variables.write(call.caller(), call.access(await call.body()), call.rest, SecretBytes.ofText(text));
  return {};
}

async function list(call: Call): Promise<Answer> {
  return listAnswer(call, await call.broker.paths.variables.list(call.caller(), call.access(), call.rest));
}
