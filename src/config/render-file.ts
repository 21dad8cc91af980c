/**
 * The file that says which files `postern render` writes.
 *
 *   [[file]]
 *   template = "app.conf.tmpl"        beside this file; or secret = "apps/db/key" for one value, byte for byte
 *   destination = "/etc/app/app.conf"
 *   owner = "app"                     default: whoever runs this
 *   group = "app"
 *   mode = "0640"                     default "0600"
 *   reload = ["systemctl", "reload", "app"]
 */

import { dirname, isAbsolute, resolve } from "node:path";
import * as v from "valibot";
import { misconfigured } from "./problems";
import { readToml, type TextFile } from "./toml-file";

/** A file to write. */
export interface RenderedFile {
  readonly source: { readonly template: string } | { readonly secret: string };
  readonly destination: string;
  readonly owner?: string;
  readonly group?: string;
  readonly mode: number;
  /** A program and its words, run without a shell when the content changed. */
  readonly reload?: readonly [string, ...string[]];
}

export const usualMode = 0o600;

const Text = v.pipe(v.string("a text"), v.minLength(1, "a text that is not empty"));
const Account = v.union([Text, v.pipe(v.number(), v.integer(), v.minValue(0), v.transform(String))], "a name or a number");
const modeForm = 'an octal mode such as "0640", closed to writing by others';
const Mode = v.pipe(
  v.string(modeForm),
  v.regex(/^0?[0-7]{3}$/u, modeForm),
  v.transform((text) => Number.parseInt(text, 8)),
  v.check((mode) => (mode & 0o002) === 0, modeForm),
);
const File = v.strictObject({
  template: v.exactOptional(Text),
  secret: v.exactOptional(Text),
  destination: v.pipe(Text, v.check(isAbsolute, "an absolute path")),
  owner: v.exactOptional(Account),
  group: v.exactOptional(Account),
  mode: v.exactOptional(Mode),
  reload: v.exactOptional(v.tupleWithRest([Text], v.string(), "a program and its words: a list of texts")),
});
const Whole = v.strictObject({ file: v.pipe(v.array(File, "a table [[file]] for each"), v.minLength(1, "at least one [[file]]")) });

/** Throws `malformed` (because `configuration`) whose `expected` has a line for each thing that is wrong. */
export function readRenderFile(source: TextFile): readonly RenderedFile[] {
  const { file } = readToml(Whole, source);
  const destinations = file.map(({ destination }) => destination);
  const problems = [
    ...file.flatMap(({ template, secret }, at) =>
      (template === undefined) === (secret === undefined) ? [`file.${at}: expected either template or secret`] : [],
    ),
    ...new Set(destinations.filter((path, at) => destinations.indexOf(path) !== at).map((path) => `file: ${path} is written twice`)),
  ];
  if (problems.length > 0) throw misconfigured(problems);
  const folder = dirname(source.path);
  return file.map(({ template, secret = "", mode = usualMode, ...rest }) => ({
    ...rest,
    mode,
    source: template === undefined ? { secret } : { template: resolve(folder, template) },
  }));
}

/** The mode of a text such as `0640`; undefined for what is none that is taken. */
export function parseMode(text: string): number | undefined {
  const parsed = v.safeParse(Mode, text);
  return parsed.success ? parsed.output : undefined;
}
