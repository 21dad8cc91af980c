/**
 * Every operation that leaves a line in the audit, by noun and verb: `secret.read`. Whoever adds one has to say here what it is called, and the places that tell
 * operations apart, such as the forwarding of the audit, do not compile until they have said what it is to them.
 */

type Of<Noun extends string, Verb extends string> = `${Noun}.${Verb}`;

/** Ways to log in at a mount, each with the roles and the configuration it keeps. */
export type MountMethod = "approle" | "azure" | "jwt" | "userpass";

export type MethodVerb =
  | Entry
  | "read_config"
  | "write_config"
  | "remove_config"
  | "rotate_root"
  | "rotate_root_done"
  | "rotate_root_undone"
  | "create_secret_id"
  | "list_secret_ids"
  | "look_up_secret_id"
  | "destroy_secret_id"
  | "tidy";

export type MethodOperation = Of<MountMethod, MethodVerb>;

type Entry = "list" | "read" | "write" | "remove";
type Record = "create" | "show" | "list" | "update" | "remove";

export type AuditedOperation =
  | "login"
  | Of<"account", "create" | "delete" | "export" | "import">
  | Of<"answer", "wrap" | "unwrap" | "rewrap" | "look_up">
  | Of<"api_key", "age" | "exchange" | "retrieve" | "rotate">
  | Of<"audit", "read" | "verify">
  | Of<"authenticator", "configure" | "status" | Exclude<Record, "update">>
  | Of<"branch", Record>
  | Of<"cubbyhole", Entry>
  | Of<"entity", "show">
  | Of<"host_factory", "create_host" | "create_tokens" | "revoke_token">
  | Of<"identity", "check" | "lend">
  | Of<"identity_issuer", "read" | "write">
  | Of<"identity_key", Entry | "rotate">
  | Of<"identity_role", Entry | "token" | "introspect">
  | Of<"keyring", "add_recipient" | "remove_recipient" | "rotate_root" | "rotate_scope" | "unseal">
  | Of<"mount", "disable" | "enable" | "list" | "preflight" | "settings.show" | "settings.write" | "show" | "tune">
  | Of<"password", "change" | "reset">
  | Of<"path", "explain" | "probe">
  | Of<"path_policy", Entry>
  | Of<"policy", "load" | "read" | "validate">
  | Of<"resource", "check" | "list" | "permitted_roles" | "show">
  | Of<"role", "add_member" | "graph" | "held" | "members" | "memberships" | "remove_member" | "show">
  | Of<"secret", "delete" | "destroy" | "expire" | "list" | "metadata.show" | "metadata.write">
  | Of<"secret", "read" | "remove" | "subkeys" | "undelete" | "write">
  | Of<"session", "verify">
  | Of<"store", "accept_rollback">
  | Of<"token", "accessors" | "capabilities" | "create" | "create_root" | "look_up" | "renew" | "revoke" | "revoke_prefix" | "verify">
  | Of<"token_role", Entry>
  | Of<"tools", "digest" | "random">
  | MethodOperation;
