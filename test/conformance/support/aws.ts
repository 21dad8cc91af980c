/** A role of AWS that a workload has assumed, with keys as AWS's own documentation shows them; they open nothing. */

export const awsRegion = "eu-west-1";
export const awsRole = { account: "123456789012", name: "app-role" };
export const awsKeys = {
  id: "ASIAIOSFODNN7EXAMPLE",
  secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  session: "FwoGZXIvYXdzEBYaDH+session/example==",
};

/** What such a workload finds in its environment. */
export const awsEnvironment: Readonly<Record<string, string>> = {
  AWS_ACCESS_KEY_ID: awsKeys.id,
  AWS_SECRET_ACCESS_KEY: awsKeys.secret,
  AWS_SESSION_TOKEN: awsKeys.session,
  AWS_REGION: awsRegion,
  AWS_DEFAULT_REGION: awsRegion,
};
