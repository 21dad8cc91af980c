/** How commands end. The numbers above 63 are those of sysexits.h. */

/** `differs`: what was asked about would change something; said only where asked for. `integrity`: EX_IOERR. `temporary`: EX_TEMPFAIL. `sealed`: EX_CONFIG. */
export const exitCodes = { done: 0, failed: 1, usage: 2, differs: 3, integrity: 74, temporary: 75, sealed: 78 } as const;

const byFailure: Readonly<Record<string, number>> = {
  integrity: exitCodes.integrity,
  conflict: exitCodes.temporary,
  throttled: exitCodes.temporary,
  upstream_unavailable: exitCodes.temporary,
  sealed: exitCodes.sealed,
};

/** The exit code of a failure, by its code. */
export function exitCodeOf(failureCode: string): number {
  return byFailure[failureCode] ?? exitCodes.failed;
}

export const exitCodeHelp = `
Exit codes:
  0   done
  1   refused or failed
  2   wrong usage
  3   with 'policy plan --exit-code': somebody's rights would change
  74  the store, the keyring or the audit trail is damaged
  75  in use by another process, or not now: try again
  78  sealed, uninitialised, or wrongly configured
`;
