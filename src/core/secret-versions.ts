/** Versions of a secret: which of them are given out, and how the next one comes after them. */

import { PosternError } from "../model/failures";
import type { ResourceId } from "../model/ids";
import type { SecretBytes } from "../model/secret-bytes";
import type { Change, Instant, SecretVersionInfo } from "../model/types";
import type { Graph } from "./graph";

/** What the place where a secret lives says about its versions. */
export interface Keeping {
  /** At least 1. */
  readonly versionsKept: number;
  /** Only writes that name the version they follow are taken. */
  readonly casRequired: boolean;
  /** Absent: a version is deleted by nobody but who asks for it. */
  readonly deleteAfterSeconds?: number;
  /** The place knows no versions: each value takes the place and the number of the one before. */
  readonly isReplacing?: true;
}

export type VersionState = "readable" | "deleted" | "destroyed";

export function stateOf({ deletesAt, destroyed }: SecretVersionInfo, now: Instant): VersionState {
  if (destroyed === true) return "destroyed";
  return deletesAt !== undefined && deletesAt <= now ? "deleted" : "readable";
}

export function isReadable(info: SecretVersionInfo, now: Instant): boolean {
  return stateOf(info, now) === "readable";
}

/** The version, or the newest; no other ever stands in for it. Throws `not_found` (`empty`) because `no_value`, `version_deleted` or `version_destroyed`. */
export function readableVersion(graph: Graph, id: ResourceId, version: number | undefined, now: Instant): SecretVersionInfo {
  const versions = graph.secretVersions(id);
  const info = version === undefined ? versions.at(-1) : versions.find((each) => each.version === version);
  const state = info === undefined ? "absent" : stateOf(info, now);
  if (info !== undefined && state === "readable") return info;
  throw new PosternError({ code: "not_found", target: id, empty: true, because: state === "absent" ? "no_value" : `version_${state}` });
}

/** The changes that make `value` the newest version, and drop those that are no longer kept. */
export function nextVersion(graph: Graph, id: ResourceId, value: SecretBytes, { now, keeping }: NextVersion): readonly Change[] {
  const { deleteAfterSeconds, versionsKept } = keeping;
  const newest = newestNumber(graph, id);
  const version = keeping.isReplacing === true && newest > 0 ? newest : newest + 1;
  const put: Change = { type: "put_secret_version", resource: id, version, createdAt: now, value };
  const dropped = graph.secretVersions(id).filter((each) => each.version <= version - versionsKept);
  return [
    put,
    ...(deleteAfterSeconds === undefined ? [] : [deletionOf(id, version, now + deleteAfterSeconds * 1000)]),
    ...dropped.map((each): Change => ({ type: "remove_secret_version", resource: id, version: each.version })),
  ];
}

export interface NextVersion {
  readonly now: Instant;
  readonly keeping: Keeping;
}

/** 0 where there was none. Versions that were destroyed count, so no number is given twice. */
export function newestNumber(graph: Graph, id: ResourceId): number {
  return graph.secretVersions(id).at(-1)?.version ?? 0;
}

export function deletionOf(resource: ResourceId, version: number, deletesAt: Instant): Change {
  return { type: "put_version_state", resource, version, deletesAt };
}
