/**
 * What each machine of the walkthrough does by itself: get a token from its platform, log in with it, read the secret. The lines are those that are
 * published for Azure's managed identities and for Conjur's authenticator; only the address of the metadata service is led to the simulator.
 */

import type { SimulatedMachine } from "../../src/simulator/azure/machine";
import { account, service, variable } from "./cloud";
import { bash, mustRun, type ShellResult } from "./shell";

/** Where Postern answers and whom to trust for it. */
export interface Target {
  readonly url: string;
  readonly caFile: string;
}

const resource = "https%3A%2F%2Fmanagement.azure.com%2F";

/** The token request of an Azure VM. */
export const imdsLine = `curl -s 'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=${resource}' -H Metadata:true`;

/** The two requests of an Arc server: the first is refused with the name of a file that only some may read, the second shows what is in it. */
export const arcLines = `ChallengeTokenPath=$(curl -s -D - -H Metadata:true "http://127.0.0.1:40342/metadata/identity/oauth2/token?api-version=2019-11-01&resource=${resource}" | grep Www-Authenticate | cut -d "=" -f 2 | tr -d "[:cntrl:]")
ChallengeToken=$(cat $ChallengeTokenPath)
if [ $? -ne 0 ]; then
    echo "Could not retrieve challenge token, double check that this command is run with root privileges."
else
    curl -s -H Metadata:true -H "Authorization: Basic $ChallengeToken" "http://127.0.0.1:40342/metadata/identity/oauth2/token?api-version=2019-11-01&resource=${resource}"
fi`;

/** Runs the machine's own lines against its simulated endpoint; gives the access token. */
export async function platformToken(machine: SimulatedMachine): Promise<string> {
  const port = new URL(machine.url).port;
  const from = machine.kind === "arc" ? "127.0.0.1:40342" : "169.254.169.254:80";
  const lines = machine.kind === "arc" ? arcLines : imdsLine;
  const answer: unknown = JSON.parse(
    await mustRun(`curl() { command curl --noproxy '*' --connect-to ${from}:127.0.0.1:${port} "$@"; }\n${lines}`),
  );
  if (typeof answer === "object" && answer !== null && "access_token" in answer && typeof answer.access_token === "string")
    return answer.access_token;
  throw new Error(`no access token from ${machine.name}`);
}

/** Status and body of an HTTP answer. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

export function loginLine(url: string, host: string, serviceId = service): string {
  return `curl -s -X POST -H 'Accept-Encoding: base64' --data-urlencode "jwt=$jwt" ${url}/authn-azure/${serviceId}/${account}/host%2Fazure-apps%2F${host}/authenticate`;
}

export function logIn(target: Target, host: string, jwt: string): Promise<Answer> {
  return curl(target, loginLine(target.url, host), { jwt });
}

export function readLine(url: string, id = variable): string {
  return `curl -s -H "Authorization: Token token=\\"$token\\"" ${url}/secrets/${account}/variable/${encodeURIComponent(id)}`;
}

export function readSecret(target: Target, token: string, id?: string): Promise<Answer> {
  return curl(target, readLine(target.url, id), { token });
}

/** Runs a curl line with the server's certificate trusted, and tells the status too. */
export async function curl(target: Target, line: string, variables: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const result: ShellResult = await bash(`curl() { command curl --noproxy '*' --cacert "$ca" -w '\\n%{http_code}' "$@"; }\n${line}`, {
    ...variables,
    ca: target.caFile,
  });
  if (result.exitCode !== 0) throw new Error(`exit ${result.exitCode} of: ${line}\n${result.stderr}`);
  const end = result.stdout.lastIndexOf("\n");
  return { status: Number(result.stdout.slice(end + 1)), body: result.stdout.slice(0, end) };
}
