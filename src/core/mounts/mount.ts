/** One mount: what it is made of, those that are always there, and how a new one is named. */

import * as v from "valibot";
import { sha256Hex } from "../../crypto/digest";
import { identifierProblem, looksLike } from "../../model/ids";
import type { Random } from "../../model/ports";
import type { Instant } from "../../model/types";
import { ownRecord } from "./own-record";

const text = v.string();
const texts = ownRecord(text);
const seconds = v.number();

/** A mount as it is kept. */
export const MountDocument = v.object({
  path: text,
  type: text,
  accessor: text,
  uuid: text,
  createdAt: v.number(),
  description: text,
  defaultLeaseSeconds: seconds,
  maxLeaseSeconds: seconds,
  options: texts,
  listingVisibility: text,
  // Mounts of before had none.
  identityTokenKey: v.optional(text, ""),
});

/** Settings of a mount. Times are in seconds; 0: the installation's own. */
export interface MountSettings {
  readonly description: string;
  readonly defaultLeaseSeconds: number;
  readonly maxLeaseSeconds: number;
  /** What this kind of mount alone knows: `{ "version": "2" }`, `{ "allow_wildcard_identity": "true" }`. */
  readonly options: Readonly<Record<string, string>>;
  /** `unauth`: named to everybody; `hidden` or empty: not. */
  readonly listingVisibility: string;
  /** The key that signs the tokens by which the mount is known elsewhere. Empty: `default`. */
  readonly identityTokenKey: string;
}

export interface Mount extends MountSettings {
  /** `secret`, `auth/azure`: without a slash at either end. */
  readonly path: string;
  /** `kv`, `azure`, `approle`; of those that are always there `system`, `identity`, `cubbyhole`, `conjur`, `token`. */
  readonly type: string;
  /** `kv_1a2b3c4d`; of a method `auth_azure_1a2b3c4d`. The same for the life of the mount. */
  readonly accessor: string;
  readonly uuid: string;
  readonly createdAt: Instant;
  /** Always there, and neither made, changed nor removed. */
  readonly isFixed: boolean;
}

export interface MountRequest {
  readonly path: string;
  readonly type: string;
  readonly settings: Partial<MountSettings>;
}

const fixed = [
  ["sys", "system", "system endpoints used for control, policy and debugging"],
  ["identity", "identity", "identity store"],
  ["cubbyhole", "cubbyhole", "per-token private secret storage"],
  ["conjur", "conjur", "variables of policies, under the caller's rights in them"],
  ["auth/token", "token", "token based credentials"],
] as const;

const noSettings: MountSettings = {
  description: "",
  defaultLeaseSeconds: 0,
  maxLeaseSeconds: 0,
  options: {},
  listingVisibility: "",
  identityTokenKey: "",
};

/** Their accessors follow from their names: they are the same in every account, and name nothing secret. */
export function fixedMounts(createdAt: Instant): readonly Mount[] {
  return fixed.map(([path, type, description]) => {
    const digest = sha256Hex(`postern mount ${path}`);
    return {
      ...noSettings,
      path,
      type,
      description,
      createdAt,
      accessor: accessorOf(path, type, digest),
      uuid: uuidOf(digest),
      isFixed: true,
    };
  });
}

/** A new mount with a name of its own. */
export function newMount(
  { path, type, settings }: MountRequest,
  { now, random, taken }: { readonly now: Instant; readonly random: Random; readonly taken: ReadonlySet<string> },
): Mount {
  for (;;) {
    const digest = Buffer.from(random.bytes(16)).toString("hex");
    const accessor = accessorOf(path, type, digest);
    if (!taken.has(accessor))
      return { ...noSettings, ...settings, path, type, createdAt: now, accessor, uuid: uuidOf(digest), isFixed: false };
  }
}

const accessorOf = (path: string, type: string, hex: string): string =>
  `${path.startsWith("auth/") ? "auth_" : ""}${type}_${hex.slice(0, 8)}`;

/** The first 32 hex digits in the form of a UUID. */
export function uuidOf(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}

/** 32 days. Source: Vault 1.19, vault/core.go (defaultLeaseTTL, maxLeaseTTL). */
const usualLeaseSeconds = 2_764_800;

export interface LeaseBounds {
  readonly defaultSeconds: number;
  readonly maxSeconds: number;
}

/** How long what a mount hands out lives, and may live at most: its own settings, or the installation's. */
export function leaseBounds({ defaultLeaseSeconds, maxLeaseSeconds }: MountSettings): LeaseBounds {
  const maxSeconds = maxLeaseSeconds === 0 ? usualLeaseSeconds : maxLeaseSeconds;
  return { defaultSeconds: Math.min(defaultLeaseSeconds === 0 ? usualLeaseSeconds : defaultLeaseSeconds, maxSeconds), maxSeconds };
}

const longestPath = 200;
/** What others look for at these names is not there; and settings by path lie at `vault` in the graph: keys of a mount would stand among them. */
const reservedNames = ["sys", "auth", "identity", "cubbyhole", "token", "vault"];

/** What is wrong with the path of a new mount, as a sentence; undefined when nothing is. */
export function pathProblem(path: string): string | undefined {
  const short = path.startsWith("auth/") ? path.slice("auth/".length) : path;
  if (short === "" || short === "auth") return "missing path";
  if (short.length > longestPath) return `a path is at most ${longestPath} characters`;
  if (short.split("/").some((segment) => segment === "+" || segment.includes("*"))) return "a path has no wildcards";
  if (isReserved(path)) return "invalid mount path: it is reserved";
  const problem = identifierProblem(path);
  return problem === undefined ? undefined : `invalid mount path: it ${problem}`;
}

function isReserved(path: string): boolean {
  const isMethod = path.startsWith("auth/");
  const [first = ""] = (isMethod ? path.slice("auth/".length) : path).split("/");
  // That it is taken says more.
  if (fixed.some(([taken]) => taken === (isMethod ? `auth/${first}` : first))) return false;
  return [...reservedNames, ...(isMethod ? [] : ["conjur"])].some((name) => looksLike(first, name));
}
