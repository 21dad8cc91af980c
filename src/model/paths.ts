/**
 * The other form of grant: rules about paths, which a token carries. Parsed from a dialect's own language by its front, judged by the core alone.
 */

/** What may be done at a path. `deny` cancels all others; `sudo` goes beside another, for what only trusted ones may do. */
export type Capability = "create" | "read" | "update" | "patch" | "delete" | "list" | "sudo" | "deny";

/** One rule, as its policy says it. A `*` at the end stands for anything, a segment `+` for exactly one segment. */
export interface PathRule {
  /** `secret/data/app/*`, without a slash in front. */
  readonly path: string;
  readonly capabilities: readonly Capability[];
  /** Members that a request must have. */
  readonly requiredParameters?: readonly string[];
  /** By member; an empty list stands for any value, `*` for all other members. Absent: no bound. */
  readonly allowedParameters?: Readonly<Record<string, readonly unknown[]>>;
  readonly deniedParameters?: Readonly<Record<string, readonly unknown[]>>;
  readonly minWrappingSeconds?: number;
  readonly maxWrappingSeconds?: number;
  /** Where it stands in the text; counts from 1. */
  readonly line?: number;
}

/** What a request is about to do at a path. */
export interface PathAccess {
  /** Canonical: `secret/data/app`; of a list with a slash at the end: `secret/metadata/`. */
  readonly path: string;
  /** As it was asked for, where that is another spelling of `path`: its rules count where none is for `path`. */
  readonly written?: string;
  /** `write` creates or updates: which of the two is found out by who knows whether the thing exists, else it updates. */
  readonly action: "read" | "list" | "write" | "patch" | "delete";
  /** Takes `sudo` too. */
  readonly sudo?: boolean;
  /** Top-level members of the body, of a read those of the query. Absent: none were sent. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** That the answer is to be wrapped, and for how long. */
  readonly wrapSeconds?: number;
}

export type PathVerdict =
  /** `rule`: for the audit, `path "secret/*" of policy app`. */
  | { readonly allowed: true; readonly rule: string }
  /** `because`: `no_path_rule`, `path_denied`, `path_capability`, `path_sudo`, `path_parameters`, `path_wrapping`. */
  | { readonly allowed: false; readonly because: string; readonly detail: string; readonly remedy?: string };

/** The rules of one caller, made ready. Immutable. */
export interface PathRights {
  /** Everything is allowed, everywhere. */
  readonly isRoot: boolean;
  /** The names of the policies they came from, sorted. */
  readonly policies: readonly string[];
  /** One rule decides, and never a union of several. `exists` tells a create from an update. */
  verdict(access: PathAccess, exists: boolean): PathVerdict;
  /** Sorted; `["root"]`; `["deny"]` when there is nothing. */
  capabilities(path: string): readonly string[];
  /** Whether some rule that does not deny could match something at or below this prefix. */
  reaches(prefix: string): boolean;
}
