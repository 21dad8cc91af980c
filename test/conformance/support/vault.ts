/** A deployment for Vault's clients: with an address of its own for them, and a token that may everything, as the operator makes it on the machine. */

import { type Deployment, type DeploymentOptions, startDeployment } from "./deployment";

export function startVault(options: Partial<DeploymentOptions> = {}): Promise<Deployment> {
  return startDeployment({ tls: "authority", vault: true, ...options });
}

/** A root token of the only account, by the operator's command. */
export function rootTokenOf(deployment: Deployment): string {
  const { code, stdout, stderr } = deployment.postern(["vault", "token"]);
  const token = /hvs\.\w+/.exec(stdout)?.[0];
  if (code !== 0 || token === undefined) throw new Error(`no root token: ${code} ${stderr}`);
  return token;
}

export interface Asked {
  readonly status: number;
  readonly body: ReturnType<typeof JSON.parse>;
}

/** The administrator, over plain HTTPS: prepares what a suite needs, whichever client it is of. */
export function administratorOfVault(deployment: Deployment, token: string) {
  return async (method: string, path: string, body?: object): Promise<Asked> => {
    const answer = await fetch(`${deployment.vaultUrl}/v1/${path}`, {
      method,
      headers: { "X-Vault-Token": token, "X-Vault-Request": "true" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      tls: { ca: deployment.caPem },
    });
    const text = await answer.text();
    return { status: answer.status, body: text === "" ? null : JSON.parse(text) };
  };
}
