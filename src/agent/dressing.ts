/**
 * Binds a front's read routes to one app: what may reach them at all, and what their answers say of freshness.
 *
 * A front knows nothing of either. The reader notes what it served under the request's context, which is the same object on the way in and out.
 */

import type { FrontApp, FrontBindings } from "../fronts/front";
import { failureOf } from "../model/failures";
import type { RequestContext } from "../model/types";
import type { Served } from "./secret-cache";

/** What the answer to one request will say. */
export interface Note {
  readonly source?: Served["source"];
  readonly ageMs?: number;
  /** Why it is refused: `stale`, `primary_unavailable`. */
  readonly reason?: string;
}

export interface Notes {
  serve(context: RequestContext, served: Served): void;
  refuse(context: RequestContext, error: unknown): void;
  take(context: RequestContext): Note | undefined;
}

const retryAfterSeconds = "5";
const toldReasons = new Set(["stale", "primary_unavailable"]);

export function createNotes(): Notes {
  const notes = new WeakMap<RequestContext, Note>();
  return {
    serve(context, { source, ageMs }) {
      const before = notes.get(context);
      // Of several values in one answer the oldest counts, and one of the copy makes it the copy's.
      notes.set(context, {
        source: before?.source === "copy" ? "copy" : source,
        ageMs: Math.max(before?.ageMs ?? 0, ageMs),
      });
    },
    refuse(context, error) {
      const { because } = failureOf(error);
      if (because !== undefined && toldReasons.has(because)) notes.set(context, { reason: because });
    },
    take: (context) => notes.get(context),
  };
}

export interface Dress {
  readonly notes: Notes;
  /** Asked before the front is. Unless it holds, the answer is 403 and empty. */
  readonly admits: (request: Request) => boolean;
  /**
   * Makes a challenge and names its file. With it `POST /challenge` with the header `Metadata: true` is answered as an Arc agent does: 401, and in
   * `WWW-Authenticate` the file whose content is the API key of one login.
   */
  readonly challenge?: (request: Request) => string;
  /** Told of what was admitted, before the front is asked. */
  readonly admitted: (request: Request, context: RequestContext) => void;
}

export function dressFront(front: FrontApp, { notes, admits, challenge, admitted }: Dress): FrontApp {
  const answer = async (request: Request, bindings: FrontBindings): Promise<Response> => {
    if (!admits(request)) return new Response(null, { status: 403, headers: { "cache-control": "no-store" } });
    if (challenge !== undefined && isChallengeRequest(request)) return challenged(front, () => challenge(request));
    admitted(request, bindings.context);
    return dress(await front.app.fetch(request, bindings), notes.take(bindings.context));
  };
  return { ...front, app: { ...front.app, fetch: (request, bindings) => answer(request, requireBindings(bindings)) }, hot: [] };
}

function isChallengeRequest(request: Request): boolean {
  return request.method === "POST" && new URL(request.url).pathname === "/challenge" && request.headers.get("metadata") === "true";
}

function challenged(front: FrontApp, challenge: () => string): Response {
  try {
    const headers = { "www-authenticate": `Basic realm=${challenge()}`, "cache-control": "no-store" };
    return Response.json({ error: "unauthorized", error_description: "Log in with the content of the file" }, { status: 401, headers });
  } catch (error) {
    return front.refuse(failureOf(error));
  }
}

function dress(response: Response, note: Note | undefined): Response {
  const { headers } = response;
  if (note?.ageMs !== undefined && response.ok) headers.set("age", String(Math.floor(note.ageMs / 1000)));
  if (note?.source !== undefined && response.ok) headers.set("x-postern-source", note.source);
  if (note?.reason !== undefined && !response.ok) {
    headers.set("x-postern-reason", note.reason);
    headers.set("retry-after", retryAfterSeconds);
  }
  return response;
}

function requireBindings(bindings: unknown): FrontBindings {
  if (isBindings(bindings)) return bindings;
  throw new TypeError("a front is called with the things of its request");
}

function isBindings(value: unknown): value is FrontBindings {
  return typeof value === "object" && value !== null && "context" in value && "edge" in value;
}
