/** Whose an account is. */

import { type AccountName, makeId, type RoleId } from "../model/ids";

/** The account's first role. It owns itself, which makes it a role that is nobody's resource: it appears in no list. */
export function administratorOf(account: AccountName): RoleId {
  return makeId(account, "user", "admin");
}
