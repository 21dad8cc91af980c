/** Userpass: `auth/userpass`. Source: Vault 1.19, builtin/credential/userpass. */

import type { UserpassChange } from "../../core/broker";
import { PosternError } from "../../model/failures";
import type { Call, Engine } from "./engine";
import { type Fields, fieldsOf } from "./fields";
import { admitLogin, folded, listAnswer, nameIn, secretField, warningsAnswer } from "./method-answers";
import { tokenFieldsOf, tokenFieldsShape } from "./token-fields";
import { issuedAnswer } from "./token-shapes";
import type { Answer } from "./wire";

export const userpass: Engine = {
  type: "userpass",
  routes: folded([
    { path: "login/:name", open: true, write: login },
    { path: "users", list },
    { path: "users/:name", read, write, delete: remove },
    { path: "users/:name/password", write: (call) => change(call, passwordOf) },
    { path: "users/:name/policies", write: (call) => change(call, policiesOf) },
  ]),
};

async function login(call: Call): Promise<Answer> {
  admitLogin(call, nameIn(call), true);
  const password = secretField(await call.fields(), "password");
  const { mount, path, context } = call;
  return issuedAnswer(await call.broker.paths.userpass.login({ mount, path, user: nameIn(call), password }, context));
}

async function list(call: Call): Promise<Answer> {
  return listAnswer(await call.broker.paths.userpass.list(call.caller(), call.access(), call.mount));
}

async function read(call: Call): Promise<Answer> {
  const name = nameIn(call);
  const parameters = await call.broker.paths.userpass.read(call.caller(), call.access(), call.mount, name);
  if (parameters === undefined) throw new PosternError({ code: "not_found", target: name });
  return { data: tokenFieldsShape(parameters) };
}

async function write(call: Call): Promise<Answer> {
  const body = await call.body();
  const fields = fieldsOf(body);
  const wanted = { ...(fields.has("password") ? passwordOf(fields) : {}), token: tokenFieldsOf(fields) };
  const { userpass: method } = call.broker.paths;
  return warningsAnswer(await method.write(call.caller(), call.access(body), call.mount, nameIn(call), wanted));
}

async function change(call: Call, changeOf: (fields: Fields) => UserpassChange): Promise<Answer> {
  const body = await call.body();
  await call.broker.paths.userpass.change(call.caller(), call.access(body), call.mount, nameIn(call), changeOf(fieldsOf(body)));
  return {};
}

async function remove(call: Call): Promise<Answer> {
  await call.broker.paths.userpass.remove(call.caller(), call.access(), call.mount, nameIn(call));
  return {};
}

function passwordOf(fields: Fields): UserpassChange {
  const password = secretField(fields, "password");
  if (password === undefined)
    throw new PosternError({ code: "malformed", where: "password", expected: "a password", kind: "missing", says: "missing password" });
  return { password, token: {} };
}

/** Only the policies, by either name. */
function policiesOf(fields: Fields): UserpassChange {
  const names = ["policies", "token_policies"].filter((name) => fields.has(name));
  return { token: tokenFieldsOf(fieldsOfThese(fields, names)) };
}

const fieldsOfThese = (fields: Fields, names: readonly string[]): Fields =>
  fieldsOf(Object.fromEntries(names.map((name) => [name, fields.raw(name)])));
