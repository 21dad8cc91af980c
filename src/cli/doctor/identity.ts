/** The machine's identity: who hands it out, whose it is, and whether this user may have it. */

import { describeToken, type TokenDescription } from "../../authenticators/azure/token-description";
import type { Connection } from "../../config/connection";
import { printDuration } from "../../config/duration";
import { failureOf } from "../../model/failures";
import type { CliWorld } from "../world";
import { tokenAdvice } from "./advice";
import type { Finding } from "./finding";

export interface IdentityReport {
  readonly findings: readonly Finding[];
  /** What the token says; absent without one. */
  readonly token?: TokenDescription;
}

const sources = ["imds", "arc", "app-service", "workload"] as const;
const arcGroup = "himds";
const worrySkewMs = 30_000;

/** Of a connection that logs in by the machine's identity. Tokens are asked for and looked at; none of them is shown. */
export async function identityReport(connection: Connection, world: CliWorld): Promise<IdentityReport> {
  const { proof } = connection;
  if (proof.kind !== "azure") return { findings: [] };
  let identity: ReturnType<ReturnType<CliWorld["remote"]>["identity"]>;
  try {
    identity = world.remote(connection).identity();
  } catch (error) {
    return { findings: [{ check: "identity endpoint", state: "fail", found: "none that can be asked", ...adviceOfSettings(error) }] };
  }
  const others = await Promise.all(
    sources.filter((each) => each !== identity.source).map((source) => answering(connection, source, world)),
  );
  const isThere = await identity.available();
  const also = others.filter((each) => each !== undefined);
  const endpoint: Finding = {
    check: "identity endpoint",
    state: isThere ? "ok" : "fail",
    found: `${identity.source} ${isThere ? "answers" : "does not answer"}${proof.identity.endpoint === undefined ? "" : ` at ${proof.identity.endpoint}`}${also.length === 0 ? "" : `; ${also.join(", ")} would answer as well`}`,
    ...(isThere ? {} : tokenAdvice(identity.source, "connect")),
  };
  const group = identity.source === "arc" ? [groupFinding(world)] : [];
  try {
    const { token } = await identity.credential(proof.audience);
    const described = describeToken(token);
    if (described === undefined)
      return { findings: [endpoint, ...group, { check: "identity", state: "fail", found: "what was handed out is no token" }] };
    return { findings: [endpoint, ...group, identityFinding(described, world.clock.now())], token: described };
  } catch (error) {
    const { because = "internal" } = failureOf(error);
    const advice = tokenAdvice(identity.source, because);
    return {
      findings: [endpoint, ...group, { check: "identity", state: "fail", found: `no token for ${proof.audience} (${because})`, ...advice }],
    };
  }
}

/** The name of a place that would answer too; undefined where none is set up or answers. */
async function answering(connection: Connection, source: (typeof sources)[number], world: CliWorld): Promise<string | undefined> {
  const { proof } = connection;
  if (proof.kind !== "azure") return undefined;
  try {
    // The usual place of each: what was said in place of it was said of the one that is used.
    const identity = world.remote({ ...connection, proof: { ...proof, identity: { source } } }).identity();
    return (await identity.available()) ? source : undefined;
  } catch {
    // Nothing in the environment names it.
    return undefined;
  }
}

function adviceOfSettings(error: unknown): Pick<Finding, "cause" | "remedy"> {
  const failure = failureOf(error);
  if (failure.code === "malformed")
    return { cause: failure.expected, remedy: "postern login … --identity-source imds|arc|app-service|workload" };
  if (failure.code === "unsupported") return { cause: `${failure.what} is not spoken here` };
  throw error;
}

function groupFinding(world: CliWorld): Finding {
  const check = `group ${arcGroup}`;
  switch (world.membershipOf(arcGroup)) {
    case "root":
      return { check, state: "ok", found: "root reads the agent's challenge files" };
    case "member":
      return { check, state: "ok", found: "this user is in it, and reads the agent's challenge files" };
    case "listed":
      return {
        check,
        state: "fail",
        found: "this user was put into it after this session began",
        cause: "a process keeps the groups it was started with",
        remedy: "log in anew, or restart the service",
      };
    case "outside":
      return { check, state: "fail", found: "this user is not in it", ...tokenAdvice("arc", "challenge_file_not_permitted") };
    case "absent":
      return { check, state: "unknown", found: "there is none on this machine: is the Arc agent installed?", remedy: "azcmagent show" };
  }
}

function identityFinding({ claims, attributes, issuedAtMs, expiresAtMs }: TokenDescription, now: number): Finding {
  const details = [
    ...Object.entries(claims).map(([name, value]) => `${name} = ${value}`),
    ...(expiresAtMs === undefined ? [] : [`ends in ${printDuration(Math.max(0, expiresAtMs - now))}`]),
  ];
  const check = "identity";
  const aheadMs = (issuedAtMs ?? now) - now;
  if (aheadMs > worrySkewMs) {
    const found = `the token was issued ${printDuration(aheadMs)} from now`;
    return {
      check,
      state: "warn",
      found,
      details,
      cause: "this machine's clock is behind",
      remedy: "timedatectl set-ntp true && timedatectl",
    };
  }
  if (Object.keys(attributes).length > 0) return { check, state: "ok", found: claims.xms_mirid ?? "", details };
  return {
    check,
    state: "warn",
    found: "the token names no Azure resource",
    details,
    cause: "xms_mirid is missing or of an unknown form: not a managed identity of a machine",
  };
}
