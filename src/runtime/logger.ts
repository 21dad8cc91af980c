/**
 * The log: one line of JSON per event, on standard error or at the end of a file.
 *
 *   {"at":"2025-11-10T09:12:13.123Z","level":"warn","event":"issuer_keys_stale","issuer":"https://sts.windows.net/…/","ageSeconds":5400}
 */

import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { PosternError } from "../model/failures";
import type { Clock, LogFields, Logger } from "../model/ports";

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Where lines go. Each comes with its newline. */
export type LogSink = (line: string) => void;

export interface LoggerDeps {
  readonly clock: Pick<Clock, "now">;
  /** Events below it are dropped. Default `info`. */
  readonly level?: LogLevel;
  /** Default: standard error. */
  readonly sink?: LogSink;
}

export interface LogFile {
  readonly sink: LogSink;
  close(): void;
}

const standardError = 2;
const maxTextLength = 2048;
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const printableAscii = /^[ -~]*$/u;

/** A log that cannot be written to is lost without a word: nothing else may fail for it. Nothing in a field can start a line or steer a terminal. */
export function createLogger({ clock, level = "info", sink = descriptorSink(standardError) }: LoggerDeps): Logger {
  const lowest = logLevels.indexOf(level);

  function at(eventLevel: LogLevel): (event: string, fields?: LogFields) => void {
    if (logLevels.indexOf(eventLevel) < lowest) return () => undefined;
    return (event, fields) => {
      const time = Temporal.Instant.fromEpochMilliseconds(clock.now()).toString({ smallestUnit: "millisecond" });
      sink(`${lineOf({ at: time, level: eventLevel, event, ...fields })}\n`);
    };
  }
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Opens a file to append to, mode 0640. Throws `malformed` for what is no regular file. */
export function openLogFile(path: string): LogFile {
  const descriptor = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (constants.O_NONBLOCK ?? 0), 0o640);
  if (!fstatSync(descriptor).isFile()) {
    closeSync(descriptor);
    throw new PosternError({ code: "malformed", where: "log", expected: "a regular file", kind: "argument" });
  }
  return { sink: descriptorSink(descriptor), close: () => closeSync(descriptor) };
}

function descriptorSink(descriptor: number): LogSink {
  return (line) => {
    try {
      writeSync(descriptor, line);
    } catch {
      // A full disk, or nobody at the other end of the pipe.
    }
  };
}

function lineOf(fields: LogFields): string {
  const text = JSON.stringify(fields, (_, value: unknown) => (typeof value === "string" ? value.slice(0, maxTextLength) : value));
  if (printableAscii.test(text)) return text;
  return text.replace(unprintable, (character) =>
    Array.from({ length: character.length }, (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`).join(""),
  );
}
