/** Random bytes and digests. Source: Vault 1.19, helper/random, vault/logical_system.go (pathRandomWrite, pathHashWrite). */

import type { Call, EngineRoute } from "./engine";
import { argument, type Fields } from "./fields";
import type { Answer } from "./wire";

export const toolRoutes: readonly EngineRoute[] = [
  ...["tools/random", "tools/random/:source", "tools/random/:source/:bytes"].map((path): EngineRoute => ({ path, write: random })),
  ...["tools/hash", "tools/hash/:algorithm"].map((path): EngineRoute => ({ path, write: hash })),
];

const sources: readonly string[] = ["platform", "seal", "all"];
const mostBytes = 128 * 1024;

async function random(call: Call): Promise<Answer> {
  const fields = await call.fields();
  const [first, second] = call.parameters;
  const source = first !== undefined && !/^\d+$/.test(first) ? first : (fields.text("source") ?? "platform");
  const inPath = second ?? (first !== undefined && /^\d+$/.test(first) ? first : undefined);
  if (!sources.includes(source)) throw argument("source", `unsupported entropy source ${JSON.stringify(source.slice(0, 32))}`);
  const count = inPath === undefined ? (fields.whole("bytes") ?? 32) : /^\d{1,9}$/.test(inPath) ? Number(inPath) : Number.NaN;
  if (Number.isNaN(count)) throw argument("bytes", `error parsing url-set byte count: ${JSON.stringify(inPath?.slice(0, 32))}`);
  if (count < 1) throw argument("bytes", '"bytes" cannot be less than 1');
  if (count > mostBytes) throw argument("bytes", `"bytes" should be less than ${mostBytes}`);
  const print = printerOf(fields, "base64");
  return { data: { random_bytes: print(await call.broker.paths.tools.entropy(call.caller(), call.access(fields.all()), count)) } };
}

const algorithms = new Map([
  ["sha2-224", "sha224"],
  ["sha2-256", "sha256"],
  ["sha2-384", "sha384"],
  ["sha2-512", "sha512"],
] as const);

async function hash(call: Call): Promise<Answer> {
  const fields = await call.fields();
  const name = call.parameters[0] ?? fields.text("algorithm") ?? "sha2-256";
  const algorithm = [...algorithms].find(([each]) => each === name)?.[1];
  if (algorithm === undefined) throw argument("algorithm", `unsupported algorithm ${name.slice(0, 32)}`);
  const text = fields.text("input") ?? "";
  const input = Buffer.from(text, "base64");
  if (input.toString("base64").replace(/=+$/, "") !== text.replace(/=+$/, ""))
    throw argument("input", "unable to decode input as base64: illegal base64 data");
  const print = printerOf(fields, "hex");
  return { data: { sum: print(await call.broker.paths.tools.digest(call.caller(), call.access(fields.all()), algorithm, input)) } };
}

function printerOf(fields: Fields, usual: "base64" | "hex"): (bytes: Uint8Array) => string {
  const format = fields.text("format") || usual;
  if (format !== "base64" && format !== "hex")
    throw argument("format", `unsupported encoding format ${JSON.stringify(format.slice(0, 32))}; must be "hex" or "base64"`);
  return (bytes) => Buffer.from(bytes).toString(format);
}
