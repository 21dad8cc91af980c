/** Azure's library for Python, asked for tokens. */

import { join } from "node:path";
import type { Outcome } from "../azure-identity/token-case";
import { installedFile } from "../support/client";
import { type Driver, startDriver } from "../support/driver";

export type Kind = "managed" | "default" | "secret" | "workload";

export interface Library {
  /** `environment`: all that the library finds; `options`: keyword arguments of the credential. */
  get(kind: Kind, environment: Readonly<Record<string, string>>, options?: object, scope?: string): Promise<Outcome>;
  stop(): Promise<void>;
}

export const usualScope = "https://postern.example/.default";

export function startLibrary(home: string): Library {
  const command = [installedFile("azure-identity-python", "venv/bin/python"), join(import.meta.dir, "driver.py")];
  const driver: Driver = startDriver({ command, cwd: home, env: {} });
  return {
    async get(kind, environment, options = {}, scope = usualScope) {
      const { result, error } = await driver.call(kind, environment, scope, options);
      if (error !== undefined) return { error };
      if (typeof result !== "object" || result === null) throw new Error("the driver gave neither a token nor an error");
      return { ...result };
    },
    stop: driver.stop,
  };
}
