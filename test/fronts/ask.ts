/** Asks a front without sockets, and reads what it answers. */

import type { Edge, FrontApp } from "../../src/fronts/front";
import type { RequestContext } from "../../src/model/types";
import { now } from "./fake-broker";

export const quietEdge: Edge = { admitLogin: () => {}, report: () => {} };

export interface Question {
  /** `GET /whoami`. */
  readonly ask: string;
  /** Who asks: a role id, put into a token. */
  readonly as?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
  readonly text: string;
}

export function contextOf(dialect: string): RequestContext {
  return { requestId: "r-1", now, dialect, clientAddress: "203.0.113.9", userAgent: "tests/1" };
}

/** `Token token="…"` for a role, as the fake broker reads it. */
export function tokenFor(role: string): string {
  return `Token token="${Buffer.from(`{"role":"${role}"}`).toString("base64")}"`;
}

export function basicFor(login: string, secret: string): string {
  return `Basic ${Buffer.from(`${login}:${secret}`).toString("base64")}`;
}

/** Sends the question; whatever the answer, it keeps the rules that hold for every answer of a front. */
export async function ask(front: FrontApp, question: Question, edge: Edge = quietEdge): Promise<Answer> {
  const [method = "GET", path = "/"] = question.ask.split(" ", 2);
  const headers = new Headers(question.headers);
  if (question.as !== undefined) headers.set("authorization", tokenFor(question.as));
  const init = { method, headers, ...(question.body === undefined ? {} : { body: question.body }) };
  const response = await front.app.fetch(new Request(`http://postern.test${path}`, init), { context: contextOf(front.name), edge });
  const bytes = new Uint8Array(await response.arrayBuffer());
  return { status: response.status, headers: response.headers, bytes, text: Buffer.from(bytes).toString("utf8") };
}

/** A question and what of its answer matters: the status always, the rest where it is named. */
export interface Case extends Question {
  readonly status: number;
  readonly text?: string;
  readonly json?: unknown;
  readonly has?: Readonly<Record<string, string>>;
}

/** The answer to a case, cut down to what the case names, so that one comparison shows all of it. */
export async function outcomeOf(
  front: FrontApp,
  { status: _status, text, json, has, ...question }: Case,
  edge: Edge = quietEdge,
): Promise<Omit<Case, "ask">> {
  const answer = await ask(front, question, edge);
  const headers = Object.fromEntries(Object.keys(has ?? {}).map((name) => [name, answer.headers.get(name) ?? "absent"]));
  return {
    status: answer.status,
    ...(text === undefined ? {} : { text: answer.text }),
    ...(json === undefined ? {} : { json: JSON.parse(answer.text) }),
    ...(has === undefined ? {} : { has: headers }),
  };
}

/** What a case names of its answer. */
export function expectedOf({ status, text, json, has }: Case): Omit<Case, "ask"> {
  return {
    status,
    ...(text === undefined ? {} : { text }),
    ...(json === undefined ? {} : { json }),
    ...(has === undefined ? {} : { has }),
  };
}

/** As `test.each` shows a case. */
export function titled(cases: readonly Case[]): [string, Case][] {
  return cases.map((one) => [
    `${one.ask}${one.as === undefined ? "" : ` as ${one.as}`}${one.headers === undefined ? "" : ` ${JSON.stringify(one.headers)}`} → ${one.status}`.slice(
      0,
      180,
    ),
    one,
  ]);
}
