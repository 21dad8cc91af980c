/**
 * Fetching values: one as its bytes, several as JSON. All that a machine's own agent offers of this protocol.
 *
 * Source: Conjur 5.3.1, app/controllers/secrets_controller.rb.
 */

import type { SecretReader, SecretRef } from "../../core/broker";
import { PosternError } from "../../model/failures";
import { type AccountName, kindOf, type ResourceId } from "../../model/ids";
import { queryOf } from "../form";
import { type FrontBindings, type HotRoute, print, refuseBy } from "../front";
import { type ConjurApp, identify, mustBeKnown, requireToken } from "./access";
import { fetchFailures, tokenFailures } from "./errors";
import { idParameter, secretOf } from "./names";
import { batchWire, secretResponse } from "./wire";

/** Adds what only reads, and the demand for a token on everything added later. */
export function addReads(app: ConjurApp, reader: SecretReader): readonly HotRoute[] {
  const single = singleRead(reader);
  // Before the demand for a token, since this handler makes it itself: it also runs without the router.
  app.get("/secrets/:account/variable/:id{.+}", (c) => single.answer(c.req.raw, c.env));
  app.use(requireToken(reader));
  app.get("/secrets", async (c) => {
    c.set("failures", fetchFailures);
    const caller = mustBeKnown(c.get("caller"));
    const ids = batchIds(queryOf(c.req.url).one("variable_ids"), caller.account);
    return print(batchWire(await reader.readMany(caller, ids), c.req.header("accept-encoding")));
  });
  return [single];
}

/** The one route whose speed is the product's: it makes no more than the answer needs. */
function singleRead(reader: SecretReader): HotRoute {
  const refOf = createRefs();
  return {
    path: "/secrets/:account/variable/*",
    answer(request: Request, bindings: FrontBindings) {
      let table = tokenFailures;
      const refuse = (error: unknown): Response => refuseBy(table, error, bindings);
      try {
        const caller = identify(reader, request.headers.get("authorization"), bindings.context);
        table = fetchFailures;
        return reader.read(caller, refOf(request.url)).then((secret) => secretResponse(secret, request.method === "HEAD"), refuse);
      } catch (error) {
        return refuse(error);
      }
    },
  };
}

const maxRememberedUrls = 4096;
const maxRememberedLength = 512;

/** Reads references out of URLs, and remembers what the most recent ones mean: a client asks for the same few, and each takes a microsecond to read. */
function createRefs(): (url: string) => SecretRef {
  const remembered = new Map<string, SecretRef>();
  return (url) => {
    const known = remembered.get(url);
    if (known !== undefined) return known;
    const ref = readRef(url);
    if (remembered.size >= maxRememberedUrls) remembered.clear();
    if (url.length <= maxRememberedLength) remembered.set(url, ref);
    return ref;
  };
}

function readRef(url: string): SecretRef {
  const id = secretOf(url);
  if (!url.includes("?")) return { id };
  const version = queryOf(url).one("version");
  if (version === undefined) return { id };
  if (!/^[1-9][0-9]{0,8}$/.test(version))
    throw new PosternError({ code: "malformed", where: "version", expected: "a positive integer", kind: "argument" });
  return { id, version: Number(version) };
}

/** Full ids, joined by commas after each was escaped: a comma inside of one cannot be told from the joint. One named twice is answered once. */
function batchIds(parameter: string | undefined, account: AccountName): readonly ResourceId[] {
  const texts = (parameter ?? "")
    .split(",")
    .map((text) => text.trim())
    .filter((text) => text !== "");
  if (texts.length === 0) throw new PosternError({ code: "malformed", where: "variable_ids", expected: "ids", kind: "argument" });
  return [...new Set(texts)].map((text) => {
    const id = idParameter(text, account);
    if (id !== text || kindOf(id) !== "variable") throw new PosternError({ code: "not_found", target: text });
    return id;
  });
}
