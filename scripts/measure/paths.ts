/** (g) What Vault's clients ask beside what Conjur's clients ask of the same process, in turn: reads of a value of forty bytes, and logins. */

import * as v from "valibot";
import { type Compared, compareInTurn } from "./median";
import type { Plan } from "./plan";
import { type Running, runLoad } from "./processes";
import { loginRequest, readRequests, storedValue } from "./requests";
import { hosts, type Stage } from "./stage";
import { dataText, openVaultGround, pathLogin, pathRequest, type VaultGround } from "./vault-ground";

export interface PathRow extends Compared {
  readonly subject: string;
  readonly connections: number;
}

export interface PathResults {
  readonly reads: readonly PathRow[];
  readonly logins: readonly PathRow[];
}

const audience = "https://management.azure.com/";
const value = { password: storedValue("v000") };

/** The first row for each number of connections is Conjur's. */
export async function measurePaths(stage: Stage, plan: Plan): Promise<PathResults> {
  const server = await stage.startBinary("paths", `\n[azure]\nauthority = "${new URL(stage.azure.entra.url).origin}"\n`);
  try {
    const ground = await openVaultGround(stage, "paths", server.port);
    const reads = await readSubjects(stage, server, ground);
    const logins = await loginSubjects(stage, plan, server, ground);
    const readBounds = { warmUp: plan.readWarmUp, count: Number.MAX_SAFE_INTEGER, maxMs: plan.readMs };
    const loginBounds = { warmUp: plan.loginWarmUp, count: plan.logins, maxMs: 20_000 };
    return {
      reads: await compared(server, plan, reads, readBounds),
      logins: await compared(server, plan, logins, loginBounds),
    };
  } finally {
    await server.stop();
  }
}

interface Subject {
  readonly subject: string;
  readonly requests: readonly string[];
}

async function compared(
  { port, pid }: Running,
  plan: Plan,
  subjects: readonly Subject[],
  bounds: { readonly warmUp: number; readonly count: number; readonly maxMs: number },
): Promise<readonly PathRow[]> {
  const rows: PathRow[] = [];
  for (const connections of plan.connections) {
    const measured = await compareInTurn(subjects, plan.rounds, ({ requests }) =>
      runLoad({ port, pid, connections, requests: [...requests], pauseMs: 0, ...bounds }),
    );
    rows.push(...measured.map(({ subject: { subject }, ...row }) => ({ subject, connections, ...row })));
  }
  return rows;
}

async function readSubjects(stage: Stage, { port }: Running, ground: VaultGround): Promise<readonly Subject[]> {
  await ground.set("sys/mounts/secret", { type: "kv", options: { version: "2" } });
  await ground.set("sys/mounts/plain", { type: "kv" });
  await ground.set("secret/data/app/db", { data: value });
  await ground.set("plain/app/db", value);
  const rules = ["secret/data/*", "plain/*"].map((path) => `path "${path}" { capabilities = ["read"] }`).join("\n");
  const token = await ground.tokenFor("reader", rules);
  return [
    { subject: "a read by Conjur's protocol", requests: readRequests(port, stage.hostTokens) },
    { subject: "KV version 2", requests: [pathRequest(port, token, "secret/data/app/db")] },
    { subject: "KV version 1", requests: [pathRequest(port, token, "plain/app/db")] },
  ];
}

async function loginSubjects(stage: Stage, plan: Plan, { port }: Running, ground: VaultGround): Promise<readonly Subject[]> {
  const jwts = Array.from({ length: plan.tokens }, (_, index) => {
    const { host, machine } = hosts[index % hosts.length] ?? hosts[0];
    return { host, jwt: stage.azure.mint({ machine }) };
  });
  await ground.set("sys/auth/azure", { type: "azure" });
  await ground.set("auth/azure/config", { tenant_id: stage.azure.tenant().id, resource: audience });
  await ground.set("auth/azure/role/dev", {
    bound_service_principal_ids: [...new Set(jwts.map(({ jwt }) => principalOf(jwt)))],
    token_policies: ["reader"],
  });
  await ground.set("sys/auth/approle", { type: "approle" });
  await ground.set("auth/approle/role/dev", { token_policies: ["reader"] });
  const roleId = dataText(await ground.get("auth/approle/role/dev/role-id"), "role_id");
  const secretId = dataText(await ground.set("auth/approle/role/dev/secret-id"), "secret_id");
  return [
    { subject: "`authn-azure`", requests: jwts.map(({ host, jwt }) => loginRequest(port, host, jwt)) },
    { subject: "the method `azure`", requests: jwts.map(({ jwt }) => pathLogin(port, "auth/azure/login", { role: "dev", jwt })) },
    { subject: "the method `approle`", requests: [pathLogin(port, "auth/approle/login", { role_id: roleId, secret_id: secretId })] },
  ];
}

const Claims = v.object({ oid: v.string() });

const principalOf = (jwt: string): string => v.parse(Claims, JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString())).oid;
