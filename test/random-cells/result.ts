import { ENDINGS, type Ending } from '../../src/execution/outcome.ts';
import type { Breach, Evidence, Finding } from './checker.ts';

/** Every line of the table. */
export const LINES = Object.keys(ENDINGS) as Ending[];

/** What a run found. */
export interface RunResult {
  cells: number;
  effects: number;
  rows: number;
  /** Until the last cell had ended. */
  tookMs: number;
  breaches: Breach[];
  /** What is known of each instance with a breach. */
  offenders: Evidence[];
  /** How often each line of the table was seen. */
  endings: Map<Ending, number>;
  seen: Map<string, number>;
  disturbances: Record<string, number>;
  /** Replicas that ended although nobody wanted it. */
  lostReplicas: string[];
  add(finding: Finding, evidence: Evidence): void;
}

/** A result without findings. */
export function newResult(cells: number, tookMs: number): RunResult {
  const endings = new Map<Ending, number>();
  const seen = new Map<string, number>();
  return {
    cells,
    effects: 0,
    rows: 0,
    tookMs,
    breaches: [],
    offenders: [],
    endings,
    seen,
    disturbances: {},
    lostReplicas: [],
    add(finding, evidence) {
      this.breaches.push(...finding.breaches);
      if (finding.breaches.length > 0) this.offenders.push(evidence);
      for (const ending of finding.endings) endings.set(ending, (endings.get(ending) ?? 0) + 1);
      for (const what of finding.seen) seen.set(what, (seen.get(what) ?? 0) + 1);
    },
  };
}

/** Lines of the table that no effect of the run ended by. */
function unseenLines({ endings }: Pick<RunResult, 'endings'>): Ending[] {
  return LINES.filter((line) => (endings.get(line) ?? 0) === 0);
}

/** Why a run does not pass; empty if it does. */
export function problemsOf(result: RunResult): string[] {
  const unseen = unseenLines(result).map((line) => `no effect ended by ${line}`);
  const lost = result.lostReplicas.map((replica) => `a replica ended by itself: ${replica}`);
  return [...result.breaches.map(breachText), ...unseen, ...lost];
}

function breachText({ rule, instanceId, what }: Breach): string {
  return `${instanceId}: ${rule}: ${what}`;
}

/** The counts of a run, for people. */
export function summaryOf(result: RunResult): string {
  const { cells, effects, rows, tookMs, endings, seen, disturbances, breaches } = result;
  const counted = (counts: Iterable<readonly [string, number]>): string[] =>
    [...counts].map(([what, count]) => `  ${what.padEnd(44)}${String(count).padStart(7)}`);
  return [
    `${cells} cells, ${effects} effects, ${rows} rows, ${(tookMs / 1_000).toFixed(0)} s`,
    'endings, by the line of the table:',
    ...counted(LINES.map((line) => [line, endings.get(line) ?? 0] as const)),
    'recorded, decided and ended:',
    ...counted([...seen].sort(([a], [b]) => (a < b ? -1 : 1))),
    'faults:',
    ...counted(Object.entries(disturbances)),
    `breaches: ${breaches.length}`,
  ].join('\n');
}

/** Everything about an instance with a breach: its script, what was witnessed, and its log. */
export function offenderText({ cell, effects, probes, rows, late, status }: Evidence): string {
  const line = (value: object): string => `    ${JSON.stringify(value)}`;
  return [
    `${cell.instanceId} (status ${status ?? 'unknown'})`,
    '  script:',
    line(cell),
    '  witnessed:',
    ...effects.map(line),
    ...probes.map(line),
    '  recorded:',
    ...rows.map(line),
    ...late.map(line),
  ].join('\n');
}
