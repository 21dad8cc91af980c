/**
 * Policies by path: `sys/policies/acl`, and `sys/policy`, where older clients look. And what a token may do at a path.
 *
 * Source: Vault 1.19, vault/logical_system.go (handlePoliciesList, handlePoliciesSet), http/sys_policy.go, vault/capabilities.go.
 */

import type { TokenRef } from "../../core/broker";
import { PosternError } from "../../model/failures";
import { SecretBytes } from "../../model/secret-bytes";
import type { Call, EngineRoute } from "./engine";
import { argument, type Fields, fieldsOf } from "./fields";
import { parsePolicyText } from "./policy-text";
import type { Answer } from "./wire";

export const policyRoutes: readonly EngineRoute[] = [
  { path: "policies/acl", list },
  { path: "policies/acl/*", foldsNames: true, read: (call) => read(call, "policy"), write, delete: remove },
  { path: "policy", read: listOfOld, list: listOfOld },
  { path: "policy/*", foldsNames: true, read: (call) => read(call, "rules"), write, delete: remove },
  { path: "capabilities-self", write: (call) => capabilities(call, () => ({ by: "self" })) },
  { path: "capabilities", write: (call) => capabilities(call, tokenOf) },
  { path: "capabilities-accessor", write: (call) => capabilities(call, accessorOf) },
  { path: "internal/ui/resultant-acl", open: true, read: resultant },
];

const nameOf = ({ parameters: [name = ""] }: Call): string => name.toLowerCase();

async function list(call: Call): Promise<Answer> {
  return { data: { keys: await call.broker.paths.policies.list(call.caller(), call.access()) } };
}

async function listOfOld(call: Call): Promise<Answer> {
  const keys = await call.broker.paths.policies.list(call.caller(), call.access());
  return { data: { keys, policies: keys }, isDoubled: true };
}

async function read(call: Call, member: "policy" | "rules"): Promise<Answer> {
  const name = nameOf(call);
  const policy = await call.broker.paths.policies.read(call.caller(), call.access(), name);
  if (policy === undefined) throw new PosternError({ code: "not_found", target: name, because: "no_policy" });
  return { data: { name, [member]: policy.text }, isDoubled: member === "rules" };
}

async function write(call: Call): Promise<Answer> {
  const body = await call.body();
  const fields = fieldsOf(body);
  const isOld = !fields.has("policy") && fields.has("rules");
  const text = plainText(fields.text(isOld ? "rules" : "policy") ?? "");
  if (text.trim() === "") throw argument("policy", "'policy' parameter not supplied or empty");
  const name = nameOf(call);
  await call.broker.paths.policies.write(call.caller(), call.access(body), { name, text, rules: parsePolicyText(text) });
  const warnings = [
    ...(name === call.parameters[0] ? [] : [`policy name was converted to ${name}`]),
    ...(isOld ? ["'rules' is deprecated, please use 'policy' instead"] : []),
  ];
  return warnings.length === 0 ? {} : { warnings };
}

/** Clients may send the text in base64, which no policy could be mistaken for. */
function plainText(text: string): string {
  const packed = text.replace(/\s/g, "");
  if (packed === "" || packed.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(packed)) return text;
  return Buffer.from(packed, "base64").toString("utf8");
}

async function remove(call: Call): Promise<Answer> {
  await call.broker.paths.policies.remove(call.caller(), call.access(), nameOf(call));
  return {};
}

async function capabilities(call: Call, whichOf: (fields: Fields) => TokenRef): Promise<Answer> {
  const body = await call.body();
  const fields = fieldsOf(body);
  const paths = [...new Set([...(fields.list("paths") ?? []), ...(fields.list("path") ?? [])])];
  if (paths.length === 0) throw argument("paths", "paths must be supplied");
  const found = await call.broker.paths.tokens.capabilities(call.caller(), call.access(body), whichOf(fields), paths.map(withoutSlash));
  const data = Object.fromEntries(paths.map((path, index) => [path, found[index] ?? ["deny"]]));
  return { data: paths.length === 1 ? { ...data, capabilities: found[0] } : data, isDoubled: true };
}

const withoutSlash = (path: string): string => (path.startsWith("/") ? path.slice(1) : path);

function tokenOf(fields: Fields): TokenRef {
  const token = fields.text("token") ?? "";
  if (token === "") throw argument("token", "missing token");
  return { by: "token", token: SecretBytes.ofText(token) };
}

function accessorOf(fields: Fields): TokenRef {
  const accessor = fields.text("accessor") ?? "";
  if (accessor === "") throw argument("accessor", "missing accessor");
  return { by: "accessor", accessor };
}

/** For pages that show what somebody may do; there is none here, so it tells the one thing that such pages need. */
async function resultant(call: Call): Promise<Answer> {
  const caller = await call.callerIfAny();
  if (caller === undefined) return {};
  await call.broker.paths.mounts.probe(caller, call.access());
  return { data: { root: caller.rights?.isRoot === true, exact_paths: {}, glob_paths: {} } };
}
