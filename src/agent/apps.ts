/** All apps of this machine: served as the configuration says, and as the next one says while they are. */

import type { AgentApp, AgentConfig } from "../config/agent";
import { failureOf, PosternError } from "../model/failures";
import { createRunningApp, type RunningApp, type RunningAppDeps } from "./app";
import { type AppPlace, openAppPlace } from "./app-place";

export interface Apps {
  /** In the order of the configuration: sockets and ports, each app's identity endpoint behind its own. */
  urls(): readonly string[];
  names(): readonly string[];
  /** Of all that may be served without the primary now; undefined for nothing. */
  oldestAgeMs(): number | undefined;
  /** Opens every app. Throws what the first that cannot be opened says; the others may be open then. */
  open(config: AgentConfig): Promise<void>;
  /**
   * Opens what is new, closes what is gone, and reopens what is told otherwise; the rest notices nothing, and no request that is under way is cut off. An app that
   * cannot be opened as the configuration has it stays as it was, if it was there: then throws `malformed` (because `configuration`) with a line for each.
   */
  change(config: AgentConfig): Promise<void>;
  /** Asks the primary anew for all that is kept. */
  refresh(): void;
  /** Finishes what is under way and writes the copies. */
  close(): Promise<void>;
}

interface Served {
  readonly running: RunningApp;
  readonly place: AppPlace;
  /** What it was opened by. */
  readonly config: AgentConfig;
}

/** The age of what is on the disk is known this exactly after a crash. */
const writeEveryMs = 60_000;
const leaveMs = 2000;

export function createApps(deps: Omit<RunningAppDeps, "config">): Apps {
  const served = new Map<string, Served>();
  let timers: readonly ReturnType<typeof setInterval>[] = [];

  const all = (): readonly RunningApp[] => [...served.values()].map(({ running }) => running);
  const refresh = (): void => void Promise.all(all().map((app) => app.refresh()));

  async function openApp(app: AgentApp, config: AgentConfig): Promise<void> {
    const running = createRunningApp(app, { ...deps, config });
    served.set(app.name, { running, config, place: await openAppPlace(running, deps) });
  }

  /** Nobody waits long for a primary that is away. */
  async function closeApps(leaving: readonly Served[]): Promise<void> {
    for (const { running } of leaving) served.delete(running.app.name);
    await Promise.all(leaving.map(({ place }) => place.close()));
    for (const { running } of leaving) running.close();
    if (deps.line.isAway()) return;
    await Promise.race([Promise.all(leaving.map(({ running }) => running.leave())), deps.pause(leaveMs)]);
  }

  /** The app as it is told, or as it was; what is wrong with it then. */
  async function reopen(app: AgentApp, config: AgentConfig, former: Served | undefined): Promise<string | undefined> {
    try {
      await openApp(app, config);
      return undefined;
    } catch (error) {
      const failure = failureOf(error);
      if (former !== undefined) await openApp(former.running.app, former.config);
      const said = failure.code === "malformed" ? failure.expected : failure.code === "conflict" ? failure.what : failure.code;
      return `apps.${app.name}: ${said}; ${former === undefined ? "it is not served" : "it is served as before"}`;
    }
  }

  function keepTime({ refreshMs }: AgentConfig): void {
    for (const timer of timers) clearInterval(timer);
    timers = [
      setInterval(refresh, refreshMs),
      setInterval(() => {
        for (const app of all()) {
          app.save();
          app.challenges?.sweep();
        }
      }, writeEveryMs),
    ];
  }

  return {
    urls: () => [...served.values()].flatMap(({ place }) => place.urls),
    names: () => [...served.keys()],
    oldestAgeMs() {
      const ages = all().flatMap((app) => app.oldestAgeMs() ?? []);
      return ages.length === 0 ? undefined : Math.max(...ages);
    },
    refresh,
    async open(config) {
      for (const app of config.apps) await openApp(app, config);
      refresh();
      keepTime(config);
    },
    async change(config) {
      const wanted = new Map(config.apps.map((app) => [app.name, app]));
      const former = [...served.values()].filter((each) => !isServedAs(each, wanted.get(each.running.app.name), config));
      await closeApps(former);
      const problems: string[] = [];
      for (const app of config.apps) {
        if (served.has(app.name)) continue;
        const before = former.find(({ running }) => running.app.name === app.name);
        const problem = await reopen(app, config, before);
        if (problem !== undefined) problems.push(problem);
        await served.get(app.name)?.running.refresh();
      }
      keepTime(config);
      if (problems.length > 0)
        throw new PosternError({
          code: "malformed",
          where: "apps",
          expected: problems.join("\n"),
          kind: "argument",
          because: "configuration",
        });
    },
    async close() {
      for (const timer of timers) clearInterval(timer);
      await closeApps([...served.values()]);
    },
  };
}

/** How long values serve is a setting of all apps, and told to each when it is opened. */
function isServedAs({ running, config: before }: Served, app: AgentApp | undefined, config: AgentConfig): boolean {
  const bounds = ({ freshMs, maxStaleMs, maxStaleByName }: AgentConfig): object => ({ freshMs, maxStaleMs, maxStaleByName });
  return app !== undefined && Bun.deepEquals([running.app, bounds(before)], [app, bounds(config)]);
}
