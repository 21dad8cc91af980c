/**
 * The identity endpoint of an Arc-enabled server (himds): whoever asks must first read a file that only root and one group may read.
 *
 * Source: "Authenticate against Azure resources with Azure Arc-enabled servers"; the echo of selectors from MSAL Node 7.2 and MSAL Go 1.9.
 */

import type { Random } from "../../model/ports";
import { type Call, type EndpointOptions, json } from "./endpoint";
import { guid, opaque } from "./ids";
import {
  type ImdsDeps,
  invalidRequest,
  type MachineRoute,
  machineRoute,
  metadataProblem,
  selectorNames,
  tokenBody,
  tokenPath,
} from "./imds";
import { answerInstanceMetadata } from "./instance-metadata";
import { readSelector } from "./managed-identity";
import type { TokensFolder } from "./tokens-folder";

export interface ArcDeps extends Omit<ImdsDeps, "monotonicMs"> {
  readonly random: Random;
  readonly folder: TokensFolder;
}

interface Challenge {
  readonly file: string;
  readonly issuedAt: number;
}

const challengeLifetimeMs = 60_000;
const maxChallenges = 64;

/** How himds routes and answers, for `serveEndpoint`. A token request without `Authorization` counts as `challenge`. */
export function createArc(deps: ArcDeps): Pick<EndpointOptions<MachineRoute>, "routeOf" | "answer"> {
  // By secret. Insertion order is age.
  const challenges = new Map<string, Challenge>();

  async function challenge(): Promise<Response> {
    await sweep();
    const secret = opaque(deps.random, 32);
    const file = `${guid(deps.random)}.key`;
    const path = await deps.folder.write(file, secret);
    challenges.set(secret, { file, issuedAt: deps.now() });
    // Unquoted, nothing behind the path, and spelled as Go's HTTP server does: published scripts cut the line at the sign.
    return json(
      401,
      { error: "unauthorized", error_description: "Read the challenge file and repeat" },
      { "Www-Authenticate": `Basic realm=${path}` },
    );
  }

  /** Whether the secret was good. Either way it never is again. */
  async function spend(authorization: string): Promise<boolean> {
    const secret = /^Basic (.+)$/.exec(authorization)?.[1] ?? "";
    const found = challenges.get(secret);
    if (found === undefined) return false;
    challenges.delete(secret);
    await deps.folder.remove(found.file);
    return deps.now() - found.issuedAt < challengeLifetimeMs;
  }

  async function sweep(): Promise<void> {
    for (const [secret, { file, issuedAt }] of challenges) {
      if (deps.now() - issuedAt < challengeLifetimeMs && challenges.size < maxChallenges) return;
      challenges.delete(secret);
      await deps.folder.remove(file);
    }
  }

  async function answer(route: MachineRoute, call: Call): Promise<Response> {
    const problem = metadataProblem(call);
    if (problem !== undefined) return problem;
    if (route === "instance") return answerInstanceMetadata(deps.machine(), call);
    if (call.path !== tokenPath) return json(404, { error: "not_found" });
    const resource = call.query.get("resource");
    if (!/^\d{4}-\d{2}-\d{2}$/.test(call.query.get("api-version") ?? "")) return invalidRequest("api-version is missing or malformed");
    if (resource === null || resource === "") return invalidRequest("Required query variable 'resource' is missing");
    const authorization = call.headers.get("Authorization");
    if (authorization === null || !(await spend(authorization))) return challenge();
    return token(call, resource);
  }

  function token(call: Call, resource: string): Response {
    const { legacyAgent, echo } = deps.behaviour();
    const selector = legacyAgent ? undefined : readSelector(call.query, selectorNames);
    if (selector === "several") return invalidRequest("Only one of client_id, object_id and msi_res_id may be given");
    const granted = deps.identities.grant(selector, resource);
    if ("error" in granted) return json(400, { error: granted.error, error_description: granted.description });
    const { clientId, oid, mirid = "" } = granted.principal;
    if (selector === undefined) return json(200, tokenBody(granted, deps.now()));
    if (echo) return json(200, tokenBody(granted, deps.now(), { client_id: clientId, object_id: oid, msi_res_id: mirid }));
    const { client_id: _, ...silent } = tokenBody(granted, deps.now());
    return json(200, silent);
  }

  return { routeOf, answer };
}

function routeOf(call: Call): MachineRoute {
  const route = machineRoute(call);
  return route === "token" && !call.headers.has("Authorization") ? "challenge" : route;
}
