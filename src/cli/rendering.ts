/** One round of `postern render`: read everything, write everything, tell the programs concerned. Nothing is written unless everything was read. */

import type { RenderedFile } from "../config/render-file";
import { PosternError } from "../model/failures";
import type { Placement } from "../runtime/placed-files";
import { variableId, variableIdAt } from "./input";
import type { CliIo } from "./io";
import type { PendingReloads } from "./pending-reloads";
import { type ReadOptions, readSecrets, secretIn } from "./secret-reading";
import { parseTemplate, renderTemplate, type TemplatePart } from "./template";
import type { CliWorld } from "./world";

export interface Rendered {
  readonly files: readonly { readonly path: string; readonly change: "content" | "access" | "none" }[];
  readonly reloaded: readonly (readonly string[])[];
}

export interface RenderingOptions {
  readonly io: CliIo;
  readonly world: CliWorld;
  readonly files: readonly RenderedFile[];
  readonly reading: ReadOptions;
  readonly pending: PendingReloads;
}

/** Throws as reading and placing do; `internal` (because `reload`) when a program could not be told, after all others were. */
export async function renderOnce(options: RenderingOptions): Promise<Rendered> {
  const { io, world, files, pending } = options;
  const placements = await placementsOf(options);
  const before = pending.load();
  const staged = world.stageFiles(placements);
  const changed = files.filter(({ destination }) => before.includes(destination) || staged.changes.get(destination) === "content");
  const untold = changed.filter(({ reload }) => reload !== undefined);
  // Other files than these may be rendered from the same folder.
  const ofOthers = before.filter((path) => !files.some(({ destination }) => destination === path));
  try {
    pending.save([...ofOthers, ...untold.map(({ destination }) => destination)]);
  } catch (error) {
    staged.discard();
    throw error;
  }
  const changes = new Map(staged.changes);
  staged.commit();
  const failed = await tell(untold, io, world);
  const stillUntold = untold.filter(({ reload }) => failed.has(keyOf(reload)));
  pending.save([...ofOthers, ...stillUntold.map(({ destination }) => destination)]);
  const [first] = failed.values();
  if (first !== undefined) throw new PosternError({ code: "internal", what: first, because: "reload" });
  return {
    files: files.map(({ destination }) => ({ path: destination, change: changes.get(destination) ?? "none" })),
    reloaded: [...new Map(untold.map(({ reload }) => [keyOf(reload), reload ?? []])).values()],
  };
}

async function placementsOf({ io, files, reading }: RenderingOptions): Promise<readonly Placement[]> {
  const { account } = reading.login.connection;
  const sources = files.map((file) => ({ file, parts: partsOf(file, io) }));
  const named = sources.flatMap(({ parts }) =>
    parts.flatMap((part) => ("text" in part ? [] : [variableIdAt(part.where, part.name, account)])),
  );
  const readings = await readSecrets([...new Set(named)], reading);
  const bytesOf = (name: string): Uint8Array => {
    const id = variableId(name, account);
    return secretIn(id, readings.get(id)).reveal();
  };
  return sources.map(({ file: { destination: path, mode, owner, group }, parts }) => ({
    path,
    mode,
    bytes: renderTemplate(parts, bytesOf),
    ...(owner === undefined ? {} : { owner }),
    ...(group === undefined ? {} : { group }),
  }));
}

function partsOf({ source, destination }: RenderedFile, io: CliIo): readonly TemplatePart[] {
  if ("secret" in source) return [{ name: source.secret, form: "secret", where: destination }];
  const bytes = io.readFile(source.template);
  return parseTemplate(Buffer.from(bytes).toString("utf8"), source.template);
}

/** Runs each program once, whichever files it is told of. What failed, by the program. */
async function tell(files: readonly RenderedFile[], io: CliIo, world: CliWorld): Promise<ReadonlyMap<string, string>> {
  const failed = new Map<string, string>();
  const programs = new Map(files.map(({ reload }) => [keyOf(reload), reload]));
  for (const [key, command] of programs) {
    if (command === undefined) continue;
    const reason = await world.runHook({ command, environment: io.environment }, io.folder);
    if (reason !== undefined)
      failed.set(key, `the files are in place, but '${command.join(" ")}' failed: ${reason}; it runs again the next time`);
  }
  return failed;
}

function keyOf(reload: RenderedFile["reload"]): string {
  return JSON.stringify(reload ?? []);
}
