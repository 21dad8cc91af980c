/** How much is measured. The small plan asks only whether everything can be measured at all. */

export interface Plan {
  readonly connections: readonly number[];
  readonly rounds: number;
  readonly readMs: number;
  readonly readWarmUp: number;
  readonly logins: number;
  readonly loginWarmUp: number;
  /** Logins before the first round: a server that has just started still runs code that is not compiled. */
  readonly firstLogins: number;
  /** Distinct Azure tokens. More than the broker remembers (4096), so that going round brings each back as if it were new. */
  readonly tokens: number;
  readonly signatures: number;
  readonly hosts: number;
  readonly variables: number;
  readonly starts: number;
  readonly steps: number;
  readonly stepWarmUp: number;
}

export const full: Plan = {
  connections: [1, 16, 64],
  rounds: 5,
  readMs: 1500,
  readWarmUp: 4000,
  logins: 1500,
  loginWarmUp: 300,
  firstLogins: 20_000,
  tokens: 4600,
  signatures: 3000,
  hosts: 2000,
  variables: 20_000,
  starts: 15,
  steps: 40_000,
  stepWarmUp: 10_000,
};

export const smoke: Plan = {
  connections: [1, 4],
  rounds: 1,
  readMs: 150,
  readWarmUp: 50,
  logins: 40,
  loginWarmUp: 10,
  firstLogins: 0,
  tokens: 60,
  signatures: 50,
  hosts: 20,
  variables: 200,
  starts: 2,
  steps: 300,
  stepWarmUp: 0,
};
