/** What placing a row of the text in the graph needs. */

import type { RoleId } from "../../model/ids";
import type { Instant, Origin } from "../../model/types";
import type { PolicyMode } from "../operations";
import type { NextFacts } from "./next-facts";
import type { Position } from "./nodes";
import type { PolicyScene } from "./scene";
import type { Warn } from "./warnings";

export interface Placing {
  readonly mode: PolicyMode;
  readonly policy: RoleId;
  readonly now: Instant;
  readonly scene: PolicyScene;
  readonly next: NextFacts;
  readonly warn: Warn;
  readonly declaredAt: (at: Position) => { readonly policy: RoleId; readonly origin: Origin };
}
