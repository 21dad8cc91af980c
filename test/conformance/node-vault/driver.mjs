/**
 * The driver of node-vault, run by Node: one JSON request a line on standard input, one JSON answer a line on standard output. `do` is a method of the client.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { SERVER_URL, SERVER_CA_FILE, SERVER_TOKEN, CLIENT_FOLDER, NO_CUSTOM_VERBS } = process.env;
const createVault = createRequire(`${CLIENT_FOLDER}/`)("node-vault");
const client = createVault({
  endpoint: SERVER_URL,
  token: SERVER_TOKEN,
  requestOptions: { ca: readFileSync(SERVER_CA_FILE) },
  ...(NO_CUSTOM_VERBS === "yes" ? { noCustomHTTPVerbs: true } : {}),
});

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await answerTo(asked))}\n`);
}

async function answerTo({ do: operation, args }) {
  if (operation === "with token") {
    client.token = args[0];
    return { result: "set" };
  }
  try {
    return { result: (await client[operation](...args)) ?? null };
  } catch (error) {
    return { error: error.message, status: error.response?.statusCode, result: error.response?.body };
  }
}
