/** A whole core over fakes: facts in memory, a clock that stands until it is moved, seeded randomness, and a trail that can be read and broken. */

import { type Broker, type BrokerSettings, createBroker, type Operator } from "../../src/core/broker";
import { type PlanInput, type PlanOutput, planPolicy } from "../../src/core/policy/task";
import { PosternError } from "../../src/model/failures";
import type { AccountName, RoleId } from "../../src/model/ids";
import { parseAccount, parseRoleId } from "../../src/model/ids";
import type { Attestation, Authenticator, AzureProofs, Clock, Keyring, Random, SignedTokens } from "../../src/model/ports";
import { SecretBytes } from "../../src/model/secret-bytes";
import type { AuditRecord, Caller, RequestContext, RowsChanged } from "../../src/model/types";
import { createFactsOnlyStore, type FactsOnlyStore } from "./facts-only-store";

export const startOfTime = 1_764_000_000_000;

export interface TestClock extends Clock {
  advance(ms: number): void;
  /** Sets the wall clock alone, as a wrong time server does. */
  setWall(now: number): void;
}

export function createTestClock(): TestClock {
  let wall = startOfTime;
  let monotonic = 1000;
  return {
    now: () => wall,
    monotonicMs: () => monotonic,
    advance(ms) {
      wall += ms;
      monotonic += ms;
    },
    setWall(now) {
      wall = now;
    },
  };
}

/** The same bytes every time: a linear congruence, good for names and for nothing else. */
export function seededRandom(seed = 1): Random {
  let state = seed >>> 0;
  return {
    bytes(count) {
      const bytes = new Uint8Array(count);
      for (let index = 0; index < count; index += 1) {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        bytes[index] = state >>> 24;
      }
      return bytes;
    },
  };
}

export interface House {
  readonly broker: Broker;
  readonly operator: Operator;
  /** Lets go of what has ended, as a server does now and then. */
  tidy(): Promise<void>;
  readonly clock: TestClock;
  readonly store: FactsOnlyStore;
  readonly account: AccountName;
  readonly admin: Caller;
  readonly adminKey: SecretBytes;
  readonly audit: readonly AuditRecord[];
  /** The newest line. */
  lastAudit(): AuditRecord;
  /** From now on no line is taken, or again. */
  breakAudit(isBroken: boolean): void;
  context(changes?: Partial<RequestContext>): RequestContext;
  /** A session of a role, as if it had logged in now. */
  session(role: string, changes?: Partial<RequestContext>): Promise<Caller>;
  /** Loads policy as the administrator. */
  load(text: string, mode?: "create" | "update" | "replace", branch?: string): ReturnType<Broker["loadPolicy"]>;
  id(text: string): RoleId;
}

export interface HouseOptions {
  readonly authenticators?: readonly Authenticator[];
  readonly enabledAuthenticators?: readonly string[];
  readonly checksAddressOnUse?: boolean;
  readonly settings?: Partial<BrokerSettings>;
  /** One that was used already is opened again. */
  readonly store?: FactsOnlyStore;
  readonly keyring?: Keyring;
  /** Absent: no signature is believed. */
  readonly signedTokens?: SignedTokens;
  /** Absent: Azure answers nothing. */
  readonly azure?: AzureProofs;
  /** In place of planning at once, in this thread. */
  readonly planPolicy?: (input: PlanInput) => Promise<PlanOutput>;
  /** Wants to know which rows a change touched. */
  readonly rowsChanged?: (event: RowsChanged) => void;
  /** Another than that of every house, where two share a store. */
  readonly random?: Random;
  /** Where others tell the time by it too. */
  readonly clock?: TestClock;
}

const noAzure: AzureProofs = {
  verify: () => Promise.reject(new PosternError({ code: "unauthenticated", because: "signature" })),
  inTime: (work) => work(),
  resources: () => {
    throw new Error("nobody asks Azure here");
  },
  applications: () => {
    throw new Error("nobody asks Azure here");
  },
  forget: () => undefined,
};

const noSignedTokens: SignedTokens = {
  algorithms: [],
  problem: () => undefined,
  verify: () => Promise.reject(new PosternError({ code: "unauthenticated", because: "signature" })),
};

export async function createHouse(options: HouseOptions = {}): Promise<House> {
  const clock = options.clock ?? createTestClock();
  const audit: AuditRecord[] = [];
  let isBroken = false;
  const store = options.store ?? createFactsOnlyStore();
  const { broker, operator, tidy } = await createBroker({
    store,
    keyring: options.keyring ?? nodeSecretsOnly(),
    audit: {
      async append(record) {
        if (isBroken) throw new PosternError({ code: "internal", what: "audit", because: "audit_unavailable" });
        audit.push(record);
      },
      ...(options.rowsChanged === undefined ? {} : { rowsChanged: options.rowsChanged }),
      available: () => !isBroken,
      close: async () => undefined,
    },
    meter: { decision: () => undefined, login: () => undefined },
    clock,
    random: options.random ?? seededRandom(),
    offload: { run: () => Promise.reject(new Error("nothing is offloaded here")) },
    planPolicy: options.planPolicy ?? (async (input) => planPolicy(input)),
    authenticators: options.authenticators ?? [],
    signedTokens: options.signedTokens ?? noSignedTokens,
    azure: options.azure ?? noAzure,
    settings: {
      signature: "EdDSA",
      userSessionSeconds: 480,
      hostSessionSeconds: 480,
      secretVersionsKept: 20,
      policyVersionsKept: 20,
      enabledAuthenticators: options.enabledAuthenticators ?? [],
      checksAddressOnUse: options.checksAddressOnUse ?? true,
      ...options.settings,
    },
  });
  const context = (changes: Partial<RequestContext> = {}): RequestContext => ({
    requestId: "r-1",
    now: clock.now(),
    dialect: "conjur",
    clientAddress: "192.0.2.10",
    ...changes,
  });
  const account = parseAccount("acme");
  const isThere = operator.accounts().includes(account);
  const apiKey = isThere
    ? await operator.retrieveKey(parseRoleId(`${account}:user:admin`), context())
    : (await operator.createAccount(account, context())).apiKey;
  const admin = operator.caller(account, context());
  return {
    broker,
    operator,
    tidy,
    clock,
    store,
    account,
    admin,
    adminKey: apiKey,
    audit,
    lastAudit() {
      const last = audit.at(-1);
      if (last === undefined) throw new Error("the trail is empty");
      return last;
    },
    breakAudit(broken) {
      isBroken = broken;
    },
    context,
    async session(role, changes) {
      const id = parseRoleId(`${account}:${role}`);
      const key = await operator.retrieveKey(id, context());
      const session = await broker.login({ authenticator: "authn", account, role: id, claimed: role, credential: key }, context(changes));
      return broker.identify({ kind: "session", token: session.token }, context(changes));
    },
    load: (text, mode = "create", branch = "root") =>
      broker.loadPolicy(
        { ...admin, context: context() },
        { policy: parseRoleId(`${account}:policy:${branch}`), mode, text: Buffer.from(text) },
      ),
    id: (text) => parseRoleId(`${account}:${text}`),
  };
}

/** The part of a keyring that the core itself uses. Seals nothing: the store of this house does not ask. */
export function nodeSecretsOnly(): Keyring {
  const secrets = new Map<string, Uint8Array>();
  const unused = (): never => {
    throw new Error("this keyring does not seal");
  };
  return {
    state: () => ({ state: "unsealed", warnings: [] }),
    seal: unused,
    open: unused,
    rewrap: unused,
    mac: unused,
    verifyMac: unused,
    ensureAccount: async () => undefined,
    async removeAccount(account) {
      for (const name of [...secrets.keys()]) if (name.startsWith(`${account}:`)) secrets.delete(name);
    },
    nodeSecret(account, name) {
      const kept = secrets.get(`${account}:${name}`);
      return kept === undefined ? undefined : Uint8Array.from(kept);
    },
    async putNodeSecret(account, name, plain) {
      secrets.set(`${account}:${name}`, Uint8Array.from(plain));
    },
  };
}

/** An authenticator whose proofs are JSON: `{"subject","attributes"}`, or any other text for one that does not verify. */
export function jsonAuthenticator(type: string): Authenticator {
  return {
    type,
    settings: [{ name: "provider-uri", required: true }],
    restrictions: { required: ["group"], permitted: ["group", "machine"], exclusive: [], ignoreCase: true },
    async verify(credential, _settings, now): Promise<Attestation> {
      try {
        const proof: { readonly subject: string; readonly attributes: Record<string, string> } = JSON.parse(
          Buffer.from(credential.value.reveal()).toString("utf8"),
        );
        return { ...proof, expiresAt: now + 60_000, evidence: {}, checks: [{ check: "signature", ok: true }], warnings: [] };
      } catch (cause) {
        throw new PosternError({ code: "unauthenticated", because: "signature", checks: [{ check: "signature", ok: false }] }, { cause });
      }
    },
    status: async () => undefined,
  };
}

export const secret = (text: string): SecretBytes => SecretBytes.ofText(text);
export const textOf = (bytes: SecretBytes): string => Buffer.from(bytes.reveal()).toString("utf8");
