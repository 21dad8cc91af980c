/** Gauges of numbers that others hold. */

import { Gauge, type Registry } from "prom-client";

/** A gauge that is read when somebody asks; absent while there is nothing to read. */
export type ReadGauge = (name: string, help: string, source: () => number | undefined) => void;

export function createReadGauge(registers: Registry[]): ReadGauge {
  return (name, help, source) => {
    // Registered by being made.
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const value = source();
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  };
}
