/** The results as Markdown. */

import type { DoorRow } from "./doors";
import type { LoginResults } from "./logins";
import type { Compared } from "./median";
import type { PathResults } from "./paths";
import type { PolicyLoadResult } from "./policy-load";
import { loadAverage, type Memory, machine } from "./proc";
import type { ReadRow } from "./reads";
import type { RuleRow } from "./rules";
import type { SoakResult } from "./soak";
import type { StartResult } from "./starts";
import type { Steps } from "./steps-spec";

export interface Results {
  readonly reads: readonly ReadRow[];
  readonly doors: readonly DoorRow[];
  readonly paths: PathResults;
  readonly logins: LoginResults;
  readonly policies: readonly PolicyLoadResult[];
  readonly starts: StartResult;
  readonly steps: Steps;
  readonly rules: readonly RuleRow[];
}

export function reportOf({ reads, doors, paths, logins, policies, starts, steps, rules }: Results): string {
  return [
    `Measured on ${machine()}, with a load average of ${loadAverage()} at the end.`,
    "### Reads",
    comparison(
      ["server", "bare"],
      reads.map(({ subject: name, ...row }) => ({ name, ...row })),
    ),
    "### Two doors",
    comparison(
      ["door", "the first"],
      doors.map(({ door: name, ...row }) => ({ name, ...row })),
    ),
    "### Reads and logins by path",
    ratios("reads/s", paths.reads),
    ratios("logins/s", paths.logins),
    "### Logins",
    `RSA-2048 verification ${tenth(logins.cryptography.verifyRsaUs)} µs, Ed25519 signature ${tenth(logins.cryptography.signEd25519Us)} µs.`,
    table(
      ["connections", "server", "logins/s", "p50 µs", "p99 µs", "CPU µs", "cryptography's share"],
      logins.rows.map((row) => [
        String(row.connections),
        row.subject,
        whole(row.perSecond),
        whole(row.p50Us),
        whole(row.p99Us),
        tenth(row.cpuUs),
        row.subject.startsWith("Postern, each") ? share(row.cryptographyShare) : "",
      ]),
    ),
    "### Large policies",
    table(
      ["", "wide", "long"],
      [
        ["policy", ...policies.map(({ hosts, variables }) => `${hosts} hosts, ${variables} variables`)],
        ["text", ...policies.map(({ policyLines, policyBytes }) => `${policyLines} lines, ${whole(policyBytes / 1024)} KiB`)],
        ["loaded in", ...policies.map(({ seconds }) => `${seconds.toFixed(2)} s`)],
        ["reads before: p50, p99, longest", ...policies.map(({ readsBefore }) => latencies(readsBefore))],
        ["reads meanwhile, worst half second: p50, p99, longest", ...policies.map(({ readsMeanwhile }) => latencies(readsMeanwhile))],
        ["resident before", ...policies.map(({ memoryBefore }) => memory(memoryBefore))],
        ["resident after", ...policies.map(({ memoryAfter }) => memory(memoryAfter))],
      ],
    ),
    "### Start and size",
    table(
      ["", ""],
      [
        ["process start to the first secret, median", `${whole(starts.medianMs)} ms`],
        ["slowest", `${whole(starts.slowestMs)} ms`],
        ["resident, idle", memory(starts.idle)],
        ["file", `${tenth(starts.fileMiB)} MiB`],
      ],
    ),
    "### Steps",
    table(["step of a read", "CPU µs"], readSteps(reads, steps)),
    table(["step of a login", "CPU µs"], loginSteps(logins, steps)),
    "### Path rules",
    ruleTable(rules),
  ].join("\n\n");
}

export function soakReport(soak: SoakResult): string {
  const mebibytes = (bytes: number): string => `${tenth(bytes / 2 ** 20)} MiB`;
  const rows = [
    ["logins", `${soak.logins}, ${whole(soak.logins / soak.seconds)} a second, each token for ${soak.lifeSeconds} s`],
    ["store before, at most, and after all have ended", [soak.storeBefore, soak.storeMost, soak.storeAfter].map(mebibytes).join(", ")],
    ["resident before", memory(soak.memoryBefore)],
    ["resident after all have ended", memory(soak.memoryAfter)],
    ["process start to the first secret, before and after", `${whole(soak.startBeforeMs)} ms, ${whole(soak.startAfterMs)} ms`],
  ];
  return [`Measured on ${machine()}, with a load average of ${loadAverage()} at the end.`, table(["", ""], rows)].join("\n\n");
}

interface ComparedRow extends Compared {
  readonly name: string;
  readonly connections: number;
}

/** `what` is compared, with the first of it. */
function comparison([what, first]: readonly [string, string], rows: readonly ComparedRow[]): string {
  return table(
    ["connections", what, "requests/s", "p50 µs", "p99 µs", "CPU µs", `speed of ${first}`, `CPU of ${first}`],
    rows.map((row) => [
      String(row.connections),
      row.name,
      whole(row.perSecond),
      whole(row.p50Us),
      whole(row.p99Us),
      tenth(row.cpuUs),
      share(row.speedShare),
      share(row.cpuShare),
    ]),
  );
}

/** Processor time as so many times that of the first row of as many connections. */
function ratios(rate: string, rows: PathResults["reads"]): string {
  return table(
    ["connections", "what", rate, "p50 µs", "p99 µs", "CPU µs", "times Conjur's"],
    rows.map((row) => [
      String(row.connections),
      row.subject,
      whole(row.perSecond),
      whole(row.p50Us),
      whole(row.p99Us),
      tenth(row.cpuUs),
      tenth(1 / row.cpuShare),
    ]),
  );
}

export function ruleTable(rules: readonly RuleRow[]): string {
  return table(
    ["rules", "parsed in ms", "made ready in ms", "exact µs", "with `*` µs", "with `+` µs", "none µs"],
    rules.map((row) => [
      String(row.rules),
      ...[row.parseMs, row.readyMs, row.exactUs, row.prefixUs, row.plusUs, row.noneUs].map((figure) => figure.toFixed(2)),
    ]),
  );
}

function readSteps(reads: readonly ReadRow[], { audited, unaudited }: Steps): readonly (readonly string[])[] {
  const most = Math.max(...reads.map(({ connections }) => connections));
  const whole = reads.find(({ connections, subject }) => connections === most && subject === "Postern");
  return [
    ["who asks: token digest, memory of verified tokens, role, address", tenth(audited.identify)],
    ["open the value: AES-256-GCM", tenth(audited.open)],
    ["decide: graph, gate, decision id", tenth(unaudited.read - audited.open)],
    ["audit line: JSON, MAC chain, its share of a write", tenth(audited.read - unaudited.read)],
    ["front: names out of the URL, response", tenth(audited.route - audited.identify - audited.read)],
    ["reception: request id, dialect, limits, metrics, headers", tenth(audited.reception - audited.route)],
    [`HTTP, sockets and the rest, at ${most} connections`, tenth((whole?.cpuUs ?? Number.NaN) - audited.reception)],
  ];
}

function loginSteps({ cryptography, rows }: LoginResults, { audited, unaudited }: Steps): readonly (readonly string[])[] {
  const most = Math.max(...rows.map(({ connections }) => connections));
  const whole = rows.find(({ connections, subject }) => connections === most && subject.startsWith("Postern, each"));
  const needed = cryptography.verifyRsaUs + cryptography.signEd25519Us;
  const parsing = audited.loginNew - audited.loginRepeated - cryptography.verifyRsaUs;
  return [
    ["RSA-2048 verification", tenth(cryptography.verifyRsaUs)],
    ["Ed25519 signature of the session", tenth(cryptography.signEd25519Us)],
    ["strict parse of the token", tenth(parsing)],
    ["audit line with its attributes", tenth(audited.loginNew - unaudited.loginNew)],
    ["everything else: form, router, checks, conditions, session", tenth(unaudited.loginNew - needed - parsing)],
    [`HTTP, sockets and the rest, at ${most} connections`, tenth((whole?.cpuUs ?? Number.NaN) - audited.loginNew)],
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function latencies({ p50Us, p99Us, maxUs }: { readonly p50Us: number; readonly p99Us: number; readonly maxUs: number }): string {
  return `${tenth(p50Us / 1000)} ms, ${tenth(p99Us / 1000)} ms, ${tenth(maxUs / 1000)} ms`;
}

const memory = ({ residentMiB, ownMiB, peakMiB }: Memory): string =>
  `${whole(residentMiB)} MiB, ${whole(ownMiB)} of it not of a file; at most ${whole(peakMiB)}`;
const whole = (value: number): string => value.toFixed(0);
const tenth = (value: number): string => value.toFixed(1);
const share = (value: number): string => `${(value * 100).toFixed(0)} %`;
