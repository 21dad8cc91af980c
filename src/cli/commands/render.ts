/** `postern render`: files with secrets for programs that read files, each whole and with its owner and mode from the first moment. */

import { resolve } from "node:path";
import type { Command } from "commander";
import { adminFailure } from "../../client/admin-wire";
import { parseMode, type RenderedFile, readRenderFile } from "../../config/render-file";
import { failureOf, PosternError } from "../../model/failures";
import { choiceOf, createClientCommand, durationOf, loginOf, offlineOf, withOfflineOptions, withSocketOptions } from "../client-command";
import { type Cli, onRun, optionOf, type Run, usage } from "../command";
import { exitCodes } from "../exit-codes";
import type { CliIo } from "../io";
import { openPendingReloads } from "../pending-reloads";
import { type Rendered, type RenderingOptions, renderOnce } from "../rendering";
import { possibleStateFolder } from "../session";

const example = `postern render --template app.conf.tmpl:/etc/app/app.conf --owner app --mode 0640
postern render -f /etc/postern/render.toml --wait 10m              # at boot, until the server answers
postern render -f /etc/postern/render.toml --watch 5m              # and again; SIGHUP renders at once`;

const help = `
A template is text with {{ secret "apps/db/password" }} (the bytes as they are), {{ json "…" }} (a JSON string with its
quotes) or {{ base64 "…" }} in it; {{ "{{" }} is two braces. Nothing else is replaced, and anything else in braces is an error.

The file, by example:

  [[file]]
  template = "app.conf.tmpl"                beside this file; or secret = "apps/web/key" for one value, byte for byte
  destination = "/etc/app/app.conf"         in a folder that only this user and root can change
  owner = "app"                             default: this user; as group
  mode = "0640"                             default: 0600
  reload = ["systemctl", "reload", "app"]   run without a shell when the content changed; again the next time if it fails
`;

const usualWaitMs = 300_000;
const longestPauseMs = 15_000;

export function renderCommand(cli: Cli): Command {
  const command = withOfflineOptions(
    withSocketOptions(
      createClientCommand("render", "write files with secrets in them: all or none, and each whole, with its owner and mode", example),
    ),
  )
    .option("-f, --file <path>", "TOML file that says which files")
    .option("--template <source:destination>", "a template and the file it makes, in place of a TOML file (may be repeated)", collect)
    .option("--owner <user>", "with --template: whose the files are")
    .option("--group <group>", "with --template: their group")
    .option("--mode <octal>", "with --template: their mode (default: 0600)")
    .option("--wait [time]", "ask again until the server answers, for so long (default: 5m)")
    .option("--watch <time>", "go on, and render again as often")
    .addHelpText("after", help);
  return onRun(command, cli, async (run) => {
    const { io } = run;
    const { world } = cli;
    const files = filesOf(command, io);
    const watchMs = durationOf(command, "watch", "--watch");
    if (watchMs === 0) throw usage("--watch", "a time of a second or more");
    const login = loginOf(command, io, world);
    const offline = await offlineOf(command, cli, login);
    const notice = (text: string): void => io.err(`postern: ${text}\n`);
    const options: RenderingOptions = {
      io,
      world,
      files,
      reading: { login, notice, ...(offline === undefined ? {} : { offline }) },
      // Without a place for it, a hook that failed is not remembered.
      pending: openPendingReloads(world.files, possibleStateFolder(io, choiceOf(command))),
    };
    const waitMs = waitOf(command);
    if (watchMs === undefined) report(run, await renderPatiently(options, waitMs, (ms) => world.pause(ms).then(() => true)));
    else await watch(run, cli, options, { waitMs, everyMs: watchMs });
    return exitCodes.done;
  });
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

function filesOf(command: Command, io: CliIo): readonly RenderedFile[] {
  const path = optionOf(command, "file");
  const templates: unknown = command.getOptionValue("template");
  if ((path === undefined) === (templates === undefined)) throw usage("render", "either --file or --template");
  if (path !== undefined) {
    if (["owner", "group", "mode"].some((name) => optionOf(command, name) !== undefined))
      throw usage("--owner, --group, --mode", "--template beside them; a file says them itself");
    const whole = resolve(io.folder, path);
    return readRenderFile({ path: whole, text: Buffer.from(io.readFile(whole)).toString("utf8") });
  }
  const owner = optionOf(command, "owner");
  const group = optionOf(command, "group");
  const mode = parseMode(optionOf(command, "mode") ?? "0600");
  if (mode === undefined) throw usage("--mode", 'an octal mode such as "0640", closed to writing by others');
  const access = { mode, ...(owner === undefined ? {} : { owner }), ...(group === undefined ? {} : { group }) };
  const pairs = Array.isArray(templates) ? templates.filter((each) => typeof each === "string") : [];
  const files = pairs.map((pair) => ({ ...access, ...pairOf(pair, io) }));
  const places = files.map(({ destination }) => destination);
  if (new Set(places).size < places.length) throw usage("--template", "each destination once");
  return files;
}

function pairOf(text: string, io: CliIo): Pick<RenderedFile, "source" | "destination"> {
  const [, template, destination] = /^(.+?):((?:[A-Za-z]:)?[^:]+)$/u.exec(text) ?? [];
  if (template === undefined || destination === undefined) throw usage("--template", "source:destination");
  return { source: { template: resolve(io.folder, template) }, destination: resolve(io.folder, destination) };
}

function waitOf(command: Command): number {
  const said: unknown = command.getOptionValue("wait");
  if (said === undefined) return 0;
  return said === true ? usualWaitMs : (durationOf(command, "wait", "--wait") ?? usualWaitMs);
}

/** Only what may pass is waited for: a refusal is told at once. `goesOnAfter` a pause is false when there is no time for more. */
async function renderPatiently(
  options: RenderingOptions,
  waitMs: number,
  goesOnAfter: (ms: number) => Promise<boolean>,
): Promise<Rendered> {
  const { world, io } = options;
  const deadlineMs = world.clock.monotonicMs() + waitMs;
  for (let pauseMs = 1000; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return await renderOnce(options);
    } catch (error) {
      const failure = failureOf(error);
      const isPassing = failure.code === "upstream_unavailable" && world.clock.monotonicMs() + pauseMs <= deadlineMs;
      if (!isPassing) throw error;
      if (pauseMs === 1000) io.err(`postern: ${failure.upstream} cannot be asked (${failure.because ?? "no answer"}); waiting\n`);
      if (!(await goesOnAfter(pauseMs))) throw error;
    }
  }
}

interface Rhythm {
  readonly waitMs: number;
  readonly everyMs: number;
}

/** A round that fails is told, and the files stay as they are; but the first must succeed. Signals are heard from the start. */
async function watch(run: Run, { world, io }: Cli, options: RenderingOptions, { waitMs, everyMs }: Rhythm): Promise<void> {
  let isStopping = false;
  let waking = new AbortController();
  const { serviceManager } = world;
  const stopped = world
    .untilStopped(() => waking.abort())
    .then(() => {
      isStopping = true;
      waking.abort();
    });
  const goesOnAfter = async (ms: number): Promise<boolean> => {
    await world.pause(ms, waking.signal);
    if (!isStopping) waking = new AbortController();
    return !isStopping;
  };
  report(run, await renderPatiently(options, waitMs, goesOnAfter));
  serviceManager.ready(`${options.files.length} files rendered`);
  while (await goesOnAfter(everyMs)) {
    try {
      report(run, await renderOnce(options), true);
    } catch (error) {
      if (!(error instanceof PosternError)) throw error;
      io.err(`postern: not rendered: ${adminFailure(error.failure).message}\n`);
    }
  }
  await stopped;
  serviceManager.stopping();
}

function report({ print, isJson }: Run, rendered: Rendered, isQuiet = false): void {
  const changed = rendered.files.filter(({ change }) => change !== "none");
  if (isQuiet && changed.length === 0 && rendered.reloaded.length === 0) return;
  const lines = rendered.files.map(({ path, change }) => `${words[change]} ${path}\n`);
  const hooks = rendered.reloaded.map((command) => `ran ${command.join(" ")}\n`);
  print(rendered, isJson ? "" : [...lines, ...hooks].join(""));
}

const words = { content: "wrote", access: "owner and mode of", none: "unchanged" } as const;
