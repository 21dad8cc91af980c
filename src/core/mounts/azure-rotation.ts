/**
 * The secret that a mount of the method `azure` has for Azure, made anew: a password that Azure makes takes its place, and the application's others go.
 *
 * At every moment the mount has a secret that works, whatever fails or ends in between. That there will be a password is noted before it is made; once it is kept,
 * the old one stays in use until the new one is known everywhere and has been tried; only then do the others go. What is left half done is taken up again.
 * Source: Vault 1.19, vault-plugin-auth-azure v0.24.0 (path_rotate_root.go) for the steps and their times; it removes the old passwords before it uses the new one.
 */

import type { MethodVerb, MountMethod } from "../../model/audited-operations";
import { type Failure, failureOf, PosternError } from "../../model/failures";
import type { PathAccess } from "../../model/paths";
import type { AzureApplication, AzureApplications, AzureProofs, Clock, Random } from "../../model/ports";
import type { Caller, Instant } from "../../model/types";
import type { Gate } from "../gate";
import type { Projection } from "../projection";
import { type AzureConfig, argument, type RootRotation, usualPasswordSeconds } from "./azure-config";
import type { AzureConfigurations } from "./azure-configurations";
import { methodName } from "./method-roles";
import { type Mount, uuidOf } from "./mount";
import type { Mounts } from "./mounts";

export interface AzureRotation {
  /** Has a new secret made. It is in use a minute or so later, by `goOn`. Throws `malformed` where there is none to renew, or one is being renewed. */
  begin(caller: Caller, access: PathAccess, mount: Mount): Promise<void>;
  /** Does what is due of what was begun. To be asked now and then, one at a time; what fails is tried again the next time. */
  goOn(): Promise<void>;
}

export interface AzureRotationDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly mounts: Mounts;
  readonly configurations: AzureConfigurations;
  readonly azure: Pick<AzureProofs, "applications" | "forget">;
  readonly clock: Pick<Clock, "now">;
  readonly random: Random;
}

type Made = NonNullable<RootRotation["made"]>;

/** How long the directory may take until a new password is known everywhere. */
const settlingMs = 60_000;
/** When a password that was noted and never kept is taken for lost. */
const lostAfterMs = 180_000;
const shortestSeconds = 3600;
/** When a new password that still does not work is given up. */
const giveUpAfterMs = 900_000;

/** How what was begun has ended. */
type Outcome = Extract<MethodVerb, "rotate_root_done" | "rotate_root_undone">;

export function createAzureRotation(deps: AzureRotationDeps, mountType: MountMethod): AzureRotation {
  const { projection, gate, mounts, configurations, azure, clock, random } = deps;
  /** What failed last, by mount: told once. */
  const told = new Map<string, string>();

  const directory = (config: AzureConfig, mount: Mount): AzureApplications =>
    azure.applications(configurations.access(config, mount, clock.now()));

  /** Changes the configuration as it is now; undefined says that it is not what the change was meant for. */
  async function change(mount: Mount, next: (config: AzureConfig) => AzureConfig | undefined): Promise<AzureConfig> {
    const now = clock.now();
    return await projection.write(mounts.account(projection.graph()), now, (graph) => {
      const before = mounts.find(graph, mount.path)?.accessor === mount.accessor ? configurations.find(graph, mount) : undefined;
      const after = before === undefined ? undefined : next(before);
      if (after === undefined) throw argument("config", "the configuration was changed in the meantime");
      return { changes: configurations.put(graph, mount, after, now), result: after };
    });
  }

  /** Of the rotation of this name, as long as it is under way. */
  const proceed = (mount: Mount, name: string, next: (config: AzureConfig, rotation: RootRotation) => AzureConfig): Promise<AzureConfig> =>
    change(mount, (config) => (config.rotation?.name === name ? next(config, config.rotation) : undefined));

  const drop = (mount: Mount, name: string): Promise<AzureConfig> => proceed(mount, name, ({ rotation: _, ...config }) => config);

  async function begin(mount: Mount): Promise<void> {
    const config = configurations.find(projection.graph(), mount);
    if (config === undefined) throw argument("config", "config is nil");
    const { clientId } = configurations.settled(config);
    if (clientId === "") throw argument("client_id", "client_id is required");
    // What the environment says would be said again at the next start, and others may live by it.
    if (config.clientSecret === "") throw argument("client_secret", "there is no client_secret in the configuration to rotate");
    const ttlSeconds = config.rootPasswordTtlSeconds || usualPasswordSeconds;
    // Or the secret in use would have ended before anybody could make another.
    if (ttlSeconds < shortestSeconds)
      throw argument("root_password_ttl", `root_password_ttl is at least ${shortestSeconds} seconds for a rotation`);
    const applications = directory(config, mount);
    const { id } = theOnly(await asked(() => applications.find(clientId)));
    const name = `vault-${uuidOf(Buffer.from(random.bytes(16)).toString("hex"))}`;
    await change(mount, (present) => {
      if (present.rotation !== undefined) throw argument("rotation", "a rotation is under way");
      const isSame =
        present.clientSecret === config.clientSecret && present.clientId === config.clientId && present.tenantId === config.tenantId;
      return isSame ? { ...present, rotation: { name, beganAt: clock.now(), isPromoted: false } } : undefined;
    });
    const endsAt = clock.now() + ttlSeconds * 1000;
    const made = await addPassword(applications, mount, { id, name, endsAt });
    try {
      await proceed(mount, name, (present, rotation) => ({ ...present, rotation: { ...rotation, made } }));
    } catch (error) {
      // Nobody knows this password. Where it cannot be removed at once, it is found by its name later.
      await applications.removePassword(id, made.keyId).catch(() => undefined);
      throw error;
    }
  }

  async function addPassword(
    applications: AzureApplications,
    mount: Mount,
    { id, name, endsAt }: { readonly id: string; readonly name: string; readonly endsAt: Instant },
  ): Promise<Made> {
    try {
      const { keyId, secret } = await asked(() => applications.addPassword(id, { name, endsAt }));
      return { secret: Buffer.from(secret.reveal()).toString("utf8"), keyId, at: clock.now(), endsAt };
    } catch (error) {
      // Where Azure said no, there is none. Where it said nothing, there may be one.
      if (isRefusal(failureOf(error))) await drop(mount, name);
      throw error;
    }
  }

  /** Does the next step, if it is time for it; gives what was done. */
  async function step(mount: Mount, config: AzureConfig, rotation: RootRotation): Promise<Outcome | undefined> {
    const { made, name, beganAt, isPromoted } = rotation;
    const now = clock.now();
    if (made === undefined) return now - beganAt < lostAfterMs ? undefined : undo(mount, config, rotation, (each) => each.name === name);
    if (isPromoted) return finish(mount, config, rotation, made);
    if (now - made.at < settlingMs) return undefined;
    try {
      await findOwn({ ...config, clientSecret: made.secret }, mount, made);
    } catch (error) {
      const isHopeless = now - made.at > giveUpAfterMs && isRefusal(failureOf(error));
      if (!isHopeless) throw error;
      return undo(mount, config, rotation, ({ keyId }) => keyId === made.keyId);
    }
    const promoted = await proceed(mount, name, (present) => ({
      ...present,
      clientSecret: made.secret,
      rotation: { ...rotation, isPromoted: true },
    }));
    azure.forget(mount.accessor);
    return finish(mount, promoted, rotation, made);
  }

  /** The application, asked for by the new secret; it must have the new password, or none of the others may go. */
  async function findOwn(config: AzureConfig, mount: Mount, { keyId }: Made): Promise<AzureApplication> {
    const application = theOnly(await asked(() => directory(config, mount).find(configurations.settled(config).clientId)));
    if (application.passwords.some((each) => each.keyId === keyId)) return application;
    throw new PosternError({ code: "upstream_unavailable", upstream: "azure", because: "password_unknown" });
  }

  async function finish(mount: Mount, config: AzureConfig, { name }: RootRotation, made: Made): Promise<Outcome> {
    const { id, passwords } = await findOwn(config, mount, made);
    const applications = directory(config, mount);
    for (const { keyId } of passwords) if (keyId !== made.keyId) await asked(() => applications.removePassword(id, keyId));
    await proceed(mount, name, ({ rotation: _, ...present }) => ({ ...present, passwordEndsAt: made.endsAt }));
    return "rotate_root_done";
  }

  async function undo(
    mount: Mount,
    config: AzureConfig,
    { name }: RootRotation,
    isLost: (password: AzureApplication["passwords"][number]) => boolean,
  ): Promise<Outcome> {
    const applications = directory(config, mount);
    for (const { id, passwords } of await asked(() => applications.find(configurations.settled(config).clientId)))
      for (const password of passwords) if (isLost(password)) await asked(() => applications.removePassword(id, password.keyId));
    await drop(mount, name);
    return "rotate_root_undone";
  }

  async function goOnWith(mount: Mount): Promise<void> {
    const context = { requestId: "rotation", now: clock.now(), dialect: "operator", clientAddress: "127.0.0.1" };
    const account = mounts.account(projection.graph());
    const about = { account, authenticator: methodName(mount), path: `${mount.path}/rotate-root` };
    try {
      const config = configurations.find(projection.graph(), mount);
      const done = config?.rotation === undefined ? undefined : await step(mount, config, config.rotation);
      told.delete(mount.accessor);
      if (done !== undefined) await gate.accept(context, { ...about, operation: `${mountType}.${done}` });
    } catch (error) {
      const { code, because = code } = failureOf(error);
      if (told.get(mount.accessor) === because) return;
      told.set(mount.accessor, because);
      await gate.refuse(context, { ...about, operation: `${mountType}.rotate_root` }, error);
    }
  }

  return {
    begin: (caller, access, mount) =>
      gate.change(caller, configurations.demand("rotate_root", access, mount), async () => {
        await begin(mount);
        told.delete(mount.accessor);
      }),

    async goOn() {
      for (const mount of mounts.ofType(projection.graph(), mountType)) await goOnWith(mount);
    },
  };
}

function theOnly(found: readonly AzureApplication[]): AzureApplication {
  const [application, ...others] = found;
  if (application === undefined) throw argument("client_id", "no application found");
  if (others.length > 0) throw argument("client_id", "multiple applications found - double check your client_id");
  return application;
}

/** An answer that says no, and not one of a service that is away. */
function isRefusal({ code, because = "" }: Failure): boolean {
  return code === "upstream_unavailable" && /^(?:http_4(?!08|29)\d\d|invalid_client|unauthorized_client)/.test(because);
}

async function asked<Result>(ask: () => Promise<Result>): Promise<Result> {
  try {
    return await ask();
  } catch (error) {
    const failure = failureOf(error);
    if (failure.code !== "upstream_unavailable") throw error;
    throw new PosternError(
      { ...failure, says: `unable to rotate the root credential: ${failure.because ?? "no answer"}` },
      { cause: error },
    );
  }
}
