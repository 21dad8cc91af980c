/**
 * Answers that are kept instead of given: what becomes of any of them when its request asked for that, and the paths under which they are opened.
 *
 * Source: Vault 1.19, vault/wrapping.go; api/response.go and api/logical.go (Unwrap) for what clients send and read.
 */

import type { Broker, Wrapped } from "../../core/broker";
import { durationText } from "../../model/durations";
import { isObjectText } from "../../model/json-text";
import { SecretBytes } from "../../model/secret-bytes";
import type { Caller } from "../../model/types";
import { textOf } from "../form";
import { isoNanos } from "../timestamp";
import type { Call, EngineRoute } from "./engine";
import type { Exchange } from "./exchange";
import { argument } from "./fields";
import { type Answer, envelopeText, rawJson, revealed, type WrapInfo } from "./wire";

export const wrappingRoutes: readonly EngineRoute[] = [
  { path: "wrapping/wrap", write: wrap },
  // Their bearers need no right but the token that they show, which is none of the usual ones.
  { path: "wrapping/unwrap", open: true, write: unwrap },
  { path: "wrapping/lookup", open: true, write: lookUp, read: lookUp },
  { path: "wrapping/rewrap", open: true, write: rewrap },
];

/** The answer itself, or what stands for it. Empty answers, those without an envelope and what was not found are given as they are. */
export async function wrappedAnswer(
  answer: Answer,
  exchange: Exchange,
  { broker, mountType, caller }: { readonly broker: Broker; readonly mountType: string; readonly caller: Caller | undefined },
): Promise<Answer> {
  const { wrapSeconds, context, path } = exchange;
  const isError = (answer.status ?? 200) >= 400;
  const hasContent = (answer.data !== undefined && answer.data !== null) || answer.auth !== undefined;
  if (wrapSeconds === undefined || isError || !hasContent || answer.bare !== undefined || answer.wrapInfo !== undefined) return answer;
  const accessor = wrappedAccessorOf(answer);
  const wrapped = await broker.paths.wrapping.wrap(
    {
      text: SecretBytes.ofText(envelopeText(answer, context.requestId, mountType)),
      creationPath: path,
      ttlSeconds: wrapSeconds,
      ...(accessor === "" ? {} : { wrappedAccessor: accessor }),
    },
    caller,
    context,
  );
  return { wrapInfo: wrapInfoOf(wrapped), ...cappedWarning(wrapSeconds, wrapped) };
}

function cappedWarning(asked: number, { ttlSeconds }: Wrapped): Pick<Answer, "warnings"> {
  if (asked <= ttlSeconds) return {};
  const [wanted, most] = [asked, ttlSeconds].map(durationText);
  return { warnings: [`TTL of "${wanted}" exceeded the effective max_ttl of "${most}"; TTL value is capped accordingly`] };
}

/** Of a token, or of a secret id: so that who hands the wrapping on can end what is in it. */
function wrappedAccessorOf({ auth, data }: Answer): string {
  if (auth !== undefined) return auth.accessor;
  const accessor = data === undefined || data === null || !("secret_id_accessor" in data) ? undefined : data.secret_id_accessor;
  return typeof accessor === "string" ? accessor : "";
}

function wrapInfoOf({ token, accessor, ttlSeconds, createdAt, creationPath, wrappedAccessor }: Wrapped): WrapInfo {
  return {
    token,
    accessor,
    ttlSeconds,
    createdAt: isoNanos(createdAt),
    creationPath,
    ...(wrappedAccessor === undefined ? {} : { wrappedAccessor }),
  };
}

async function wrap(call: Call): Promise<Answer> {
  const body = await call.body();
  await call.broker.paths.mounts.probe(call.caller(), call.access(body));
  if (call.wrapSeconds === undefined) throw argument("X-Vault-Wrap-TTL", "endpoint requires response wrapping to be used");
  const text = textOf(await call.bytes(), "body").trim();
  return { data: isObjectText(text) ? rawJson(text) : body };
}

async function which(call: Call) {
  // Each of them is somebody's try at a token: as many as there may be logins.
  call.edge.admitLogin(call.context, `wrapping token ${call.context.clientAddress}`);
  const fields = await call.fields();
  const named = fields.text("token") ?? "";
  return { named: named === "" ? undefined : SecretBytes.ofText(named), shown: call.token, access: call.access(fields.all()) };
}

async function unwrap(call: Call): Promise<Answer> {
  const text = await call.broker.paths.wrapping.unwrap(await which(call), call.context);
  return { bare: revealed(text) };
}

async function lookUp(call: Call): Promise<Answer> {
  const found = await call.broker.paths.wrapping.lookUp(await which(call), call.context);
  const { creationPath, createdAt, ttlSeconds } = found;
  return { data: { creation_path: creationPath, creation_time: isoNanos(createdAt), creation_ttl: ttlSeconds } };
}

async function rewrap(call: Call): Promise<Answer> {
  return { wrapInfo: wrapInfoOf(await call.broker.paths.wrapping.rewrap(await which(call), call.context)) };
}
