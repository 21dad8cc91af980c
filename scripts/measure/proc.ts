/** What Linux tells about a process. */

import { readdirSync, readFileSync } from "node:fs";

/** Processor time of all threads of a process so far, in microseconds. */
export function cpuMicros(pid: number): number {
  let nanoseconds = 0;
  // Exact, where /proc/PID/stat counts in ticks of ten milliseconds. Neither runtime ends threads while it is measured.
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
  }
  return nanoseconds / 1000;
}

export interface Memory {
  /** All that is resident, the pages of the binary among it. */
  readonly residentMiB: number;
  /** Resident and of no file: what the process itself allocated. */
  readonly ownMiB: number;
  /** The most that was ever resident. */
  readonly peakMiB: number;
}

export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mebibytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "mu").exec(status)?.[1]) / 1024;
  return { residentMiB: mebibytes("VmRSS"), ownMiB: mebibytes("RssAnon"), peakMiB: mebibytes("VmHWM") };
}

/** The processor, its number, and the kernel. */
export function machine(): string {
  const cpus = readFileSync("/proc/cpuinfo", "utf8");
  const model = /^model name\s*:\s*(.+)$/mu.exec(cpus)?.[1] ?? "unknown processor";
  const count = cpus.match(/^processor\s*:/gmu)?.length ?? 0;
  const release = readFileSync("/proc/sys/kernel/osrelease", "utf8").trim().split("-")[0];
  return `${count} × ${model}, Linux ${release}, Bun ${Bun.version}`;
}

/** How many processes wanted the processors in the last minute. */
export function loadAverage(): string {
  return readFileSync("/proc/loadavg", "utf8").split(" ")[0] ?? "unknown";
}
