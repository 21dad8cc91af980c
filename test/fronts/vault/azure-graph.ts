/** A directory out of memory that knows one application: it makes and removes the application's passwords, and can be told to fail. Written apart from its client. */

import type { HttpAnswer, HttpRequest } from "../../../src/model/ports";

export type GraphStep = "find" | "addPassword" | "removePassword";
/** An answer in place of the work; nothing at all, before the work or after it; or a wait that never ends, after it. */
export type GraphFault = HttpAnswer | "lost" | "done and lost" | "done and never told";

export interface FakeGraph {
  /** By key id. */
  readonly passwords: Map<string, { readonly name: string; readonly secret: string; readonly endsAt?: string }>;
  /** What was asked, in order: `addPassword vault-…`. */
  readonly asked: string[];
  readonly faults: Map<GraphStep, GraphFault>;
  /** What happens between the work and its answer. */
  readonly meanwhile: Map<GraphStep, () => Promise<void>>;
  /** Object ids of applications with the client id. */
  applications: readonly string[];
  /** New passwords that Entra ID does not know yet. */
  isSlow: boolean;
  takes(secret: string): boolean;
  send(request: HttpRequest): Promise<HttpAnswer>;
}

const prefix = "https://graph.microsoft.com/v1.0/applications";
const objectId = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";

export function createFakeGraph(answer: (status: number, body: unknown) => HttpAnswer): FakeGraph {
  const passwords: FakeGraph["passwords"] = new Map([["old-key", { name: "by hand", secret: "right" }]]);
  let made = 0;

  function add({ passwordCredential }: { readonly passwordCredential: { readonly displayName: string; readonly endDateTime: string } }) {
    made += 1;
    const [keyId, secret] = [`key-${made}`, `made-secret-${made}`];
    passwords.set(keyId, { name: passwordCredential.displayName, secret, endsAt: passwordCredential.endDateTime });
    return answer(200, { keyId, secretText: secret, displayName: passwordCredential.displayName });
  }

  function work(step: GraphStep, json: ReturnType<typeof JSON.parse>): HttpAnswer {
    if (step === "find") {
      const passwordCredentials = [...passwords].map(([keyId, { name }]) => ({ keyId, displayName: name, hint: "xyz" }));
      return answer(200, { value: graph.applications.map((id) => ({ id, passwordCredentials })) });
    }
    if (step === "addPassword") return add(json);
    return passwords.delete(json.keyId) ? answer(204, "") : answer(404, {});
  }

  const graph: FakeGraph = {
    passwords,
    asked: [],
    faults: new Map(),
    meanwhile: new Map(),
    applications: [objectId],
    isSlow: false,
    takes: (secret) => [...passwords.values()].some((each) => each.secret === secret && !(graph.isSlow && each.name !== "by hand")),

    async send(request) {
      const rest = request.url.slice(prefix.length);
      if (!request.url.startsWith(prefix)) throw new Error(`nobody is at ${request.url}`);
      const step = rest.startsWith("?") ? "find" : rest.endsWith("/addPassword") ? "addPassword" : "removePassword";
      if (step === "find" && !rest.startsWith(`?$filter=${encodeURIComponent("appId eq 'app'")}`))
        throw new Error(`an unknown question: ${rest}`);
      if (step !== "find" && rest !== `/${objectId}/${step}`) throw new Error(`an unknown application: ${rest}`);
      const json = request.body !== undefined && "json" in request.body ? JSON.parse(JSON.stringify(request.body.json)) : undefined;
      graph.asked.push(step === "find" ? step : `${step} ${json.keyId ?? json.passwordCredential.displayName}`);
      const fault = graph.faults.get(step);
      if (fault === "lost") throw new Error("timeout");
      if (fault !== undefined && typeof fault !== "string") return fault;
      const done = work(step, json);
      await graph.meanwhile.get(step)?.();
      if (fault === "done and lost") throw new Error("timeout");
      return fault === undefined ? done : new Promise(() => undefined);
    },
  };
  return graph;
}
