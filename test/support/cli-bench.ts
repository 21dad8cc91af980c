/** A command line without a process: what it prints is kept, and the Postern it reaches is a whole core over memory behind the real admin application. */

import type { AuditTrail } from "../../src/audit/audit-log";
import { run } from "../../src/cli/cli";
import type { CliIo } from "../../src/cli/io";
import type { CliWorld } from "../../src/cli/world";
import type { Config } from "../../src/config/config";
import { PosternError } from "../../src/model/failures";
import type { KeyringState } from "../../src/model/ports";
import { SecretBytes } from "../../src/model/secret-bytes";
import { createMemoryFiles } from "../../src/runtime/files";
import { type AdminApp, createAdminApp } from "../../src/server/admin";
import { createAuditBench } from "./audit-bench";
import { createHouse, createTestClock, type House, jsonAuthenticator, seededRandom } from "./house";

export interface OperatedHouse {
  readonly house: House;
  readonly app: AdminApp;
  readonly trail: AuditTrail;
  /** What happened to the keyring, in order. */
  readonly keyringCalls: string[];
  setSeal(state: KeyringState): void;
  close(): Promise<void>;
}

export const recoveryKeyText = "AAAAAAA-BBBBBBB";

/** The admin application over a house with the account `acme`. */
export async function createOperatedHouse(): Promise<OperatedHouse> {
  const house = await createHouse({ authenticators: [jsonAuthenticator("authn-azure")] });
  const bench = createAuditBench();
  const trail = bench.open();
  const keyringCalls: string[] = [];
  let state: KeyringState = { state: "unsealed", warnings: [] };
  const app = createAdminApp({
    broker: house.broker,
    operator: house.operator,
    audit: trail,
    keyring: {
      status: () => ({ state, deployment: "d1", epoch: 2, recipients: [{ provider: "file:/etc/seal.key", state: "ok" }], scopes: [] }),
      async rotateRoot(key) {
        keyringCalls.push(`rotateRoot ${key === undefined ? "without" : "with"} key`);
        return { epoch: 3, recoveryKey: SecretBytes.ofText(recoveryKeyText) };
      },
      async rotateScope(account) {
        keyringCalls.push(`rotateScope ${account}`);
        return { scopeKey: "k1", generation: 2 };
      },
      async addRecipient(provider) {
        keyringCalls.push(`add ${provider}`);
        return {};
      },
      async removeRecipient(provider) {
        throw new PosternError({ code: "not_found", target: `recipient ${provider}` });
      },
    },
    async unseal(key) {
      keyringCalls.push(`unseal ${key === undefined ? "without" : "with"} key`);
      state = { state: "unsealed", warnings: [] };
    },
    rewrap: () => void keyringCalls.push("rewrap"),
    reload: () => void keyringCalls.push("reload"),
    metrics: { text: async () => "postern_up 1\n", contentType: "text/plain; version=0.0.4" },
    condition: () => ({
      version: "1.2.3",
      readiness: { ready: state.state === "unsealed", reasons: [], warnings: [] },
      ...(state.state === "unsealed" ? { store: { revision: 7, syncedAt: 0 } } : {}),
      listeners: ["https://127.0.0.1:8443"],
    }),
    clock: house.clock,
    random: seededRandom(2),
    logger: bench.log,
  });
  return {
    house,
    app,
    trail,
    keyringCalls,
    setSeal(next) {
      state = next;
    },
    async close() {
      await trail.close();
      bench.remove();
    },
  };
}

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface CliOptions {
  readonly input?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly isTerminal?: boolean;
  /** Typed at a terminal that does not show it; standard input is that terminal then. */
  readonly hidden?: string;
  readonly world?: Partial<CliWorld>;
}

export interface CliBench {
  /** Runs one line; words are separated by single spaces. */
  run(line: string, options?: CliOptions): Promise<Outcome>;
  /** Files that commands wrote. */
  readonly written: ReadonlyMap<string, string>;
  /** The same as bytes; later lines read them. */
  readonly bytesOf: Map<string, Uint8Array>;
  /** Configurations that a server was started with. */
  readonly started: readonly Config[];
}

export function createCliBench(app: () => AdminApp): CliBench {
  const written = new Map<string, string>();
  const bytesOf = new Map<string, Uint8Array>();
  const started: Config[] = [];
  return {
    written,
    bytesOf,
    started,
    async run(line, { input = "", files = {}, environment = {}, isTerminal = false, hidden, world = {} } = {}) {
      const printed = { out: "", err: "" };
      const io: CliIo = {
        out(text) {
          printed.out += Buffer.from(text).toString("utf8");
        },
        err(text) {
          printed.err += text;
        },
        readInput: async () => Buffer.from(input),
        async readHidden(prompt) {
          printed.err += `${prompt}\n`;
          return hidden ?? "";
        },
        readFile(path) {
          const text = files[path];
          const bytes = text === undefined ? bytesOf.get(path) : Buffer.from(text);
          if (bytes === undefined) throw new PosternError({ code: "malformed", where: path, expected: "a file", kind: "missing" });
          return bytes;
        },
        writeSecretFile(path, bytes) {
          written.set(path, Buffer.from(bytes).toString("utf8"));
          bytesOf.set(path, bytes.slice());
        },
        exists: (path) => files[path] !== undefined || written.has(path),
        readLines: (path) => (written.get(path) ?? "").split("\n").slice(0, -1),
        appendLines: (path, lines) => void written.set(path, `${written.get(path) ?? ""}${lines.map((line) => `${line}\n`).join("")}`),
        inputIsTerminal: hidden !== undefined,
        outputIsTerminal: isTerminal,
        errorIsTerminal: isTerminal,
        environment,
        folder: "/home/op",
      };
      const code = await run(line.split(" "), io, {
        reach: async () => ({
          transport: (request) => app().fetch(request, { isLocal: true }),
          isServed: true,
          close: async () => undefined,
        }),
        initialise: async () => ({ recoveryKey: SecretBytes.ofText(recoveryKeyText) }),
        async startServer(config) {
          started.push(config);
          return {
            app: app(),
            urls: ["http://127.0.0.1:8443"],
            readiness: { state: "ready" },
            reload: () => undefined,
            stop: async () => undefined,
          };
        },
        startAgent: async () => ({
          urls: () => ["unix:/run/postern/billing.sock"],
          identitySource: "imds",
          reload: async () => undefined,
          stop: async () => undefined,
        }),
        verifyAgentTrail: async () => undefined,
        untilStopped: async () => undefined,
        serviceManager: { ready: () => undefined, reloading: () => undefined, stopping: () => undefined },
        conjurApi: () => {
          throw new Error("no other server here");
        },
        remote: () => {
          throw new Error("no server to log in at here");
        },
        clock: createTestClock(),
        files: createMemoryFiles(),
        remove: () => false,
        openCopy: () => Promise.reject(new Error("no copy here")),
        membershipOf: () => "outside",
        certificateEnd: async () => undefined,
        freeSpace: () => ({ bytes: 2 ** 30, files: 1000 }),
        sealState: async () => ({ state: "uninitialised" }),
        servedAdmin: async () => undefined,
        runChild: () => Promise.reject(new Error("no programs run here")),
        runHook: () => Promise.reject(new Error("no hooks run here")),
        stageFiles: () => {
          throw new Error("no files are put anywhere here");
        },
        secretFolder: () => ({ write: (name) => `/secrets/${name}`, remove: () => undefined }),
        answers: async () => false,
        pause: async () => undefined,
        authenticators: () => [jsonAuthenticator("authn-azure")],
        freshBytes: (count) => new Uint8Array(count).fill(7),
        ...world,
      });
      return { code, ...printed };
    },
  };
}
