/**
 * Which of several rules decides about a path, as data.
 *
 *   rules    "secret/* = read, list": the path of a rule and what it gives
 *   asks     "read secret/a": an action and the path; a list with a slash at its end, as the wire hands it on
 *   decides  the path of the rule that decides; undefined when none is for the path
 *   allowed  whether it may be done
 *
 * Source: Vault 1.19, vault/acl.go (AllowOperation, CheckAllowedFromNonExactPaths) and its documentation of policies, section "Priority matching".
 */

export interface PrecedenceRow {
  readonly rules: readonly string[];
  readonly asks: string;
  readonly decides?: string;
  readonly allowed: boolean;
}

const row = (rules: readonly string[], asks: string, decides: string | undefined, allowed: boolean): PrecedenceRow => ({
  rules,
  asks,
  ...(decides === undefined ? {} : { decides }),
  allowed,
});

export const precedence: readonly PrecedenceRow[] = [
  // An exact rule before all others, a denial among them or not.
  row(["secret/* = read", "secret/super = deny"], "read secret/super", "secret/super", false),
  row(["secret/* = deny", "secret/super = read"], "read secret/super", "secret/super", true),
  row(["secret/+ = deny", "secret/super = read"], "read secret/super", "secret/super", true),
  row(["secret/data/app = read"], "read secret/data/app/db", undefined, false),
  row(["secret/x = "], "read secret/x", "secret/x", false),
  row(["secret/x = ", "secret/* = read"], "read secret/x", "secret/x", false),
  row(["secret/x = list", "secret/* = read"], "read secret/x", "secret/x", false),

  // A `*` stands for anything at the end, and for itself elsewhere.
  row(["secret/foo* = read"], "read secret/foobar/x", "secret/foo*", true),
  row(["secret/foo* = read"], "read secret/foo", "secret/foo*", true),
  row(["secret/foo* = read"], "read secret/fo", undefined, false),
  row(["secret/fo*o = read"], "read secret/fo*o", "secret/fo*o", true),
  row(["secret/fo*o = read"], "read secret/foxo", undefined, false),
  row(["secret/** = read"], "read secret/x", undefined, false),
  row(["secret/** = read"], "read secret/*x", "secret/**", true),
  row(["* = read"], "read a/b/c", "*", true),

  // A `+` stands for one whole segment, whatever it is, and for itself as a part of one.
  row(["+foo/x = read"], "read barfoo/x", undefined, false),
  row(["+foo/x = read"], "read +foo/x", "+foo/x", true),
  row(["+/+ = read"], "read a/b/c", undefined, false),
  row(["+/+ = read"], "read a", undefined, false),
  row(["a/+/b* = read"], "read a/x/bcd/e", "a/+/b*", true),
  row(["a/+/b* = read"], "read a/x/cb", undefined, false),
  row(["a/+/* = read"], "read a/x", undefined, false),
  row(["a/+/* = read"], "read a/x/y/z", "a/+/*", true),

  // Of two with wildcards: the later first wildcard, then no `*` at the end, fewer `+`, the longer, the greater one.
  row(["secret/* = deny", "secret/a* = read"], "read secret/ab", "secret/a*", true),
  row(["secret/* = deny", "secret/deep/* = read"], "read secret/deep/er", "secret/deep/*", true),
  row(["secret/* = read", "secret/deep/* = deny"], "read secret/deep/er", "secret/deep/*", false),
  row(["secret/+/x = read", "secret/a* = list"], "read secret/a/x", "secret/a*", false),
  row(["secret/+/x = read", "secret/* = deny"], "read secret/a/x", "secret/+/x", true),
  row(["secret/+/* = read", "secret/* = deny"], "read secret/a/x", "secret/*", false),
  row(["a/+/c = read", "a/+/+ = update"], "read a/b/c", "a/+/c", true),
  row(["a/+/+/d = read", "a/+/c/+ = deny"], "read a/b/c/d", "a/+/c/+", false),
  row(["a/+/+/d* = read", "a/+/+/* = deny"], "read a/b/c/de", "a/+/+/d*", true),
  row(["a/+/+/dd/e = deny", "a/+/c/+/e = read"], "read a/b/c/dd/e", "a/+/+/dd/e", false),
  row(["+/b = deny", "a/+ = read"], "read a/b", "a/+", true),

  // A list is asked for with a slash at the end, and its path without one counts too.
  row(["secret/metadata/ = list"], "list secret/metadata/", "secret/metadata/", true),
  row(["secret/metadata/app = list"], "list secret/metadata/app/", "secret/metadata/app", true),
  row(["secret/metadata/app = deny", "secret/metadata/* = list"], "list secret/metadata/app/", "secret/metadata/app", false),
  row(["secret/metadata/app/ = list", "secret/metadata/app = deny"], "list secret/metadata/app/", "secret/metadata/app/", true),
  row(["secret/metadata/app/ = deny", "secret/metadata/app = list"], "list secret/metadata/app/", "secret/metadata/app/", false),
  row(["secret/metadata/+ = list"], "list secret/metadata/", "secret/metadata/+", true),
  row(["secret/metadata/+ = list"], "list secret/metadata/app/", "secret/metadata/+", true),
  row(["secret/metadata/+/ = list"], "list secret/metadata/app/", "secret/metadata/+/", true),
  row(["secret/metadata/app* = list"], "list secret/metadata/app/", "secret/metadata/app*", true),
  row(["secret/metadata/app/ = list"], "list secret/metadata/", undefined, false),
];

/** Of rules of one and the same path, in two policies, everything is united, and a denial among it leaves nothing. */
export const unions: readonly PrecedenceRow[] = [
  row(["kv/x = read", "kv/x = deny"], "read kv/x", "kv/x", false),
  row(["kv/x = read", "kv/x = update"], "read kv/x", "kv/x", true),
  row(["kv/x = read", "kv/x = update"], "write kv/x", "kv/x", true),
  row(["kv/x = read", "kv/x = update"], "delete kv/x", "kv/x", false),
  row(["kv/* = read", "kv/* = deny", "kv/+ = read"], "read kv/x", "kv/+", true),
  row(["kv/* = read", "kv/* = deny"], "read kv/x", "kv/*", false),
];
