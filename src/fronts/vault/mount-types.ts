/** The kinds of mounts that can be made. `kv` below the root, the others below `auth/`. */

export const secretTypes: readonly string[] = ["kv"];
export const methodTypes: readonly string[] = ["azure", "approle", "userpass", "jwt"];
