/**
 * The trail, and beside it the same decisions as syslog events to the places that the operator named.
 *
 * The trail decides: its line comes first, and a place that is slow or gone holds up nobody, unless it was declared required. Each place has a queue of its
 * own, bounded; what does not fit is dropped, counted and said. A place that fails is tried again with growing pauses, and gets what waits in order.
 */

import { PosternError } from "../model/failures";
import type { Clock, LineSink, Logger } from "../model/ports";
import type { AuditRecord, RowsChanged } from "../model/types";
import type { AuditTrail } from "./audit-log";
import { conjurEvent, rowMessages } from "./conjur-events";
import { createInstantText } from "./line";
import { syslogLine } from "./syslog-line";

export interface ForwardingOptions {
  readonly trail: AuditTrail;
  readonly sinks: readonly LineSink[];
  /** No answer before every place has taken its event, or within two seconds none at all. */
  readonly isRequired: boolean;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly logger: Logger;
}

export interface ForwardingTrail extends AuditTrail {
  /** For metrics: events that some place did not get, and places that do not take any now. */
  forwarding(): { readonly dropped: number; readonly broken: number };
}

const mostWaiting = 20_000;
const mostInOneWrite = 500;
const firstPauseMs = 100;
const longestPauseMs = 30_000;
const requiredWithinMs = 2000;
const closeWithinMs = 2000;

/** One event on its way to one place. */
interface Waiting {
  readonly line: string;
  readonly settle?: (isTaken: boolean) => void;
}

interface Place {
  send(lines: readonly Waiting[]): void;
  dropped(): number;
  isBroken(): boolean;
  /** Resolves when nothing waits any more, or after a while. */
  close(): Promise<void>;
}

export function createForwarding({ trail, sinks, isRequired, clock, logger }: ForwardingOptions): ForwardingTrail {
  // Nothing of this is in the way of a trail that has nobody beside it.
  if (sinks.length === 0) return { ...trail, forwarding: () => ({ dropped: 0, broken: 0 }) };
  const instantText = createInstantText();
  const places = sinks.map((sink) => createPlace(sink, clock, logger));

  /** Hands one line to every place. With `isRequired`, resolves when all have taken it. */
  async function forward(record: AuditRecord): Promise<void> {
    const event = conjurEvent(record);
    if (event === undefined) return;
    const line = syslogLine(event, instantText);
    if (!isRequired) {
      for (const place of places) place.send([{ line }]);
      return;
    }
    const taken = places.map((place) => {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => resolve(false), requiredWithinMs);
      place.send([{ line, settle: resolve }]);
      return promise.finally(() => clearTimeout(timer));
    });
    if ((await Promise.all(taken)).includes(false))
      throw new PosternError({ code: "internal", what: "a required audit sink takes no event", because: "audit_unavailable" });
  }

  return {
    ...trail,
    async append(record) {
      await trail.append(record);
      await forward(record);
    },
    rowsChanged(event: RowsChanged) {
      for (const message of rowMessages(event)) {
        const line = syslogLine(message, instantText);
        for (const place of places) place.send([{ line }]);
      }
    },
    available: () => trail.available() && !(isRequired && places.some((place) => place.isBroken())),
    forwarding: () => ({
      dropped: places.reduce((sum, place) => sum + place.dropped(), 0),
      broken: places.filter((place) => place.isBroken()).length,
    }),
    async close() {
      await trail.close();
      await Promise.all(places.map((place) => place.close()));
    },
  };
}

function createPlace(sink: LineSink, clock: Pick<Clock, "monotonicMs">, logger: Logger): Place {
  let waiting: Waiting[] = [];
  let isWriting = false;
  let isClosed = false;
  let dropped = 0;
  let brokenSinceMs: number | undefined;
  let pauseMs = firstPauseMs;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let idle = Promise.withResolvers<void>();

  function drop(count: number): void {
    for (const { settle } of waiting.splice(0, count)) settle?.(false);
    dropped += count;
  }

  async function work(): Promise<void> {
    if (isWriting) return;
    isWriting = true;
    while (waiting.length > 0) {
      let some = waiting.slice(0, mostInOneWrite);
      try {
        some = some.slice(0, await sink.write(some.map(({ line }) => line)));
      } catch (error) {
        isWriting = false;
        fail(error);
        return;
      }
      // What was dropped meanwhile was at the front, and so among these.
      const sent = new Set(some);
      waiting = waiting.filter((each) => !sent.has(each));
      for (const { settle } of some) settle?.(true);
      if (brokenSinceMs !== undefined) logger.info("audit_sink_available", { sink: sink.place, dropped });
      brokenSinceMs = undefined;
      pauseMs = firstPauseMs;
    }
    isWriting = false;
    idle.resolve();
  }

  function fail(error: unknown): void {
    if (brokenSinceMs === undefined) {
      brokenSinceMs = clock.monotonicMs();
      const reason = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "failed";
      logger.error("audit_sink_unavailable", { sink: sink.place, reason });
    }
    if (isClosed) {
      drop(waiting.length);
      idle.resolve();
      return;
    }
    timer = setTimeout(() => {
      timer = undefined;
      void work();
    }, pauseMs);
    timer.unref();
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  }

  return {
    send(lines) {
      if (waiting.length === 0) idle = Promise.withResolvers();
      waiting.push(...lines);
      if (waiting.length > mostWaiting) {
        if (dropped === 0) logger.error("audit_sink_overflow", { sink: sink.place });
        drop(waiting.length - mostWaiting);
      }
      if (timer === undefined) void work();
    },
    dropped: () => dropped,
    isBroken: () => brokenSinceMs !== undefined,
    async close() {
      isClosed = true;
      clearTimeout(timer);
      timer = undefined;
      if (waiting.length > 0) {
        void work();
        const { promise, resolve } = Promise.withResolvers<void>();
        const limit = setTimeout(resolve, closeWithinMs);
        await Promise.race([idle.promise, promise]);
        clearTimeout(limit);
      }
      sink.close();
    },
  };
}
