/** The engine at `cubbyhole/`: what a token keeps for itself. Source: Vault 1.19, vault/logical_cubbyhole.go. */

import { PosternError } from "../../model/failures";
import { isObjectText } from "../../model/json-text";
import { textOf } from "../form";
import type { Call, Engine } from "./engine";
import { argument } from "./fields";
import { type Answer, rawJson } from "./wire";

export const cubbyhole: Engine = {
  type: "cubbyhole",
  routes: [
    { path: "", list },
    { path: "*", read, write, delete: remove, list },
  ],
};

const keyOf = ({ rest }: Call): string => rest;

async function read(call: Call): Promise<Answer> {
  const text = await call.broker.paths.cubbyhole.read(call.caller(), call.access(), keyOf(call));
  if (text === undefined) throw new PosternError({ code: "not_found", target: "a key" });
  return { data: rawJson(text) };
}

async function write(call: Call): Promise<Answer> {
  const body = await call.body();
  if (Object.keys(body).length === 0) throw argument("body", "missing data fields");
  const text = textOf(await call.bytes(), "body").trim();
  await call.broker.paths.cubbyhole.write(call.caller(), call.access(body), keyOf(call), isObjectText(text) ? text : JSON.stringify(body));
  return {};
}

async function remove(call: Call): Promise<Answer> {
  await call.broker.paths.cubbyhole.remove(call.caller(), call.access(), keyOf(call));
  return {};
}

async function list(call: Call): Promise<Answer> {
  const keys = await call.broker.paths.cubbyhole.list(call.caller(), call.access(), keyOf(call));
  if (keys.length === 0) throw new PosternError({ code: "not_found", target: "keys" });
  return { data: { keys } };
}
