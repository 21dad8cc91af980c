/** The wire protocols there are, one line each. */

import { conjur } from "./conjur/routes";
import type { Front } from "./front";
import { keyvault } from "./keyvault/routes";
import { vault } from "./vault/routes";

export const fronts: readonly Front[] = [conjur, vault, keyvault];
