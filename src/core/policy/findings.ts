/**
 * What is legal in a policy and yet hardly meant: said to whoever loads it, and an error to whoever only checks.
 */

import type { PolicyProblem } from "../../model/failures";
import type { Authenticator } from "../../model/ports";
import type { DraftAnnotation, DraftRecord } from "./draft";
import { didYouMean, printable } from "./problems";

/** `authn-azure`, and the attributes a role may restrict: `subscription-id`. No attributes: any name may be one. */
export interface KnownAuthenticator {
  readonly type: string;
  readonly attributes: readonly string[];
  /** The only form of annotation that counts: `authn-gcp/NAME` or `authn-jwt/SERVICE/NAME`; absent: both. */
  readonly form?: "general" | "service";
  /** An annotation without a value is refused instead of passed over. */
  readonly isStrict?: boolean;
}

/** What a check of policies must know of the authenticators there are. */
export function knownAuthenticators(
  authenticators: readonly Pick<Authenticator, "type" | "restrictions">[],
): readonly KnownAuthenticator[] {
  // Where annotations do not count at all, nothing can be said of them.
  const judged = authenticators.filter(({ restrictions }) => restrictions.form !== "none");
  return judged.map(({ type, restrictions: { permitted, form, isStrict } }) => ({
    type,
    attributes: permitted === "any" ? [] : permitted,
    ...(form === undefined || form === "none" ? {} : { form }),
    ...(isStrict === undefined ? {} : { isStrict }),
  }));
}

export interface Findings {
  readonly warnings: readonly string[];
  /** Annotations that will make every login by that authenticator fail. */
  readonly findings: readonly PolicyProblem[];
}

/** Looks at the annotations of all records. */
export function findInAnnotations(records: readonly DraftRecord[], authenticators: readonly KnownAuthenticator[]): Findings {
  const warnings = new Set<string>();
  const findings: PolicyProblem[] = [];
  for (const record of records) {
    for (const annotation of record.annotations) {
      if (attributeWords.has(annotation.name)) {
        // The text is Conjur's own (5.3.1); clients show it as it is.
        warnings.add(
          `Annotation '${annotation.name}' matches a known policy attribute. This annotation will not be treated as a standard attribute and may not have the intended effect.`,
        );
      }
      if (record.kind !== "host" && record.kind !== "user") continue;
      const finding = findInAttribute(annotation, authenticators);
      if (finding === undefined) continue;
      warnings.add(`Line ${annotation.line}: ${finding.message}${finding.advice === undefined ? "" : ` (${finding.advice})`}`);
      if (finding.isError) {
        const { message, advice } = finding;
        findings.push({ message, line: annotation.line, column: annotation.column, ...(advice === undefined ? {} : { advice }) });
      }
    }
  }
  return { warnings: [...warnings], findings };
}

interface AttributeFinding {
  readonly message: string;
  readonly advice?: string | undefined;
  readonly isError: boolean;
}

/** Judges `authn-azure/NAME` and `authn-azure/SERVICE/NAME`. */
function findInAttribute(annotation: DraftAnnotation, authenticators: readonly KnownAuthenticator[]): AttributeFinding | undefined {
  const [type = "", ...path] = annotation.name.split("/");
  const written = printable(annotation.name);
  const known = authenticators.find((each) => each.type === type);
  if (known === undefined) {
    const meant = authenticators.find((each) => each.type === type.trim().toLowerCase());
    return meant && { message: `Annotation '${written}' restricts nothing`, advice: `did you mean '${meant.type}/'?`, isError: true };
  }
  const attribute = path.at(-1) ?? "";
  if (known.form === "service" && path.length === 1) {
    const advice = `name the service: ${type}/SERVICE/${printable(attribute)}`;
    return { message: `Annotation '${written}' restricts nothing`, advice, isError: true };
  }
  if (known.form === "general" && path.length > 1)
    return { message: `Annotation '${written}' restricts nothing`, advice: `${type} has no services`, isError: true };
  if (path.length === 0 || (path.length > 2 && annotation.value !== "")) return undefined;
  if (known.attributes.length > 0 && !known.attributes.includes(attribute)) {
    const advice = didYouMean(attribute, known.attributes) ?? `${type} knows ${known.attributes.join(", ")}`;
    return { message: `Annotation '${written}' names no attribute of ${type}; its logins will be refused`, advice, isError: true };
  }
  if (annotation.value !== "") return undefined;
  if (known.isStrict === true) {
    const message = `Annotation '${written}' is empty; its logins will be refused`;
    return { message, advice: "give it a value or remove it", isError: true };
  }
  if (path.length > 2) return undefined;
  return { message: `Annotation '${written}' is empty and restricts nothing`, advice: "give it a value or remove it", isError: false };
}

/** Source: Conjur 5.3.1; every word that is an attribute somewhere in the language. */
const attributeWords: ReadonlySet<string> = new Set(
  (
    "id owner body user annotations restricted_to permit deny role privileges resource grant revoke member host-factory layers layer variable " +
    "kind mime_type delete record group host webservice"
  ).split(" "),
);
