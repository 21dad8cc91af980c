/**
 * The passwords of an application in the directory of a tenant, by Microsoft Graph.
 *
 * Source: Microsoft Graph v1.0, "List applications", "application: addPassword", "application: removePassword".
 */

import * as v from "valibot";
import { PosternError } from "../../model/failures";
import type { AzureAccess, AzureApplications, HttpAnswer, HttpClient, HttpRequest } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import type { CloudAddresses } from "./proofs";
import type { ServiceTokens } from "./service-tokens";

export interface ApplicationsDeps {
  readonly http: HttpClient;
  readonly tokens: ServiceTokens;
  readonly addressesOf: (cloud: AzureAccess["cloud"]) => CloudAddresses;
}

const limits = { maxBytes: 1_048_576, timeoutMs: 10_000, connectTimeoutMs: 3000 };
const nullableText = v.optional(v.nullable(v.string()));
const Listed = v.object({
  value: v.array(
    v.object({ id: v.string(), passwordCredentials: v.optional(v.array(v.object({ keyId: v.string(), displayName: nullableText }))) }),
  ),
});
const Added = v.object({ keyId: v.string(), secretText: v.pipe(v.string(), v.minLength(1)) });
const guid = /^[0-9a-f-]{36}$/i;

export function createApplications({ http, tokens, addressesOf }: ApplicationsDeps): (access: AzureAccess) => AzureApplications {
  async function send(access: AzureAccess, request: Pick<HttpRequest, "method" | "body"> & { readonly path: string }): Promise<HttpAnswer> {
    const { graph, graphAudience } = addressesOf(access.cloud);
    const held = await tokens.token(access, graphAudience);
    if (!("token" in held)) throw new PosternError(held.failure);
    const { path, ...rest } = request;
    const url = `${graph.replace(/\/*$/u, "")}/v1.0/applications${path}`;
    const answer = await http.send({ ...rest, url, headers: { authorization: `Bearer ${held.token}` } }, limits);
    if (answer.status === 401) tokens.forget(access.credentialName);
    return answer;
  }

  const upstreamOf = ({ cloud }: AzureAccess): string => URL.parse(addressesOf(cloud).graph)?.origin ?? "azure";

  return (access) => {
    const failed = (because: string): PosternError =>
      new PosternError({ code: "upstream_unavailable", upstream: upstreamOf(access), because });
    const at = (id: string): string => {
      if (!guid.test(id)) throw failed("graph_document");
      return `/${id}`;
    };

    return {
      async find(clientId) {
        // In a text of OData a quote is written twice.
        const filter = encodeURIComponent(`appId eq '${clientId.replaceAll("'", "''")}'`);
        const answer = await send(access, { path: `?$filter=${filter}&$select=id,passwordCredentials` });
        if (answer.status !== 200) throw failed(`http_${answer.status}`);
        return understood(Listed, answer, failed).value.map(({ id, passwordCredentials = [] }) => ({
          id,
          passwords: passwordCredentials.map(({ keyId, displayName }) => ({ keyId, name: displayName ?? "" })),
        }));
      },

      async addPassword(id, { name, endsAt }) {
        const endDateTime = Temporal.Instant.fromEpochMilliseconds(endsAt).toString({ smallestUnit: "second" });
        const json = { passwordCredential: { displayName: name, endDateTime } };
        const answer = await send(access, { path: `${at(id)}/addPassword`, method: "POST", body: { json } });
        if (answer.status !== 200) throw failed(`http_${answer.status}`);
        const { keyId, secretText } = understood(Added, answer, failed);
        return { keyId, secret: SecretBytes.ofText(secretText) };
      },

      async removePassword(id, keyId) {
        const answer = await send(access, { path: `${at(id)}/removePassword`, method: "POST", body: { json: { keyId } } });
        if (answer.status !== 204 && answer.status !== 200 && answer.status !== 404) throw failed(`http_${answer.status}`);
      },
    };
  };
}

/** The answer may hold a secret: nothing of one that is not understood is repeated. */
function understood<Value>(
  schema: v.GenericSchema<unknown, Value>,
  { body }: HttpAnswer,
  failed: (because: string) => PosternError,
): Value {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    throw failed("not_json");
  }
  const parsed = v.safeParse(schema, document);
  if (!parsed.success) throw failed("graph_document");
  return parsed.output;
}
