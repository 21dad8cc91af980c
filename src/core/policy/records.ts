/**
 * Declared records in full: owner, annotations, networks, public keys and the layers of host factories.
 */

import { type AccountName, identifierOf, isRoleId, type ResourceId } from "../../model/ids";
import { parseNetwork } from "./cidr";
import type { Placed } from "./declare";
import type { DraftAnnotation, DraftGrant, DraftPublicKey, DraftRecord } from "./draft";
import { foldDots, wordProblem } from "./names";
import type { Position } from "./nodes";
import { type Problems, printable } from "./problems";
import { parsePublicKey } from "./public-keys";
import type { References } from "./references";
import type { RecordStatement, Text } from "./statements";

export interface RecordDrafts {
  readonly records: DraftRecord[];
  readonly publicKeys: DraftPublicKey[];
  /** A host factory holds each of its layers. */
  readonly grants: DraftGrant[];
}

interface RecordDeps {
  readonly account: AccountName;
  readonly references: References;
  readonly problems: Problems;
}

/** Drafts one record after the other into `into`. */
export function createRecordDrafter({ account, references, problems }: RecordDeps, into: RecordDrafts) {
  const keys = new Set<ResourceId>();

  return (id: ResourceId, statement: RecordStatement, scope: Placed["scope"]): void => {
    const identifier = identifierOf(id);
    const at = { line: statement.line, column: statement.column };
    const explicitOwner = statement.owner === undefined ? undefined : references.role(statement.owner, scope, "subject");
    const owner = explicitOwner ?? scope.defaultOwner;
    const ownerAt = statement.owner === undefined ? at : { line: statement.owner.line, column: statement.owner.column };
    const restrictedTo = statement.restrictedTo?.flatMap((text) => readNetwork(text, problems));
    into.records.push({
      id,
      kind: statement.kind,
      identifier,
      owner,
      ownerAt,
      scope: scope.policy,
      annotations: statement.annotations.map((annotation) => readAnnotation(identifier, annotation, problems)),
      ...at,
      ...(restrictedTo === undefined ? {} : { restrictedTo: [...new Set(restrictedTo)].sort() }),
    });
    for (const text of statement.publicKeys) {
      const parsed = parsePublicKey(account, identifier, text.text);
      if ("message" in parsed) problems.report(text, parsed.message);
      else if (keys.has(parsed.resource)) problems.report(text, `Public key '${identifierOf(parsed.resource)}' is declared more than once`);
      else {
        keys.add(parsed.resource);
        into.records.push(keyRecord(parsed.resource, text, { owner, ownerAt, scope: scope.policy }));
        into.publicKeys.push(parsed);
      }
    }
    for (const layer of statement.layers ?? []) {
      const role = references.role(layer, scope, "object");
      if (role !== undefined && isRoleId(id)) into.grants.push({ role, member: id, adminOption: false, at });
    }
  };
}

function keyRecord(id: ResourceId, text: Text, shared: Pick<DraftRecord, "owner" | "ownerAt" | "scope">): DraftRecord {
  return { id, kind: "public_key", identifier: identifierOf(id), annotations: [], line: text.line, column: text.column, ...shared };
}

function readNetwork(text: Text, problems: Problems): readonly string[] {
  const parsed = parseNetwork(text.text);
  if ("network" in parsed) return [parsed.network];
  problems.report(text, parsed.message);
  return [];
}

/** Checks the name, and writes a value with `..` segments out relative to its record. */
function readAnnotation(identifier: string, annotation: DraftAnnotation, problems: Problems): DraftAnnotation {
  const problem = wordProblem(annotation.name);
  if (problem !== undefined) problems.report(annotation, `Invalid annotation '${printable(annotation.name)}': its name ${problem}`);
  return { ...annotation, value: annotationValue(identifier, annotation, annotation.value, problems) };
}

function annotationValue(identifier: string, at: Position, value: string, problems: Problems): string {
  if (!value.isWellFormed() || value.includes("\0")) problems.report(at, "The value is not valid Unicode text");
  if (/^[\u201C-\u201F\u00AB\u00BB].*[\u201C-\u201F\u00AB\u00BB]$/su.test(value)) {
    problems.report(at, "The value stands in typographic quotation marks", "write straight quotation marks, or none");
  }
  if (!value.split("/").includes("..")) return value;
  const folded = foldDots(`${identifier}/${value}`);
  if (folded === undefined) problems.report(at, `Invalid relative reference: ${printable(value)}`, "it climbs above the root policy");
  return folded ?? value;
}
